//! When batches merge though nothing new comes.
//!
//! A spine merges as batches come, so that there are about as many as its rows have binary digits. Beyond that, a worker
//! may merge in steps of its own, so that a look-up has fewer batches to ask. Down to a single one would be dear: wherever
//! a few updates come all the time, each of them would have the largest batch written anew, and merging would never end.
//! So it goes on only while there is much to gain:
//!
//! ```text
//! a merge has begun            ─▶ go on: it is to be done sooner or later
//! more than BATCHES_MAX        ─▶ merge the small ones
//! the small ones together hold
//!   more than the largest / SHARE ─▶ merge all: an update is written anew SHARE times at most for it
//! otherwise                    ─▶ rest
//! ```

use std::sync::Arc;

use differential_dataflow::trace::ExertionLogic;
use timely::WorkerConfig;

/// So many batches are not too many for a look-up, most of them being small.
const BATCHES_MAX: usize = 6;

/// So many times as large as all others together is the largest batch to be, to be left alone.
const SHARE: usize = 16;

/// The name under which differential-dataflow looks for the logic of a worker's arrangements.
const KEY: &str = "differential/default_exert_logic";

/// Has a worker's arrangements merge in idle steps of `effort` updates; not at all where that is 0.
pub(crate) fn configure(config: &mut WorkerConfig, effort: usize) {
    if effort > 0 {
        let logic: ExertionLogic = Arc::new(move |layers| is_worthwhile(layers).then_some(effort));
        config.set(KEY.to_owned(), logic);
    }
}

/// Whether merging has much to gain; a layer is its index, its number of batches (two are being merged) and its updates.
fn is_worthwhile(layers: &[(usize, usize, usize)]) -> bool {
    let (mut batches, mut all, mut largest) = (0, 0, 0);
    for (_, count, updates) in layers.iter().copied() {
        if count > 1 {
            return true;
        }
        batches += usize::from(updates > 0);
        all += updates;
        largest = largest.max(updates);
    }
    batches > BATCHES_MAX || (all - largest).saturating_mul(SHARE) > largest
}

#[cfg(test)]
mod tests {
    use super::is_worthwhile;

    fn single(updates: &[usize]) -> Vec<(usize, usize, usize)> {
        updates.iter().rev().enumerate().rev().map(|(index, updates)| (index, 1, *updates)).collect()
    }

    #[test]
    fn merging_ends_while_a_few_updates_come_all_the_time() {
        assert!(!is_worthwhile(&[]));
        assert!(!is_worthwhile(&single(&[1_000_000, 0, 0])));
        assert!(!is_worthwhile(&single(&[1_000_000, 0, 1000, 100, 7, 3, 1])), "few and small");
        assert!(is_worthwhile(&single(&[1_000_000, 1000, 100, 7, 3, 2, 1])), "many");
        assert!(is_worthwhile(&single(&[1_000_000, 62_000, 600])), "large");
        assert!(is_worthwhile(&single(&[1, 1])));
    }

    #[test]
    fn a_merge_that_has_begun_is_done() {
        assert!(is_worthwhile(&[(20, 1, 1_000_000), (3, 2, 8)]));
    }
}
