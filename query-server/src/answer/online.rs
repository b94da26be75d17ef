//! What became of recommendations, as a part of the status.

use dataflow::index_reader::IndexReader;
use recommend::{Online, OnlineStatus, SourceCounts, TestStatus, VariantStatus};
use serde::Serialize;
use utoipa::ToSchema;

/// Hits and conversions since the start, and what moved.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OnlineCounts {
    variants: Vec<VariantCounts>,
    sources: Vec<SourceResults>,
    /// The comparison of the variants; null while one of them has too few answers.
    test: Option<TestResult>,
    /// The share of answers that were hit, in the newest whole day in which every hit has had its time; null with few answers.
    hit_rate: Option<f64>,
    /// The same in the seven days before.
    hit_rate_before: Option<f64>,
    /// Population stability of products, week on week: below 0.1 little has changed, above 0.25 much; null with few events.
    stability_product: Option<f64>,
    /// The same of categories.
    stability_category: Option<f64>,
    /// The same of devices.
    stability_device: Option<f64>,
}

/// The answers of a variant.
#[derive(Debug, Serialize, ToSchema)]
struct VariantCounts {
    variant: &'static str,
    answers: u64,
    /// Answers of which a product was viewed, clicked or put into the cart.
    hit: u64,
    /// Answers of which a product was bought.
    converted: u64,
}

/// The products that a source recommended.
#[derive(Debug, Serialize, ToSchema)]
struct SourceResults {
    variant: &'static str,
    source: &'static str,
    /// Null for a source without versions.
    model_version: Option<u64>,
    shown: u64,
    hits: u64,
    conversions: u64,
}

/// The comparison of variant B with A.
#[derive(Debug, Serialize, ToSchema)]
struct TestResult {
    /// The share of answers of B that were hit, minus that of A.
    difference: f64,
    /// Bounds that hold the true difference at all looks with 95 % probability.
    low: f64,
    high: f64,
    /// Valid at each look.
    p_value: f64,
    decided: bool,
}

/// What became of recommendations up to now.
pub(crate) fn status(online: &Online, reader: &IndexReader) -> OnlineStatus {
    let view = reader.view_any();
    online.status(|product| {
        let mut categories = Vec::new();
        view.categories_of(product, &mut categories);
        categories.first().map(|(category, _)| category.route())
    })
}

impl From<OnlineStatus> for OnlineCounts {
    fn from(status: OnlineStatus) -> Self {
        let variant = |row: VariantStatus| {
            let VariantStatus { variant, answers, hit, converted } = row;
            VariantCounts { variant: variant.name(), answers, hit, converted }
        };
        let source = |row: SourceCounts| {
            let SourceCounts { variant, source, model, shown, hits, conversions } = row;
            let (variant, source, model_version) = (variant.name(), source.word(), (model > 0).then_some(model));
            SourceResults { variant, source, model_version, shown, hits, conversions }
        };
        let test = |found: TestStatus| {
            let TestStatus { difference, bounds: (low, high), p_value, is_decided: decided } = found;
            TestResult { difference, low, high, p_value, decided }
        };
        OnlineCounts {
            variants: status.variants.into_iter().map(variant).collect(),
            sources: status.sources.into_iter().map(source).collect(),
            test: status.test.map(test),
            hit_rate: status.hit_rate,
            hit_rate_before: status.hit_rate_before,
            stability_product: status.stability.product,
            stability_category: status.stability.category,
            stability_device: status.stability.device,
        }
    }
}
