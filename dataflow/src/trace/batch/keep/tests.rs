//! The first rows of every key are compared with those of a batch that forgets nothing, as of every time that can still
//! be told apart, for any split into batches, any compaction and any fuel; with rows that end and rows that are erased too.

use std::collections::BTreeMap;

use differential_dataflow::consolidation::consolidate_updates;
use differential_dataflow::trace::{Builder, Description};
use proptest::collection::vec;
use proptest::prelude::*;
use timely::progress::Antichain;

use super::super::builder::ValBuilder;
use super::super::tests::{TIMES, built, listed, merged, raw, sinces};
use super::*;
use crate::stamp::Stamp;
use crate::trace::batch::ValBatch;

type Batch = ValBatch<u8, u8, Stamp>;

/// The latest first, ties by value.
fn latest_first(one: (&u8, &Stamp), other: (&u8, &Stamp)) -> Ordering {
    other.1.cmp(one.1).then(one.0.cmp(other.0))
}

/// Whether a stamp is not erased, and counts for `ms` from its event on.
fn counts(stamp: Stamp, ms: Millis, time: Time) -> bool {
    stamp.event_at().is_some_and(|at| at.saturating_add(ms) > time)
}

/// The first rows of each key, as of a time: of those that are not erased, and count for `ms` from their times on.
fn first_rows(batch: &Batch, rows: usize, ms: Millis, time: Time) -> BTreeMap<u8, Vec<(u8, Stamp)>> {
    let mut keys: BTreeMap<u8, Vec<(u8, Stamp)>> = BTreeMap::new();
    for ((key, value), updates) in listed::<u8, Stamp, Batch>(batch) {
        let latest = updates.iter().filter(|(at, _)| *at <= time).map(|(_, stamp)| *stamp).max();
        let latest = latest.filter(|stamp| counts(*stamp, ms, time));
        keys.entry(key).or_default().extend(latest.map(|stamp| (value, stamp)));
    }
    for found in keys.values_mut() {
        found.sort_by(|one, other| latest_first((&one.0, &one.1), (&other.0, &other.1)));
        found.truncate(rows);
    }
    keys.retain(|_, found| !found.is_empty());
    keys
}

const BOUNDS: [[Time; 2]; 3] = [[0, 3], [3, 6], [6, TIMES]];

/// How three batches are merged, and which of their rows are compared.
#[derive(Clone, Debug)]
struct Case {
    sinces: [Time; 2],
    fuels: Vec<isize>,
    /// Whether the last two are merged first.
    last_first: bool,
    rows: usize,
    /// How long rows count.
    ms: Millis,
}

fn case() -> impl Strategy<Value = Case> {
    let ms = prop_oneof![Just(Millis::MAX), 0..TIMES];
    let parts = (sinces(), vec(1..9isize, 1..4), any::<bool>(), 1..5usize, ms);
    parts.prop_map(|(sinces, fuels, last_first, rows, ms)| Case { sinces, fuels, last_first, rows, ms })
}

impl Case {
    fn keep(&self) -> KeepFirst<u8, Stamp> {
        KeepFirst::new(self.rows, latest_first).until(|stamp: &Stamp, ms| stamp.expiry(ms), self.ms)
    }

    fn merged(&self, [a, b, c]: &[Batch; 3], fuels: &[isize]) -> Batch {
        let [first, second] = self.sinces;
        if self.last_first {
            merged(a, &merged(b, c, first, fuels), second, fuels)
        } else {
            merged(&merged(a, b, first, fuels), c, second, fuels)
        }
    }

    /// Asserts that the batches that forget rows have the first rows of those that forget nothing; and that in the end they have
    /// no more rows than the rule keeps, and only such as `may_stay`.
    fn compare(
        &self,
        all: &[Batch; 3],
        few: &[Batch; 3],
        may_stay: impl Fn(Stamp) -> bool,
    ) -> Result<(), TestCaseError> {
        let (all, few) = (self.merged(all, &[isize::MAX]), self.merged(few, &self.fuels));
        for time in self.sinces[1]..TIMES + 3 {
            let [few, all] = [&few, &all].map(|batch| first_rows(batch, self.rows, self.ms, time));
            prop_assert_eq!(few, all, "as of {}", time);
        }
        if self.sinces[1] >= TIMES {
            let left = listed::<u8, Stamp, Batch>(&few);
            prop_assert!(left.chunk_by(|one, other| one.0.0 == other.0.0).all(|key| key.len() <= self.rows));
            prop_assert!(left.iter().all(|(_, updates)| may_stay(updates[0].1)));
        }
        Ok(())
    }
}

