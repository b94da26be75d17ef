//! A topic full of events, produced once and read many times.

use std::time::Duration;

use anyhow::{Context as _, bail};
use harness::kafka::Broker;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};

use crate::event_mix::EventMix;
use crate::shop::shop;

/// Partitions of every topic of views.
pub(crate) const PARTITIONS: i32 = 4;

const FLUSH_MAX: Duration = Duration::from_secs(120);

/// Large batches, uncompressed, so that reading them costs as little as possible.
const SETTINGS: [(&str, &str); 5] = [
    ("acks", "1"),
    ("linger.ms", "20"),
    ("batch.size", "1000000"),
    ("queue.buffering.max.messages", "500000"),
    ("compression.type", "none"),
];

/// Ends the run when a record is not delivered: figures over a part of the data would mislead.
pub(crate) struct EveryDelivery;

impl ClientContext for EveryDelivery {}

impl ProducerContext for EveryDelivery {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            panic!("a record was not delivered: {error}");
        }
    }
}

/// A producer with these settings.
pub(crate) fn producer(brokers: &str, settings: &[(&str, &str)]) -> anyhow::Result<BaseProducer<EveryDelivery>> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config.create_with_context(EveryDelivery).context("the producer's settings")
}

/// A producer that delivers all its records before it is dropped.
pub(crate) struct Thorough(pub(crate) BaseProducer<EveryDelivery>);

impl Drop for Thorough {
    fn drop(&mut self) {
        // An undelivered record ends the run where it is reported.
        let _ = self.0.flush(FLUSH_MAX);
    }
}

/// Sends one payload, waiting while the client's queue is full.
pub(crate) fn send(
    producer: &BaseProducer<EveryDelivery>,
    topic: &str,
    partition: i32,
    payload: &str,
) -> anyhow::Result<()> {
    let mut record = BaseRecord::<str, str>::to(topic).partition(partition).payload(payload);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                producer.poll(Duration::from_millis(10));
            }
            Err((error, _)) => bail!("cannot write to {topic}: {error}"),
        }
    }
}

/// Creates the topic and writes that many events to it, to the partitions in turn.
pub(crate) fn fill(broker: &Broker, topic: &str, events: u64, mix: EventMix) -> anyhow::Result<()> {
    broker.create_topic(topic, PARTITIONS);
    let shop = shop(events);
    let producer = producer(broker.bootstrap(), &SETTINGS)?;
    for (number, view) in shop.views().enumerate() {
        send(&producer, topic, number as i32 % PARTITIONS, &mix.json(&shop, &view, number as u64))?;
        if number % 1000 == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(FLUSH_MAX).context("the last records are not acknowledged")
}
