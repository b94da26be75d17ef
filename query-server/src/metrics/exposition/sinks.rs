//! The metrics of copies of lists in other services.

use super::Metrics;
use crate::app::SinkStatus;
use crate::operations::Operations;

pub(super) fn add(operations: &Operations, metrics: &mut Metrics) {
    let sinks = (operations.app.sinks)();
    if sinks.is_empty() {
        return;
    }
    let label = |sink: &SinkStatus| vec![("sink", sink.kind.to_owned())];
    let mut counter = |name, help, read: fn(&SinkStatus) -> u64| {
        metrics.counter(name, help, sinks.iter().map(|sink| (label(sink), read(sink))).collect::<Vec<_>>());
    };
    counter("vitrine_sink_lists_written", "Lists that were written to a copy", |sink| sink.written);
    counter("vitrine_sink_lists_removed", "Lists that were removed from a copy", |sink| sink.removed);
    counter("vitrine_sink_lists_corrected", "Lists that a comparison found to differ", |sink| sink.corrected);
    counter("vitrine_sink_comparisons", "Comparisons of a whole copy with the lists", |sink| sink.comparisons);
    counter("vitrine_sink_failures", "Failed attempts to reach, read or write a copy", |sink| sink.failures);
    let mut gauge = |name, help, read: fn(&SinkStatus) -> u64| {
        #[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers in this format")]
        let rows: Vec<_> = sinks.iter().map(|sink| (label(sink), read(sink) as f64)).collect();
        metrics.gauge(name, help, rows);
    };
    gauge("vitrine_sink_works", "1 when a copy follows the lists", |sink| {
        u64::from(sink.reason.is_none() && sink.follows)
    });
    gauge("vitrine_sink_waiting_lists", "Lists that have changed and are not in a copy yet", |sink| sink.waiting);
    gauge("vitrine_sink_behind_ms", "Age of the longest waiting change, or time since the copy was right", |sink| {
        sink.behind_ms
    });
    gauge("vitrine_sink_lists", "Lists in a copy", |sink| sink.lists);
    gauge("vitrine_sink_foreign_names", "Names in a copy that are not those of lists", |sink| sink.foreign);
    gauge("vitrine_sink_lists_unwritable", "Lists that cannot be copied now", |sink| sink.unwritable);
}
