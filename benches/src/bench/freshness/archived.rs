//! The effect of the archiver on freshness: the same program under the same traffic, without an archive and with one.
//!
//! Both begin with the same views, and each has a topic of its own for the events of its measurement. The archiver has a
//! backfill besides: a topic of millions of views that the lists do not read, which it reads as fast as `archive.mb_per_s_max`
//! allows, and writes to a directory. `archive_freshness_backlog` is how many of these views it had left when the last probe
//! showed: while it is above 0, the archiver had work during all probes. A round measures each side once, and the next round
//! measures them in the opposite order, so that other load on the machine affects both. `archive_freshness_p99_ratio` is the
//! median of the rounds' own ratios; the ratio of all probes together is `archive_freshness_p99_ratio_together`.

use anyhow::Context as _;
use tempfile::TempDir;

use super::{EVENTS_PER_S, WARM_UP, measure};
use crate::bench::backfill;
use crate::child;
use crate::context::Context;
use crate::figures::Figures;
use crate::latencies::Latencies;
use crate::machine::rest;
use crate::numbers::median;
use crate::product::Product;
use crate::topic::PARTITIONS;

/// All probes of one side, and the percentiles of each round.
#[derive(Default)]
struct Side {
    shown: Latencies,
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
}

/// What the archiver did in a round.
struct Archived {
    /// Records that became durable from the process's start to the last probe.
    records: f64,
    /// Offsets of the backfill that were not durable then.
    backlog: f64,
}

pub(super) fn run(context: &Context, (topic, views): (&str, u64), figures: &mut Figures) -> anyhow::Result<()> {
    let (rounds, probes) = if context.quick { (3, 150) } else { (9, 300) };
    let past = context.topic("backfill", backfill::views(context), figures)?;
    // Without, with.
    let mut sides = [Side::default(), Side::default()];
    let mut archived = Vec::new();
    for round in 0..rounds {
        for turn in 0..2 {
            let with = (round + turn) % 2;
            let traffic = format!("{topic}-beside-{round}-{turn}");
            context.broker().create_topic(&traffic, PARTITIONS);
            let dir = TempDir::with_prefix("vitrine-bench-archive-")?;
            let topics = [topic, &traffic, &past];
            let sections = format!("[archive]\nto = {:?}\ntopics = {topics:?}\nage_max_s = 1\n\n", dir.path());
            let sections = if with == 1 { sections } else { String::new() };
            let mut product = Product::on_topics(context, 1, &topics[..2], &sections)?;
            product.wait_read(topic, views)?;
            let visitors = child::spawn(&["traffic", context.broker().bootstrap(), &traffic, EVENTS_PER_S])?;
            rest(WARM_UP);
            let shown = measure(&product, (context.broker().bootstrap(), &traffic), probes, None)?.shown;
            if with == 1 {
                archived.push(Archived::of(&product, &past)?);
            }
            drop(visitors);
            product.stop();
            sides[with].add(shown);
        }
    }
    report(&sides, &archived, figures);
    Ok(())
}

fn report(sides: &[Side; 2], archived: &[Archived], figures: &mut Figures) {
    let [without, with] = sides;
    for (side, name) in [(without, "without"), (with, "with")] {
        figures.spread(&format!("freshness_p50_ms_{name}_archive"), &side.p50_ms);
        figures.spread(&format!("freshness_p99_ms_{name}_archive"), &side.p99_ms);
    }
    let each = |number: fn(&Archived) -> f64| -> Vec<f64> { archived.iter().map(number).collect() };
    figures.put("archive_freshness_records", median(&each(|one| one.records)));
    figures.put("archive_freshness_backlog", each(|one| one.backlog).into_iter().fold(f64::INFINITY, f64::min));
    let together = [with, without].map(|side| side.shown.acknowledged_ms(99.0));
    figures.put("archive_freshness_p99_ratio_together", together[0] / together[1]);
    let ratios: Vec<f64> = with.p99_ms.iter().zip(&without.p99_ms).map(|(with, without)| with / without).collect();
    figures.spread("archive_freshness_p99_ratio", &ratios);
}

impl Side {
    fn add(&mut self, shown: Latencies) {
        self.p50_ms.push(shown.acknowledged_ms(50.0));
        self.p99_ms.push(shown.acknowledged_ms(99.0));
        self.shown.append(shown);
    }
}

impl Archived {
    /// Reads what the archiver has done.
    fn of(product: &Product, past: &str) -> anyhow::Result<Archived> {
        let status = product.status()?;
        let archive = status["archive"].as_object().context("the product archives")?;
        let partitions = archive["partitions"].as_array().into_iter().flatten();
        let lags = partitions.filter(|partition| partition["stream"] == past);
        let backlog = lags.filter_map(|partition| partition["lag"].as_f64()).sum();
        Ok(Archived { records: archive["records"].as_f64().unwrap_or(f64::NAN), backlog })
    }
}
