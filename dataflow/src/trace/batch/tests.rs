//! Batches are compared with differential-dataflow's own, which store every time and every end: after building, after
//! merging with any fuel and any compaction, and at every step of a cursor.
//!
//! The histories are small and dense, so that values have several updates, sums become zero, and keys vanish.

use differential_dataflow::consolidation::consolidate_updates;
use differential_dataflow::trace::cursor::{Cursor, Navigable};
use differential_dataflow::trace::implementations::Vector;
use differential_dataflow::trace::implementations::ord_neu::{OrdValBatch, OrdValBuilder};
use differential_dataflow::trace::{Batch, BatchReader, Builder, Description, Merger};
use proptest::collection::vec;
use proptest::prelude::*;
use timely::progress::Antichain;

use super::ValBatch;
use super::builder::ValBuilder;
use super::packed::Word;
use super::storable::Storable;
use crate::rules::DAY_MS;
use crate::stamp::Stamp;
use crate::tables::{Activity, Interaction};
use crate::time::Time;

pub(super) type Updates<V, R> = Vec<((u8, V), Time, R)>;
type Plain<V, R> = OrdValBatch<Vector<((u8, V), Time, R)>>;
type PlainBuilder<V, R> = OrdValBuilder<Vector<((u8, V), Time, R)>, Updates<V, R>>;

/// A difference for tests.
pub(super) trait Difference: Storable + std::fmt::Debug {
    fn of(number: i8) -> Self;
}

impl Difference for isize {
    fn of(number: i8) -> isize {
        isize::from(number)
    }
}

impl Difference for i32 {
    fn of(number: i8) -> i32 {
        i32::from(number)
    }
}

impl Difference for Stamp {
    fn of(number: i8) -> Stamp {
        Stamp::view(u64::from(number.unsigned_abs()))
    }
}

/// One event, which only fits into a packed word if the number is not 2.
impl Difference for Activity {
    fn of(number: i8) -> Activity {
        let day = if number == 2 { 1 << 20 } else { 5 };
        let interaction =
            if number < 0 { Interaction::AddToCart } else { Interaction::View { time_on_page_ms: Some(9) } };
        Activity::of(interaction, DAY_MS * day)
    }
}

/// A value for tests.
pub(super) trait Value: Ord + Copy + std::fmt::Debug + 'static {
    fn of(number: u8) -> Self;
}

impl Value for u8 {
    fn of(number: u8) -> u8 {
        number
    }
}

impl Value for () {
    fn of(_: u8) {}
}

/// Key, value, time and difference.
pub(super) type Raw = Vec<(u8, u8, Time, i8)>;

pub(super) const TIMES: Time = 9;

pub(super) fn raw() -> impl Strategy<Value = Raw> {
    let diff = prop_oneof![6 => Just(1i8), 2 => Just(-1i8), 1 => Just(2i8)];
    prop_oneof![
        vec((0..4u8, 0..4u8, 0..TIMES, diff.clone()), 0..60),
        vec((0..60u8, 0..60u8, 0..TIMES, diff), 0..60),
        // Each row once: the form in which nothing but keys and values is stored.
        vec((0..20u8, 0..60u8), 0..60).prop_map(|rows| rows.into_iter().map(|(k, v)| (k, v, 0, 1)).collect()),
    ]
}

fn at(time: Time) -> Antichain<Time> {
    Antichain::from_elem(time)
}

/// The batch of the updates in `[lower, upper)`, given in chunks.
pub(super) fn built<V: Value, R: Difference, Bu>(raw: &Raw, [lower, upper]: [Time; 2], chunk: usize) -> Bu::Output
where
    Bu: Builder<Time = Time, Input = Updates<V, R>>,
{
    let mut updates: Updates<V, R> = raw
        .iter()
        .filter(|(_, _, time, _)| (lower..upper).contains(time))
        .map(|&(key, value, time, diff)| ((key, V::of(value)), time, R::of(diff)))
        .collect();
    consolidate_updates(&mut updates);
    let mut chain: Vec<Updates<V, R>> = updates.chunks(chunk).map(<[_]>::to_vec).collect();
    Bu::seal(&mut chain, Description::new(at(lower), at(upper), at(0)))
}

