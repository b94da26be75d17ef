//! Memory while the same rows change for half an hour: it should depend on the number of rows, and not on the number of
//! changes.
//!
//! ```text
//! phase 1   one crowd                                              ┐ warm-up: all pairs once │ first quarter … last quarter
//! phase 2   the same and another one: twice the rows               ┘ resident memory, once a second
//! ```
//! A *crowd* is 1 M (user, product) pairs that are viewed again and again, removals from its histories over HTTP, and
//! 200 k orders with 500 k lines. Each second some orders leave the window and as many new orders are made, while
//! others change their user or a product, or are replaced by another order; products change their category. So the
//! number of rows stays the same. Checkpoints are taken. `churn_rss_growth` is the last quarter's median to the first
//! one's, of the phase where it is larger. The two phases give a line through rows and memory, `churn_base_mib` +
//! `churn_bytes_per_row` × rows; `churn_rss_to_line_max` is the largest sample to that line.
//!
//! Rows are pairs, orders and lines in the window, and products. A removed pair counts: its removal is kept. The source
//! holds lines that have left the window for up to a 200th of it; the samples include them, and the rows do not.

mod crowd;
mod orders;
mod samples;

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use harness::postgres::{Server, connect, execute};
use tempfile::TempDir;

use crate::context::Context;
use crate::figures::Figures;
use crate::machine::{resident_bytes_peak, rest};
use crate::product::Product;
use crate::tables;
use crate::topic::PARTITIONS;

use crowd::{Crowd, Size};
use samples::{Phase, Sample};

/// The rate of both crowds together, so that the second phase has more rows but not more views.
const VIEWS_PER_S: f64 = 20_000.0;
const LOOK_EVERY: Duration = Duration::from_secs(1);
const CROWDS: u32 = 2;
const TOPIC: &str = "churn";
const MIB: f64 = (1 << 20) as f64;

/// How long orders count here: a day, the smallest setting, so that many orders leave during the run.
pub(super) const WINDOW: &str = "interval '1 day'";

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let size = if context.quick {
        Size { pairs: 200_000, orders: 20_000 }
    } else {
        Size { pairs: 1_000_000, orders: 200_000 }
    };
    let server = Server::start();
    let url = server.create_database(TOPIC);
    execute(&url, &tables::create());
    context.broker().create_topic(TOPIC, PARTITIONS);
    let dir = TempDir::with_prefix("vitrine-bench-checkpoints-")?;
    orders::fill(&url, 0, size.orders);
    let mut product = Product::on_topic_with(context, 1, TOPIC, &sections(&url, &dir, context.quick))?;
    product.wait_ready()?;

    let (start, mut crowds, mut phases) = (Instant::now(), Vec::new(), Vec::new());
    for number in 0..CROWDS {
        if number > 0 {
            orders::fill(&url, number, size.orders);
        }
        crowds.push(Crowd::start(context, &product, &url, number, size)?);
        // The running crowds share the views of a second.
        crowds.iter().for_each(|crowd: &Crowd| crowd.views_per_s(VIEWS_PER_S / f64::from(number + 1)));
        let end = start + context.churn * (number + 1) / CROWDS;
        let phase = phase(&product, &mut crowds, end, || rows(&url, size, number + 1))?;
        phase.report(number + 1, figures);
        phases.push(phase);
    }
    figures.put("churn_minutes", start.elapsed().as_secs_f64() / 60.0);
    figures.put("churn_rss_mib_peak", resident_bytes_peak(product.pid()) / MIB);
    figures.put("churn_updates", updates(&product)?);
    samples::line(&phases, figures);
    for crowd in crowds {
        crowd.stop()?;
    }
    product.stop();
    Ok(())
}

fn sections(url: &str, dir: &TempDir, quick: bool) -> String {
    // The usual time between two checkpoints, unless it would be the whole run.
    let every_s = if quick { 10 } else { 60 };
    let dir = dir.path().display().to_string();
    format!(
        "[rules]\nwindow_days = 1\n\n[postgres]\nurl = \"{url}\"\nmode = \"replication\"\n\n\
         [checkpoint]\ndir = {dir:?}\nevery_s = {every_s}\n"
    )
}

/// Waits until the newest crowd has viewed everything once, and takes samples until the end.
fn phase(
    product: &Product,
    crowds: &mut [Crowd],
    end: Instant,
    rows: impl Fn() -> anyhow::Result<f64>,
) -> anyhow::Result<Phase> {
    let begin = Instant::now();
    while !crowds.iter().all(Crowd::is_warm) {
        look(product, crowds)?;
        ensure!(Instant::now() < end, "too few minutes: not everything was viewed once in half of them");
    }
    let (warm_up, first_rows, mut samples) = (begin.elapsed(), rows()?, Vec::new());
    while Instant::now() < end {
        samples.push(look(product, crowds)?);
    }
    Ok(Phase { warm_up, rows: [first_rows, rows()?], samples })
}

/// Takes one sample, after a pause.
fn look(product: &Product, crowds: &mut [Crowd]) -> anyhow::Result<Sample> {
    rest(LOOK_EVERY);
    for crowd in crowds {
        crowd.check().with_context(|| format!("vitrine says: {:?}", product.words()))?;
    }
    Sample::of(product)
}

/// The number of records that all sources have given to the graph so far.
fn updates(product: &Product) -> anyhow::Result<f64> {
    let status = product.status()?;
    let sources = status["sources"].as_array().context("the status names the sources")?;
    Ok(sources.iter().filter_map(|source| source["accepted"].as_f64()).sum())
}

/// The rows there are now, as PostgreSQL counts them.
fn rows(url: &str, size: Size, crowds: u32) -> anyhow::Result<f64> {
    let live = format!("orders WHERE created_at > now() - {WINDOW}");
    let counts = format!(
        "SELECT (SELECT count(*) FROM products) + (SELECT count(*) FROM {live})
             + (SELECT count(*) FROM order_items WHERE order_id IN (SELECT order_id FROM {live}))"
    );
    let counted: i64 = connect(url).query_one(&counts, &[])?.get(0);
    Ok(counted as f64 + (size.pairs * u64::from(crowds)) as f64)
}
