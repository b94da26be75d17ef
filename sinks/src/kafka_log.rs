//! The log on Kafka: an idempotent producer that answers when all replicas have the records.

mod delivery;
mod settings;
mod topics;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};

use self::delivery::{Deliveries, PendingAppend, SentRecord};
pub use self::settings::MESSAGE_BYTES_MAX;
pub(crate) use self::settings::{of_admin, of_producer};
use self::topics::TopicCreator;
pub(crate) use self::topics::exists;
pub use self::topics::{
    COMPACT, COMPACTED_SETTINGS, REMOVALS_SETTINGS, TOPIC_SETTINGS, cleanup_policy, create_topic, is_topic,
};
use crate::Report;
use crate::log::{AppendError, Appending, Bound, EventLog, Record, Refused, Room, Stream, Unavailable};

/// How long a client that has failed permanently stays before it is replaced, so that a lasting cause does not create a
/// client with every append.
const REPLACE_AFTER: Duration = Duration::from_secs(1);

/// The topics that are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// The shop's topic for events over HTTP. The log never creates it: while it is missing, appends to it fail by its name.
    pub views: String,
    /// The topic of removals, created if it is missing.
    pub removals: String,
    /// The topic of refused records, created if it is missing.
    pub dead_letters: String,
    /// How many partitions these topics are created with.
    pub partitions: i32,
}

/// A log cannot be opened; trying again cannot help.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// librdkafka refuses the settings.
    #[error("the Kafka client refuses its settings: {0}")]
    Settings(#[from] KafkaError),
    /// The system refuses a thread.
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// A log of three topics.
///
/// A position's stream is the topic; records of one key go where Java's producers put them, so a user's events stay in
/// one partition together with the shop's own. Records are sent at once, in order and, for librdkafka repeats what was
/// not acknowledged under the same sequence number, once. A record without acknowledgement after `message.timeout.ms` (5 s
/// by default) is given up and answered as [`Unavailable`]: it may have reached the broker, but is not sent again without
/// the caller's knowledge.
pub struct KafkaLog {
    config: ClientConfig,
    topics: Topics,
    record_bytes_max: usize,
    room: Arc<Room>,
    client: RwLock<Client>,
    creator: TopicCreator,
}

struct Client {
    producer: Arc<ThreadedProducer<Deliveries>>,
    since: Instant,
}

impl KafkaLog {
    /// A log over `base`, which holds the brokers and every key of `[kafka.client]`. Keys that only mean something to a
    /// consumer have no effect. No broker has to answer yet.
    ///
    /// From here on a thread creates Vitrine's own topics if they are missing. It retries failures for ever and reports them
    /// to `report`.
    ///
    /// # Errors
    /// When librdkafka refuses the settings, or the system a thread.
    pub fn open(base: &ClientConfig, topics: Topics, bound: Bound, report: Report) -> Result<KafkaLog, OpenError> {
        let config = settings::of_producer(base);
        let record_bytes_max = settings::record_bytes_max(&config)?;
        let client = Client::new(&config)?;
        let creator = TopicCreator::start(&settings::of_admin(base), topics::own_topics(&topics), report)?;
        Ok(KafkaLog { config, topics, record_bytes_max, room: Room::new(bound), client: RwLock::new(client), creator })
    }

    fn topic(&self, stream: Stream) -> &str {
        match stream {
            Stream::Views => &self.topics.views,
            Stream::Removals => &self.topics.removals,
            Stream::DeadLetters => &self.topics.dead_letters,
        }
    }

    /// The producer; a new one where librdkafka has declared the old one dead.
    fn producer(&self) -> Arc<ThreadedProducer<Deliveries>> {
        let producer = self.client.read().unwrap_or_else(PoisonError::into_inner).producer.clone();
        producer.context().addresses.restore(producer.client());
        let Some((code, reason)) = producer.client().fatal_error() else { return producer };
        let mut client = self.client.write().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&client.producer, &producer) && client.since.elapsed() >= REPLACE_AFTER {
            tracing::warn!(%code, %reason, "the Kafka client has failed for good and is replaced");
            match Client::new(&self.config) {
                Ok(new) => *client = new,
                Err(error) => {
                    // Retried as late, and logged as rarely, as after a success.
                    client.since = Instant::now();
                    tracing::error!(%error, "the Kafka client cannot be replaced");
                }
            }
        }
        client.producer.clone()
    }

    fn check_sizes(&self, records: &[Record]) -> Result<(), Refused> {
        let bytes_max = self.record_bytes_max;
        let too_large = records.iter().map(Record::bytes).enumerate().find(|(_, bytes)| *bytes > bytes_max);
        too_large.map_or(Ok(()), |(index, bytes)| Err(Refused::TooLarge { index, bytes, bytes_max }))
    }

    fn send(&self, topic: &str, records: &[Record]) -> Result<delivery::DeliveryReply, AppendError> {
        self.check_sizes(records)?;
        let permit = self.room.take(records)?;
        let producer = self.producer();
        let (append, reply) = PendingAppend::new(records.len(), permit);
        for (index, record) in records.iter().enumerate() {
            let sent = Box::new(SentRecord { append: append.clone(), index });
            let message = BaseRecord::with_opaque_to(topic, sent).key(&record.key).payload(&record.payload);
            if let Err((error, _)) = producer.send(message) {
                append.failed(index..records.len(), &error);
                break;
            }
        }
        Ok(reply)
    }
}

impl EventLog for KafkaLog {
    fn append(&self, stream: Stream, records: Vec<Record>) -> Appending {
        if records.is_empty() {
            return Box::pin(async { Ok(Vec::new()) });
        }
        let topic: Arc<str> = self.topic(stream).into();
        let sent = self.send(&topic, &records);
        let recheck = self.creator.recheck();
        Box::pin(async move {
            let delivered = sent?.await.map_err(|_| Unavailable::Closed)?;
            delivered.map(|delivered| delivered.positions(&topic)).map_err(|failure| {
                let error = failure.classify(&topic);
                if stream != Stream::Views && matches!(error, AppendError::Unavailable(Unavailable::NoTopic { .. })) {
                    recheck.now();
                }
                error
            })
        })
    }

    fn record_bytes_max(&self) -> usize {
        self.record_bytes_max
    }
}

impl Client {
    fn new(config: &ClientConfig) -> Result<Client, KafkaError> {
        let producer = config.create_with_context(Deliveries::new(config))?;
        Ok(Client { producer: Arc::new(producer), since: Instant::now() })
    }
}
