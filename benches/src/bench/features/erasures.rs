//! `DELETE /v1/users/{user}` while 50 k events a second arrive: the time to its receipt, and whether the next answer shows anything.

use std::time::{Duration, Instant};

use anyhow::ensure;
use vitrine::clock::wall_ms;

use crate::bench::lookups::{BUSY_EVENTS_PER_S, stop};
use crate::child;
use crate::context::Context;
use crate::figures::Figures;
use crate::latencies::contains;
use crate::load::Connection;
use crate::machine::rest;
use crate::numbers::{median, ms, percentile};
use crate::product::Product;
use crate::topic::{self, PARTITIONS, Thorough};

use super::ON;

const LIVE: &str = "features-live-erasures";
const SHOWN_MAX: Duration = Duration::from_secs(30);
const WARM_UP: Duration = Duration::from_secs(2);

/// What the features of a user without events hold.
const NOTHING: &[u8] = b"\"user_last_interaction\":null";

pub(super) fn run(context: &Context, topic: &str, events: u64, figures: &mut Figures) -> anyhow::Result<()> {
    let users: Vec<String> =
        (0..if context.quick { 100 } else { 500 }).map(|number| format!("erased-{number}")).collect();
    context.broker().create_topic(LIVE, PARTITIONS);
    let mut product = Product::on_topics(context, 1, &[topic, LIVE], ON)?;
    product.wait_read(topic, events)?;
    let brokers = context.broker().bootstrap();
    let visitors = child::spawn(&["traffic", brokers, LIVE, BUSY_EVENTS_PER_S, "--all-types"])?;
    view(brokers, &users)?;
    rest(WARM_UP);
    let mut connection = Connection::open(product.address())?;
    let (mut receipts_ms, mut late) = (Vec::new(), 0_u32);
    for user in &users {
        let features = format!("GET /v1/users/{user}/features HTTP/1.1\r\nhost: vitrine\r\n\r\n").into_bytes();
        let since = Instant::now();
        while contains(connection.ask(&features)?, NOTHING) {
            ensure!(since.elapsed() < SHOWN_MAX, "the events of {user} do not show");
        }
        let erase = format!("DELETE /v1/users/{user} HTTP/1.1\r\nhost: vitrine\r\n\r\n").into_bytes();
        let since = Instant::now();
        connection.ask(&erase)?;
        receipts_ms.push(ms(since.elapsed()));
        late += u32::from(!contains(connection.ask(&features)?, NOTHING));
    }
    stop(visitors);
    product.stop();
    figures.put("erasure_receipt_p50_ms", median(&receipts_ms));
    figures.put("erasure_receipt_p99_ms", percentile(&receipts_ms, 99.0));
    figures.put("erasures_still_shown", late.into());
    Ok(())
}

/// A view of each user, among the traffic.
fn view(brokers: &str, users: &[String]) -> anyhow::Result<()> {
    let producer = Thorough(topic::producer(brokers, &[("acks", "1")])?);
    for (number, user) in users.iter().enumerate() {
        let at = wall_ms();
        let event = format!(
            r#"{{"event_type":"view","event_id":"{user}","user_id":"{user}","product_id":"product-1","timestamp":{at}}}"#
        );
        topic::send(&producer.0, LIVE, number as i32 % PARTITIONS, &event)?;
    }
    Ok(())
}
