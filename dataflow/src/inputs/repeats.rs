//! [`Repeats`]: the events that a worker has read lately, so that it recognises their repeats.
//!
//! ```text
//! identity ─▶ latest: a place ─▶ events: identity and time of the record
//!                                  ▲
//! time until which it is kept ─────┘ due: the places of events that were counted, and of those that were learned
//! ```
//! All events of the last minutes are here, so each takes few bytes: its identity and time are stored once, and everything
//! else refers to their place, a number of 4 bytes.

mod due;
mod places;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::ids::IdentityKey;
use crate::tables::identities::kept_until;
use crate::time::{Millis, Time};

use due::Due;
use places::{Event, Place, Places};

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// A repeat.
    Repeat,
    /// An event that counts, and is remembered.
    New,
    /// An event that counts, and for which there is no place left: its repeats count too.
    Unremembered,
}

/// The identities of events, with the time of the record that counted.
pub(super) struct Repeats {
    dedup_ms: Millis,
    events: Places,
    /// The place of the latest event of each identity.
    latest: HashTable<Place>,
    /// The events that this worker counted.
    counted: Due,
    /// The events that were read before a restart.
    learned: Due,
}

impl Repeats {
    /// Nothing is known yet. Repeats are recognised up to `dedup_ms` after the record that counted.
    pub(super) fn new(dedup_ms: Millis) -> Self {
        Repeats::with_places(dedup_ms, Places::new(Place::MAX))
    }

    fn with_places(dedup_ms: Millis, events: Places) -> Self {
        let (counted, learned) = (Due::default(), Due::default());
        Repeats { dedup_ms, events, latest: HashTable::new(), counted, learned }
    }

    /// Whether an event whose record is of `at` repeats one that is known. If it does not, it is remembered as one that this
    /// worker counted in `tick`.
    pub(super) fn read(&mut self, identity: IdentityKey, at: Millis, tick: Time) -> Reading {
        let known = find(&self.latest, &self.events, identity);
        if known.is_some_and(|known| at <= known.at.saturating_add(self.dedup_ms)) {
            return Reading::Repeat;
        }
        let Some(place) = self.remember(Event { identity, at }) else { return Reading::Unremembered };
        self.counted.push(kept_until((at, tick), self.dedup_ms), place);
        Reading::New
    }

    /// Remembers an event that was read before a restart in `tick`, and whose record is of `at`.
    pub(super) fn learn(&mut self, identity: IdentityKey, at: Millis, tick: Time) {
        let is_known = find(&self.latest, &self.events, identity).is_some_and(|known| at <= known.at);
        if !is_known && let Some(place) = self.remember(Event { identity, at }) {
            self.learned.push(kept_until((at, tick), self.dedup_ms), place);
        }
    }

    /// Remembers an event as the latest one of its identity; none if there is no place left.
    fn remember(&mut self, event: Event) -> Option<Place> {
        let place = self.events.add(event)?;
        let Repeats { events, latest, .. } = self;
        let is_same = |other: &Place| *other != place && events.get(*other).identity == event.identity;
        match latest.entry(hash(event.identity), is_same, |other| hash(events.get(*other).identity)) {
            Entry::Occupied(mut earlier) => *earlier.get_mut() = place,
            Entry::Vacant(vacant) => _ = vacant.insert(place),
        }
        Some(place)
    }

    /// Forgets the events that are kept until `now` or an earlier time; returns those that this worker counted.
    pub(super) fn forget(&mut self, now: Time) -> Vec<(IdentityKey, Millis)> {
        let (counted, learned) = (self.counted.take(now), self.learned.take(now));
        learned.into_iter().for_each(|place| _ = self.remove(place));
        let rows =
            counted.into_iter().map(|place| self.remove(place)).map(|event| (event.identity, event.at)).collect();
        if self.events.are_sparse() {
            self.move_together();
        }
        rows
    }

    fn remove(&mut self, place: Place) -> Event {
        let event = self.events.remove(place);
        if let Ok(latest) = self.latest.find_entry(hash(event.identity), |other| *other == place) {
            latest.remove();
        }
        event
    }

    /// Moves the events to as little memory as they need.
    fn move_together(&mut self) {
        let mut moved = Repeats::with_places(self.dedup_ms, self.events.none());
        for (from, to) in [(&mut self.counted, &mut moved.counted), (&mut self.learned, &mut moved.learned)] {
            for (until, place) in from.take_all() {
                let event = *self.events.get(place);
                let Some(new) = moved.events.add(event) else { continue };
                to.push(until, new);
                if self.latest.find(hash(event.identity), |other| *other == place).is_some() {
                    let events = &moved.events;
                    moved.latest.insert_unique(hash(event.identity), new, |other| hash(events.get(*other).identity));
                }
            }
        }
        *self = moved;
    }
}

/// The latest event with an identity.
fn find<'e>(latest: &HashTable<Place>, events: &'e Places, identity: IdentityKey) -> Option<&'e Event> {
    let place = latest.find(hash(identity), |place| events.get(*place).identity == identity)?;
    Some(events.get(*place))
}

/// An identity is a keyed hash itself.
fn hash(identity: IdentityKey) -> u64 {
    identity.route()
}

#[cfg(test)]
mod tests;
