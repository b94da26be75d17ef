//! [`Due`]: places in the order of the times until which their events are kept.
//!
//! These times are multiples of a span of some milliseconds, so that a place takes the 4 bytes of its number.

use std::collections::BTreeMap;

use super::places::Place;
use crate::time::{Millis, Time};

/// Places that are taken out when their times have come.
#[derive(Default)]
pub(super) struct Due(BTreeMap<Millis, Vec<Place>>);

impl Due {
    /// Adds a place whose event is kept until this time, which is one of few: all are multiples of a span.
    pub(super) fn push(&mut self, until: Millis, place: Place) {
        self.0.entry(until).or_default().push(place);
    }

    /// Takes the places whose times are not after `now`.
    pub(super) fn take(&mut self, now: Time) -> Vec<Place> {
        let mut taken = Vec::new();
        while let Some(first) = self.0.first_entry().filter(|first| *first.key() <= now) {
            taken.append(&mut first.remove());
        }
        taken
    }

    /// Takes all places, with their times.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = (Millis, Place)> + use<> {
        let all = std::mem::take(&mut self.0).into_iter();
        all.flat_map(|(until, places)| places.into_iter().map(move |place| (until, place)))
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.0.values().map(|places| size_of::<Vec<Place>>() + places.capacity() * 4).sum()
    }
}
