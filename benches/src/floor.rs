//! The floor of a backfill: bare consumers that read every record and keep nothing, each with and without parsing its JSON.
//!
//! The best of them that parses is what the product's backfill is compared with. Which one is best depends on the machine,
//! so all are measured.

pub(crate) mod kind;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use kafka_batch::{BATCH_MAX, BatchQueue, Taken};
use rdkafka::consumer::{BaseConsumer, Consumer as _, DefaultConsumerContext};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

use crate::machine::cpu_s;
use crate::topic::PARTITIONS;
use kind::{FloorKind, Take, Tuning};

/// How long a consumer waits for records before it looks after its other events.
const WAIT: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(crate) struct FloorArgs {
    brokers: String,
    topic: String,
    records: u64,
    #[command(flatten)]
    kind: FloorKind,
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

/// A consumer that reads a topic from its beginning or its end, with the product's own settings.
pub(crate) fn consumer(brokers: &str, topic: &str, from: Offset) -> anyhow::Result<BaseConsumer> {
    let consumer = unassigned(brokers, Tuning::Product)?;
    consumer.assign(&partitions(topic, from)?)?;
    Ok(consumer)
}

fn unassigned(brokers: &str, tuning: Tuning) -> anyhow::Result<BaseConsumer> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    for (key, value) in tuning.settings() {
        config.set(*key, *value);
    }
    config.create().context("the consumer's settings")
}

fn partitions(topic: &str, from: Offset) -> anyhow::Result<TopicPartitionList> {
    let mut partitions = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        partitions.add_partition_offset(topic, partition, from)?;
    }
    Ok(partitions)
}

/// Reads that many records.
pub(crate) fn run(args: &FloorArgs) -> anyhow::Result<Cost> {
    let start = Instant::now();
    let consumer = unassigned(&args.brokers, args.kind.tuning)?;
    let checksum = match args.kind.take {
        Take::Poll => polled(&consumer, args)?,
        Take::Batch => batched(&Arc::new(consumer), args)?,
    };
    Ok(Cost { cpu_s: cpu_s(std::process::id()), wall_s: start.elapsed().as_secs_f64(), checksum })
}

/// One record a call, of all partitions.
fn polled(consumer: &BaseConsumer, args: &FloorArgs) -> anyhow::Result<u64> {
    consumer.assign(&partitions(&args.topic, Offset::Beginning)?)?;
    let mut checksum = 0_u64;
    for _ in 0..args.records {
        let message = loop {
            if let Some(message) = consumer.poll(WAIT) {
                break message?;
            }
        };
        checksum = checksum.wrapping_add(read(message.payload().unwrap_or_default(), args.kind.parse)?);
    }
    Ok(checksum)
}

/// Many records a call, of each partition in turn.
fn batched(consumer: &Arc<BaseConsumer>, args: &FloorArgs) -> anyhow::Result<u64> {
    let queue = |partition| -> anyhow::Result<BatchQueue<DefaultConsumerContext>> {
        let mut queue = BatchQueue::split(consumer, &args.topic, partition).context("no queue for the partition")?;
        let reader = thread::current();
        queue.on_nonempty(move || reader.unpark());
        Ok(queue)
    };
    let mut queues = (0..PARTITIONS).map(queue).collect::<anyhow::Result<Vec<_>>>()?;
    consumer.incremental_assign(&partitions(&args.topic, Offset::Beginning)?)?;
    let (mut checksum, mut left) = (0_u64, args.records);
    while left > 0 {
        let before = left;
        for queue in &mut queues {
            left -= queue.fill(BATCH_MAX) as u64;
            while let Some(taken) = queue.take() {
                match taken {
                    Taken::Record(record) => {
                        let payload = record.payload.unwrap_or_default();
                        checksum = checksum.wrapping_add(read(payload, args.kind.parse)?);
                    }
                    Taken::End(_) => left += 1,
                    Taken::Failed(error) => return Err(error.into()),
                }
            }
        }
        if left == before {
            thread::park_timeout(WAIT);
            let _ = consumer.poll(Duration::ZERO).transpose()?;
        }
    }
    Ok(checksum)
}

/// A number that depends on the record: its length, or the fields of its JSON.
fn read(payload: &[u8], parse: bool) -> anyhow::Result<u64> {
    if !parse {
        return Ok(payload.len() as u64);
    }
    let view: View<'_> = serde_json::from_slice(payload)?;
    let sizes = view.event.len() + view.userid.len() + view.properties.productid.len();
    Ok(sizes as u64 ^ view.timestamp.to_bits())
}
