//! One append in the producer: the acknowledgements of its records become one answer.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dataflow::feed::Position;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};
use sources::kafka::BrokerAddresses;
use tokio::sync::oneshot;

use crate::log::{AppendError, Permit, Refused, Unavailable};

/// The answer to one append, once all of its records are acknowledged or failed.
pub(super) type DeliveryReply = oneshot::Receiver<Result<Delivered, DeliveryFailure>>;

/// The positions of an append's records: the offset after the last one, by partition.
#[derive(Debug)]
pub(super) struct Delivered(BTreeMap<i32, i64>);

impl Delivered {
    pub(super) fn positions(self, topic: &Arc<str>) -> Vec<Position> {
        let position = |(partition, next)| Position::new(topic.clone(), partition, next);
        self.0.into_iter().map(position).collect()
    }
}

/// Why an append failed.
#[derive(Debug)]
pub(super) struct DeliveryFailure {
    error: KafkaError,
    /// The records that failed like this, from the first to the last of them.
    records: Range<usize>,
    /// Whether other records were written, or failed in another way.
    mixed: bool,
}

/// An append whose records are in the producer. It keeps its permit until the last one has left the producer, even if the
/// caller has gone.
pub(super) struct PendingAppend {
    state: Mutex<AppendState>,
    _permit: Permit,
}

struct AppendState {
    under_way: usize,
    next: BTreeMap<i32, i64>,
    failure: Option<DeliveryFailure>,
    reply: Option<oneshot::Sender<Result<Delivered, DeliveryFailure>>>,
}

/// A record in the producer, and its index in its append.
pub(super) struct SentRecord {
    pub(super) append: Arc<PendingAppend>,
    pub(super) index: usize,
}

impl PendingAppend {
    pub(super) fn new(records: usize, permit: Permit) -> (Arc<PendingAppend>, DeliveryReply) {
        let (reply, answer) = oneshot::channel();
        let state = AppendState { under_way: records, next: BTreeMap::new(), failure: None, reply: Some(reply) };
        (Arc::new(PendingAppend { state: Mutex::new(state), _permit: permit }), answer)
    }

    /// Some of the records were not written, and will not be.
    pub(super) fn failed(&self, records: Range<usize>, error: &KafkaError) {
        let mut state = self.state();
        let count = records.len();
        state.fail(records, error);
        state.settle(count);
    }

    fn acknowledged(&self, index: usize, partition: i32, offset: i64) {
        if offset < 0 {
            // A repeated request that the broker knew already: the record is written at an unknown offset.
            let error = KafkaError::MessageProduction(RDKafkaErrorCode::DuplicateSequenceNumber);
            return self.failed(index..index + 1, &error);
        }
        let mut state = self.state();
        let next = state.next.entry(partition).or_default();
        *next = (*next).max(offset + 1);
        state.settle(1);
    }

    fn state(&self) -> MutexGuard<'_, AppendState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AppendState {
    /// The first failure is kept, and a permanent one rather than a transient one.
    fn fail(&mut self, records: Range<usize>, error: &KafkaError) {
        match &mut self.failure {
            Some(failure) if failure.error == *error => {
                failure.records.start = failure.records.start.min(records.start);
                failure.records.end = failure.records.end.max(records.end);
            }
            Some(failure) if is_of_the_record(&failure.error) || !is_of_the_record(error) => failure.mixed = true,
            known => *known = Some(DeliveryFailure { error: error.clone(), records, mixed: known.is_some() }),
        }
    }

    fn settle(&mut self, records: usize) {
        self.under_way -= records;
        if self.under_way == 0
            && let Some(reply) = self.reply.take()
        {
            let delivered = Delivered(std::mem::take(&mut self.next));
            let failure = self.failure.take();
            let failure =
                failure.map(|failure| DeliveryFailure { mixed: failure.mixed || !delivered.0.is_empty(), ..failure });
            // The caller may have gone.
            let _ = reply.send(failure.map_or(Ok(delivered), Err));
        }
    }
}

/// Takes the producer's acknowledgements, in its own thread. librdkafka's own messages are for debugging: answers to appends
/// and reports show whether brokers are available.
pub(super) struct Deliveries {
    pub(super) addresses: BrokerAddresses,
}

impl Deliveries {
    /// Of a client with this configuration.
    pub(super) fn new(config: &ClientConfig) -> Self {
        Deliveries { addresses: BrokerAddresses::new(config) }
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "the Kafka client reports an error");
        self.addresses.note(&error);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<SentRecord>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<SentRecord>) {
        match result {
            Ok(message) => sent.append.acknowledged(sent.index, message.partition(), message.offset()),
            Err((error, _)) => {
                self.addresses.note(error);
                sent.append.failed(sent.index..sent.index + 1, error);
            }
        }
    }
}

/// Whether retrying cannot help. An invalid record is none of these: all of ours have a key, so the broker refuses its time,
/// which is this machine's and becomes valid when the clock is right.
fn is_of_the_record(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessage)
    )
}

