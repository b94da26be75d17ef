//! [`Appending`]: merges sorted chains of updates, and passes on unchanged the chunks that do not overlap.
//!
//! Rows often arrive in order already, as in a checkpoint or in the first read of a table by its key. If one chain ends
//! before the other begins, the two are one chain as they are. Merging them update by update would copy every row once
//! for each doubling of the state, which takes a third of the time of a restart.

use std::cmp::Ordering;

use differential_dataflow::difference::Semigroup;
use differential_dataflow::trace::implementations::merge_batcher::Merger;
use differential_dataflow::trace::implementations::merge_batcher::vec::VecMerger;
use timely::PartialOrder;
use timely::progress::Antichain;
use timely::progress::frontier::AntichainRef;

type Chunk<D, T, R> = Vec<(D, T, R)>;

/// Merges chains of chunks. Chunks before the other chain's first update are passed on unchanged.
pub struct Appending<D, T, R>(VecMerger<D, T, R>);

impl<D, T, R> Default for Appending<D, T, R> {
    fn default() -> Self {
        Appending(VecMerger::default())
    }
}

impl<D, T, R> Merger for Appending<D, T, R>
where
    D: Ord + Clone + 'static,
    T: Ord + Clone + PartialOrder + 'static,
    R: Semigroup + 'static,
{
    type Chunk = Chunk<D, T, R>;
    type Time = T;

    fn merge(
        &mut self,
        mut one: Vec<Self::Chunk>,
        mut other: Vec<Self::Chunk>,
        output: &mut Vec<Self::Chunk>,
        stash: &mut Vec<Self::Chunk>,
    ) {
        pass_on(&mut one, &other, output);
        pass_on(&mut other, &one, output);
        // The rest of one chain after the end of the other is passed on unchanged there too.
        self.0.merge(one, other, output, stash);
    }

    fn extract(
        &mut self,
        merged: Vec<Self::Chunk>,
        upper: AntichainRef<'_, T>,
        frontier: &mut Antichain<T>,
        readied: &mut Vec<Self::Chunk>,
        kept: &mut Vec<Self::Chunk>,
        stash: &mut Vec<Self::Chunk>,
    ) {
        self.0.extract(merged, upper, frontier, readied, kept, stash);
    }

    fn len(chunk: &Self::Chunk) -> usize {
        chunk.len()
    }
}

/// Moves the chunks of a chain that come before the whole other chain to the output.
fn pass_on<D: Ord, T: Ord, R>(
    chain: &mut Vec<Chunk<D, T, R>>,
    other: &[Chunk<D, T, R>],
    output: &mut Vec<Chunk<D, T, R>>,
) {
    let Some(first) = other.iter().find_map(|chunk| chunk.first()) else { return };
    // In most cases these are all chunks or none.
    let before = match chain.last() {
        Some(last) if ends_before(last, first) => chain.len(),
        _ => chain.iter().take_while(|chunk| ends_before(chunk, first)).count(),
    };
    output.extend(chain.drain(..before));
}

/// Whether all updates of a chunk come before `first`, and none of them can be added to it.
fn ends_before<D: Ord, T: Ord, R>(chunk: &Chunk<D, T, R>, first: &(D, T, R)) -> bool {
    chunk.last().is_some_and(|last| (&last.0, &last.1).cmp(&(&first.0, &first.1)) == Ordering::Less)
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    type Updates = Vec<(u8, u64, isize)>;

    fn chain(rows: &[(u8, u64, isize)], chunk: usize) -> Vec<Updates> {
        rows.chunks(chunk).map(<[_]>::to_vec).collect()
    }

    fn merged(merger: &mut impl Merger<Chunk = Updates>, one: &[Updates], other: &[Updates]) -> Updates {
        let mut output = Vec::new();
        merger.merge(one.to_vec(), other.to_vec(), &mut output, &mut Vec::new());
        output.concat()
    }

    fn updates(keys: std::ops::Range<u8>) -> impl Strategy<Value = Updates> {
        let diff = prop_oneof![Just(-1isize), Just(1)];
        btree_map((keys, 0..2u64), diff, 0..30).prop_map(|rows| rows.into_iter().map(|((k, t), r)| (k, t, r)).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_merges_as_update_by_update(
            (one, other) in prop_oneof![
                (updates(0..40), updates(0..40)),
                (updates(0..20), updates(19..40)),
                (updates(20..40), updates(0..20)),
            ],
            chunks in vec(1..7usize, 2),
        ) {
            let (one, other) = (chain(&one, chunks[0]), chain(&other, chunks[1]));
            let plain = merged(&mut VecMerger::<u8, u64, isize>::default(), &one, &other);
            prop_assert_eq!(merged(&mut Appending::<u8, u64, isize>::default(), &one, &other), plain);
        }
    }

    #[test]
    fn chains_that_follow_each_other_are_not_copied() {
        let (one, other) = (chain(&[(1, 0, 1), (2, 0, 1)], 1), chain(&[(3, 0, 1)], 1));
        let places: Vec<_> = one.iter().chain(&other).map(|chunk| chunk.as_ptr()).collect();
        let mut output = Vec::new();
        Appending::<u8, u64, isize>::default().merge(other, one, &mut output, &mut Vec::new());
        assert_eq!(output.iter().map(|chunk| chunk.as_ptr()).collect::<Vec<_>>(), places);
    }
}
