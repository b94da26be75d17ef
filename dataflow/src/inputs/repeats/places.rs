//! [`Places`]: events in numbered places.

use crate::ids::IdentityKey;
use crate::time::Millis;

/// The number of a place.
pub(super) type Place = u32;

/// Events in a block. All blocks but the last one are full, and none moves when there are more, so no memory is reserved for events
/// to come.
const BLOCK: usize = 1024;

/// An event that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    pub(super) identity: IdentityKey,
    /// The time of its record.
    pub(super) at: Millis,
}

/// Events, each in its place for as long as it is here.
pub(super) struct Places {
    blocks: Vec<Vec<Event>>,
    /// Places whose events were removed.
    free: Vec<Place>,
    /// The most places.
    max: Place,
}

impl Places {
    /// No events, and at most `max` of them.
    pub(super) fn new(max: Place) -> Self {
        Places { blocks: Vec::new(), free: Vec::new(), max }
    }

    /// The same without events.
    pub(super) fn none(&self) -> Self {
        Places::new(self.max)
    }

    /// Adds an event; returns its place, or none if there is none left.
    pub(super) fn add(&mut self, event: Event) -> Option<Place> {
        if let Some(place) = self.free.pop() {
            *self.event_mut(place) = event;
            return Some(place);
        }
        let place = Place::try_from(self.used()).ok().filter(|place| *place < self.max)?;
        match self.blocks.last_mut() {
            Some(last) if last.len() < BLOCK => last.push(event),
            _ => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(event);
                self.blocks.push(block);
            }
        }
        Some(place)
    }

    /// The event in a place.
    #[inline]
    pub(super) fn get(&self, place: Place) -> &Event {
        &self.blocks[place as usize / BLOCK][place as usize % BLOCK]
    }

    fn event_mut(&mut self, place: Place) -> &mut Event {
        &mut self.blocks[place as usize / BLOCK][place as usize % BLOCK]
    }

    /// Removes an event from its place, which another one may get.
    pub(super) fn remove(&mut self, place: Place) -> Event {
        self.free.push(place);
        *self.get(place)
    }

    /// Whether the events would fit into a quarter of the memory.
    pub(super) fn are_sparse(&self) -> bool {
        self.blocks.len() > 1 && self.free.len() > self.used() / 4 * 3
    }

    /// The number of places with an event now or earlier.
    fn used(&self) -> usize {
        self.blocks.last().map_or(0, |last| (self.blocks.len() - 1) * BLOCK + last.len())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.used() - self.free.len()
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(Vec::capacity).sum();
        blocks * size_of::<Event>() + self.free.capacity() * size_of::<Place>()
    }
}