/// What happens to a key in the course of time: views of a value, and erasures of all that was before.
#[derive(Clone, Debug)]
enum Event {
    View { value: u8, at: Millis },
    Erasure { until: Millis },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        5 => (0..6u8, 1..TIMES).prop_map(|(value, at)| Event::View { value, at }),
        1 => (1..TIMES).prop_map(|until| Event::Erasure { until }),
    ]
}

/// The updates of one key. An erasure takes out what is held up to its time; what comes later and is dated earlier is left out.
fn updates_of(key: u8, events: &mut [(Time, Event)]) -> Vec<((u8, u8), Time, Stamp)> {
    events.sort_by_key(|(tick, _)| *tick);
    let (mut held, mut erased, mut updates) = (BTreeMap::new(), 0, Vec::new());
    for (tick, event) in events {
        match *event {
            Event::View { value, at } if at > erased => {
                let known = held.entry(value).or_insert(at);
                *known = at.max(*known);
                updates.push(((key, value), *tick, Stamp::view(at)));
            }
            Event::View { .. } => {}
            Event::Erasure { until } => {
                erased = until.max(erased);
                held.retain(|value, at| {
                    let is_covered = *at <= until;
                    updates.extend(is_covered.then_some(((key, *value), *tick, Stamp::erased(until))));
                    !is_covered
                });
            }
        }
    }
    updates
}

/// The batch of the updates in `[lower, upper)`.
fn batch_of(updates: &[((u8, u8), Time, Stamp)], [lower, upper]: [Time; 2]) -> Batch {
    let mut updates: Vec<_> = updates.iter().filter(|(_, tick, _)| (lower..upper).contains(tick)).cloned().collect();
    consolidate_updates(&mut updates);
    let at = Antichain::from_elem;
    ValBuilder::seal(&mut vec![updates], Description::new(at(lower), at(upper), at(0)))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_first_rows_are_those_of_a_batch_that_forgets_nothing(raw in raw(), case in case()) {
        let keep = Keep { first: Some(case.keep()), is_void: None };
        let all = BOUNDS.map(|bounds| built::<u8, Stamp, ValBuilder<_, _, _>>(&raw, bounds, 9));
        let few = BOUNDS.map(|bounds| built::<u8, Stamp, ValBuilder<_, _, _>>(&raw, bounds, 9).keeping(keep, false));
        case.compare(&all, &few, |stamp| counts(stamp, case.ms, case.sinces[1]))?;
    }

    #[test]
    fn erased_rows_are_not_counted_among_the_first_and_leave_in_the_end(
        mut keys in vec(vec((0..TIMES, event()), 0..20), 1..4), case in case(),
    ) {
        let updates: Vec<_> = (0..).zip(&mut keys).flat_map(|(key, events)| updates_of(key, events)).collect();
        let keep = Keep { first: Some(case.keep()), is_void: Some(|stamp: &Stamp| stamp.is_erased()) };
        let all = BOUNDS.map(|bounds| batch_of(&updates, bounds));
        let few = BOUNDS.map(|bounds| {
            let is_void = |(_, tick, stamp): &(_, Time, Stamp)| (bounds[0]..bounds[1]).contains(tick) && stamp.is_erased();
            batch_of(&updates, bounds).keeping(keep, updates.iter().any(is_void))
        });
        case.compare(&all, &few, |stamp| !stamp.is_erased())?;
    }
}

#[test]
fn whole_rows_are_dropped_only_in_merges_with_the_oldest_batch() {
    let raw = vec![(0, 0, 1, 9), (0, 1, 4, 5), (0, 2, 7, 3), (0, 1, 7, 4)];
    let keep = Keep { first: Some(KeepFirst::new(1, latest_first).with_whole_rows()), is_void: None };
    let [oldest, older, newer] =
        BOUNDS.map(|bounds| built::<u8, Stamp, ValBuilder<_, _, _>>(&raw, bounds, 9).keeping(keep, false));
    let rows = |batch: &Batch| listed::<u8, Stamp, Batch>(batch).len();
    let some = merged(&older, &newer, TIMES, &[isize::MAX]);
    assert_eq!(rows(&some), 2);
    assert_eq!(rows(&merged(&oldest, &some, TIMES, &[isize::MAX])), 1);
}
