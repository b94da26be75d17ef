//! `/metrics`: the values of one moment as OpenMetrics text. No label holds an id of a user or a product.

mod archive;
mod content;
mod online;
mod sinks;

use std::fmt;
use std::sync::atomic::Ordering;

use dataflow::source_status::State;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::memory;
use crate::counters::{BUCKETS_US, RouteSums};
use crate::forward::Forward;
use crate::operations::Operations;
use crate::readiness::unreadiness;

type Labels = Vec<(&'static str, String)>;

/// A metric: its name, and the value of each of its label sets.
#[derive(Debug)]
struct Metric {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    rows: Vec<(Labels, MetricValue)>,
}

#[derive(Debug)]
enum MetricValue {
    Counter(u64),
    Gauge(f64),
    Histogram(RouteSums),
}

/// The metrics of one moment.
#[derive(Debug, Default)]
struct Metrics(Vec<Metric>);

impl Metrics {
    fn counter(&mut self, name: &'static str, help: &'static str, rows: impl IntoIterator<Item = (Labels, u64)>) {
        let rows = rows.into_iter().map(|(labels, count)| (labels, MetricValue::Counter(count))).collect();
        self.0.push(Metric { name, help, kind: MetricType::Counter, rows });
    }

    fn gauge(&mut self, name: &'static str, help: &'static str, rows: impl IntoIterator<Item = (Labels, f64)>) {
        let rows = rows.into_iter().map(|(labels, value)| (labels, MetricValue::Gauge(value))).collect();
        self.0.push(Metric { name, help, kind: MetricType::Gauge, rows });
    }
}

/// The exposition.
pub(crate) fn text(operations: &Operations) -> String {
    let mut metrics = Metrics::default();
    requests(operations, &mut metrics);
    server(operations, &mut metrics);
    forwarding(operations, &mut metrics);
    engine(operations, &mut metrics);
    als(operations, &mut metrics);
    content::add(operations, &mut metrics);
    online::add(operations, &mut metrics);
    archive::add(operations, &mut metrics);
    sinks::add(operations, &mut metrics);
    sources(operations, &mut metrics);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(metrics));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a String takes everything");
    text
}

