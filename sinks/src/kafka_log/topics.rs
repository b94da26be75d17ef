//! Vitrine's own topics, created in the background if they are missing.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use dataflow::source_status::State;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use super::delivery::Deliveries;
use super::settings::MESSAGE_BYTES_MAX;
use super::{OpenError, Topics};
use crate::Report;
use crate::block_on::block_on;

/// How long a request may take.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// The broker's own default, whatever it is.
const BROKERS_DEFAULT: TopicReplication<'static> = TopicReplication::Fixed(-1);

/// Longest name of a topic.
const NAME_BYTES_MAX: usize = 249;

/// Whether a text can be the name of a topic.
#[must_use]
pub fn is_topic(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text != "."
        && text != ".."
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// The setting that lets a topic accept every record of our producer.
const LARGE: (&str, &str) = ("max.message.bytes", MESSAGE_BYTES_MAX);

/// The settings of every topic that Vitrine creates.
pub const TOPIC_SETTINGS: &[(&str, &str)] = &[LARGE];

/// The settings of a topic of removals. If a removal expired before the views it hides, they would come back at the next
/// start.
pub const REMOVALS_SETTINGS: &[(&str, &str)] = &[LARGE, ("retention.ms", "-1"), ("retention.bytes", "-1")];

/// The setting that says which records a topic keeps.
const POLICY: &str = "cleanup.policy";

/// The policy that keeps the latest record of each key.
pub const COMPACT: &str = "compact";

/// The settings of a topic that keeps the latest record of each key, such as that of merchandising rules.
pub const COMPACTED_SETTINGS: &[(&str, &str)] = &[LARGE, (POLICY, COMPACT)];

/// A topic of Vitrine.
pub(super) struct OwnTopic {
    name: String,
    partitions: i32,
    settings: &'static [(&'static str, &'static str)],
}

/// The topics that are created if they are missing.
pub(super) fn own_topics(topics: &Topics) -> Vec<OwnTopic> {
    let partitions = topics.partitions;
    vec![
        OwnTopic { name: topics.removals.clone(), partitions, settings: REMOVALS_SETTINGS },
        OwnTopic { name: topics.dead_letters.clone(), partitions, settings: TOPIC_SETTINGS },
    ]
}

/// Creates missing topics until it is dropped.
pub(super) struct TopicCreator {
    requests: SyncSender<()>,
}

/// Makes the creator check the topics again.
pub(super) struct Recheck(SyncSender<()>);

impl Recheck {
    pub(super) fn now(&self) {
        // A full channel means that it is about to check anyway.
        let _ = self.0.try_send(());
    }
}

impl TopicCreator {
    /// Starts to create missing topics. The thread is not waited for at the end: it may be inside a request.
    pub(super) fn start(
        config: &ClientConfig,
        topics: Vec<OwnTopic>,
        report: Report,
    ) -> Result<TopicCreator, OpenError> {
        let admin: AdminClient<Deliveries> = config.create_with_context(Deliveries::new(config))?;
        let (requests, requested) = sync_channel(1);
        std::thread::Builder::new()
            .name("topic-creator".into())
            .spawn(move || run(&admin, &topics, &requested, &report))?;
        Ok(TopicCreator { requests })
    }

    pub(super) fn recheck(&self) -> Recheck {
        Recheck(self.requests.clone())
    }
}

/// Why a topic of Vitrine is not known to be there.
#[derive(Debug, thiserror::Error)]
enum Absent {
    #[error("topic {topic} cannot be looked up: {error}")]
    Unknown { topic: String, error: KafkaError },
    #[error("topic {topic} cannot be created: {reason}")]
    NotCreated { topic: String, reason: String },
}

fn run(admin: &AdminClient<Deliveries>, topics: &[OwnTopic], requested: &Receiver<()>, report: &Report) {
    let (mut backoff, mut is_said) = (crate::backoff(), false);
    loop {
        admin.inner().context().addresses.restore(admin.inner());
        let over = match topics.iter().try_for_each(|topic| ensure(admin, topic)) {
            Ok(()) => {
                backoff.reset();
                is_said = false;
                report(State::Live);
                requested.recv().is_err()
            }
            Err(absent) => {
                let reason = absent.to_string();
                // Whoever reads the topics reports brokers that are away, and waits in silence for a topic that is made here.
                if matches!(absent, Absent::NotCreated { .. }) && !std::mem::replace(&mut is_said, true) {
                    tracing::warn!(reason, "kafka: a topic of Vitrine is missing; trying again until it can be made");
                }
                report(State::Retrying(reason));
                requested.recv_timeout(backoff.pause()) == Err(RecvTimeoutError::Disconnected)
            }
        };
        if over {
            return;
        }
    }
}

/// Creates the topic if it is missing.
fn ensure(admin: &AdminClient<Deliveries>, topic: &OwnTopic) -> Result<(), Absent> {
    let OwnTopic { name, partitions, settings } = topic;
    let there = exists(admin, name).map_err(|error| {
        admin.inner().context().addresses.note(&error);
        Absent::Unknown { topic: name.clone(), error }
    });
    if there? {
        return Ok(());
    }
    let created = create_topic(admin, name, *partitions, settings);
    if created.map_err(|reason| Absent::NotCreated { topic: name.clone(), reason })? {
        tracing::info!(topic = name, partitions, "created a topic");
    }
    Ok(())
}

/// Creates a topic; returns whether it was missing. An error is the broker's reason.
pub fn create_topic<C: ClientContext>(
    admin: &AdminClient<C>,
    name: &str,
    partitions: i32,
    settings: &[(&str, &str)],
) -> Result<bool, String> {
    let topic = NewTopic::new(name, partitions, BROKERS_DEFAULT);
    let topic = settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
    let options = AdminOptions::new().request_timeout(Some(ANSWER_MAX)).operation_timeout(Some(ANSWER_MAX));
    let answers = block_on(admin.create_topics([&topic], &options)).map_err(|error| error.to_string())?;
    match answers.into_iter().next() {
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
        Some(Err((_, code))) => Err(code.to_string()),
        Some(Ok(_)) | None => Ok(true),
    }
}

/// The `cleanup.policy` of a topic. An error is the broker's reason.
pub fn cleanup_policy<C: ClientContext>(admin: &AdminClient<C>, name: &str) -> Result<String, String> {
    let options = AdminOptions::new().request_timeout(Some(ANSWER_MAX));
    let answers = block_on(admin.describe_configs([&ResourceSpecifier::Topic(name)], &options));
    let reason =
        |error: KafkaError| error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string());
    match answers.map_err(reason)?.into_iter().next() {
        Some(Ok(settings)) => settings.get(POLICY).and_then(|entry| entry.value.clone()).ok_or_else(|| {
            "the broker's answer does not have it: the topic may be new, or this user may not describe its settings"
                .into()
        }),
        Some(Err(code)) => Err(code.to_string()),
        None => Err("no answer".into()),
    }
}

pub(crate) fn exists<C: ClientContext>(admin: &AdminClient<C>, name: &str) -> Result<bool, KafkaError> {
    let metadata = admin.inner().fetch_metadata(Some(name), ANSWER_MAX)?;
    let topic = metadata.topics().iter().find(|topic| topic.name() == name);
    match topic.and_then(|topic| topic.error()) {
        None => Ok(topic.is_some()),
        Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => Ok(false),
        Some(error) => Err(KafkaError::MetadataFetch(error.into())),
    }
}
