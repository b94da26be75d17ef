//! One partition of a range, read from its first offset to its pinned end.

use std::sync::Arc;
use std::time::Duration;

use dataflow::feed::Waker;
use dataflow::inputs::Inputs;
use dataflow::replay::Went;
use dataflow::time::{Millis, Time};
use events::{RecordTime, TimeBounds};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Timestamp};

use super::{RangeError, unreadable, words};
use crate::kafka::assignments::PartitionId;
use crate::kafka::client::Consumer;
use crate::kafka::fetch::Queue;
use crate::kafka::record::{TOMBSTONE, raw_record, record_time};
use crate::kafka::upstream::Tail;
use crate::replay::{PartitionReplay, Progress};

/// How far from its record an event's time may be, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) future_max_ms: Millis,
    pub(super) past_max_ms: Millis,
}

/// Reads one partition through a queue of its own, so that a partition that is ahead of the step holds up no other.
pub(super) struct ReplayReader {
    id: PartitionId,
    /// None: nothing more of it is read.
    queue: Option<Queue>,
    lane: PartitionReplay,
    progress: Arc<Progress>,
    next: i64,
    end: i64,
    /// Whether the last look found nothing though something is to come.
    waits: bool,
    /// What was last reported instead of a record.
    trouble: Option<String>,
}

impl ReplayReader {
    /// Starts fetching.
    pub(super) fn start(
        consumer: &Arc<Consumer>,
        waker: &Waker,
        id: PartitionId,
        (first, end): (i64, i64),
        lane: PartitionReplay,
        progress: Arc<Progress>,
    ) -> KafkaResult<Self> {
        let queue = (first < end).then(|| Queue::start(consumer, &id, first, waker)).transpose()?;
        Ok(ReplayReader { id, queue, lane, progress, next: first, end, waits: false, trouble: None })
    }

    /// The offset that is read next.
    pub(super) fn next(&self) -> i64 {
        self.next
    }

    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    pub(super) fn silent(&self, time: Duration) -> RangeError {
        RangeError::Silent {
            partition: self.id.to_string(),
            seconds: time.as_secs(),
            next: self.next,
            end: self.end,
            reason: self.trouble.as_ref().map(|trouble| format!(": {trouble}")).unwrap_or_default(),
        }
    }

    /// Gives what counts at the step, at most `budget` records of it.
    pub(super) fn feed(
        &mut self,
        inputs: &mut Inputs,
        step: Time,
        budget: usize,
        bounds: &Bounds,
        until: Time,
    ) -> Result<Went, RangeError> {
        self.waits = false;
        let mut records = 0;
        loop {
            let is_open = self.lane.is_open(inputs, step);
            let Some(queue) = self.queue.as_ref().filter(|_| is_open) else {
                return Ok(Went { records, reached: true });
            };
            if records >= budget {
                return Ok(Went { records, reached: false });
            }
            let ended = match queue.next() {
                None => {
                    self.waits = true;
                    return Ok(Went { records, reached: false });
                }
                Some(Ok(message)) if message.offset() < self.end => {
                    records += 1;
                    self.next = message.offset() + 1;
                    take(&mut self.lane, &self.id, &message, inputs, step, bounds, until);
                    self.next == self.end || comes_later(&self.lane, &message)
                }
                // Records that came after the end was pinned.
                Some(Ok(_)) => true,
                // What is left before the pinned end is not for us: aborted records, marks of transactions.
                Some(Err(KafkaError::PartitionEOF(_))) => match queue.ended_at() {
                    Some(at) if at < self.end => return Err(self.shorter(at)),
                    _ => true,
                },
                Some(Err(error)) if is_definite(&error) => return Err(unreadable(&self.id, &error)),
                Some(Err(error)) => {
                    tracing::debug!(partition = %self.id, %error, "reading fails");
                    self.trouble = Some(words(&error));
                    false
                }
            };
            if ended {
                self.finish();
            }
        }
    }

    fn shorter(&self, at: i64) -> RangeError {
        RangeError::Shorter { partition: self.id.to_string(), at, end: self.end }
    }

    /// Stops fetching; what has been fetched is dropped.
    fn finish(&mut self) {
        if let Some((first, passed)) = self.lane.beyond() {
            let (id, passed) = (&self.id, passed + u64::try_from(self.end - self.next).unwrap_or(0));
            self.progress.passes_over(format!("{id}: {passed} records from offset {first} on are after the last step"));
        }
        self.next = self.end;
        self.queue.take().into_iter().for_each(Tail::stop);
    }
}

fn take(
    lane: &mut PartitionReplay,
    id: &PartitionId,
    message: &BorrowedMessage<'_>,
    inputs: &mut Inputs,
    step: Time,
    bounds: &Bounds,
    until: Time,
) {
    let record_time = record_time(message);
    if lane.is_over(record_time.map(RecordTime::at)) {
        return lane.skip(message.offset());
    }
    let Some(record) = raw_record(id, message) else { return lane.ignore(TOMBSTONE) };
    // Never before the record: in its day it was the present, whatever the steps are.
    let now = record_time.map_or(until, |time| time.at().max(until));
    let bounds = TimeBounds { now, future_max: bounds.future_max_ms, past_max: bounds.past_max_ms };
    lane.take(&record, record.decode(&bounds), inputs, step);
}

/// Whether all that follows this record came after the last step too: the broker has dated it, one after the other.
/// Where producers date records, nothing is known of the next one.
fn comes_later(lane: &PartitionReplay, message: &BorrowedMessage<'_>) -> bool {
    matches!(message.timestamp(), Timestamp::LogAppendTime(_)) && lane.is_over(record_time(message).map(RecordTime::at))
}

/// Errors that waiting does not mend: the records are gone, or not for us.
fn is_definite(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let definite = [
        Code::AutoOffsetReset,
        // What comes next lies behind the records that are damaged.
        Code::BadMessage,
        Code::OffsetOutOfRange,
        Code::UnknownTopic,
        Code::UnknownPartition,
        Code::UnknownTopicOrPartition,
        Code::TopicAuthorizationFailed,
        Code::SaslAuthenticationFailed,
    ];
    error.rdkafka_error_code().is_some_and(|code| definite.contains(&code))
}
