//! Five million views from Kafka, from the first to the last: the product beside bare consumers that parse.
//!
//! All take turns in one run, so that other load on the machine affects all. The product's cost is that of its whole process
//! from its start until it is ready and has read everything; nothing is deducted. It is compared with the best of the bare
//! consumers that parse. Every kind of consumer reads the topic once before, unmeasured: the broker compiles its code then.

use crate::child;
use crate::context::Context;
use crate::figures::Figures;
use crate::floor::Cost;
use crate::floor::kind::FloorKind;
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

/// The runs of one kind of bare consumer.
struct Floor {
    kind: FloorKind,
    costs: Vec<Cost>,
}

/// How many views. Fewer than in a quick run would mostly measure the start of the process.
pub(super) fn views(context: &Context) -> u64 {
    if context.quick { 2_000_000 } else { 5_000_000 }
}

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let views = views(context);
    let topic = context.topic("backfill", views, figures)?;
    // When two builds take turns, each is the other's measure.
    let kinds = if context.in_turns { Vec::new() } else { FloorKind::all() };
    let mut floors: Vec<Floor> = kinds.into_iter().map(|kind| Floor { kind, costs: Vec::new() }).collect();
    let mut backfills = Vec::new();
    for floor in &floors {
        floor.once(context, &topic, views)?;
    }
    for _ in 0..context.repeats(3, 4) {
        for floor in &mut floors {
            let cost = floor.once(context, &topic, views)?;
            floor.costs.push(cost);
        }
        backfills.push(once(context, &topic, views, 1)?);
    }
    report(&backfills, views, figures);
    report_floors(&floors, &backfills, figures);
    Ok(())
}

impl Floor {
    fn once(&self, context: &Context, topic: &str, views: u64) -> anyhow::Result<Cost> {
        let views = views.to_string();
        let mut arguments = vec!["floor", context.broker().bootstrap(), topic, &views];
        let kind = self.kind.arguments();
        arguments.extend(kind.iter().map(String::as_str));
        child::output(&arguments)
    }

    fn cpu_s(&self) -> Vec<f64> {
        each(&self.costs, |cost| cost.cpu_s)
    }
}

fn report(backfills: &[Backfill], views: u64, figures: &mut Figures) {
    figures.spread("backfill_cpu_s", &each(backfills, |backfill| backfill.cpu_s));
    let wall = figures.spread("backfill_wall_s", &each(backfills, |backfill| backfill.wall_s));
    figures.put("backfill_events_per_s", views as f64 / wall);
    figures.put("backfill_ticks", median(&each(backfills, |backfill| backfill.ticks)));
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    figures.put("backfill_resident_mib", median(&each(backfills, |one| mib(one.resident_bytes))));
    figures.put("backfill_resident_mib_peak", median(&each(backfills, |one| mib(one.resident_bytes_peak))));
}

/// All bare consumers, and the product's cost beside the best of those that parse, round by round.
fn report_floors(floors: &[Floor], backfills: &[Backfill], figures: &mut Figures) {
    for floor in floors {
        figures.put(&format!("floor_{}_cpu_s", floor.kind.name()), median(&floor.cpu_s()));
    }
    let parsing = floors.iter().filter(|floor| floor.kind.parse);
    let Some(best) = parsing.min_by(|a, b| median(&a.cpu_s()).total_cmp(&median(&b.cpu_s()))) else { return };
    eprintln!("bench:   the best floor is {}", best.kind.name());
    figures.spread("floor_cpu_s", &best.cpu_s());
    figures.spread("floor_wall_s", &each(&best.costs, |cost| cost.wall_s));
    let ratios: Vec<f64> =
        backfills.iter().zip(&best.costs).map(|(backfill, cost)| backfill.cpu_s / cost.cpu_s).collect();
    figures.spread("backfill_cpu_to_floor", &ratios);
}

/// The product reads the whole topic once.
pub(super) fn once(context: &Context, topic: &str, views: u64, workers: usize) -> anyhow::Result<Backfill> {
    once_with(context, topic, views, workers, "")
}

/// The product reads the whole topic once, with further sections of the configuration.
pub(super) fn once_with(
    context: &Context,
    topic: &str,
    views: u64,
    workers: usize,
    sections: &str,
) -> anyhow::Result<Backfill> {
    let mut product = Product::on_topic_with(context, workers, topic, sections)?;
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
