//! The difference that carries the state of a history: the latest event of a (user, product).

use differential_dataflow::difference::{IsZero, Semigroup};
use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// `time << 1 | is_removal`, combined by maximum.
///
/// A removal at a time hides the views at or before it; a later view shows the product again. The maximum depends on
/// neither order nor repetition, so late, reordered and redelivered events are harmless, and consolidation keeps one
/// stamp per (user, product).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Stamp(u64);

impl Stamp {
    /// A view at `at`.
    #[must_use]
    pub fn view(at: Millis) -> Self {
        Stamp(at << 1)
    }

    /// A removal at `at`.
    #[must_use]
    pub fn removal(at: Millis) -> Self {
        Stamp(at << 1 | 1)
    }

    /// When the product was last viewed, unless a removal hides it.
    #[must_use]
    pub fn viewed_at(self) -> Option<Millis> {
        (self.0 & 1 == 0).then_some(self.0 >> 1)
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
}
