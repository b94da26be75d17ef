//! Kafka for the commands that run once: reach it, make topics, send with all replicas' acknowledgement.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::metadata::Metadata;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use sinks::kafka_log::{
    COMPACTED_SETTINGS, MESSAGE_BYTES_MAX, REMOVALS_SETTINGS, TOPIC_SETTINGS, cleanup_policy, create_topic,
};

use crate::config::Kafka;

/// How long to wait for a broker's first answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How long a record may wait for its acknowledgement.
const DELIVERY_MS_MAX: &str = "30000";
/// How long the end waits for the last acknowledgements; longer than any record may take.
const FLUSH_MAX: Duration = Duration::from_secs(35);
/// How long a full queue is drained before the next try.
const DRAIN: Duration = Duration::from_millis(50);

/// A connection to a broker that has answered once.
pub(super) struct BrokerClient {
    brokers: String,
    removals: String,
    rules: Option<String>,
    config: ClientConfig,
    producer: BaseProducer<ClientReports>,
}

impl BrokerClient {
    /// Connects and waits for the broker's first answer.
    pub(super) fn connect(kafka: &Kafka) -> anyhow::Result<(BrokerClient, Metadata)> {
        let mut config = kafka.client_config();
        config.set("acks", "all");
        // Values that the user set stay. By default, a batch fills for a few milliseconds and failures show within half
        // a minute. The partitioner is that of Java's client, so that all producers write a user's events to the same
        // partition.
        let defaults = [
            ("linger.ms", "5"),
            ("message.timeout.ms", DELIVERY_MS_MAX),
            ("partitioner", "murmur2_random"),
            ("message.max.bytes", MESSAGE_BYTES_MAX),
        ];
        for (key, value) in defaults {
            if config.get(key).is_none() {
                config.set(key, value);
            }
        }
        let reports = ClientReports::default();
        let producer: BaseProducer<ClientReports> =
            config.create_with_context(reports).context("the Kafka client refuses its settings")?;
        let (brokers, removals, rules) = (kafka.brokers.clone(), kafka.removals.clone(), kafka.rules.clone());
        let broker = BrokerClient { brokers, removals, rules, config, producer };
        let metadata = broker.metadata()?;
        Ok((broker, metadata))
    }

    /// Creates the topic if the cluster does not have it; returns whether it was created.
    pub(super) fn ensure_topic(&self, metadata: &Metadata, topic: &str, partitions: i32) -> anyhow::Result<bool> {
        if partitions_of(metadata, topic).is_some() {
            return Ok(false);
        }
        let admin = self.admin()?;
        let settings = match topic {
            _ if topic == self.removals => REMOVALS_SETTINGS,
            _ if self.rules.as_deref() == Some(topic) => COMPACTED_SETTINGS,
            _ => TOPIC_SETTINGS,
        };
        match create_topic(&admin, topic, partitions, settings) {
            Ok(true) => self.wait_for_topic(topic).map(|()| true),
            Ok(false) => Ok(false),
            Err(reason) => bail!("topic \"{topic}\" cannot be created: {reason}"),
        }
    }

    /// The `cleanup.policy` of a topic.
    pub(super) fn cleanup_policy(&self, topic: &str) -> anyhow::Result<String> {
        cleanup_policy(&self.admin()?, topic).map_err(anyhow::Error::msg)
    }

    fn admin(&self) -> anyhow::Result<AdminClient<ClientReports>> {
        self.config.create_with_context(ClientReports::default()).context("the Kafka client refuses its settings")
    }

    /// Whether a partition of the topic has records; a missing partition has none.
    pub(super) fn has_records(&self, metadata: &Metadata, topic: &str) -> anyhow::Result<bool> {
        for partition in 0..partitions_of(metadata, topic).unwrap_or(0) {
            let ends = self.producer.client().fetch_watermarks(topic, i32::try_from(partition)?, ANSWER_MAX);
            let (first, next) = ends
                .with_context(|| format!("the offsets of topic \"{topic}\", partition {partition}, cannot be read"))?;
            if first < next {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sends one record; waits while the client's queue is full. Fails if any record so far was not delivered.
    pub(super) fn send(&self, topic: &str, key: &str, payload: &str) -> anyhow::Result<()> {
        let mut record = BaseRecord::to(topic).key(key).payload(payload);
        loop {
            self.check_deliveries()?;
            match self.producer.send(record) {
                Ok(()) => {
                    self.producer.poll(Duration::ZERO);
                    return Ok(());
                }
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    self.producer.poll(DRAIN);
                    record = back;
                }
                Err((error, _)) => {
                    return Err(error).with_context(|| format!("a record cannot be sent to topic \"{topic}\""));
                }
            }
        }
    }

    /// Handles acknowledgements for `time`.
    pub(super) fn serve(&self, time: Duration) {
        self.producer.poll(time);
    }

    /// Waits until every record is acknowledged.
    pub(super) fn finish(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + FLUSH_MAX;
        while self.producer.in_flight_count() > 0 && Instant::now() < deadline {
            self.producer.poll(DRAIN);
            self.check_deliveries()?;
        }
        self.check_deliveries()?;
        match self.producer.in_flight_count() {
            0 => Ok(()),
            waiting => bail!("{waiting} records were not acknowledged within {} s", FLUSH_MAX.as_secs()),
        }
    }

    fn check_deliveries(&self) -> anyhow::Result<()> {
        match self.producer.context().0.lock().expect("no holder of this lock panics").undelivered.take() {
            None => Ok(()),
            Some(reason) => bail!("a record was not delivered: {reason}"),
        }
    }

    fn metadata(&self) -> anyhow::Result<Metadata> {
        self.producer.client().fetch_metadata(None, ANSWER_MAX).map_err(|error| {
            // The client's callbacks report a more exact reason than the call that timed out.
            self.producer.poll(DRAIN);
            let known = self.producer.context().0.lock().expect("no holder of this lock panics").trouble.take();
            let reason = known.unwrap_or_else(|| error.to_string());
            anyhow::anyhow!("no Kafka broker of {} answered within {} s: {reason}", self.brokers, ANSWER_MAX.as_secs())
        })
    }

    /// It takes a moment until every broker knows a new topic.
    fn wait_for_topic(&self, topic: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + ANSWER_MAX;
        while partitions_of(&self.metadata()?, topic).is_none() {
            if Instant::now() >= deadline {
                bail!("topic \"{topic}\" was created, but the brokers do not show it after {} s", ANSWER_MAX.as_secs());
            }
            self.producer.poll(DRAIN);
        }
        Ok(())
    }
}

/// Number of partitions of an existing topic.
pub(super) fn partitions_of(metadata: &Metadata, topic: &str) -> Option<usize> {
    let found = metadata.topics().iter().find(|known| known.name() == topic && known.error().is_none())?;
    (!found.partitions().is_empty()).then(|| found.partitions().len())
}

/// What the client reports from its own threads.
#[derive(Clone, Default)]
struct ClientReports(Arc<Mutex<ClientErrors>>);

#[derive(Default)]
struct ClientErrors {
    /// The latest reason why the connection does not work.
    trouble: Option<String>,
    /// Why the first undelivered record failed.
    undelivered: Option<String>,
}

impl ClientContext for ClientReports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka reports an error");
        // "All brokers down" follows each reason and says less.
        if !matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::AllBrokersDown)) {
            self.0.lock().expect("no holder of this lock panics").trouble = Some(reason.to_owned());
        }
    }
}

impl ProducerContext for ClientReports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.0.lock().expect("no holder of this lock panics").undelivered.get_or_insert_with(|| error.to_string());
        }
    }
}
