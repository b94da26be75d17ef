//! A restart from a checkpoint beside reading the topic again; in `restart/look_ups.rs`, look-ups while they are taken.
//!
//! Both sides of the ratio are one process's time from its start until it says it is ready and has read every partition to
//! its end. The first one reads the topic without taking checkpoints, which would only slow it down; told to stop, it
//! writes one that holds everything. `checkpoint_s` is from then until it has gone, `restart_ready_s` the time until the
//! next one says it is ready. `restart_pairs` is how many (user, product) the topic has, counted where its views are made;
//! `restart_rows` is how many rows the restart has to read, as `vitrine checkpoint inspect` says.

mod look_ups;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::context::Context;
use crate::figures::Figures;
use crate::product::Product;
use crate::shop::pairs;

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    // Popular products are viewed by the same users again: so many have 10 M pairs.
    let views = if context.quick { 2_000_000 } else { 28_000_000 };
    let topic = context.topic("restart", views, figures)?;
    figures.put("restart_pairs", pairs(views) as f64);
    let (mut read, mut written, mut ready, mut restarted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..context.repeats(1, 2) {
        let dir = TempDir::with_prefix("vitrine-bench-checkpoints-")?;
        let sections = checkpoint(dir.path(), 86_400) + "[server]\nshutdown_ms = 200000\n";
        let mut product = Product::on_topic_with(context, 1, &topic, &sections)?;
        read.push(product.wait_read(&topic, views)?.as_secs_f64());
        let stop_requested = Instant::now();
        product.stop();
        written.push(stop_requested.elapsed().as_secs_f64());
        let CheckpointSize { rows, bytes } = checkpoint_size(context, dir.path())?;
        figures.put("restart_rows", rows);
        figures.put("checkpoint_bytes_per_row", bytes / rows);
        let mut again = Product::on_topic_with(context, 1, &topic, &sections)?;
        ready.push(again.wait_ready()?.as_secs_f64());
        restarted.push(again.wait_read(&topic, views)?.as_secs_f64());
        again.stop();
    }
    figures.spread("checkpoint_s", &written);
    figures.spread("restart_ready_s", &ready);
    let (read, restarted) = (figures.spread("reading_s", &read), figures.spread("restart_s", &restarted));
    figures.put("restart_to_reading", restarted / read);
    look_ups::run(context, figures)
}

fn checkpoint(dir: &Path, every_s: u32) -> String {
    format!("[checkpoint]\ndir = {:?}\nevery_s = {every_s}\n\n", dir.display().to_string())
}

/// What a restart reads.
struct CheckpointSize {
    rows: f64,
    bytes: f64,
}

/// The newest checkpoint with all those that it stands on.
fn checkpoint_size(context: &Context, dir: &Path) -> anyhow::Result<CheckpointSize> {
    let newest = inspect(context, dir, None)?;
    let chain = newest["chain"].as_array().context("a checkpoint has a chain")?;
    let mut checkpoint_size = CheckpointSize { rows: 0.0, bytes: 0.0 };
    for id in chain {
        let one = inspect(context, dir, id.as_u64())?;
        checkpoint_size.rows += sum(&one, "tables", "rows");
        checkpoint_size.bytes += sum(&one, "files", "bytes");
    }
    Ok(checkpoint_size)
}

fn inspect(context: &Context, dir: &Path, id: Option<u64>) -> anyhow::Result<Value> {
    let mut command = Command::new(&context.vitrine);
    command.args(["checkpoint", "inspect"]).args(id.map(|id| id.to_string())).arg("--dir").arg(dir);
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).with_context(|| format!("what {command:?} printed"))
}

/// A number of each of a checkpoint's tables, or files, over all its parts.
fn sum(checkpoint: &Value, of: &str, number: &str) -> f64 {
    let parts = checkpoint["parts"].as_array().into_iter().flatten();
    parts.flat_map(|part| part[of].as_array().into_iter().flatten()).filter_map(|one| one[number].as_f64()).sum()
}
