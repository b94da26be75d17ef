//! One partition of a range, read from its first offset to its pinned end.

use std::sync::Arc;
use std::time::Duration;

use dataflow::inputs::Inputs;
use dataflow::replay::Went;
use dataflow::time::Time;
use events::{RecordTime, TimeBounds};
use rdkafka::Timestamp;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{RangeError, unreadable, words};
use crate::kafka::assignments::PartitionId;
use crate::kafka::fetch::Queue;
use crate::kafka::past::{PastRecords, PastTaken};
use crate::kafka::record::{TOMBSTONE, raw_record, record_time};
use crate::kafka::upstream::{Record, Tail, Taken};
use crate::replay::{PartitionReplay, ReplayProgress};

/// Where the records of a partition come from: first all of `past`, then the topic. None of both: no more is read.
pub(super) struct Tails {
    /// What the archive still has to give.
    pub(super) past: Option<Box<dyn PastRecords>>,
    /// The topic, from the offset after the archive's last on.
    pub(super) topic: Option<Queue>,
}

impl Tails {
    fn is_empty(&self) -> bool {
        self.past.is_none() && self.topic.is_none()
    }

    /// What comes next; none if nothing has arrived.
    fn take(&mut self, budget: usize) -> Option<Next<'_>> {
        if let Some(past) = &mut self.past {
            return past.take().map(Next::Past);
        }
        let topic = self.topic.as_mut()?;
        topic.fill(budget);
        topic.take().map(Next::Topic)
    }
}

/// What comes next.
enum Next<'a> {
    Past(PastTaken<'a>),
    Topic(Taken<Record<'a>>),
}

/// Reads one partition through its own queue, so that a partition that is ahead of the step blocks no other.
pub(super) struct ReplayReader {
    id: PartitionId,
    tails: Tails,
    replay: PartitionReplay,
    progress: Arc<ReplayProgress>,
    next: i64,
    end: i64,
    /// The bounds of times; the present in them is the last step.
    bounds: TimeBounds,
    /// Whether the last poll gave no record although one is expected.
    waiting: bool,
    /// The error that was last reported instead of a record.
    trouble: Option<String>,
}

impl ReplayReader {
    pub(super) fn new(
        id: PartitionId,
        tails: Tails,
        replay: PartitionReplay,
        progress: Arc<ReplayProgress>,
        (next, end): (i64, i64),
        bounds: TimeBounds,
    ) -> Self {
        ReplayReader { id, tails, replay, progress, next, end, bounds, waiting: false, trouble: None }
    }

    /// The offset that is read next.
    pub(super) fn next(&self) -> i64 {
        self.next
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.waiting
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

    /// Gives the records that count at the step, at most `budget` of them; with a budget of 0, not even the one that waits.
    pub(super) fn feed(&mut self, inputs: &mut Inputs, step: Time, budget: usize) -> Result<Went, RangeError> {
        self.waiting = false;
        if budget == 0 {
            return Ok(Went { records: 0, reached: self.replay.has_reached(step, self.tails.is_empty()) });
        }
        let mut records = self.replay.give_waiting(inputs, step);
        loop {
            if !self.replay.is_open(step) || self.tails.is_empty() {
                return Ok(Went { records, reached: true });
            }
            if records >= budget {
                return Ok(Went { records, reached: false });
            }
            let ended = match self.tails.take(budget - records) {
                None => {
                    self.waiting = true;
                    return Ok(Went { records, reached: false });
                }
                Some(Next::Past(PastTaken::End)) => {
                    self.tails.past = None;
                    self.tails.topic.is_none()
                }
                Some(Next::Past(PastTaken::Failed(reason))) => {
                    return Err(RangeError::Partition { partition: self.id.to_string(), reason });
                }
                Some(Next::Past(PastTaken::Record(record)) | Next::Topic(Taken::Record(record)))
                    if record.offset < self.end =>
                {
                    records += 1;
                    self.next = record.offset + 1;
                    apply(&mut self.replay, &self.id, &record, self.bounds, inputs, step);
                    self.next == self.end || are_later_after(&self.replay, &record)
                }
                // Records that came after the end was pinned.
                Some(Next::Past(PastTaken::Record(_)) | Next::Topic(Taken::Record(_))) => true,
                Some(Next::Topic(Taken::End(at))) if at < self.end => {
                    return Err(RangeError::Shorter { partition: self.id.to_string(), at, end: self.end });
                }
                // The rest before the pinned end is aborted records and transaction markers.
                Some(Next::Topic(Taken::End(_))) => true,
                Some(Next::Topic(Taken::Failed(error))) if is_definite(&error) => {
                    return Err(unreadable(&self.id, &error));
                }
                Some(Next::Topic(Taken::Failed(error))) => {
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

    /// Stops fetching; records that were fetched and not read are dropped.
    fn finish(&mut self) {
        if let Some((first, skipped)) = self.replay.beyond() {
            let (id, skipped) = (&self.id, skipped + u64::try_from(self.end - self.next).unwrap_or(0));
            self.progress
                .note_skipped(format!("{id}: {skipped} records from offset {first} on are after the last step"));
        }
        self.next = self.end;
        self.tails.past = None;
        self.tails.topic.take().into_iter().for_each(Tail::stop);
    }
}

fn apply(
    replay: &mut PartitionReplay,
    id: &PartitionId,
    record: &Record<'_>,
    bounds: TimeBounds,
    inputs: &mut Inputs,
    step: Time,
) {
    let time = record_time(record).map(RecordTime::at);
    if replay.is_over(time) {
        return replay.skip(record.offset);
    }
    let Some(record) = raw_record(id, record) else { return replay.ignore(TOMBSTONE) };
    // Never before the record: in its day its time was the present, whatever the steps are.
    let now = time.map_or(bounds.now, |time| time.max(bounds.now));
    replay.take(&record, record.decode(&TimeBounds { now, ..bounds }), inputs, step);
}

/// Whether all records after this one came after the last step, too: the broker has dated them, one after the other. If
/// producers date records, the time of the next one is unknown.
fn are_later_after(replay: &PartitionReplay, record: &Record<'_>) -> bool {
    let by_broker = matches!(record.timestamp, Timestamp::LogAppendTime(_));
    by_broker && replay.is_over(record_time(record).map(RecordTime::at))
}

/// Errors that waiting does not end: the records are gone, or access is denied.
fn is_definite(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let definite = [
        Code::AutoOffsetReset,
        // The next record would be one after the damaged records.
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
