//! A restart from a checkpoint beside reading the topic again, and what taking checkpoints does to look-ups.
//!
//! Both sides of the first ratio are one process's time from its start until it says it is ready and has read every
//! partition to its end. Both sides of the second are the same program under the same traffic, one without checkpoints
//! and one that takes one every second, by turns.

use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use serde_json::Value;
use tempfile::TempDir;

use super::lookups::{BUSY_EVENTS_PER_S, PACED_CONNECTIONS, PACED_PER_S, requests, stop};
use crate::child;
use crate::context::Context;
use crate::figures::Figures;
use crate::load::pace;
use crate::machine::rest;
use crate::numbers::{median, percentile};
use crate::product::Product;

const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOKS_MAX: usize = 2400;
const WARM_UP: Duration = Duration::from_secs(2);

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let views = if context.quick { 500_000 } else { 16_000_000 };
    let topic = context.topic("restart", views, figures)?;
    let (mut read, mut restarted) = (Vec::new(), Vec::new());
    for _ in 0..if context.quick { 1 } else { 2 } {
        let dir = TempDir::with_prefix("vitrine-bench-checkpoints-")?;
        let mut product = Product::on_topic_with(context, 1, &topic, &checkpoint(dir.path(), 2))?;
        read.push(product.wait_read(&topic, views)?.as_secs_f64());
        let last = wait_for_rows(&product)?;
        product.stop();
        figures.put("restart_rows", number(&last, "rows"));
        figures.put("checkpoint_bytes_per_row", number(&last, "bytes") / number(&last, "rows"));
        figures.put("checkpoint_s", number(&last, "took_ms") / 1e3);
        let mut again = Product::on_topic_with(context, 1, &topic, &checkpoint(dir.path(), 3600))?;
        restarted.push(again.wait_read(&topic, views)?.as_secs_f64());
        again.stop();
    }
    let (read, restarted) = (figures.spread("reading_s", &read), figures.spread("restart_s", &restarted));
    figures.put("restart_to_reading", restarted / read);
    look_ups(context, figures)
}

/// Look-ups while events come in, without checkpoints and with one a second.
fn look_ups(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let views = if context.quick { 200_000 } else { 1_000_000 };
    let topic = context.topic("checkpointed", views, figures)?;
    let requests = requests();
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..if context.quick { 1 } else { 3 } {
        let dir = TempDir::with_prefix("vitrine-bench-checkpoints-")?;
        for (sections, p99) in [(String::new(), &mut without), (checkpoint(dir.path(), 1), &mut with)] {
            let mut product = Product::on_topic_with(context, 1, &topic, &sections)?;
            product.wait_read(&topic, views)?;
            let visitors = child::spawn(&["traffic", context.broker().bootstrap(), &topic, BUSY_EVENTS_PER_S])?;
            rest(WARM_UP);
            let duration = Duration::from_secs(if context.quick { 3 } else { 8 });
            let latencies = pace(product.address(), &requests, PACED_CONNECTIONS, PACED_PER_S, duration)?;
            p99.push(percentile(&latencies, 99.0));
            stop(visitors);
            product.stop();
        }
    }
    figures.spread("lookup_p99_ms_without_checkpoints", &without);
    figures.spread("lookup_p99_ms_with_checkpoints", &with);
    figures.put("checkpoint_p99_ratio", median(&with) / median(&without));
    Ok(())
}

fn checkpoint(dir: &Path, every_s: u32) -> String {
    format!("[checkpoint]\ndir = {:?}\nevery_s = {every_s}\n\n", dir.display().to_string())
}

/// Waits for a checkpoint that was begun after everything had been read.
fn wait_for_rows(product: &Product) -> anyhow::Result<Value> {
    let as_of_ms = product.status()?["as_of_ms"].as_u64().unwrap_or(0);
    for _ in 0..LOOKS_MAX {
        let last = product.status()?["checkpoint"].clone();
        if last["as_of_ms"].as_u64().is_some_and(|at| at >= as_of_ms) {
            return Ok(last);
        }
        rest(LOOK_EVERY);
    }
    bail!("no checkpoint was taken")
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or(f64::NAN)
}
