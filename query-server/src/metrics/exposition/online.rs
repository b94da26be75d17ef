//! The metrics of what became of recommendations. Labels name sources, variants and versions of models, and nobody.

use recommend::{SourceCounts, VariantStatus};

use super::{Labels, Metrics};
use crate::answer::online::status;
use crate::operations::Operations;

pub(super) fn add(operations: &Operations, metrics: &mut Metrics) {
    let Some(online) = &operations.app.online else { return };
    let status = status(online, &operations.app.reader);
    let of_variants = |count: fn(&VariantStatus) -> u64| -> Vec<(Labels, u64)> {
        status.variants.iter().map(|row| (vec![("variant", row.variant.name().to_owned())], count(row))).collect()
    };
    metrics.counter("vitrine_online_answers", "Recommendations shown", of_variants(|row| row.answers));
    let help = "Recommendations of which a product was viewed, clicked or put into the cart";
    metrics.counter("vitrine_online_answers_hit", help, of_variants(|row| row.hit));
    let help = "Recommendations of which a product was bought";
    metrics.counter("vitrine_online_answers_converted", help, of_variants(|row| row.converted));
    let of_sources = |count: fn(&SourceCounts) -> u64| -> Vec<(Labels, u64)> {
        status.sources.iter().map(|row| (labels(row), count(row))).collect()
    };
    metrics.counter("vitrine_online_shown", "Products shown, by their source", of_sources(|row| row.shown));
    let help = "Products shown that were viewed, clicked or put into the cart";
    metrics.counter("vitrine_online_hits", help, of_sources(|row| row.hits));
    metrics.counter("vitrine_online_conversions", "Products shown that were bought", of_sources(|row| row.conversions));
    let gauge = |value: Option<f64>, name: &'static str, label: &str| {
        value.map(|value| (vec![(name, label.to_owned())], value))
    };
    let rates = [gauge(status.hit_rate, "period", "day"), gauge(status.hit_rate_before, "period", "week_before")];
    metrics.gauge("vitrine_online_hit_rate", "Share of recommendations that were hit", rates.into_iter().flatten());
    let moved = &status.stability;
    let moved = [
        gauge(moved.product, "share", "product"),
        gauge(moved.category, "share", "category"),
        gauge(moved.device, "share", "device"),
    ];
    let help = "Population stability of events, week on week: above 0.25 much has changed";
    metrics.gauge("vitrine_online_stability", help, moved.into_iter().flatten());
    if let Some(test) = status.test {
        let help = "Share of hit recommendations of variant B minus that of A, and its bounds";
        let (low, high) = test.bounds;
        let values = [("difference", test.difference), ("low", low), ("high", high)];
        let values = values.map(|(name, value)| (vec![("value", name.to_owned())], value));
        metrics.gauge("vitrine_online_test_difference", help, values);
        metrics.gauge("vitrine_online_test_p_value", "Valid at each look", [(vec![], test.p_value)]);
    }
}

fn labels(row: &SourceCounts) -> Labels {
    let model = if row.model > 0 { row.model.to_string() } else { String::new() };
    vec![("source", row.source.word().to_owned()), ("variant", row.variant.name().to_owned()), ("model_version", model)]
}
