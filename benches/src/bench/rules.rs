//! From a request that writes a merchandising rule to the first answer whose list follows it, while 50 k events a second arrive.
//!
//! A rule hides the newest product of a history, and is deleted again. The request is answered when the rule is durable in Kafka
//! and visible, so the time holds a write that all replicas acknowledge, and a tick. How long Kafka itself takes for such a
//! record meanwhile is shown by a bare producer and a bare consumer on a topic of their own (`freshness/echo.rs`).

use std::time::{Duration, Instant};

use anyhow::ensure;
use vitrine::clock::wall_ms;

use crate::bench::freshness::echo::Echo;
use crate::bench::lookups::{BUSY_EVENTS_PER_S, stop};
use crate::child;
use crate::context::Context;
use crate::figures::Figures;
use crate::latencies::contains;
use crate::load::Connection;
use crate::machine::rest;
use crate::numbers::{median, ms, percentile};
use crate::product::Product;
use crate::shop::shop;
use crate::topic::{self, Thorough};

const SHOWN_MAX: Duration = Duration::from_secs(30);
const WARM_UP: Duration = Duration::from_secs(2);
/// The topic of the bare producer.
const ECHO: &str = "rules-echo";
const PROBES_APART_MS: f64 = 40.0;
/// As the product writes.
const ECHO_PRODUCER: [(&str, &str); 3] = [("acks", "all"), ("linger.ms", "0"), ("socket.nagle.disable", "true")];

const HISTORY: &[u8] = b"GET /v1/users/probe/history HTTP/1.1\r\nhost: vitrine\r\n\r\n";
const NEWEST: &[u8] = b"\"probe-b\"";
const BODY: &str = r#"{"rule":"hide","product":"probe-b"}"#;
const DELETE: &[u8] = b"DELETE /v1/rules/probe HTTP/1.1\r\nhost: vitrine\r\n\r\n";

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let (views, probes) = if context.quick { (100_000, 200) } else { (1_000_000, 1000) };
    let topic = context.topic("rules", views, figures)?;
    let mut product = Product::on_topic(context, 1, &topic)?;
    product.wait_read(&topic, views)?;
    let brokers = context.broker().bootstrap();
    view(brokers, &topic)?;
    let visitors = child::spawn(&["traffic", brokers, &topic, BUSY_EVENTS_PER_S])?;
    rest(WARM_UP);
    let mut connection = Connection::open(product.address())?;
    shows(&mut connection, true)?;
    let put = format!(
        "PUT /v1/rules/probe HTTP/1.1\r\nhost: vitrine\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let (ticks, since, mut rng) = (tick_count(&product)?, Instant::now(), shop(0).rng("moments of rules"));
    let mut latencies_ms = Vec::new();
    for _ in 0..probes {
        for (request, is_shown) in [(put.as_bytes(), false), (DELETE, true)] {
            // A random pause, so that probes are not in step with periodic work.
            rest(Duration::from_secs_f64(PROBES_APART_MS * rng.unit() / 1e3));
            let sent = Instant::now();
            connection.ask(request)?;
            shows(&mut connection, is_shown)?;
            latencies_ms.push(ms(sent.elapsed()));
        }
    }
    let tick_ms = ms(since.elapsed()) / (tick_count(&product)? - ticks);
    let echo_ms = echo_ms(context, probes)?;
    stop(visitors);
    product.stop();
    let p99 = percentile(&latencies_ms, 99.0);
    figures.put("rule_tick_ms", tick_ms);
    figures.put("rule_p50_ms", median(&latencies_ms));
    figures.put("rule_p99_ms", p99);
    figures.put("rule_over_tick_p99_ms", p99 - tick_ms);
    figures.put("rule_echo_p50_ms", median(&echo_ms));
    figures.put("rule_echo_p99_ms", percentile(&echo_ms, 99.0));
    Ok(())
}

/// How long records take from a bare producer to a bare consumer, one by one at random moments.
fn echo_ms(context: &Context, probes: usize) -> anyhow::Result<Vec<f64>> {
    let brokers = context.broker().bootstrap();
    context.broker().create_topic(ECHO, 1);
    let echo = Echo::start(brokers, ECHO)?;
    let producer = Thorough(topic::producer(brokers, &ECHO_PRODUCER)?);
    let (mut rng, mut latencies_ms) = (shop(0).rng("moments of echoes"), Vec::new());
    for number in 0..probes {
        rest(Duration::from_secs_f64(PROBES_APART_MS * rng.unit() / 1e3));
        let (id, sent) = (format!("probe-{number}"), Instant::now());
        topic::send(&producer.0, ECHO, 0, &format!(r#"{{"product_id":"{id}"}}"#))?;
        latencies_ms.push(ms(echo.wait(&id)?.duration_since(sent)));
        producer.0.poll(Duration::ZERO);
    }
    Ok(latencies_ms)
}

/// Waits until the history shows its newest product, or does not.
fn shows(connection: &mut Connection, is_shown: bool) -> anyhow::Result<()> {
    let since = Instant::now();
    while contains(connection.ask(HISTORY)?, NEWEST) != is_shown {
        ensure!(since.elapsed() < SHOWN_MAX, "the history does not follow the rule");
    }
    Ok(())
}

fn tick_count(product: &Product) -> anyhow::Result<f64> {
    Ok(product.status()?["ticks_total"].as_f64().unwrap_or(f64::NAN))
}

/// A history of two products.
fn view(brokers: &str, topic: &str) -> anyhow::Result<()> {
    let producer = Thorough(topic::producer(brokers, &[("acks", "1")])?);
    for (product, at) in [("probe-a", wall_ms() - 1), ("probe-b", wall_ms())] {
        let event = format!(
            r#"{{"event_type":"view","event_id":"{product}","user_id":"probe","product_id":"{product}","timestamp":{at}}}"#
        );
        topic::send(&producer.0, topic, 0, &event)?;
    }
    Ok(())
}
