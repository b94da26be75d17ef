//! The effect of checkpoints on look-ups: the same program under the same traffic, without checkpoints and with one per
//! second.
//!
//! Both begin with the same million views, and each has a topic of its own for the views of its measurement, so that
//! both hold the same number of rows. A round measures each once, and the next round measures them in the opposite
//! order, so that other load on the machine affects both. `checkpoint_p99_ratio` is the median of the rounds' own
//! ratios, with the smallest and the largest beside it: a single round says little on few cores. The ratio of all
//! rounds' look-ups together is `checkpoint_p99_ratio_together`.

use std::time::Duration;

use tempfile::TempDir;

use super::super::lookups::{BUSY_EVENTS_PER_S, PACED_CONNECTIONS, PACED_PER_S, requests, stop};
use super::checkpoint;
use crate::child;
use crate::context::Context;
use crate::figures::Figures;
use crate::load::{Requests, pace};
use crate::machine::rest;
use crate::numbers::{median, percentile};
use crate::product::Product;
use crate::topic::PARTITIONS;

const WARM_UP: Duration = Duration::from_secs(2);

/// All look-ups of one side, and the 99th percentile of each round.
#[derive(Default)]
struct Side {
    latencies_ms: Vec<f64>,
    p99_ms: Vec<f64>,
}

pub(super) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let (views, rounds) = (if context.quick { 200_000 } else { 1_000_000 }, context.repeats(3, 9));
    let topic = context.topic("checkpointed", views, figures)?;
    let requests = requests();
    // Without, with.
    let mut sides = [Side::default(), Side::default()];
    let mut taken = Vec::new();
    for round in 0..rounds {
        for turn in 0..2 {
            let with = (round + turn) % 2;
            let traffic = format!("{topic}-{}-{round}-{turn}", context.turn);
            context.broker().create_topic(&traffic, PARTITIONS);
            let (latencies, checkpoints) = one(context, [&topic, &traffic], views, with == 1, &requests)?;
            taken.extend(checkpoints);
            sides[with].p99_ms.push(percentile(&latencies, 99.0));
            sides[with].latencies_ms.extend(latencies);
        }
    }
    let [without, with] = &sides;
    for (side, name) in [(without, "without"), (with, "with")] {
        figures.spread(&format!("lookup_p99_ms_{name}_checkpoints"), &side.p99_ms);
    }
    let together = sides.each_ref().map(|side| percentile(&side.latencies_ms, 99.0));
    figures.put("checkpoint_p99_ratio_together", together[1] / together[0]);
    figures.put("checkpoints_per_round", median(&taken));
    let ratios: Vec<f64> = with.p99_ms.iter().zip(&without.p99_ms).map(|(with, without)| with / without).collect();
    figures.spread("checkpoint_p99_ratio", &ratios);
    Ok(())
}

/// Look-ups of a fresh process that reads a topic's views, and then the visitors' views; and the number of checkpoints
/// taken meanwhile, if it takes any.
fn one(
    context: &Context,
    topics: [&str; 2],
    views: u64,
    with: bool,
    requests: &Requests,
) -> anyhow::Result<(Vec<f64>, Option<f64>)> {
    let dir = TempDir::with_prefix("vitrine-bench-checkpoints-")?;
    let sections = if with { checkpoint(dir.path(), 1) } else { String::new() };
    let mut product = Product::on_topics(context, 1, &topics, &sections)?;
    product.wait_read(topics[0], views)?;
    let visitors = child::spawn(&["traffic", context.broker().bootstrap(), topics[1], BUSY_EVENTS_PER_S])?;
    rest(WARM_UP);
    let duration = Duration::from_secs(if context.quick { 3 } else { 10 });
    let before = taken(&product)?;
    let latencies = pace(product.address(), requests, PACED_CONNECTIONS, PACED_PER_S, duration)?;
    let checkpoints = taken(&product)?.zip(before).map(|(after, before)| after - before);
    stop(visitors);
    product.stop();
    Ok((latencies, checkpoints))
}

/// How many checkpoints a process has taken, if it takes any.
fn taken(product: &Product) -> anyhow::Result<Option<f64>> {
    Ok(product.status()?["checkpoint"]["taken"].as_f64())
}
