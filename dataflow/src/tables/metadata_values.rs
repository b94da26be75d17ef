//! Metadata values: how often each value stood under each key of the metadata of a user's events.

use std::cmp::Ordering;

use differential_dataflow::difference::{IsZero, Monoid, Semigroup};
use serde::{Deserialize, Serialize};

use super::interactions::Latest;
use super::{ColumnReader, ColumnWriter, Columns, Table};
use crate::ids::UserKey;
use crate::rules::{Day, Rules};
use crate::short_text::ShortText;
use crate::time::Millis;
use crate::trace::arranged::{EraseRule, KeepFirst, PlainColumn, RetainRule, Storable, UserRows};

/// The number of values that are held for each value that is shown.
const HELD_FOR_SHOWN: usize = 4;

/// The table of metadata values. Key: user, and a key of metadata. Value: a value, or the empty text for events with any value.
/// Difference: the [`ValueTally`]. It has rows only while features are on and count metadata.
///
/// Of the values of a user and a key, those are held whose first events are the earliest: four times as many as are shown. Events
/// with other values are in the sum alone. So an event that comes so late that its value moves up from behind all of these may
/// count in the sum alone.
pub struct MetadataValues;

impl Table for MetadataValues {
    const NAME: &'static str = "metadata_values";
    const NUMBER: u8 = 14;
    type Key = (UserKey, ShortText);
    type Value = ShortText;
    type Diff = ValueTally;
    type Row = ((UserKey, ShortText), ShortText);

    const OF_FEATURES: bool = true;

    const COMBINES: bool = false;

    fn route((user, _): &(UserKey, ShortText)) -> u64 {
        user.route()
    }

    fn erasure() -> Option<EraseRule<Self::Key, ShortText, ValueTally>> {
        Some(EraseRule {
            subject: |(user, _), _, tally| tally.last_at().map(|at| (*user, at)),
            by_user: Some(UserRows { first: |user| (user, ShortText::EMPTY), user: |(user, _)| *user }),
            taken_out: |_, erased| Some(ValueTally::erased(erased.generation)),
            dated: |tally, generation| tally.last = Latest::new(generation, tally.last.at()),
            is_void: |tally| tally.last_at().is_none(),
        })
    }

    fn in_cut(tally: ValueTally) -> Option<ValueTally> {
        tally.last_at().map(|at| ValueTally { last: Latest::new(0, at), first_day: 0, ..tally })
    }

    /// The values of a user and a key leave together: the sum over all of them cannot do without one.
    fn retention(rules: &Rules) -> Option<RetainRule<ValueTally>> {
        rules.features.are_dropped().then_some(RetainRule {
            days: rules.features.days,
            whole_keys: true,
            latest: |tally| tally.last_at(),
            taken_out: |tally, day| tally.dropped(day),
        })
    }

    fn kept(rules: &Rules) -> Option<KeepFirst<ShortText, ValueTally>> {
        let values = HELD_FOR_SHOWN * rules.features.values_max;
        let sum_then_earliest = |one: (&ShortText, &ValueTally), other: (&ShortText, &ValueTally)| {
            let rank = |(value, tally): (&ShortText, &ValueTally)| (!value.is_empty(), tally.first, *value);
            rank(one).cmp(&rank(other))
        };
        Some(KeepFirst::new(1 + values, sum_then_earliest).with_whole_rows())
    }
}

/// The events of a user with a value: their number by sum, the time of the first by minimum, and that of the latest by maximum.
/// The order in which events are added does not matter. As for [`Activity`](super::Activity), an erasure begins a new
/// generation, silence raises the first day of which events count, and the number stops at its largest value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct ValueTally {
    last: Latest,
    /// 0 if there is no event.
    first: Millis,
    events: u32,
    /// 0 if events of all days count.
    first_day: u32,
}

impl ValueTally {
    /// One event at `at`.
    #[must_use]
    pub fn of(at: Millis) -> Self {
        ValueTally { last: Latest::new(0, at), first: at, events: 1, first_day: 0 }
    }

    /// Takes out all events of earlier generations.
    fn erased(generation: u16) -> Self {
        ValueTally { last: Latest::new(generation, 0), ..ValueTally::default() }
    }

    /// Takes out all events up to the end of this day, which is not before that of the latest one.
    fn dropped(self, day: Day) -> Self {
        let first_day = u32::try_from(day + 1).unwrap_or(u32::MAX);
        ValueTally { last: self.last.without_event(), first_day, ..ValueTally::default() }
    }

