//! Comparison of two variants by their hit rates, which may be looked at after each ask.
//!
//! The mixture sequential probability ratio test of Johari, Koomen, Pekelis, Walsh, "Always Valid Inference: Continuous
//! Monitoring of A/B Tests", Operations Research 70 (2022): under equal rates, the probability that the likelihood ratio Λ ever
//! reaches 1/α is at most α. So one may stop at the first look at which p ≤ α, and no plan of the sample size is needed.
//!
//! With the difference of rates θ = q − p, its variance v = p(1 − p)/n + q(1 − q)/m at the present rates, and a normal mixture
//! of variance τ²: Λ = √(v / (v + τ²)) · exp(τ² θ² / (2 v (v + τ²))). The rates enter by the normal approximation, so no
//! decision is taken before each variant has [`ASKS_MIN`] asks.

use crate::random;

/// The least number of asks of each variant.
pub const ASKS_MIN: u64 = 100;

/// The standard deviation τ of the differences that the test looks for: of all differences, it finds those of this size
/// soonest.
pub const DIFFERENCE: f64 = 0.01;

/// Asks and hits of one variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// How often it was shown.
    pub asks: u64,
    /// How often what came next was in the list.
    pub hits: u64,
}

/// The state of a test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The rate of B minus the rate of A.
    pub difference: f64,
    /// Bounds that hold the true difference at all looks together, with probability 1 − α.
    pub bounds: (f64, f64),
    /// The p-value that is valid at each look: the least so far.
    pub p_value: f64,
}

/// A running test of two variants. Rates are independent from ask to ask only if users are split by a hash and asks of a
/// user are few; otherwise count each user once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AbTest {
    a: Variant,
    b: Variant,
    alpha: f64,
    p_value: f64,
}

impl AbTest {
    /// A test with the probability `alpha` of a false alarm, between 0 and 1.
    #[must_use]
    pub fn new(alpha: f64) -> AbTest {
        AbTest { a: Variant::default(), b: Variant::default(), alpha, p_value: 1.0 }
    }

    /// Takes the counts so far and looks at them.
    pub fn look(&mut self, a: Variant, b: Variant) -> Option<Comparison> {
        (self.a, self.b) = (a, b);
        let now = self.comparison()?;
        self.p_value = now.p_value;
        Some(now)
    }

    /// Whether the test has shown a difference.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.p_value <= self.alpha
    }

    fn comparison(&self) -> Option<Comparison> {
        if self.a.asks < ASKS_MIN || self.b.asks < ASKS_MIN {
            return None;
        }
        let difference = self.b.rate() - self.a.rate();
        let (v, t) = (self.a.variance() + self.b.variance(), DIFFERENCE * DIFFERENCE);
        let ratio = (v / (v + t)).sqrt() * (t * difference * difference / (2.0 * v * (v + t))).exp();
        let half = (v * (v + t) / t * ((v + t) / v).ln() + v * (v + t) / t * 2.0 * (1.0 / self.alpha).ln()).sqrt();
        let p_value = self.p_value.min(1.0 / ratio).min(1.0);
        Some(Comparison { difference, bounds: (difference - half, difference + half), p_value })
    }
}

/// Whether a user, by a number that looks random, is in variant B of the test with this seed: `percent` % of users are. A user
/// stays in a variant as long as seed and percentage do.
#[must_use]
pub fn is_in_b(seed: u64, user: u64, percent: u64) -> bool {
    random::below(seed, user, 100) < percent
}

/// The seed of a test with this name.
#[must_use]
pub fn seed(name: &str) -> u64 {
    name.bytes().fold(0, |state, byte| random::number(state, u64::from(byte)))
}

impl Variant {
    fn rate(self) -> f64 {
        self.hits as f64 / self.asks as f64
    }

    /// The variance of the rate, with one hit and one miss added: it is never 0.
    fn variance(self) -> f64 {
        let (asks, hits) = (self.asks as f64 + 2.0, self.hits as f64 + 1.0);
        let rate = hits / asks;
        rate * (1.0 - rate) / asks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    fn variant(asks: u64, hits: u64) -> Variant {
        Variant { asks, hits }
    }

    #[test]
    fn a_case_worked_out_by_hand() {
        // With 9998 asks and 4999 hits: rate 1/2 each with one hit and one miss added, variance 1/4 / 10000 = 0.000025.
        // B has the same variance to six places at 5199 hits: (5200/10000)(4800/10000)/10000 = 0.00002496.
        let mut test = AbTest::new(0.05);
        let found = test.look(variant(9998, 4999), variant(9998, 5199)).unwrap();
        let (v, t) = (0.000_049_96_f64, 0.0001_f64);
        let theta = 200.0 / 9998.0;
        // √(v/(v+t)) = 0.577186; exponent 0.0001 · 0.00040016 / (2 · 0.00004996 · 0.00014996) = 2.670573.
        assert!((1.0 / found.p_value - 0.577_186 * 2.670_573_f64.exp()).abs() < 1e-3, "{found:?}");
        let half = (v * (v + t) / t * (400.0 * (v + t) / v).ln()).sqrt();
        assert!((found.bounds.1 - theta - half).abs() < 1e-9 && (found.difference - theta).abs() < 1e-12);
        assert!(!test.is_decided(), "the bounds hold 0: {found:?}");
        assert!(found.bounds.0 < 0.0);
    }

    #[test]
    fn users_are_split_by_the_percentage_and_by_the_name() {
        let in_b = |name: &str, percent| (0..10_000).filter(|user| is_in_b(seed(name), *user, percent)).count();
        assert!((900..1100).contains(&in_b("colours", 10)), "{}", in_b("colours", 10));
        assert_eq!((in_b("colours", 0), in_b("colours", 100)), (0, 10_000));
        let both = (0..10_000).filter(|user| is_in_b(seed("a"), *user, 50) && is_in_b(seed("b"), *user, 50)).count();
        assert!((2350..2650).contains(&both), "two tests split independently: {both}");
    }

    #[test]
    fn too_few_asks_decide_nothing_and_a_p_value_never_rises() {
        let mut test = AbTest::new(0.05);
        assert_eq!(test.look(variant(99, 0), variant(5000, 5000)), None);
        test.look(variant(2000, 200), variant(2000, 900)).unwrap();
        assert!(test.is_decided());
        let later = test.look(variant(20_000, 2000), variant(20_000, 2000)).unwrap();
        assert!(later.p_value < 0.05 && later.difference == 0.0);
    }

    #[test]
    fn looking_after_each_ask_seldom_raises_a_false_alarm_and_finds_a_true_difference() {
        let alarms = |rates: [f64; 2]| {
            let alarm = |run: u64| {
                let (mut test, mut seen) = (AbTest::new(0.05), [Variant::default(); 2]);
                (0..20_000_u64).any(|ask| {
                    let (side, drawn) = ((ask % 2) as usize, random::unit(run, ask));
                    seen[side].asks += 1;
                    seen[side].hits += u64::from(drawn < rates[side]);
                    test.look(seen[0], seen[1]);
                    test.is_decided()
                })
            };
            (0..300).filter(|run| alarm(*run)).count()
        };
        assert!(alarms([0.3, 0.3]) <= 15, "more than 5 % false alarms");
        assert!(alarms([0.3, 0.34]) > 270, "a difference of 0.04 is found");
    }
}
