//! From a view's acknowledgement by Kafka to the first HTTP answer that shows it, while 5 k events a second come in.
//!
//! A bare consumer in the same run reads the same views: it shows how long Kafka itself takes to deliver a record. In
//! `freshness/archived.rs`, the same beside the archiver.

mod archived;
pub(super) mod echo;
mod probe;

use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::child;
use crate::context::Context;
use crate::figures::Figures;
use crate::latencies::{Latencies, contains};
use crate::load::Connection;
use crate::machine::rest;
use crate::product::Product;
use crate::shop::shop;
use crate::topic::PARTITIONS;

use echo::Echo;
use probe::{Prober, USER};

const EVENTS_PER_S: &str = "5000";
const PROBES_APART_MS: f64 = 40.0;
const SHOWN_MAX: Duration = Duration::from_secs(10);

/// How long events come in before the first probe.
const WARM_UP: Duration = Duration::from_secs(3);

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let (views, probes) = if context.quick { (100_000, 300) } else { (1_000_000, 1500) };
    let topic = context.topic("freshness", views, figures)?;
    let mut product = Product::on_topic(context, 1, &topic)?;
    product.wait_read(&topic, views)?;
    let brokers = context.broker().bootstrap();
    let mut visitors = child::spawn(&["traffic", brokers, &topic, EVENTS_PER_S])?;
    rest(WARM_UP);
    let (events, since) = (product.events()?, Instant::now());
    let echo = Echo::start(brokers, &topic)?;
    let Probed { shown, echoed } = measure(&product, (brokers, &topic), probes, Some(&echo))?;
    figures.put("freshness_events_per_s", (product.events()? - events) / since.elapsed().as_secs_f64());
    visitors.kill9();
    shown.report("freshness", figures);
    echoed.report("kafka_echo", figures);
    for (rank, percent) in [("p50", 50.0), ("p99", 99.0)] {
        let over = shown.acknowledged_ms(percent) - echoed.acknowledged_ms(percent);
        figures.put(&format!("freshness_over_echo_{rank}_ms"), over);
    }
    product.stop();
    // Two builds in turns are compared without an archive, which a build may not know.
    if context.in_turns { Ok(()) } else { archived::run(context, (&topic, views), figures) }
}

/// How long the views of the probes took to the answer, and to the bare consumer if there is one.
#[derive(Default)]
struct Probed {
    shown: Latencies,
    echoed: Latencies,
}

/// Sends views one by one at random moments, and asks for each until an answer shows it.
fn measure(
    product: &Product,
    (brokers, topic): (&str, &str),
    probes: i32,
    echo: Option<&Echo>,
) -> anyhow::Result<Probed> {
    let prober = Prober::new(brokers)?;
    let mut connection = Connection::open(product.address())?;
    let request = format!("GET /v1/users/{USER}/history HTTP/1.1\r\nhost: vitrine\r\n\r\n").into_bytes();
    let shop = shop(0);
    let mut rng = shop.rng("moments");
    let mut probed = Probed::default();
    for number in 0..probes {
        // A random pause, so that probes are not in step with periodic work.
        rest(Duration::from_secs_f64(PROBES_APART_MS * rng.unit() / 1e3));
        let product_id = format!("probe-{number}");
        let since = prober.view(topic, number % PARTITIONS, &product_id)?;
        let needle = format!("\"{product_id}\"");
        while !contains(connection.ask(&request)?, needle.as_bytes()) {
            ensure!(since[1].elapsed() < SHOWN_MAX, "the view of {product_id} does not show");
        }
        probed.shown.note(since, Instant::now());
        if let Some(echo) = echo {
            probed.echoed.note(since, echo.wait(&product_id)?);
        }
    }
    Ok(probed)
}
