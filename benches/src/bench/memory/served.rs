//! Order lines end to end: the product on a real PostgreSQL, with its orders and without.

use std::time::Duration;

use harness::postgres::{Server, execute};

use crate::context::Context;
use crate::figures::Figures;
use crate::machine::{resident_bytes, resident_bytes_peak, rest};
use crate::product::Product;
use crate::shop::{CATEGORIES, PRODUCTS, USERS};

/// Idle merging and the allocator give memory back within this time.
const SETTLING: Duration = Duration::from_secs(4);

/// What the product holds for each line beside the graph: the rows by their keys, for the next reading.
pub(super) fn run(context: &Context, lines: usize, figures: &mut Figures) -> anyhow::Result<()> {
    let server = Server::start();
    let (empty, full) = (server.create_database("without_orders"), server.create_database("with_orders"));
    for url in [&empty, &full] {
        execute(url, &tables());
    }
    execute(&full, &orders(lines));
    let (without, _, _) = served(context, &empty)?;
    let (with, peak, ready) = served(context, &full)?;
    let per_line = |bytes: f64| (bytes - without) / lines as f64;
    figures.put("bytes_per_order_line_served", per_line(with));
    figures.put("bytes_per_order_line_served_peak", per_line(peak));
    figures.put("order_lines_snapshot_s", ready.as_secs_f64());
    Ok(())
}

/// Resident bytes once settled and at most, and the time until it was ready.
fn served(context: &Context, url: &str) -> anyhow::Result<(f64, f64, Duration)> {
    let config = format!("[postgres]\nurl = \"{url}\"\nrefresh_s = 86400\n\n[log]\nlevel = \"warn\"\n");
    let mut product = Product::start(context, 1, &config)?;
    let ready = product.wait_ready()?;
    rest(SETTLING);
    let pid = product.pid();
    let sizes = (resident_bytes(pid), resident_bytes_peak(pid), ready);
    product.stop();
    Ok(sizes)
}

fn tables() -> String {
    format!(
        "CREATE TABLE products (product_id text PRIMARY KEY, category_id text);
         CREATE TABLE orders (order_id bigint PRIMARY KEY, user_id text, created_at timestamptz);
         CREATE TABLE order_items (order_id bigint, product_id text, quantity int, PRIMARY KEY (order_id, product_id));
         INSERT INTO products SELECT 'product-' || n, 'category-' || n % {CATEGORIES} FROM generate_series(0, {PRODUCTS} - 1) n"
    )
}

/// Orders of two lines and of three by turns, spread over the days of the window.
fn orders(lines: usize) -> String {
    let orders = lines / 5 * 2;
    format!(
        "INSERT INTO orders SELECT n, 'user-' || n * 7 % {USERS}, now() - interval '29 days' * n / {orders}
             FROM generate_series(0, {orders} - 1) n;
         INSERT INTO order_items SELECT n, 'product-' || (n * 31 + line * 7919) % {PRODUCTS}, 1
             FROM generate_series(0, {orders} - 1) n, generate_series(0, 1 + n % 2) line"
    )
}
