//! [`Due`]: places in the order of the times until which their events are kept.
//!
//! Times are known by their events. Only a span of some milliseconds is put in order at a time, so that a place takes the 4
//! bytes of its number.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap};

use super::places::Place;
use crate::time::{Millis, Time};

/// So long that a span has several events at all rates that matter, and so short that it takes few steps to put its events in order.
const SPAN_MS: Millis = 64;

/// Places that are taken out when their times have come.
#[derive(Default)]
pub(super) struct Due {
    /// The places of the span in which time is, by their times.
    begun: BinaryHeap<Reverse<(Millis, Place)>>,
    /// The others, by the numbers of their spans.
    later: BTreeMap<u64, Vec<Place>>,
}

impl Due {
    /// Adds a place whose event is kept until this time.
    pub(super) fn push(&mut self, until: Millis, place: Place) {
        self.later.entry(until / SPAN_MS).or_default().push(place);
    }

    /// Takes the places whose times, which `until` returns, are not after `now`.
    pub(super) fn take(&mut self, now: Time, until: impl Fn(Place) -> Millis) -> Vec<Place> {
        let mut taken = Vec::new();
        let span = now / SPAN_MS;
        while let Some(first) = self.later.first_entry().filter(|first| *first.key() <= span) {
            match first.remove_entry() {
                (begun, places) if begun == span => {
                    self.begun.extend(places.into_iter().map(|place| Reverse((until(place), place))));
                }
                (_, mut places) => taken.append(&mut places),
            }
        }
        while let Some(first) = self.begun.peek_mut().filter(|first| first.0.0 <= now) {
            taken.push(PeekMut::pop(first).0.1);
        }
        if self.begun.is_empty() {
            self.begun = BinaryHeap::new();
        }
        taken
    }

    /// Takes all places.
    pub(super) fn take_all(&mut self) -> Vec<Place> {
        let begun = std::mem::take(&mut self.begun).into_iter().map(|Reverse((_, place))| place);
        begun.chain(std::mem::take(&mut self.later).into_values().flatten()).collect()
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let later: usize = self.later.values().map(|places| size_of::<Vec<Place>>() + places.capacity() * 4).sum();
        later + self.begun.capacity() * size_of::<(Millis, Place)>()
    }
}
