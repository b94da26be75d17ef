//! From a view's acknowledgement by Kafka to the first HTTP answer that shows it, while 5 k events a second come in.
//!
//! A bare consumer in the same run reads the same views: what Kafka itself takes to hand a record on.

mod echo;

use std::time::{Duration, Instant};

use anyhow::ensure;
use rdkafka::producer::Producer as _;
use vitrine::clock::wall_ms;

use crate::child;
use crate::context::Context;
use crate::figures::Figures;
use crate::load::Connection;
use crate::machine::rest;
use crate::numbers::{ms, percentile};
use crate::product::Product;
use crate::shop::shop;
use crate::topic::{self, PARTITIONS};

use echo::Echo;

const EVENTS_PER_S: &str = "5000";
const PROBE_USER: &str = "probe";
const PROBES_APART_MS: u32 = 40;
const SHOWN_MAX: Duration = Duration::from_secs(10);

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let (views, probes) = if context.quick { (100_000, 300) } else { (1_000_000, 1500) };
    let topic = context.topic("freshness", views, figures)?;
    let mut product = Product::on_topic(context, 1, &topic)?;
    product.wait_read(&topic, views)?;
    let brokers = context.broker().bootstrap();
    let mut visitors = child::spawn(&["traffic", brokers, &topic, EVENTS_PER_S])?;
    rest(Duration::from_secs(3));
    let (events, since) = (product.events()?, Instant::now());
    let echo = Echo::start(brokers, &topic)?;

    let producer = topic::producer(brokers, &[("acks", "all"), ("linger.ms", "0"), ("socket.nagle.disable", "true")])?;
    let mut connection = Connection::open(product.address())?;
    let request = format!("GET /v1/users/{PROBE_USER}/history HTTP/1.1\r\nhost: vitrine\r\n\r\n").into_bytes();
    let shop = shop(0);
    let mut rng = shop.rng("moments");
    let (mut shown_ms, mut echoed_ms) = (Vec::new(), Vec::new());
    for number in 0..probes {
        // Not in step with anything that happens every so often.
        rest(Duration::from_secs_f64(f64::from(PROBES_APART_MS) * rng.unit() / 1e3));
        let product_id = format!("probe-{number}");
        let view = view_json(&product_id);
        topic::send(&producer, &topic, number % PARTITIONS, &view)?;
        producer.flush(SHOWN_MAX)?;
        let acknowledged = Instant::now();
        let needle = format!("\"{product_id}\"");
        while !contains(connection.ask(&request)?, needle.as_bytes()) {
            ensure!(acknowledged.elapsed() < SHOWN_MAX, "the view of {product_id} does not show");
        }
        shown_ms.push(ms(acknowledged.elapsed()));
        echoed_ms.push(ms(echo.wait(&product_id)?.saturating_duration_since(acknowledged)));
    }
    figures.put("freshness_events_per_s", (product.events()? - events) / since.elapsed().as_secs_f64());
    visitors.kill9();
    for (name, latencies) in [("freshness", &shown_ms), ("kafka_echo", &echoed_ms)] {
        for (rank, percent) in [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("max", 100.0)] {
            figures.put(&format!("{name}_{rank}_ms"), percentile(latencies, percent));
        }
    }
    product.stop();
    Ok(())
}

fn view_json(product_id: &str) -> String {
    let at = wall_ms() as f64 / 1e3;
    format!(
        r#"{{"event":"ProductView","messageid":"{product_id}","userid":"{PROBE_USER}","properties":{{"productid":"{product_id}"}},"context":{{"source":"web"}},"timestamp":{at:.3}}}"#
    )
}

fn contains(answer: &[u8], needle: &[u8]) -> bool {
    answer.windows(needle.len()).any(|window| window == needle)
}