fn requests(operations: &Operations, metrics: &mut Metrics) {
    let mut counts = Vec::new();
    let mut times = Vec::new();
    for sums in operations.request_sums() {
        let label = ("route", sums.label.to_owned());
        for (status, count) in &sums.statuses {
            counts.push((vec![label.clone(), ("status", status.to_string())], *count));
        }
        times.push((vec![label], MetricValue::Histogram(sums)));
    }
    metrics.counter("vitrine_http_requests", "Requests answered, by route and status", counts);
    let help = "From a request's header to its answer, in seconds, by route";
    let (name, kind) = ("vitrine_http_request_seconds", MetricType::Histogram);
    metrics.0.push(Metric { name, help, kind, rows: times });
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers in this format")]
fn server(operations: &Operations, metrics: &mut Metrics) {
    let gauges = [
        ("vitrine_http_connections", "Open connections", operations.connections.taken()),
        ("vitrine_http_waits", "Requests that wait for a position to become visible", operations.read.waits.waiting()),
        ("vitrine_http_streams", "Open status streams", operations.streams.taken()),
        ("vitrine_http_readers", "Clients that follow a list", operations.readers.taken()),
        ("vitrine_http_body_bytes", "Bytes of request bodies held", operations.bodies.taken()),
    ];
    for (name, help, value) in gauges {
        metrics.gauge(name, help, [(vec![], value as f64)]);
    }
    let refused = operations.connections_refused.load(Ordering::Relaxed);
    let help = "Connections refused because there were too many";
    metrics.counter("vitrine_http_connections_refused", help, [(vec![], refused)]);
    let memory = memory::resident_bytes() as f64;
    metrics.gauge("vitrine_resident_memory_bytes", "Memory held by this process", [(vec![], memory)]);
}

fn forwarding(operations: &Operations, metrics: &mut Metrics) {
    let Some(counts) = operations.read.forward.as_ref().map(Forward::counts) else { return };
    let help = "Requests for users that another process of the cluster holds, which were passed on to it";
    metrics.counter("vitrine_forwarded_requests", help, [(vec![], counts.asked())]);
    let failures = counts.failed().map(|(reason, count)| (vec![("reason", reason.to_owned())], count));
    let help = "Requests that came to nothing as they were passed on, by reason";
    metrics.counter("vitrine_forwarding_failures", help, failures);
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers in this format")]
fn engine(operations: &Operations, metrics: &mut Metrics) {
    let app = &operations.app;
    let as_of = app.reader.view_any().as_of();
    let age_ms = app.clock.now().saturating_sub(as_of);
    // Before the first tick there is no state that could have an age.
    let age = (app.reader.snapshots().closed() > 0).then_some((vec![], age_ms as f64 / 1e3));
    metrics.gauge("vitrine_as_of_age_seconds", "Age of the state shown", age);
    let ready = unreadiness(operations, &app.registry.snapshot(), as_of).is_none();
    metrics.gauge("vitrine_ready", "1 when answers are complete and fresh", [(vec![], f64::from(u8::from(ready)))]);
    metrics.counter("vitrine_ticks", "Ticks closed", [(vec![], app.ticks.ticks())]);
    let late = app.reader.late_lines();
    let help = "Order lines that were older than orders are kept when they arrived";
    metrics.counter("vitrine_late_order_lines", help, [(vec![], late)]);
    let others = app.reader.view_any().metadata_others().into_iter();
    let others = others.map(|(key, events)| (vec![("key", key.as_str().to_owned())], events as f64));
    let help = "Events that count as `other` among the values of a key of metadata";
    metrics.gauge("vitrine_metadata_other_events", help, others);
    let sizes = app.reader.index_sizes();
    let index = |name: &str| vec![("index", name.to_owned())];
    let updates = sizes.iter().map(|(name, size)| (index(name), size.updates as f64));
    metrics.gauge("vitrine_index_updates", "Updates held by a published index", updates);
    let batches = sizes.iter().map(|(name, size)| (index(name), size.batches as f64));
    metrics.gauge("vitrine_index_batches", "Batches a published index is in", batches);
    if let Some(last) = app.checkpoints.as_ref().map(|last| last()) {
        let age_s = app.clock.now().saturating_sub(last.as_of_ms) as f64 / 1e3;
        let age = (last.as_of_ms > 0).then_some((vec![], age_s));
        metrics.gauge("vitrine_checkpoint_age_seconds", "Age of the newest durable checkpoint", age);
        metrics.gauge(
            "vitrine_checkpoint_seconds",
            "Time the last checkpoint took",
            [(vec![], last.took_ms as f64 / 1e3)],
        );
        metrics.gauge("vitrine_checkpoint_bytes", "Size of the last checkpoint", [(vec![], last.bytes as f64)]);
        metrics.counter("vitrine_checkpoints", "Checkpoints taken", [(vec![], last.taken)]);
        metrics.counter("vitrine_checkpoint_failures", "Checkpoints that failed", [(vec![], last.failed)]);
    }
    let dictionary = app.reader.dictionary();
    metrics.gauge("vitrine_product_ids", "Product ids known", [(vec![], dictionary.products_len() as f64)]);
    let help = "Product ids that were forgotten, because nothing referred to them any more";
    metrics.counter("vitrine_product_ids_forgotten", help, [(vec![], dictionary.products_forgotten())]);
    metrics.gauge("vitrine_user_ids", "User ids held for sinks", [(vec![], dictionary.users_len() as f64)]);
    let help = "User ids that were forgotten, because nothing referred to them any more";
    metrics.counter("vitrine_user_ids_forgotten", help, [(vec![], dictionary.users_forgotten())]);
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers in this format")]
fn als(operations: &Operations, metrics: &mut Metrics) {
    let Some(status) = operations.app.als.as_ref().map(|status| status()) else { return };
    let version = status.version.map(|version| (vec![], version as f64));
    metrics.gauge("vitrine_als_version", "Version of the factor model in use", version);
    let refused = f64::from(u8::from(status.refused.is_some()));
    let help = "1 when a version that should be in use was refused";
    metrics.gauge("vitrine_als_refused", help, [(vec![], refused)]);
    let seconds = status.took_ms as f64 / 1e3;
    metrics.gauge("vitrine_als_training_seconds", "Time the last training took", [(vec![], seconds)]);
    metrics.counter("vitrine_als_trainings", "Trainings that made a model", [(vec![], status.trained)]);
    let help = "Trainings that were skipped because the one before was still running";
    metrics.counter("vitrine_als_trainings_skipped", help, [(vec![], status.skipped)]);
    metrics.counter("vitrine_als_training_failures", "Trainings that failed", [(vec![], status.failed)]);
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers in this format")]
fn sources(operations: &Operations, metrics: &mut Metrics) {
    let views = operations.app.registry.snapshot();
    let source = |name: &str| ("source", name.to_owned());
    let live = views.iter().map(|view| (vec![source(view.name)], f64::from(u8::from(view.state == State::Live))));
    metrics.gauge("vitrine_source_live", "1 when a source has caught up and follows", live);
    let accepted = views.iter().map(|view| (vec![source(view.name)], view.accepted));
    metrics.counter("vitrine_records_accepted", "Records that entered the graph", accepted);
    let ignored = views.iter().flat_map(|view| {
        view.ignored.iter().map(|(kind, count)| (vec![source(view.name), ("kind", (*kind).to_owned())], *count))
    });
    metrics.counter("vitrine_records_ignored", "Records that are right but change no list", ignored);
    let rejected = views.iter().flat_map(|view| {
        view.rejected.iter().map(|(reason, count)| (vec![source(view.name), ("reason", (*reason).to_owned())], *count))
    });
    metrics.counter("vitrine_dead_letters", "Records that went to the dead letter", rejected);
    let without = views.iter().filter_map(|view| Some((vec![source(view.name)], view.lines?.without_order as f64)));
    metrics.gauge("vitrine_lines_without_order", "Order lines held that have no order with their id", without);
    let lags = views.iter().flat_map(|view| {
        view.partitions.iter().map(|((stream, partition), progress)| {
            let labels = vec![source(view.name), ("stream", stream.to_string()), ("partition", partition.to_string())];
            (labels, progress.lag() as f64)
        })
    });
    let help = "What is known upstream and not read: records of Kafka, bytes of files and of PostgreSQL's log";
    metrics.gauge("vitrine_lag_records", help, lags);
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for Metric { name, help, kind, rows } in &self.0 {
            let mut family = encoder.encode_descriptor(name, help, None, *kind)?;
            for (labels, value) in rows {
                if labels.is_empty() {
                    value.encode(&mut family)?;
                } else {
                    value.encode(&mut family.encode_family(labels)?)?;
                }
            }
        }
        Ok(())
    }
}

impl MetricValue {
    fn encode(&self, row: &mut MetricEncoder<'_>) -> fmt::Result {
        match self {
            MetricValue::Counter(count) => row.encode_counter::<Labels, u64, f64>(count, None),
            MetricValue::Gauge(value) => row.encode_gauge(value),
            MetricValue::Histogram(sums) => {
                let (sum, count, buckets) = histogram(sums);
                row.encode_histogram::<Labels>(sum, count, &buckets, None)
            }
        }
    }
}

/// The sum in seconds, the count, and each bucket's bound and own count.
#[expect(clippy::cast_precision_loss, reason = "sums and bounds are floating-point numbers in this format")]
fn histogram(sums: &RouteSums) -> (f64, u64, Vec<(f64, u64)>) {
    let bounds = BUCKETS_US.iter().map(|bound| *bound as f64 / 1e6).chain([f64::INFINITY]);
    let buckets = bounds.zip(sums.buckets).collect();
    (sums.total_ns as f64 / 1e9, sums.buckets.iter().sum(), buckets)
}
