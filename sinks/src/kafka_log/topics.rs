//! Our own topics, made in the background if they are missing, so that nobody has to make them by hand.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use dataflow::source_status::State;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use super::client::Quiet;
use super::settings::MESSAGE_BYTES_MAX;
use super::{OpenError, Topics};
use crate::Report;
use crate::backoff::Backoff;
use crate::block_on::block_on;

/// How long a request may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// The broker's own default, whatever it is.
const BROKERS_DEFAULT: TopicReplication<'static> = TopicReplication::Fixed(-1);

/// A topic's settings: it takes whatever our producer sends.
const LARGE: (&str, &str) = ("max.message.bytes", MESSAGE_BYTES_MAX);

/// The settings of any topic that is made by us.
pub const TOPIC_SETTINGS: &[(&str, &str)] = &[LARGE];

/// The settings of a topic of removals. A removal that expired before the views it hides would bring them back at the
/// next start.
pub const REMOVALS_SETTINGS: &[(&str, &str)] = &[LARGE, ("retention.ms", "-1"), ("retention.bytes", "-1")];

/// A topic of ours.
pub(super) struct Ours {
    name: String,
    partitions: i32,
    settings: &'static [(&'static str, &'static str)],
}

/// The topics that are made if they are missing.
pub(super) fn ours(topics: &Topics) -> Vec<Ours> {
    let partitions = topics.partitions;
    vec![
        Ours { name: topics.removals.clone(), partitions, settings: REMOVALS_SETTINGS },
        Ours { name: topics.dead_letters.clone(), partitions, settings: TOPIC_SETTINGS },
    ]
}

/// Looks after our topics until it is dropped.
pub(super) struct TopicKeeper {
    pokes: SyncSender<()>,
}

/// Makes the keeper look again.
pub(super) struct Poke(SyncSender<()>);

impl Poke {
    pub(super) fn now(&self) {
        // A full channel means that it is about to look anyway.
        let _ = self.0.try_send(());
    }
}

impl TopicKeeper {
    /// Starts to look after `ours`. The thread is not waited for at the end: it may be inside a request.
    pub(super) fn start(config: &ClientConfig, ours: Vec<Ours>, report: Report) -> Result<TopicKeeper, OpenError> {
        let admin: AdminClient<Quiet> = config.create_with_context(Quiet)?;
        let (pokes, poked) = sync_channel(1);
        std::thread::Builder::new().name("topic-keeper".into()).spawn(move || keep(&admin, &ours, &poked, &report))?;
        Ok(TopicKeeper { pokes })
    }

    pub(super) fn poke(&self) -> Poke {
        Poke(self.pokes.clone())
    }
}

fn keep(admin: &AdminClient<Quiet>, ours: &[Ours], poked: &Receiver<()>, report: &Report) {
    let mut backoff = Backoff::new();
    loop {
        let over = match ours.iter().try_for_each(|topic| ensure(admin, topic)) {
            Ok(()) => {
                backoff.reset();
                report(State::Live);
                poked.recv().is_err()
            }
            Err(reason) => {
                report(State::Retrying(reason));
                poked.recv_timeout(backoff.next()) == Err(RecvTimeoutError::Disconnected)
            }
        };
        if over {
            return;
        }
    }
}

/// Makes the topic if it is missing; says why it cannot.
fn ensure(admin: &AdminClient<Quiet>, topic: &Ours) -> Result<(), String> {
    let name = &topic.name;
    let exists = exists(admin, name).map_err(|error| format!("topic {name} cannot be looked up: {error}"))?;
    if exists {
        return Ok(());
    }
    let new = NewTopic::new(name, topic.partitions, BROKERS_DEFAULT);
    let new = topic.settings.iter().fold(new, |new, (key, value)| new.set(key, value));
    let options = AdminOptions::new().request_timeout(Some(ANSWER_MAX)).operation_timeout(Some(ANSWER_MAX));
    let answers = block_on(admin.create_topics([&new], &options));
    let answers = answers.map_err(|error| format!("topic {name} cannot be made: {error}"))?;
    match answers.into_iter().next() {
        Some(Err((_, code))) if code != RDKafkaErrorCode::TopicAlreadyExists => {
            Err(format!("topic {name} cannot be made: {code}"))
        }
        _ => {
            tracing::info!(topic = name, partitions = topic.partitions, "made a topic");
            Ok(())
        }
    }
}

fn exists(admin: &AdminClient<Quiet>, name: &str) -> Result<bool, KafkaError> {
    let metadata = admin.inner().fetch_metadata(Some(name), ANSWER_MAX)?;
    let topic = metadata.topics().iter().find(|topic| topic.name() == name);
    match topic.and_then(|topic| topic.error()) {
        None => Ok(topic.is_some()),
        Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => Ok(false),
        Some(error) => Err(KafkaError::MetadataFetch(error.into())),
    }
}
