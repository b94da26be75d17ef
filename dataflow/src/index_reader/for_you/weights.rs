//! The weights of the score, in integers.

use std::sync::LazyLock;

use crate::rules::Weighting;

/// Roots of numbers below this one are computed once.
const TABLE: usize = 1 << 12;

/// `n^(-1/2)`, times 2^20.
pub(super) fn own_root(n: u64) -> u64 {
    ((1u64 << 40) / n.max(1)).isqrt()
}

/// `n^(-1/4)`, times 2^16.
fn fourth_root(n: u64) -> u64 {
    let root = ((1u128 << 64) / u128::from(n.max(1))).isqrt().isqrt();
    u64::try_from(root).expect("the fourth root of 2^64 has 17 bits")
}

/// `n^(-3/8)`, times 2^16.
fn three_eighths(n: u64) -> u64 {
    ((own_root(n) * fourth_root(n)) >> 4).isqrt()
}

/// The factors of candidates, by their number of viewers.
#[derive(Clone, Copy)]
pub(super) struct CandidateRoots {
    root: fn(u64) -> u64,
    table: &'static [u32],
}

static CLICKS: LazyLock<Vec<u32>> = LazyLock::new(|| table(fourth_root));
static FILMS: LazyLock<Vec<u32>> = LazyLock::new(|| table(three_eighths));

fn table(root: fn(u64) -> u64) -> Vec<u32> {
    (0..TABLE as u64).map(|n| u32::try_from(root(n)).expect("a root has 17 bits")).collect()
}

impl CandidateRoots {
    pub(super) fn of(weighting: Weighting) -> Self {
        match weighting {
            Weighting::Clicks => CandidateRoots { root: fourth_root, table: &CLICKS },
            Weighting::Films => CandidateRoots { root: three_eighths, table: &FILMS },
        }
    }

    /// The factor of a candidate with `n` viewers, times 2^16. It never grows with `n`.
    pub(super) fn of_viewers(&self, n: u64) -> u64 {
        let known = usize::try_from(n).ok().and_then(|n| self.table.get(n));
        known.map_or_else(|| (self.root)(n), |root| u64::from(*root))
    }
}

/// The weight of each place of a history from 0 to `places - 1`, times 2^16.
pub(super) fn place_weights(weighting: Weighting, places: usize) -> Vec<u64> {
    let weight = |place: u32| match weighting {
        Weighting::Clicks => 65_536 / (u64::from(place) + 1),
        Weighting::Films => halving(place),
    };
    (0..u32::try_from(places).expect("a history is short")).map(weight).collect()
}

/// ⌊65536 · 2^(-place/3)⌋: the largest number whose cube is at most 2^(48 - place).
fn halving(place: u32) -> u64 {
    let cube = (1u128 << 48) >> place.min(64);
    let (mut least, mut above) = (0u64, 65_537);
    while least + 1 < above {
        let middle = least.midpoint(above);
        if u128::from(middle).pow(3) <= cube { least = middle } else { above = middle }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_and_weights_are_rounded_down() {
        assert_eq!([1, 2, 4, 1 << 20].map(own_root), [1 << 20, 741_455, 1 << 19, 1 << 10]);
        assert_eq!([1, 16, 1 << 32].map(fourth_root), [1 << 16, 1 << 15, 1 << 8]);
        assert_eq!([1, 256, 1 << 16].map(three_eighths), [1 << 16, 1 << 13, 1 << 10]);
        assert_eq!(place_weights(Weighting::Clicks, 4), [65_536, 32_768, 21_845, 16_384]);
        assert_eq!(place_weights(Weighting::Films, 7), [65_536, 52_015, 41_285, 32_768, 26_007, 20_642, 16_384]);
        assert_eq!(place_weights(Weighting::Films, 200)[199], 0);
    }

    #[test]
    fn a_candidates_factor_never_grows_with_its_viewers() {
        for weighting in [Weighting::Clicks, Weighting::Films] {
            let roots = CandidateRoots::of(weighting);
            let numbers = (1..10_000).chain((14..40).map(|bits| 1 << bits));
            assert!(numbers.map(|n| roots.of_viewers(n)).is_sorted_by(|a, b| a >= b));
        }
    }
}