/// Merges with the fuels in turn.
pub(super) fn merged<B: Batch<Time = Time>>(one: &B, other: &B, since: Time, fuels: &[isize]) -> B {
    let mut merger = one.begin_merge(other, at(since).borrow());
    for fuel in fuels.iter().cycle() {
        let mut left = *fuel;
        merger.work(one, other, &mut left);
        if left > 0 {
            break;
        }
    }
    merger.done()
}

pub(super) type Listed<V, R> = Vec<((u8, V), Vec<(Time, R)>)>;

pub(super) fn listed<V: Value, R: Difference, B>(batch: &B) -> Listed<V, R>
where
    B: Navigable,
    B::Cursor: for<'a> Cursor<Storage = B, Key<'a> = &'a u8, Val<'a> = &'a V, Time = Time, Diff = R>,
{
    batch.cursor().to_vec(batch, |key| *key, |value| *value)
}

/// The batch in both forms.
type Compared<V, R> = Result<(ValBatch<u8, V, R>, Plain<V, R>), TestCaseError>;

/// Builds three batches of a history in both forms, merges them, and compares everything.
fn compare<V: Value, R: Difference>(raw: &Raw, chunk: usize, sinces: [Time; 2], fuels: &[isize]) -> Compared<V, R> {
    let bounds = [[0, 3], [3, 6], [6, TIMES]];
    let own = bounds.map(|bounds| built::<V, R, ValBuilder<u8, V, R>>(raw, bounds, chunk));
    let plain = bounds.map(|bounds| built::<V, R, PlainBuilder<V, R>>(raw, bounds, chunk));
    for (own, plain) in own.iter().zip(&plain) {
        prop_assert_eq!((listed(own), own.len()), (listed(plain), plain.len()));
    }
    let [first, last] = sinces;
    let pair = merged(&own[0], &own[1], first, fuels);
    let plain_pair = merged(&plain[0], &plain[1], first, &[isize::MAX]);
    prop_assert_eq!((listed(&pair), pair.len()), (listed(&plain_pair), plain_pair.len()));
    let all = merged(&pair, &own[2], last, fuels);
    let plain_all = merged(&plain_pair, &plain[2], last, &[isize::MAX]);
    prop_assert_eq!((listed(&all), all.len()), (listed(&plain_all), plain_all.len()));
    prop_assert!(all.description() == plain_all.description());
    Ok((all, plain_all))
}

#[derive(Clone, Debug)]
enum Step {
    Key,
    SeekKey(u8),
    Value,
    SeekValue(u8),
    RewindKeys,
    RewindValues,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Key),
        (0..60u8).prop_map(Step::SeekKey),
        Just(Step::Value),
        (0..60u8).prop_map(Step::SeekValue),
        Just(Step::RewindKeys),
        Just(Step::RewindValues),
    ]
}

fn go<B: Navigable>(cursor: &mut B::Cursor, batch: &B, step: &Step)
where
    B::Cursor: for<'a> Cursor<Storage = B, Key<'a> = &'a u8, Val<'a> = &'a u8>,
{
    match step {
        Step::RewindKeys => cursor.rewind_keys(batch),
        _ if !cursor.key_valid(batch) => {}
        Step::Key => cursor.step_key(batch),
        Step::SeekKey(key) => cursor.seek_key(batch, key),
        Step::Value => cursor.step_val(batch),
        Step::SeekValue(value) => cursor.seek_val(batch, value),
        Step::RewindValues => cursor.rewind_vals(batch),
    }
}

type Seen = Option<(u8, Option<(u8, Vec<(Time, isize)>)>)>;

fn seen<B: Navigable>(cursor: &mut B::Cursor, batch: &B) -> Seen
where
    B::Cursor: for<'a> Cursor<Storage = B, Key<'a> = &'a u8, Val<'a> = &'a u8, TimeGat<'a> = &'a Time, DiffGat<'a> = &'a isize>,
{
    let key = *cursor.get_key(batch)?;
    let value = cursor.get_val(batch).copied().map(|value| {
        let mut updates = Vec::new();
        cursor.map_times(batch, |time, diff| updates.push((*time, *diff)));
        (value, updates)
    });
    Some((key, value))
}

