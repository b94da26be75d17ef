//! The difference that carries the state of a history: the latest event of a (user, product).

use differential_dataflow::difference::{IsZero, Semigroup};
use serde::{Deserialize, Serialize};

use crate::tables::{ColumnReader, ColumnWriter, Columns};
use crate::time::{Millis, Time};
use crate::trace::arranged::{PlainColumn, Storable};

/// `time << 2 | kind`, combined by maximum.
///
/// A removal at a time hides the views at or before it; a later view shows the product again. An erasure comes after all
/// events of its time: the product is as one that was never viewed, until a later event. The maximum depends on neither
/// order nor repetition, so late, reordered and redelivered events are harmless, and consolidation keeps one stamp per
/// (user, product).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Stamp(u64);

const VIEW: u64 = 0;
const REMOVAL: u64 = 1;
const ERASED: u64 = 2;

impl Stamp {
    /// A view at `at`.
    #[must_use]
    pub fn view(at: Millis) -> Self {
        Stamp(at << 2 | VIEW)
    }

    /// A removal at `at`.
    #[must_use]
    pub fn removal(at: Millis) -> Self {
        Stamp(at << 2 | REMOVAL)
    }

    /// The erasure of all events up to `at`.
    #[must_use]
    pub(crate) fn erased(at: Millis) -> Self {
        Stamp(at << 2 | ERASED)
    }

    /// When the product was last viewed, unless a removal hides it or its events are erased.
    #[must_use]
    pub fn viewed_at(self) -> Option<Millis> {
        (self.0 & 3 == VIEW).then_some(self.0 >> 2)
    }

    /// The time of the latest event; none if the events are erased.
    #[must_use]
    pub fn event_at(self) -> Option<Millis> {
        (!self.is_erased()).then_some(self.0 >> 2)
    }

    /// The time at which the event stops counting, if events count for `history_ms` from their times on. It only grows as
    /// stamps combine.
    #[must_use]
    pub fn expiry(self, history_ms: Millis) -> Time {
        (self.0 >> 2).saturating_add(history_ms)
    }

    /// Whether there is no event since an erasure.
    #[must_use]
    pub fn is_erased(self) -> bool {
        self.0 & 3 == ERASED
    }
}

impl IsZero for Stamp {
    fn is_zero(&self) -> bool {
        false
    }
}

impl Semigroup for Stamp {
    fn plus_equals(&mut self, other: &Self) {
        self.0 = self.0.max(other.0);
    }
}

impl Storable for Stamp {
    type Column = PlainColumn<Stamp>;
}

impl Stamp {
    /// The number in a checkpoint: `time << 1 | is_removal`. Erased stamps are in no checkpoint.
    fn column(self) -> u64 {
        (self.0 >> 2) << 1 | self.0 & 1
    }

    fn of_column(column: u64) -> Self {
        Stamp((column >> 1) << 2 | column & 1)
    }
}

impl Columns for Stamp {
    const WIDTH: usize = 1;

    fn write(&self, to: &mut impl ColumnWriter) {
        to.write(&self.column());
    }

    fn read<R: ColumnReader>(from: &mut R) -> Result<Self, R::Error> {
        from.read().map(Stamp::of_column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_hides_views_up_to_its_own_time_in_any_order() {
        for (mut first, second, seen) in [
            (Stamp::view(5), Stamp::removal(5), None),
            (Stamp::removal(5), Stamp::view(5), None),
            (Stamp::removal(5), Stamp::view(6), Some(6)),
            (Stamp::view(6), Stamp::removal(5), Some(6)),
        ] {
            first.plus_equals(&second);
            assert_eq!(first.viewed_at(), seen);
        }
    }

    #[test]
    fn an_erasure_comes_after_all_events_of_its_time_and_before_later_ones() {
        for (mut event, event_at) in [(Stamp::view(5), None), (Stamp::removal(5), None), (Stamp::removal(6), Some(6))] {
            event.plus_equals(&Stamp::erased(5));
            assert_eq!((event.event_at(), event.is_erased()), (event_at, event_at.is_none()));
            assert_eq!(event.viewed_at(), None);
        }
        let mut erased = Stamp::erased(5);
        erased.plus_equals(&Stamp::view(6));
        assert_eq!(erased.viewed_at(), Some(6));
    }

    #[test]
    fn checkpoints_hold_times_and_removals() {
        assert_eq!([Stamp::view(5), Stamp::removal(7)].map(Stamp::column), [10, 15]);
        assert_eq!([10, 15].map(Stamp::of_column), [Stamp::view(5), Stamp::removal(7)]);
    }
}
