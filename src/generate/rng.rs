//! SplitMix64 (Steele, Lea, Flood 2014): eight bytes of state, the same numbers on every machine.

/// A random number generator.
#[derive(Debug, Clone)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// The generator of a seed and a purpose.
    pub fn new(seed: u64, purpose: &str) -> Rng {
        // The purpose is folded in byte by byte, each step through the generator's own mixing.
        let start = Rng { state: seed };
        purpose.bytes().fold(start, |mut rng, byte| Rng { state: rng.next() ^ u64::from(byte) })
    }

    /// The next 64 bits.
    #[allow(clippy::should_implement_trait, reason = "callers do not use the endless stream as an iterator")]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// A number from 0 to below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        // The high half of the product deviates from uniform by 2^-32 at most, which is negligible here.
        (((self.next() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// A number from 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True once in `bound` times.
    pub fn one_in(&mut self, bound: u32) -> bool {
        self.below(bound) == 0
    }
}

/// Scatters the bits of a number; the same for the same number.
pub(super) fn mix(number: u64) -> u64 {
    let mut mixed = number;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_numbers() {
        let mut rng = Rng { state: 1_234_567 };
        let first = [rng.next(), rng.next(), rng.next()];
        assert_eq!(first, [6457827717110365317, 3203168211198807973, 9817491932198370423]);
    }

    #[test]
    fn stays_below_its_bound() {
        let mut rng = Rng::new(1, "test");
        let mut seen = [false; 5];
        (0..200).for_each(|_| seen[rng.below(5) as usize] = true);
        assert_eq!(seen, [true; 5]);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&rng.unit())));
    }
}
