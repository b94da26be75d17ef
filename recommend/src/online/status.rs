//! The counts and measures of one moment.

use models::evaluation::ab_test::Comparison;

use super::counts::{Counts, HitRates, SourceCounts};
use crate::variant::Variant;

/// The counts since the start, and the measures of this moment.
#[derive(Clone, Debug, PartialEq)]
pub struct OnlineStatus {
    /// What became of the answers of each variant.
    pub variants: [VariantStatus; 2],
    /// What became of the products of each source.
    pub sources: Vec<SourceCounts>,
    /// The comparison of the variants, once each has enough answers.
    pub test: Option<TestStatus>,
    /// The share of answers that were hit, in the newest whole day in which every hit has had its time.
    pub hit_rate: Option<f64>,
    /// The same in the seven days before.
    pub hit_rate_before: Option<f64>,
    /// How far the shares of events have moved, week on week.
    pub stability: Stability,
}

/// The answers of a variant since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VariantStatus {
    /// The variant.
    pub variant: Variant,
    /// Answers shown.
    pub answers: u64,
    /// Those of which a product was viewed, clicked or put into the cart.
    pub hit: u64,
    /// Those of which a product was bought.
    pub converted: u64,
}

/// The comparison of the variants by the share of answers that were hit, of the answers for a user.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TestStatus {
    /// The share of B minus the share of A.
    pub difference: f64,
    /// Bounds that hold the true difference at all looks together with 95 % probability.
    pub bounds: (f64, f64),
    /// The p-value, which is valid at each look.
    pub p_value: f64,
    /// Whether a difference is shown.
    pub is_decided: bool,
}

/// Population stability indices. Below 0.1 little has changed, above 0.25 much. `None` without enough events.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stability {
    /// Of products.
    pub product: Option<f64>,
    /// Of categories.
    pub category: Option<f64>,
    /// Of devices.
    pub device: Option<f64>,
}

impl TestStatus {
    pub(super) fn new(found: Comparison, is_decided: bool) -> Self {
        let Comparison { difference, bounds, p_value } = found;
        TestStatus { difference, bounds, p_value, is_decided }
    }
}

impl OnlineStatus {
    pub(super) fn new(counts: &Counts, test: Option<TestStatus>, rates: HitRates, stability: Stability) -> Self {
        let variants = Variant::ALL.map(|variant| {
            let counted = counts.of_variant(variant);
            let (answers, hit, converted) = (counted.answers, counted.answers_hit, counted.answers_converted);
            VariantStatus { variant, answers, hit, converted }
        });
        OnlineStatus {
            variants,
            sources: counts.of_sources().collect(),
            test,
            hit_rate: rates.day,
            hit_rate_before: rates.week_before,
            stability,
        }
    }
}
