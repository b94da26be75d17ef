//! The measured process: loads one kind of row into the graph, lets it settle, and prints how much memory it took.

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::lab::{Lab, LabClock, Row};
use crate::machine::{resident_bytes, resident_bytes_peak, rest};
use crate::orders::{Choice, Orders};
use crate::shop::PRODUCTS;

/// Idle merging and the allocator give memory back within this time.
const SETTLING: Duration = Duration::from_secs(4);
/// How many products every user has seen.
const PAIRS_PER_USER: usize = 25;
const MONTH_MS: u64 = 30 * 86_400_000;

/// What to load.
#[derive(Debug, Args)]
pub(crate) struct MemoryArgs {
    kind: Kind,
    rows: usize,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// Distinct (user, product) pairs.
    Pairs,
    /// Lines of orders in the window.
    Lines,
}

/// The memory per row.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MemoryUse {
    pub(crate) bytes: f64,
    pub(crate) bytes_peak: f64,
    pub(crate) load_s: f64,
}

/// Loads and measures.
pub(crate) fn run_part(args: &MemoryArgs) -> MemoryUse {
    let own = std::process::id();
    let mut lab = Lab::start(1, LabClock::wall());
    let (before, load) = match args.kind {
        Kind::Pairs => {
            let (users, products) = (lab.users(args.rows / PAIRS_PER_USER), lab.products(PRODUCTS as usize));
            let end = vitrine::clock::wall_ms();
            let rows = args.rows;
            // Every user once, then every user again with another product, in the order in which visitors would come.
            let view = move |number: usize| {
                let (user, round) = (number % users.len(), number / users.len());
                let product = (user * 7 + round * 1999) % products.len();
                Row::View(users[user], products[product], end - (rows - number) as u64)
            };
            let before = resident_bytes(own);
            (before, loaded(&mut lab, (0..rows).map(view)))
        }
        Kind::Lines => {
            let mut orders = Orders::new(&mut lab, Choice::Popular);
            let end = vitrine::clock::wall_ms();
            let rows = orders.spread(args.rows, end - MONTH_MS + 60_000..end);
            let before = resident_bytes(own);
            (before, loaded(&mut lab, rows))
        }
    };
    rest(SETTLING);
    let per_row = |bytes: f64| (bytes - before) / args.rows as f64;
    let memory_use = MemoryUse {
        bytes: per_row(resident_bytes(own)),
        bytes_peak: per_row(resident_bytes_peak(own)),
        load_s: load.as_secs_f64(),
    };
    lab.stop();
    memory_use
}

fn loaded(lab: &mut Lab, rows: impl ExactSizeIterator<Item = Row> + Send + 'static) -> Duration {
    let start = Instant::now();
    lab.load(rows);
    start.elapsed()
}
