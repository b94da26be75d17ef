//! `/metrics`: the figures of one moment as OpenMetrics text. No label holds an id of a user or a product.

use std::fmt;
use std::sync::atomic::Ordering;

use dataflow::source_status::State;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::counters::{BUCKETS_US, RouteSums, STATUSES};
use super::memory;
use crate::endpoints::health::unreadiness;
use crate::endpoints::status::sums;
use crate::forward::Forward;
use crate::route::NAMES;
use crate::shared::Shared;

type Labels = Vec<(&'static str, String)>;

/// The figures of one name.
#[derive(Debug)]
struct Family {
    name: &'static str,
    help: &'static str,
    figures: Figures,
}

#[derive(Debug)]
enum Figures {
    Counter(Vec<(Labels, u64)>),
    Gauge(Vec<(Labels, f64)>),
    Histogram(Vec<(Labels, RouteSums)>),
}

/// The figures of one moment.
#[derive(Debug, Default)]
struct Figured(Vec<Family>);

impl Figured {
    fn counter(&mut self, name: &'static str, help: &'static str, rows: impl IntoIterator<Item = (Labels, u64)>) {
        self.0.push(Family { name, help, figures: Figures::Counter(rows.into_iter().collect()) });
    }

    fn gauge(&mut self, name: &'static str, help: &'static str, rows: impl IntoIterator<Item = (Labels, f64)>) {
        self.0.push(Family { name, help, figures: Figures::Gauge(rows.into_iter().collect()) });
    }
}

/// The exposition.
pub(crate) fn text(shared: &Shared) -> String {
    let mut figured = Figured::default();
    requests(shared, &mut figured);
    server(shared, &mut figured);
    forwarding(shared, &mut figured);
    engine(shared, &mut figured);
    sources(shared, &mut figured);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(figured));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a String takes everything");
    text
}

