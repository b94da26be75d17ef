//! From the commit of an order in PostgreSQL to the first HTTP answer that shows it, while other orders and views come in.
//!
//! ```text
//! BEGIN; INSERT the order and its lines; COMMIT ─▶ sent … the server's answer to COMMIT ─▶ committed
//! GET the category's best sellers, again and again on one kept-alive connection ─▶ one buyer more: shown
//! ```
//! The figure is `shown - committed`; `…_from_send_…` is `shown - sent`, which has the commit itself in it. Both
//! include the time of the answer. Requests without a pause take CPU time from the product: on few cores, an order
//! would be visible sooner with fewer requests. The server's `fsync` is off, which shortens the commit but not the time
//! after it: the server sends its log when it is flushed, and answers a commit no sooner than that. Meanwhile 300
//! transactions a second write other orders of a catalogue of 50 k products in a window of 1.25 M order lines, and 5 k
//! views a second come from Kafka.

use std::time::{Duration, Instant};

use anyhow::ensure;
use harness::postgres::{Server, connect, execute};
use vitrine::clock::wall_ms;

use crate::child;
use crate::context::Context;
use crate::figures::Figures;
use crate::latencies::{Latencies, contains};
use crate::load::Connection;
use crate::machine::rest;
use crate::product::Product;
use crate::shop::{USERS, shop};
use crate::steady::Steady;
use crate::tables;

const EVENTS_PER_S: &str = "5000";
const ORDERS_PER_S: f64 = 300.0;
const PROBES_APART_MS: f64 = 40.0;
const SHOWN_MAX: Duration = Duration::from_secs(10);
/// After they were filled, the broker and the database compile code and clean up for a while, on the same CPUs.
const WARM_UP: Duration = Duration::from_secs(20);

/// Products that only probes order, in a category of their own, so that each order adds exactly one buyer.
const PROBED: u64 = 4;
/// First numbers of the other visitors' orders and of the probes; orders that were in the tables before have smaller
/// numbers.
const BESIDE: u64 = 1_000_000_000;
const PROBES: u64 = 2_000_000_000;

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let (lines, views, probes) = if context.quick { (100_000, 100_000, 200) } else { (1_250_000, 1_000_000, 3000) };
    let server = Server::start();
    let url = server.create_database("commit");
    fill(&url, lines);
    let topic = context.topic("freshness", views, figures)?;
    let sections = format!("[postgres]\nurl = \"{url}\"\nmode = \"replication\"\n");
    let mut product = Product::on_topic_with(context, 1, &topic, &sections)?;
    product.wait_read(&topic, views)?;
    let mut visitors = child::spawn(&["traffic", context.broker().bootstrap(), &topic, EVENTS_PER_S])?;
    let buyers = Steady::start(ORDERS_PER_S, buyers(&url));
    rest(WARM_UP);

    let (orders, events, since) = (buyers.done(), product.events()?, Instant::now());
    let shown = probe(&url, &product, probes)?;
    let elapsed = since.elapsed().as_secs_f64();
    figures.put("commit_orders_per_s", (buyers.done() - orders) as f64 / elapsed);
    figures.put("commit_events_per_s", (product.events()? - events) / elapsed);
    buyers.stop()?;
    visitors.kill9();
    shown.report("commit_to_http", figures);
    product.stop();
    Ok(())
}

fn fill(url: &str, lines: usize) {
    execute(url, &tables::create());
    execute(
        url,
        &format!("INSERT INTO products SELECT 'probe-' || n, 'probes' FROM generate_series(0, {PROBED} - 1) n"),
    );
    let numbers = 0..tables::orders_of_lines(lines);
    execute(url, &tables::orders(numbers, "now() - interval '29 days'", "interval '29 days'"));
}

/// The other visitors' orders, each in one transaction: statements sent together are one.
fn buyers(url: &str) -> impl FnMut(u64) -> anyhow::Result<()> + Send + use<> {
    let mut client = connect(url);
    let shop = shop(0);
    let mut rng = shop.rng("buyers");
    move |number| {
        let (order, view) = (BESIDE + number, shop.view(wall_ms(), &mut rng));
        let (user, lines) = (shop.user_id(view.user), tables::lines(order, view.product));
        client.batch_execute(&format!("INSERT INTO orders VALUES ({order}, '{user}', now()); {lines}"))?;
        Ok(())
    }
}

/// One order after the other, each by another user, so that its product gets one more buyer.
fn probe(url: &str, product: &Product, probes: u64) -> anyhow::Result<Latencies> {
    let mut client = connect(url);
    let order = client.prepare("INSERT INTO orders VALUES ($1, $2, now())")?;
    let lines = client.prepare("INSERT INTO order_items VALUES ($1, $2, 1), ($1, $3, 1)")?;
    let mut connection = Connection::open(product.address())?;
    let request = b"GET /v1/categories/probes/bestsellers HTTP/1.1\r\nhost: vitrine\r\n\r\n";
    let mut rng = shop(0).rng("moments of orders");
    let mut latencies = Latencies::default();
    for number in 0..probes {
        // A random pause, so that probes are not in step with periodic work.
        rest(Duration::from_secs_f64(PROBES_APART_MS * rng.unit() / 1e3));
        let (id, user) = (i64::try_from(PROBES + number)?, format!("user-{}", u64::from(USERS) + 1 + number));
        let (probed, other) = (format!("probe-{}", number % PROBED), format!("product-{}", 1 + number));
        let mut transaction = client.transaction()?;
        transaction.execute(&order, &[&id, &user])?;
        transaction.execute(&lines, &[&id, &probed, &other])?;
        let sent = Instant::now();
        transaction.commit()?;
        let committed = Instant::now();
        let needle = format!("{{\"product\":\"{probed}\",\"buyers\":{}}}", 1 + number / PROBED);
        while !contains(connection.ask(request)?, needle.as_bytes()) {
            ensure!(committed.elapsed() < SHOWN_MAX, "order {id} of {probed} does not show");
        }
        latencies.note([sent, committed], Instant::now());
    }
    Ok(latencies)
}
