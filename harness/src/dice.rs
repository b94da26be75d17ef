//! Numbers that look random and are the same for the same seed (SplitMix64: Steele, Lea, Flood 2014).

/// A stream of numbers.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to below `bound`, or 0 if the bound is 0.
    pub fn below<N>(&mut self, bound: N) -> N
    where
        N: TryFrom<u64>,
        u64: TryFrom<N>,
    {
        let bound = u64::try_from(bound).ok().expect("a bound is not negative");
        let number = self.roll().checked_rem(bound).unwrap_or(0);
        N::try_from(number).ok().expect("it is below a number of this type")
    }

    /// One of these things, of which there must be one.
    pub fn pick<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        &things[self.below(things.len())]
    }

    /// A number from 0.0 up to below 1.0.
    pub fn unit(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_numbers() {
        let mut dice = Dice::new(1_234_567);
        assert_eq!([dice.roll(), dice.roll()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
        assert_eq!((dice.below(0_usize), dice.below(1_u8)), (0, 0));
        assert!((0..1000).all(|_| (0..7).contains(&dice.below(7)) && (0.0..1.0).contains(&dice.unit())));
    }
}
