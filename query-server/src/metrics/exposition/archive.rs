//! The metrics of the archive.

use super::Metrics;
use crate::operations::Operations;

#[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers in this format")]
pub(super) fn add(operations: &Operations, metrics: &mut Metrics) {
    let Some(status) = operations.app.archive.as_ref().map(|status| status()) else { return };
    let works = f64::from(u8::from(status.reason.is_none()));
    metrics.gauge("vitrine_archive_works", "1 when nothing is wrong with the archive", [(vec![], works)]);
    metrics.counter(
        "vitrine_archive_records",
        "Records that became durable in the archive",
        [(vec![], status.records)],
    );
    metrics.counter("vitrine_archive_files", "Files that became durable in the archive", [(vec![], status.files)]);
    metrics.counter("vitrine_archive_bytes", "Bytes of files that became durable", [(vec![], status.bytes)]);
    metrics.counter("vitrine_archive_failures", "Failed requests to the store", [(vec![], status.failures)]);
    let help = "Offsets that a topic had deleted before they were archived";
    metrics.counter("vitrine_archive_lost", help, [(vec![], status.lost)]);
    let memory = status.memory_bytes as f64;
    metrics.gauge("vitrine_archive_memory_bytes", "Memory for files that are not written yet", [(vec![], memory)]);
    let foreign = status.foreign as f64;
    metrics.gauge(
        "vitrine_archive_foreign_files",
        "Files in the archive's place that are not its own",
        [(vec![], foreign)],
    );
    let lags = status.partitions.iter().map(|partition| {
        let labels = vec![("stream", partition.stream.clone()), ("partition", partition.partition.to_string())];
        (labels, partition.lag as f64)
    });
    metrics.gauge("vitrine_archive_lag_records", "Offsets in the topic that are not durable in the archive", lags);
}
