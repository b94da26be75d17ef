//! The metrics of content vectors.

use super::Metrics;
use crate::operations::Operations;

#[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers in this format")]
pub(super) fn add(operations: &Operations, metrics: &mut Metrics) {
    let Some(status) = operations.app.content.as_ref().map(|status| status()) else { return };
    let gauges = [
        ("vitrine_content_products", "Products that the shop describes", status.products),
        ("vitrine_content_vectors", "Products with a content vector", status.vectors),
        ("vitrine_content_bytes", "Memory of content vectors", status.bytes),
        ("vitrine_content_left_out", "Products above the limit of content vectors", status.left_out),
        ("vitrine_content_refused", "Products whose embedding cannot be used", status.refused),
    ];
    for (name, help, value) in gauges {
        metrics.gauge(name, help, [(vec![], value as f64)]);
    }
    let seconds = status.took_ms as f64 / 1e3;
    let help = "Time the last reading of the products took";
    metrics.gauge("vitrine_content_reading_seconds", help, [(vec![], seconds)]);
    metrics.counter("vitrine_content_readings", "Readings that made content vectors", [(vec![], status.made)]);
    metrics.counter("vitrine_content_reading_failures", "Readings that failed", [(vec![], status.failed)]);
}
