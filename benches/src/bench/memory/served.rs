//! Order lines end to end: the product on a real PostgreSQL, with its orders and without.

use std::time::Duration;

use harness::postgres::{Server, execute};

use crate::context::Context;
use crate::figures::Figures;
use crate::machine::{resident_bytes, resident_bytes_peak, rest};
use crate::product::Product;
use crate::tables;

/// Idle merging and the allocator give memory back within this time.
const SETTLING: Duration = Duration::from_secs(4);

/// Measures the memory of each line in the whole product, which also holds the rows by their keys, for later changes.
pub(super) fn run(context: &Context, lines: usize, figures: &mut Figures) -> anyhow::Result<()> {
    let server = Server::start();
    let (empty, full) = (server.create_database("without_orders"), server.create_database("with_orders"));
    for url in [&empty, &full] {
        execute(url, &tables::create());
    }
    let numbers = 0..tables::orders_of_lines(lines);
    execute(&full, &tables::orders(numbers, "now() - interval '29 days'", "interval '29 days'"));
    let (without, _, _) = served(context, &empty, "without_orders")?;
    let (with, peak, ready) = served(context, &full, "with_orders")?;
    let per_line = |bytes: f64| (bytes - without) / lines as f64;
    figures.put("bytes_per_order_line_served", per_line(with));
    figures.put("bytes_per_order_line_served_peak", per_line(peak));
    figures.put("order_lines_snapshot_s", ready.as_secs_f64());
    Ok(())
}

/// Resident bytes once settled and at most, and the time until it was ready.
fn served(context: &Context, url: &str, slot: &str) -> anyhow::Result<(f64, f64, Duration)> {
    // A slot belongs to one database of a server.
    let config =
        format!("[postgres]\nurl = \"{url}\"\nmode = \"replication\"\nslot = \"{slot}\"\n\n[log]\nlevel = \"warn\"\n");
    let mut product = Product::start(context, 1, &config)?;
    let ready = product.wait_ready()?;
    rest(SETTLING);
    let pid = product.pid();
    let sizes = (resident_bytes(pid), resident_bytes_peak(pid), ready);
    product.stop();
    Ok(sizes)
}
