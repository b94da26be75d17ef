//! Population stability index: how far the shares of categories have moved from one period to another.

/// The share that an empty category counts with, so that the logarithm is finite.
const SHARE_MIN: f64 = 1e-4;

/// Σ (q − p) · ln(q / p) over the shares p before and q after of each category (Siddiqi, "Credit Risk Scorecards", 2006).
/// Below 0.1 little has changed, above 0.25 much. `None` when one of the periods has no counts.
///
/// # Panics
/// When the two periods have different numbers of categories.
#[must_use]
pub fn population_stability(before: &[u64], after: &[u64]) -> Option<f64> {
    assert_eq!(before.len(), after.len(), "both periods have the same categories");
    let share = |counts: &[u64]| -> Option<Vec<f64>> {
        let all: u64 = counts.iter().sum();
        (all > 0).then(|| counts.iter().map(|count| (*count as f64 / all as f64).max(SHARE_MIN)).collect())
    };
    let (before, after) = (share(before)?, share(after)?);
    Some(before.iter().zip(&after).map(|(p, q)| (q - p) * (q / p).ln()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_shares_are_stable() {
        assert_eq!(population_stability(&[10, 30], &[100, 300]), Some(0.0));
    }

    #[test]
    fn a_shift_from_half_to_a_quarter() {
        // (0.25 − 0.5) ln(0.5) + (0.75 − 0.5) ln(1.5) = 0.25 · (ln 2 + ln 1.5) = 0.25 · ln 3.
        let found = population_stability(&[50, 50], &[25, 75]).unwrap();
        assert!((found - 0.25 * 3.0_f64.ln()).abs() < 1e-12, "{found}");
    }

    #[test]
    fn a_category_that_appears_counts_and_stays_finite() {
        // (0.5 − 0.0001) ln(5000) + (0.5 − 1) ln(0.5)
        let found = population_stability(&[100, 0], &[50, 50]).unwrap();
        assert!((found - (0.4999 * 5000.0_f64.ln() + 0.5 * 2.0_f64.ln())).abs() < 1e-12, "{found}");
        assert_eq!(population_stability(&[0], &[1]), None);
    }
}
