//! One append's way through the producer: its records' acknowledgements, gathered into one answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dataflow::feed::Position;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{DeliveryResult, ProducerContext};
use tokio::sync::oneshot;

use super::client;
use crate::log::{AppendError, Permit, Refused, Unavailable};

/// The answer to one append, as soon as nothing of it is under way.
pub(super) type Reply = oneshot::Receiver<Result<Delivered, KafkaError>>;

/// Where an append's records are: the offset after the last one, by partition.
#[derive(Debug)]
pub(super) struct Delivered(BTreeMap<i32, i64>);

impl Delivered {
    pub(super) fn positions(self, topic: &Arc<str>) -> Vec<Position> {
        let position = |(partition, next)| Position { stream: topic.clone(), partition, next, proof: None };
        self.0.into_iter().map(position).collect()
    }
}

/// An append whose records the producer holds. It keeps its room until the last one has left the producer, even when
/// the caller has gone.
pub(super) struct Append {
    open: Mutex<Open>,
    _permit: Permit,
}

struct Open {
    under_way: usize,
    next: BTreeMap<i32, i64>,
    failure: Option<KafkaError>,
    reply: Option<oneshot::Sender<Result<Delivered, KafkaError>>>,
}

impl Append {
    pub(super) fn new(records: usize, permit: Permit) -> (Arc<Append>, Reply) {
        let (reply, answer) = oneshot::channel();
        let open = Open { under_way: records, next: BTreeMap::new(), failure: None, reply: Some(reply) };
        (Arc::new(Append { open: Mutex::new(open), _permit: permit }), answer)
    }

    /// Some of the records did not go, and will not.
    pub(super) fn failed(&self, records: usize, error: &KafkaError) {
        let mut open = self.open();
        open.failure.get_or_insert_with(|| error.clone());
        open.settle(records);
    }

    fn acknowledged(&self, partition: i32, offset: i64) {
        if offset < 0 {
            // A repeated request that the broker knew already: written, but it does not tell where.
            return self.failed(1, &KafkaError::MessageProduction(RDKafkaErrorCode::DuplicateSequenceNumber));
        }
        let mut open = self.open();
        let next = open.next.entry(partition).or_default();
        *next = (*next).max(offset + 1);
        open.settle(1);
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn settle(&mut self, records: usize) {
        self.under_way -= records;
        if self.under_way == 0
            && let Some(reply) = self.reply.take()
        {
            let delivered = Delivered(std::mem::take(&mut self.next));
            // The caller may have gone.
            let _ = reply.send(self.failure.take().map_or(Ok(delivered), Err));
        }
    }
}

/// Takes the producer's acknowledgements, in its own thread.
pub(super) struct Deliveries;

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::tell(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Arc<Append>;

    fn delivery(&self, result: &DeliveryResult<'_>, append: Arc<Append>) {
        match result {
            Ok(message) => append.acknowledged(message.partition(), message.offset()),
            Err((error, _)) => append.failed(1, error),
        }
    }
}

/// Whether a failure is the record's or passes.
pub(super) fn classify(topic: &str, error: &KafkaError) -> AppendError {
    use RDKafkaErrorCode as Code;
    let topic = topic.to_owned();
    let Some(code) = error.rdkafka_error_code() else {
        return Unavailable::Broker { topic, reason: error.to_string() }.into();
    };
    let reason = code.to_string();
    match code {
        Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessage | Code::InvalidRecord => {
            Refused::ByBroker { topic, reason }.into()
        }
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
            Unavailable::NoTopic { topic }.into()
        }
        Code::QueueFull => Unavailable::Busy.into(),
        _ => Unavailable::Broker { topic, reason }.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Bound, Room};

    fn failure(code: RDKafkaErrorCode) -> KafkaError {
        KafkaError::MessageProduction(code)
    }

    fn append(records: usize) -> (Arc<Append>, Reply) {
        Append::new(records, Room::new(Bound::default()).take(&[]).unwrap())
    }

    #[test]
    fn an_answer_waits_for_all_records_and_holds_the_last_offset_of_each_partition() {
        let (append, mut reply) = append(3);
        append.acknowledged(1, 7);
        append.acknowledged(0, 3);
        assert!(reply.try_recv().is_err());
        append.acknowledged(1, 6);
        assert_eq!(reply.try_recv().unwrap().unwrap().0, BTreeMap::from([(0, 4), (1, 8)]));
    }

    #[test]
    fn one_failed_record_fails_the_append_and_the_first_failure_is_told() {
        let (append, mut reply) = append(4);
        append.acknowledged(0, 0);
        append.failed(2, &failure(RDKafkaErrorCode::MessageTimedOut));
        append.failed(1, &failure(RDKafkaErrorCode::QueueFull));
        assert_eq!(reply.try_recv().unwrap().unwrap_err(), failure(RDKafkaErrorCode::MessageTimedOut));
    }

    #[test]
    fn an_acknowledgement_without_offset_is_no_position() {
        let (append, mut reply) = append(1);
        append.acknowledged(0, -1001);
        assert!(reply.try_recv().unwrap().is_err());
    }

    #[test]
    fn failures_of_the_record_and_failures_that_pass() {
        let of = |code| classify("views", &failure(code));
        assert!(matches!(of(RDKafkaErrorCode::MessageSizeTooLarge), AppendError::Refused(Refused::ByBroker { .. })));
        assert_eq!(of(RDKafkaErrorCode::UnknownTopic), Unavailable::NoTopic { topic: "views".into() }.into());
        assert_eq!(of(RDKafkaErrorCode::QueueFull), Unavailable::Busy.into());
        let timed_out = of(RDKafkaErrorCode::MessageTimedOut).to_string();
        assert!(timed_out.contains("views") && timed_out.contains("timed out"), "{timed_out}");
    }
}