fn requests(shared: &Shared, figured: &mut Figured) {
    let sums = sums(shared);
    let mut counts = Vec::new();
    let mut times = Vec::new();
    for (route, sum) in NAMES.iter().zip(sums.routes) {
        let label = ("route", (*route).to_owned());
        for (status, count) in STATUSES.iter().zip(sum.statuses).filter(|(_, count)| *count > 0) {
            counts.push((vec![label.clone(), ("status", status.to_string())], count));
        }
        times.push((vec![label], sum));
    }
    figured.counter("vitrine_http_requests", "Requests answered, by route and status", counts);
    let help = "From a request's header to its answer, in seconds, by route";
    figured.0.push(Family { name: "vitrine_http_request_seconds", help, figures: Figures::Histogram(times) });
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers in this format")]
fn server(shared: &Shared, figured: &mut Figured) {
    let gauges = [
        ("vitrine_http_connections", "Open connections", shared.connections.taken()),
        ("vitrine_http_waits", "Requests that wait for a position to become visible", shared.waits.waiting()),
        ("vitrine_http_streams", "Open status streams", shared.streams.taken()),
        ("vitrine_http_body_bytes", "Bytes of request bodies held", shared.bodies.taken()),
    ];
    for (name, help, value) in gauges {
        figured.gauge(name, help, [(vec![], value as f64)]);
    }
    let refused = shared.connections_refused.load(Ordering::Relaxed);
    let help = "Connections refused because there were too many";
    figured.counter("vitrine_http_connections_refused", help, [(vec![], refused)]);
    let memory = memory::resident_bytes() as f64;
    figured.gauge("vitrine_resident_memory_bytes", "Memory held by this process", [(vec![], memory)]);
}

fn forwarding(shared: &Shared, figured: &mut Figured) {
    let Some(counts) = shared.forward.as_ref().map(Forward::counts) else { return };
    let help = "Requests for users that another process of the cluster holds, which were passed on to it";
    figured.counter("vitrine_forwarded_requests", help, [(vec![], counts.asked())]);
    let failures = counts.failed().map(|(reason, count)| (vec![("reason", reason.to_owned())], count));
    let help = "Requests that came to nothing as they were passed on, by reason";
    figured.counter("vitrine_forwarding_failures", help, failures);
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers in this format")]
fn engine(shared: &Shared, figured: &mut Figured) {
    let app = &shared.app;
    let as_of = app.reader.view_any().as_of();
    let age_ms = app.clock.now().saturating_sub(as_of);
    // Before the first tick there is no state that could have an age.
    let age = (app.reader.snapshots().closed() > 0).then_some((vec![], age_ms as f64 / 1e3));
    figured.gauge("vitrine_as_of_age_seconds", "Age of the state shown", age);
    let ready = unreadiness(shared, &app.registry.snapshot(), as_of).is_none();
    figured.gauge("vitrine_ready", "1 when answers are complete and fresh", [(vec![], f64::from(u8::from(ready)))]);
    figured.counter("vitrine_ticks", "Ticks closed", [(vec![], app.ticks.ticks())]);
    let late = app.reader.late_lines();
    let help = "Order lines that had left the window when they arrived";
    figured.counter("vitrine_late_order_lines", help, [(vec![], late)]);
    let sizes = app.reader.index_sizes();
    let index = |name: &str| vec![("index", name.to_owned())];
    let updates = sizes.iter().map(|(name, size)| (index(name), size.updates as f64));
    figured.gauge("vitrine_index_updates", "Updates held by a published index", updates);
    let batches = sizes.iter().map(|(name, size)| (index(name), size.batches as f64));
    figured.gauge("vitrine_index_batches", "Batches a published index is in", batches);
    if let Some(last) = app.checkpoints.as_ref().map(|last| last()) {
        let age_s = app.clock.now().saturating_sub(last.as_of_ms) as f64 / 1e3;
        let age = (last.as_of_ms > 0).then_some((vec![], age_s));
        figured.gauge("vitrine_checkpoint_age_seconds", "Age of the newest durable checkpoint", age);
        figured.gauge(
            "vitrine_checkpoint_seconds",
            "Time the last checkpoint took",
            [(vec![], last.took_ms as f64 / 1e3)],
        );
        figured.gauge("vitrine_checkpoint_bytes", "Size of the last checkpoint", [(vec![], last.bytes as f64)]);
        figured.counter("vitrine_checkpoints", "Checkpoints taken", [(vec![], last.taken)]);
        figured.counter("vitrine_checkpoint_failures", "Checkpoints that failed", [(vec![], last.failed)]);
    }
    let products = app.reader.dictionary().products_len() as f64;
    figured.gauge("vitrine_product_ids", "Product ids known", [(vec![], products)]);
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers in this format")]
fn sources(shared: &Shared, figured: &mut Figured) {
    let views = shared.app.registry.snapshot();
    let source = |name: &str| ("source", name.to_owned());
    let live = views.iter().map(|view| (vec![source(view.name)], f64::from(u8::from(view.state == State::Live))));
    figured.gauge("vitrine_source_live", "1 when a source has caught up and follows", live);
    let accepted = views.iter().map(|view| (vec![source(view.name)], view.accepted));
    figured.counter("vitrine_records_accepted", "Records that entered the graph", accepted);
    let ignored = views.iter().flat_map(|view| {
        view.ignored.iter().map(|(kind, count)| (vec![source(view.name), ("kind", (*kind).to_owned())], *count))
    });
    figured.counter("vitrine_records_ignored", "Records that are right but change no shelf", ignored);
    let rejected = views.iter().flat_map(|view| {
        view.rejected.iter().map(|(reason, count)| (vec![source(view.name), ("reason", (*reason).to_owned())], *count))
    });
    figured.counter("vitrine_dead_letters", "Records that went to the dead letter", rejected);
    let without = views.iter().filter_map(|view| Some((vec![source(view.name)], view.lines?.without_order as f64)));
    figured.gauge("vitrine_lines_without_order", "Order lines held that have no order with their id", without);
    let lags = views.iter().flat_map(|view| {
        view.partitions.iter().map(|((stream, partition), progress)| {
            let labels = vec![source(view.name), ("stream", stream.to_string()), ("partition", partition.to_string())];
            (labels, progress.lag() as f64)
        })
    });
    let help = "What is known upstream and not read: records of Kafka, bytes of files and of PostgreSQL's log";
    figured.gauge("vitrine_lag_records", help, lags);
}

impl Collector for Figured {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for Family { name, help, figures } in &self.0 {
            match figures {
                Figures::Counter(rows) => {
                    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
                    for (labels, value) in rows {
                        row(&mut family, labels, |row| row.encode_counter::<Labels, u64, f64>(value, None))?;
                    }
                }
                Figures::Gauge(rows) => {
                    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                    for (labels, value) in rows {
                        row(&mut family, labels, |row| row.encode_gauge(value))?;
                    }
                }
                Figures::Histogram(rows) => {
                    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
                    for (labels, sums) in rows {
                        let (sum, count, buckets) = histogram(sums);
                        row(&mut family, labels, |row| row.encode_histogram::<Labels>(sum, count, &buckets, None))?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Encodes one row of a family, with its labels if it has any.
fn row(
    family: &mut MetricEncoder<'_>,
    labels: &Labels,
    encode: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    if labels.is_empty() { encode(family) } else { encode(&mut family.encode_family(labels)?) }
}

/// The sum in seconds, the count, and each bucket's bound and own count.
#[expect(clippy::cast_precision_loss, reason = "sums and bounds are floating-point numbers in this format")]
fn histogram(sums: &RouteSums) -> (f64, u64, Vec<(f64, u64)>) {
    let bounds = BUCKETS_US.iter().map(|bound| *bound as f64 / 1e6).chain([f64::INFINITY]);
    let buckets = bounds.zip(sums.buckets).collect();
    (sums.total_ns as f64 / 1e9, sums.buckets.iter().sum(), buckets)
}
