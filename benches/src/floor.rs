//! The floor of a backfill: a bare consumer that reads every record and parses its JSON, and keeps nothing.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

use crate::machine::cpu_s;
use crate::topic::PARTITIONS;

/// The settings of the product's own consumers.
const SETTINGS: [(&str, &str); 12] = [
    ("group.id", "floor"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("isolation.level", "read_committed"),
    ("allow.auto.create.topics", "false"),
    ("check.crcs", "true"),
    ("socket.keepalive.enable", "true"),
    ("socket.nagle.disable", "true"),
    ("queued.max.messages.kbytes", "4096"),
    ("fetch.queue.backoff.ms", "1"),
    ("fetch.wait.max.ms", "100"),
];

#[derive(Debug, Args)]
pub(crate) struct FloorArgs {
    brokers: String,
    topic: String,
    records: u64,
}

/// The cost of the whole process, librdkafka's threads included.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Cost {
    pub(crate) cpu_s: f64,
    pub(crate) wall_s: f64,
    /// A sum over all records, so that no record is skipped.
    checksum: u64,
}

/// The fields the product uses.
#[derive(Deserialize)]
struct View<'a> {
    event: &'a str,
    userid: &'a str,
    #[serde(borrow)]
    properties: Properties<'a>,
    timestamp: f64,
}

#[derive(Deserialize)]
struct Properties<'a> {
    productid: &'a str,
}

/// A consumer that reads a topic from its beginning, with the product's own settings.
pub(crate) fn consumer(brokers: &str, topic: &str, from: Offset) -> anyhow::Result<BaseConsumer> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    for (key, value) in SETTINGS {
        config.set(key, value);
    }
    let consumer: BaseConsumer = config.create().context("the consumer's settings")?;
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        partitions.add_partition_offset(topic, partition, from)?;
    }
    consumer.assign(&partitions)?;
    Ok(consumer)
}

/// Reads and parses that many records.
pub(crate) fn run(args: &FloorArgs) -> anyhow::Result<Cost> {
    let start = Instant::now();
    let consumer = consumer(&args.brokers, &args.topic, Offset::Beginning)?;
    let mut checksum = 0_u64;
    for _ in 0..args.records {
        let message = loop {
            if let Some(message) = consumer.poll(Duration::from_millis(100)) {
                break message?;
            }
        };
        let view: View<'_> = serde_json::from_slice(message.payload().unwrap_or_default())?;
        let sizes = view.event.len() + view.userid.len() + view.properties.productid.len();
        checksum = checksum.wrapping_add(sizes as u64 ^ view.timestamp.to_bits());
    }
    Ok(Cost { cpu_s: cpu_s(std::process::id()), wall_s: start.elapsed().as_secs_f64(), checksum })
}
