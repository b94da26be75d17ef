//! Confidence intervals of a mean over asks that come in clusters: the asks of one user resemble each other, so users are the
//! independent units.

use crate::random;

/// The number of standard errors on both sides of a mean that hold 95 % of a normal distribution.
const NORMAL_95: f64 = 1.959_963_984_540_054;

/// The sum of a measure over the asks of one user, and their number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cluster {
    /// The sum of the measure.
    pub sum: f64,
    /// The number of asks.
    pub asks: u32,
}

/// A mean and the bounds between which it lies in 95 of 100 cases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The mean over all asks.
    pub mean: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

/// The 95 % interval by the normal approximation of a ratio estimator (Cochran, "Sampling Techniques", 1977, section 6.3):
/// mean m = Σ sum / Σ asks over the users, standard error √(n / (n − 1) · Σ (sum − m · asks)²) / Σ asks. `None` without an
/// ask; without bounds (low = high = mean) for one user.
#[must_use]
pub fn normal(clusters: &[Cluster]) -> Option<Interval> {
    let (sum, asks) = totals(clusters)?;
    let (mean, n) = (sum / asks, clusters.len() as f64);
    let squares: f64 = clusters.iter().map(|cluster| (cluster.sum - mean * f64::from(cluster.asks)).powi(2)).sum();
    let error = if clusters.len() > 1 { (n / (n - 1.0) * squares).sqrt() / asks } else { 0.0 };
    Some(Interval { mean, low: mean - NORMAL_95 * error, high: mean + NORMAL_95 * error })
}

/// The 95 % interval by the bootstrap of percentiles (Efron 1979): users are drawn with replacement `samples` times. For
/// measures that are far from normal. `None` without an ask or a sample.
#[must_use]
pub fn bootstrap(clusters: &[Cluster], samples: usize, seed: u64) -> Option<Interval> {
    let (sum, asks) = totals(clusters)?;
    let n = clusters.len() as u64;
    let mean_of = |sample: usize| {
        let drawn = (0..n).map(|draw| clusters[random::below(seed, sample as u64 * n + draw, n) as usize]);
        let (sum, asks) = drawn.fold((0.0, 0.0), |(sum, asks), one| (sum + one.sum, asks + f64::from(one.asks)));
        if asks > 0.0 { sum / asks } else { 0.0 }
    };
    let mut means: Vec<f64> = (0..samples).map(mean_of).collect();
    means.sort_by(f64::total_cmp);
    let at =
        |share: f64| means.get(((means.len() as f64 * share) as usize).min(means.len().saturating_sub(1))).copied();
    Some(Interval { mean: sum / asks, low: at(0.025)?, high: at(0.975)? })
}

fn totals(clusters: &[Cluster]) -> Option<(f64, f64)> {
    let asks: f64 = clusters.iter().map(|cluster| f64::from(cluster.asks)).sum();
    (asks > 0.0).then(|| (clusters.iter().map(|cluster| cluster.sum).sum(), asks))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(sum: f64, asks: u32) -> Cluster {
        Cluster { sum, asks }
    }

    #[test]
    fn users_of_one_ask_give_the_error_of_a_plain_mean() {
        // 0, 1, 1, 0: mean 1/2, sample variance 1/3, standard error √(1/12).
        let found = normal(&[cluster(0.0, 1), cluster(1.0, 1), cluster(1.0, 1), cluster(0.0, 1)]).unwrap();
        assert!((found.mean - 0.5).abs() < 1e-12);
        assert!((found.high - 0.5 - 1.959963984540054 * (1.0_f64 / 12.0).sqrt()).abs() < 1e-12);
        assert!((found.high - 0.5 - (0.5 - found.low)).abs() < 1e-12);
    }

    #[test]
    fn asks_of_one_user_are_not_independent() {
        // Two users of 50 asks each, all hits or none: as uncertain as two asks.
        let found = normal(&[cluster(50.0, 50), cluster(0.0, 50)]).unwrap();
        assert!((found.high - 0.5 - 1.959963984540054 * 0.5).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn both_intervals_agree_on_many_users() {
        let clusters: Vec<Cluster> = (0..2000).map(|user| cluster(f64::from(user % 3 == 0), 1)).collect();
        let (normal, drawn) = (normal(&clusters).unwrap(), bootstrap(&clusters, 1000, 5).unwrap());
        assert!(
            (normal.low - drawn.low).abs() < 0.003 && (normal.high - drawn.high).abs() < 0.003,
            "{normal:?} {drawn:?}"
        );
        assert_eq!(bootstrap(&clusters, 1000, 5), Some(drawn));
        assert_eq!(
            (super::normal(&[]), bootstrap(&[cluster(0.0, 0)], 9, 1), bootstrap(&clusters, 0, 1)),
            (None, None, None)
        );
    }
}
