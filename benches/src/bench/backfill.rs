//! Five million views from Kafka, from the first to the last: the product beside a bare consumer that parses.
//!
//! The two take turns in one run, so that other load on the machine affects both. The product's cost is that of its
//! whole process from its start until it is ready and has read everything; nothing is deducted.

use crate::child;
use crate::context::Context;
use crate::figures::Figures;
use crate::floor::Cost;
use crate::machine::{cpu_s, resident_bytes, resident_bytes_peak};
use crate::numbers::median;
use crate::product::Product;

/// One backfill of the product.
pub(super) struct Backfill {
    pub(super) cpu_s: f64,
    pub(super) wall_s: f64,
    resident_bytes: f64,
    resident_bytes_peak: f64,
    ticks: f64,
}

/// How many views.
pub(super) fn views(context: &Context) -> u64 {
    if context.quick { 500_000 } else { 5_000_000 }
}

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let views = views(context);
    let topic = context.topic("backfill", views, figures)?;
    let (mut floors, mut backfills) = (Vec::new(), Vec::new());
    for _ in 0..if context.quick { 2 } else { 4 } {
        let brokers = context.broker().bootstrap();
        floors.push(child::output::<Cost>(&["floor", brokers, &topic, &views.to_string()])?);
        backfills.push(once(context, &topic, views, 1)?);
    }
    let floor_cpu = figures.spread("floor_cpu_s", &each(&floors, |floor| floor.cpu_s));
    figures.spread("floor_wall_s", &each(&floors, |floor| floor.wall_s));
    let cpu = figures.spread("backfill_cpu_s", &each(&backfills, |backfill| backfill.cpu_s));
    let wall = figures.spread("backfill_wall_s", &each(&backfills, |backfill| backfill.wall_s));
    figures.put("backfill_cpu_to_floor", cpu / floor_cpu);
    figures.put("backfill_events_per_s", views as f64 / wall);
    figures.put("backfill_ticks", median(&each(&backfills, |backfill| backfill.ticks)));
    figures.put("backfill_resident_mib", median(&each(&backfills, |one| one.resident_bytes)) / (1 << 20) as f64);
    figures
        .put("backfill_resident_mib_peak", median(&each(&backfills, |one| one.resident_bytes_peak)) / (1 << 20) as f64);
    Ok(())
}

/// The product reads the whole topic once.
pub(super) fn once(context: &Context, topic: &str, views: u64, workers: usize) -> anyhow::Result<Backfill> {
    let mut product = Product::on_topic(context, workers, topic)?;
    let wall = product.wait_read(topic, views)?;
    let pid = product.pid();
    let backfill = Backfill {
        cpu_s: cpu_s(pid),
        wall_s: wall.as_secs_f64(),
        resident_bytes: resident_bytes(pid),
        resident_bytes_peak: resident_bytes_peak(pid),
        ticks: product.status()?["ticks_total"].as_f64().unwrap_or(f64::NAN),
    };
    product.stop();
    Ok(backfill)
}

/// One number of each run.
pub(super) fn each<T>(runs: &[T], number: impl Fn(&T) -> f64) -> Vec<f64> {
    runs.iter().map(number).collect()
}
