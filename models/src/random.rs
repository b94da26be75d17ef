//! Numbers that look random and follow from a seed: the output function of SplitMix64 (Steele, Lea, Flood 2014).

/// The golden ratio's bits, the step of SplitMix64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The number at place `index` of the sequence that starts at `seed`.
pub(crate) fn number(seed: u64, index: u64) -> u64 {
    let mut mixed = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(STEP));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The number at place `index`, scaled to 0 up to below 1.
pub(crate) fn unit(seed: u64, index: u64) -> f64 {
    (number(seed, index) >> 11) as f64 / (1_u64 << 53) as f64
}

/// The number at place `index`, scaled to 0 up to below `bound`.
pub(crate) fn below(seed: u64, index: u64, bound: u64) -> u64 {
    ((u128::from(number(seed, index)) * u128::from(bound)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_numbers() {
        let first = [0, 1, 2].map(|index| number(1_234_567, index));
        assert_eq!(first, [6457827717110365317, 3203168211198807973, 9817491932198370423]);
        assert_eq!(below(1_234_567, 0, 10), 3);
        assert!((unit(1_234_567, 0) - 0.350_076).abs() < 1e-5);
    }
}
