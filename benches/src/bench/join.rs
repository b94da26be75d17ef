//! `vitrine features join`: the features just before the time of each of a million rows, from five million events, beside reading
//! the same topic twice into a server with features.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::bench::features::ON;
use crate::context::Context;
use crate::event_mix::EventMix;
use crate::figures::Figures;
use crate::product::Product;
use crate::shop::shop;

/// How much later than a view a row asks at most: rows of training data follow what users did.
const LATER_MS: u32 = 3_600_000;

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let (events, rows) = if context.quick { (1_000_000, 200_000) } else { (5_000_000, 1_000_000) };
    let topic = context.topic_of(EventMix::AllTypes, "join", events, figures)?;
    let dir = TempDir::with_prefix("vitrine-bench-join-")?;
    let [config, labels, out] = ["vitrine.toml", "labels.jsonl", "training.jsonl"].map(|name| dir.path().join(name));
    std::fs::write(&config, Product::config(context, &[topic.as_str()], ON))?;
    write_labels(&labels, events, rows)?;
    let (mut readings, mut joins) = (Vec::new(), Vec::new());
    for _ in 0..context.repeats(1, 3) {
        let mut product = Product::on_topic_with(context, 1, &topic, ON)?;
        readings.push(product.wait_read(&topic, events)?.as_secs_f64());
        product.stop();
        let start = Instant::now();
        join(context, &config, &labels, &out)?;
        joins.push(start.elapsed().as_secs_f64());
    }
    figures.put("join_rows", rows as f64);
    let reading = figures.spread("join_reading_s", &readings);
    let joined = figures.spread("join_s", &joins);
    figures.put("join_to_two_readings", joined / (2.0 * reading));
    Ok(())
}

fn join(context: &Context, config: &Path, labels: &Path, out: &Path) -> anyhow::Result<()> {
    let status = Command::new(&context.vitrine)
        .args(["features", "join", "--config"])
        .arg(config)
        .arg("--rows")
        .arg(labels)
        .arg("--out")
        .arg(out)
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "the join ended with {status}");
    Ok(())
}

/// Rows of the users and the products of some of the topic's events, each a while after its event.
fn write_labels(path: &Path, events: u64, rows: u64) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let shop = shop(events);
    let mut rng = shop.rng("rows of labels");
    let each = usize::try_from(events / rows)?;
    for view in shop.views().step_by(each).take(usize::try_from(rows)?) {
        let (user, product, at) = (shop.user_id(view.user), shop.product_id(view.product), view.at);
        let at = at + u64::from(rng.below(LATER_MS));
        writeln!(file, r#"{{"user_id":"{user}","product_id":"{product}","event_time":{at}}}"#)?;
    }
    file.flush().context("the file of rows cannot be written")
}
