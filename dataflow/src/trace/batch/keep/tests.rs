//! The first rows of every key are compared with those of a batch that forgets nothing, as of every time that can still
//! be told apart, for any split into batches, any compaction and any fuel.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::builder::ValBuilder;
use super::super::tests::{TIMES, built, listed, merged, raw, sinces};
use super::*;
use crate::stamp::Stamp;
use crate::time::Time;
use crate::trace::batch::ValBatch;

type Batch = ValBatch<u8, u8, Stamp>;

/// The latest first, ties by value.
fn latest_first(one: (&u8, &Stamp), other: (&u8, &Stamp)) -> Ordering {
    other.1.cmp(one.1).then(one.0.cmp(other.0))
}

/// The first rows of each key, as of a time.
fn first_rows(batch: &Batch, rows: usize, time: Time) -> BTreeMap<u8, Vec<(u8, Stamp)>> {
    let mut keys: BTreeMap<u8, Vec<(u8, Stamp)>> = BTreeMap::new();
    for ((key, value), updates) in listed::<u8, Stamp, Batch>(batch) {
        let latest = updates.iter().filter(|(at, _)| *at <= time).map(|(_, stamp)| *stamp).max();
        keys.entry(key).or_default().extend(latest.map(|stamp| (value, stamp)));
    }
    for found in keys.values_mut() {
        found.sort_by(|one, other| latest_first((&one.0, &one.1), (&other.0, &other.1)));
        found.truncate(rows);
    }
    keys.retain(|_, found| !found.is_empty());
    keys
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_first_rows_are_those_of_a_batch_that_forgets_nothing(
        raw in raw(), sinces in sinces(), rows in 1..5usize, fuels in vec(1..9isize, 1..4), last_first in any::<bool>(),
    ) {
        let keep = KeepFirst::new(rows, latest_first);
        let all = [[0, 3], [3, 6], [6, TIMES]].map(|bounds| built::<u8, Stamp, ValBuilder<_, _, _>>(&raw, bounds, 9));
        let few = [[0, 3], [3, 6], [6, TIMES]]
            .map(|bounds| built::<u8, Stamp, ValBuilder<_, _, _>>(&raw, bounds, 9).keeping(Keep { first: Some(keep), is_void: None }, false));
        let merge = |[a, b, c]: &[Batch; 3], fuels: &[isize]| {
            if last_first {
                merged(a, &merged(b, c, sinces[0], fuels), sinces[1], fuels)
            } else {
                merged(&merged(a, b, sinces[0], fuels), c, sinces[1], fuels)
            }
        };
        let (all, few) = (merge(&all, &[isize::MAX]), merge(&few, &fuels));
        for time in sinces[1]..TIMES + 3 {
            prop_assert_eq!(first_rows(&few, rows, time), first_rows(&all, rows, time), "as of {}", time);
        }
        if sinces[1] >= TIMES {
            let left = listed::<u8, Stamp, Batch>(&few);
            prop_assert!(left.chunk_by(|one, other| one.0.0 == other.0.0).all(|key| key.len() <= rows));
        }
    }
}
