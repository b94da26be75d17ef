//! [`LiveLines`]: the number of live lines of each (product, user).

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::ids::{PairKey, ProductKey, UserKey};
use crate::time::Diff;

/// The number of live lines of every pair that has live lines. Most have one, for which no number is stored.
#[derive(Default)]
pub(super) struct LiveLines {
    pairs: HashSet<PairKey, RandomState>,
    /// The lines of a pair beside its first.
    more: HashMap<PairKey, u32, RandomState>,
}

impl LiveLines {
    /// Adds to the number of live lines of a pair. If a pair appears or disappears, the product gains or loses a buyer.
    pub(super) fn add(
        &mut self,
        product: ProductKey,
        user: UserKey,
        lines: i64,
        changes: &mut Vec<(ProductKey, Diff)>,
    ) {
        let pair = PairKey::new(user, product);
        let number = u32::try_from(lines.unsigned_abs()).unwrap_or(u32::MAX);
        if lines > 0 {
            let appears = self.pairs.insert(pair);
            self.add_more(pair, number - u32::from(appears));
            changes.extend(appears.then_some((product, 1)));
        } else if number > 0 && self.take_more(pair, number) {
            self.pairs.remove(&pair);
            changes.push((product, -1));
        }
    }

    fn add_more(&mut self, pair: PairKey, lines: u32) {
        if lines > 0 {
            *self.more.entry(pair).or_default() += lines;
        }
    }

    /// Takes lines away; returns whether they are all that the pair has.
    fn take_more(&mut self, pair: PairKey, lines: u32) -> bool {
        let more = self.more.remove(&pair).unwrap_or(0);
        let left = (more + 1).checked_sub(lines).expect("a pair's count is the sum of its lines' counts");
        self.add_more(pair, left.saturating_sub(1));
        left == 0
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.more.is_empty()
    }
}
