//! When arrangements merge batches although no new batch arrives.
//!
//! A spine merges as batches arrive, so that it has about as many batches as its number of rows has binary digits.
//! Beyond that, an idle worker can merge in steps of its own, so that a look-up visits fewer batches. Merging down to a
//! single batch would be expensive: in an index with a steady trickle of updates, each update would cause the largest
//! batch to be rewritten, and merging would never end. So idle merging continues only while there is much to gain:
//!
//! ```text
//! a merge has begun            ─▶ continue: it must be completed sooner or later
//! more than BATCHES_MAX        ─▶ merge the small ones
//! the small ones together hold
//!   more than the largest / SHARE ─▶ merge all: this rewrites each update at most SHARE times
//! otherwise                    ─▶ rest
//! ```

use std::sync::Arc;

use differential_dataflow::trace::ExertionLogic;
use timely::WorkerConfig;

/// A look-up over up to this many batches is still cheap, because most are small.
const BATCHES_MAX: usize = 6;

/// The largest batch is left alone if it is at least this many times as large as all other batches together.
const SHARE: usize = 16;

/// The name under which differential-dataflow, too, looks for the logic of a worker's arrangements.
const KEY: &str = "differential/default_exert_logic";

/// Makes a worker's arrangements merge in idle steps of `effort` updates; 0 turns idle merging off.
pub(crate) fn configure(config: &mut WorkerConfig, effort: usize) {
    if effort > 0 {
        let logic: ExertionLogic = Arc::new(move |layers| is_worthwhile(layers).then_some(effort));
        config.set(KEY.to_owned(), logic);
    }
}

/// The logic of a worker's arrangements, if they merge in idle steps.
pub(super) fn logic(config: &WorkerConfig) -> Option<ExertionLogic> {
    config.get::<ExertionLogic>(KEY).cloned()
}

/// Whether merging has much to gain; a layer is its index, its number of batches (two are being merged) and its
/// updates.
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