impl DeliveryFailure {
    /// The failure as permanent or transient.
    pub(super) fn classify(self, topic: &str) -> AppendError {
        use RDKafkaErrorCode as Code;
        let topic = topic.to_owned();
        let Some(code) = self.error.rdkafka_error_code() else {
            return Unavailable::Broker { topic, reason: self.error.to_string() }.into();
        };
        let reason = code.to_string();
        if is_of_the_record(&self.error) {
            // A batch is refused as a whole, so of several it is not known which one is at fault.
            let index = (self.records.len() == 1).then_some(self.records.start);
            return Refused::ByBroker { topic, reason, index }.into();
        }
        match code {
            // The errors below state that nothing was written, which must hold for the whole append.
            _ if self.mixed => Unavailable::Broker { topic, reason }.into(),
            Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
                Unavailable::NoTopic { topic }.into()
            }
            Code::QueueFull => Unavailable::Busy.into(),
            _ => Unavailable::Broker { topic, reason }.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Bound, Room};

    fn failure(code: RDKafkaErrorCode) -> KafkaError {
        KafkaError::MessageProduction(code)
    }

    fn append(records: usize) -> (Arc<PendingAppend>, DeliveryReply) {
        PendingAppend::new(records, Room::new(Bound::default()).take(&[]).unwrap())
    }

    #[test]
    fn an_answer_waits_for_all_records_and_holds_the_last_offset_of_each_partition() {
        let (append, mut reply) = append(3);
        append.acknowledged(0, 1, 7);
        append.acknowledged(1, 0, 3);
        assert!(reply.try_recv().is_err());
        append.acknowledged(2, 1, 6);
        assert_eq!(reply.try_recv().unwrap().unwrap().0, BTreeMap::from([(0, 4), (1, 8)]));
    }

    #[test]
    fn one_failed_record_fails_the_append_and_the_first_failure_is_told() {
        let (append, mut reply) = append(4);
        append.acknowledged(0, 0, 0);
        append.failed(1..3, &failure(RDKafkaErrorCode::MessageTimedOut));
        append.failed(3..4, &failure(RDKafkaErrorCode::QueueFull));
        assert_eq!(reply.try_recv().unwrap().unwrap_err().error, failure(RDKafkaErrorCode::MessageTimedOut));
    }

    /// What becomes of an append of three whose first record was acknowledged or not, and the others failed.
    fn of_three(first: Option<RDKafkaErrorCode>, second: RDKafkaErrorCode, third: RDKafkaErrorCode) -> AppendError {
        let (append, mut reply) = append(3);
        match first {
            Some(code) => append.failed(0..1, &failure(code)),
            None => append.acknowledged(0, 0, 0),
        }
        append.failed(1..2, &failure(second));
        append.failed(2..3, &failure(third));
        reply.try_recv().unwrap().unwrap_err().classify("views")
    }

    #[test]
    fn nothing_was_written_is_said_only_where_it_is_known() {
        use RDKafkaErrorCode::{MessageTimedOut, QueueFull, UnknownTopic};
        assert_eq!(of_three(Some(QueueFull), QueueFull, QueueFull), Unavailable::Busy.into());
        for unsure in
            [of_three(None, QueueFull, QueueFull), of_three(Some(UnknownTopic), UnknownTopic, MessageTimedOut)]
        {
            assert!(matches!(&unsure, AppendError::Unavailable(why) if !why.wrote_nothing()), "{unsure:?}");
        }
    }

    #[test]
    fn a_record_that_is_refused_is_told_by_its_place_before_what_passes() {
        use RDKafkaErrorCode::{MessageSizeTooLarge, MessageTimedOut};
        for (second, third, place) in [
            (MessageTimedOut, MessageSizeTooLarge, Some(2)),
            (MessageSizeTooLarge, MessageTimedOut, Some(1)),
            (MessageSizeTooLarge, MessageSizeTooLarge, None),
        ] {
            let refused = of_three(None, second, third);
            let AppendError::Refused(Refused::ByBroker { index, .. }) = refused else { panic!("{refused:?}") };
            assert_eq!(index, place);
        }
    }

    #[test]
    fn an_acknowledgement_without_offset_is_no_position() {
        let (append, mut reply) = append(1);
        append.acknowledged(0, 0, -1001);
        assert!(reply.try_recv().unwrap().is_err());
    }

    #[test]
    fn failures_of_the_record_and_failures_that_pass() {
        let of = |code| DeliveryFailure { error: failure(code), records: 0..1, mixed: false }.classify("views");
        assert!(matches!(of(RDKafkaErrorCode::MessageSizeTooLarge), AppendError::Refused(Refused::ByBroker { .. })));
        assert_eq!(of(RDKafkaErrorCode::UnknownTopic), Unavailable::NoTopic { topic: "views".into() }.into());
        assert_eq!(of(RDKafkaErrorCode::QueueFull), Unavailable::Busy.into());
        assert!(matches!(of(RDKafkaErrorCode::InvalidRecord), AppendError::Unavailable(Unavailable::Broker { .. })));
        let timed_out = of(RDKafkaErrorCode::MessageTimedOut).to_string();
        assert!(timed_out.contains("views") && timed_out.contains("timed out"), "{timed_out}");
    }
}