    /// These events if they are of this day or later, and otherwise none.
    fn since(self, first_day: u32) -> Self {
        if self.last.is_before(first_day.into()) {
            ValueTally { last: self.last.without_event(), ..ValueTally::default() }
        } else {
            self
        }
    }

    /// Adds events.
    pub fn add(&mut self, other: ValueTally) {
        match self.last.generation().cmp(&other.last.generation()) {
            Ordering::Less => return *self = other,
            Ordering::Greater => return,
            Ordering::Equal => {}
        }
        let first_day = self.first_day.max(other.first_day);
        let other = other.since(first_day);
        *self = ValueTally { first_day, ..self.since(first_day) };
        self.last = self.last.max(other.last);
        self.first = match (self.first, other.first) {
            (0, first) | (first, 0) => first,
            (one, other) => one.min(other),
        };
        self.events = self.events.saturating_add(other.events);
    }

    /// The number of events.
    #[must_use]
    pub fn events(self) -> u64 {
        self.events.into()
    }

    /// The time of the first event; 0 if there is no event.
    #[must_use]
    pub fn first_at(self) -> Millis {
        self.first
    }

    /// The time of the latest event; none if there is no event.
    #[must_use]
    pub fn last_at(self) -> Option<Millis> {
        let at = self.last.at();
        (at > 0).then_some(at)
    }
}

impl IsZero for ValueTally {
    fn is_zero(&self) -> bool {
        *self == ValueTally::default()
    }
}

impl Semigroup for ValueTally {
    fn plus_equals(&mut self, other: &Self) {
        self.add(*other);
    }
}

impl Storable for ValueTally {
    type Column = PlainColumn<ValueTally>;
}

impl Monoid for ValueTally {
    fn zero() -> Self {
        ValueTally::default()
    }
}

impl Columns for ValueTally {
    const WIDTH: usize = 3;

    fn write(&self, to: &mut impl ColumnWriter) {
        to.write(&self.last.at());
        to.write(&self.first);
        to.write(&self.events);
    }

    fn read<R: ColumnReader>(from: &mut R) -> Result<Self, R::Error> {
        Ok(ValueTally { last: Latest::new(0, from.read()?), first: from.read()?, events: from.read()?, first_day: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::DAY_MS;

    fn sum(parts: &[ValueTally]) -> ValueTally {
        let mut sum = ValueTally::zero();
        parts.iter().for_each(|part| sum.plus_equals(part));
        sum
    }

    #[test]
    fn events_add_up_in_any_order() {
        let mut parts = [5, 9, 2].map(ValueTally::of);
        let all = sum(&parts);
        parts.reverse();
        assert_eq!(all, sum(&parts));
        assert_eq!((all.events(), all.first_at(), all.last_at()), (3, 2, Some(9)));
        assert!(ValueTally::zero().is_zero() && ValueTally::zero().last_at().is_none());
    }

    #[test]
    fn an_erasure_takes_out_what_was_before_it_in_any_order() {
        let new = ValueTally { last: Latest::new(1, 9), ..ValueTally::of(9) };
        let parts = [ValueTally::of(5), ValueTally::erased(1), new, ValueTally::of(3)];
        for first in 0..parts.len() {
            let mut turned = parts;
            turned.rotate_left(first);
            assert_eq!(sum(&turned), new);
        }
        assert_eq!(MetadataValues::in_cut(sum(&parts[..2])), None);
        assert_eq!(MetadataValues::in_cut(new), Some(ValueTally::of(9)));
    }

    #[test]
    fn silence_takes_out_what_was_before_it_however_sums_are_made() {
        let given =
            [ValueTally::of(5), ValueTally::of(5).dropped(0), ValueTally::of(9 * DAY_MS), ValueTally::of(DAY_MS)];
        let left = ValueTally { first: DAY_MS, events: 2, ..ValueTally::of(9 * DAY_MS) };
        for cut in 0..=given.len() {
            let [one, other] = [&given[..cut], &given[cut..]].map(sum);
            for both in [[one, other], [other, one]] {
                assert_eq!(MetadataValues::in_cut(sum(&both)), Some(left));
            }
        }
        assert_eq!(MetadataValues::in_cut(sum(&given[..2])), None);
    }
}