pub(super) fn sinces() -> impl Strategy<Value = [Time; 2]> {
    (0..TIMES + 3, 0..TIMES + 3).prop_map(|(one, other)| [one.min(other), one.max(other)])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn counts_are_built_and_merged_as_plainly(
        raw in raw(), chunk in 1..20usize, sinces in sinces(), fuels in vec(1..9isize, 1..4),
    ) {
        compare::<u8, isize>(&raw, chunk, sinces, &fuels)?;
        compare::<u8, i32>(&raw, chunk, sinces, &[isize::MAX])?;
    }

    #[test]
    fn stamps_are_built_and_merged_as_plainly(
        raw in raw(), chunk in 1..20usize, sinces in sinces(), fuels in vec(1..9isize, 1..4),
    ) {
        compare::<u8, Stamp>(&raw, chunk, sinces, &fuels)?;
    }

    #[test]
    fn activities_are_built_and_merged_as_plainly(
        raw in raw(), chunk in 1..20usize, sinces in sinces(), fuels in vec(1..9isize, 1..4),
    ) {
        compare::<u8, Activity>(&raw, chunk, sinces, &fuels)?;
    }

    #[test]
    fn keys_alone_are_built_and_merged_as_plainly(
        raw in raw(), chunk in 1..20usize, sinces in sinces(), fuels in vec(1..9isize, 1..4),
    ) {
        compare::<(), isize>(&raw, chunk, sinces, &fuels)?;
    }

    #[test]
    fn a_cursor_is_where_a_plain_one_is(raw in raw(), sinces in sinces(), steps in vec(step(), 1..40)) {
        let (own, plain) = compare::<u8, isize>(&raw, 7, sinces, &[5])?;
        let (mut cursor, mut plain_cursor) = (own.cursor(), plain.cursor());
        for step in steps {
            go(&mut cursor, &own, &step);
            go(&mut plain_cursor, &plain, &step);
            prop_assert_eq!(seen(&mut cursor, &own), seen(&mut plain_cursor, &plain), "after {:?}", step);
        }
    }

    #[test]
    fn a_step_of_a_merge_uses_no_more_than_its_fuel(raw in raw(), sinces in sinces(), fuel in 1..9isize) {
        let [one, other] = [[0, 4], [4, TIMES]].map(|bounds| built::<u8, isize, ValBuilder<_, _, _>>(&raw, bounds, 9));
        let mut merger = one.begin_merge(&other, at(sinces[0]).borrow());
        let (mut steps, mut left) = (0, 0);
        while left == 0 {
            left = fuel;
            merger.work(&one, &other, &mut left);
            prop_assert!((0..=fuel).contains(&left));
            steps += 1;
        }
        prop_assert!((steps - 1) * fuel <= (one.len() + other.len()).cast_signed());
    }
}

#[test]
fn a_row_of_interactions_takes_the_bytes_of_its_value_and_a_word() {
    let rows: Raw = (0..200).map(|row| (row / 10, row, Time::from(row % 6), if row < 100 { 1 } else { -1 })).collect();
    let [one, other] = [[0, 3], [3, 6]].map(|bounds| built::<u8, Activity, ValBuilder<_, _, _>>(&rows, bounds, 64));
    let batch: ValBatch<u8, u8, Activity> = merged(&one, &other, 6, &[100]);
    // The first of equal activities is stored once for the first hundred.
    assert_eq!((batch.len(), batch.0.diffs.stored_bytes()), (200, (1 + 100) * size_of::<Word>()));
    assert_eq!(batch.0.times.stored_values(), 1);
    assert_eq!((size_of::<Word>(), size_of::<Activity>()), (12, 32));
}

#[test]
fn a_batch_that_is_compacted_to_one_time_stores_it_once() {
    let rows: Raw = (0..200).map(|row| (row / 10, row, Time::from(row % 6), 1)).collect();
    let [one, other] = [[0, 3], [3, 6]].map(|bounds| built::<u8, isize, ValBuilder<_, _, _>>(&rows, bounds, 64));
    let batch: ValBatch<u8, u8, isize> = merged(&one, &other, 6, &[100]);
    assert_eq!(batch.len(), 200);
    assert_eq!(batch.0.times.stored_values(), 1);
    assert_eq!(batch.0.diffs.stored_values(), 1);
    assert_eq!(batch.0.value_ends.stored_ends(), 0);
    assert_eq!(batch.0.key_ends.stored_ends(), 20);
    assert_eq!((batch.0.keys.capacity(), batch.0.values.capacity()), (20, 200));
}
