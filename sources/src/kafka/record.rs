//! Kafka's records as events take them, and into the graph.

use dataflow::inputs::Inputs;
use dataflow::source_status::SourceStatus;
use dataflow::time::Time;
use events::{DeadLetter, Decoder, EventChanges, RawRecord, RecordTime, TimeBounds, TopicRules};
use rdkafka::Timestamp;

use super::assignments::PartitionId;
use super::upstream::Record;

/// The kind under which records without a payload are counted. They mark the end of a key in topics that are compacted,
/// and some tools write them elsewhere: they are no events, and nothing is wrong with them.
pub(super) const TOMBSTONE: &str = "tombstone";

/// A record as events take it; none if it has no payload.
pub(super) fn raw_record<'a>(id: &'a PartitionId, record: &Record<'a>) -> Option<RawRecord<'a>> {
    let (stream, partition, offset) = (&*id.topic, id.partition, record.offset);
    Some(RawRecord { stream, partition, offset, time: record_time(record), payload: record.payload? })
}

/// The time of a record, if it has one.
pub(super) fn record_time(record: &Record<'_>) -> Option<RecordTime> {
    match record.timestamp {
        Timestamp::NotAvailable => None,
        Timestamp::CreateTime(number) | Timestamp::LogAppendTime(number) => RecordTime::of(number),
    }
}

/// Gives records to the inputs, for the length of one call of the feed.
pub(super) struct RecordApplier<'a> {
    inputs: &'a mut Inputs,
    bounds: TimeBounds,
    /// The topic whose records are merchandising rules.
    rules: Option<&'a str>,
    known_rules: &'a mut TopicRules,
    status: &'a SourceStatus,
    accepted: u64,
}

impl<'a> RecordApplier<'a> {
    pub(super) fn new(
        inputs: &'a mut Inputs,
        bounds: TimeBounds,
        rules: Option<&'a str>,
        known_rules: &'a mut TopicRules,
        status: &'a SourceStatus,
    ) -> Self {
        RecordApplier { inputs, bounds, rules, known_rules, status, accepted: 0 }
    }

    /// The time of a record, if it has one that its writer's clock can have shown by now.
    pub(super) fn time_of(&self, record: &Record<'_>) -> Option<Time> {
        let time = record_time(record).map(RecordTime::at);
        time.filter(|time| *time <= self.bounds.now.saturating_add(self.bounds.future_max))
    }

    /// Feeds a record, or makes it a dead letter.
    pub(super) fn apply(
        &mut self,
        id: &PartitionId,
        record: &Record<'_>,
        decoder: &mut Decoder,
    ) -> Result<(), Box<DeadLetter>> {
        if self.rules == Some(&*id.topic) {
            return self.apply_rule(id, record);
        }
        let Some(record) = raw_record(id, record) else {
            self.status.ignored(TOMBSTONE);
            return Ok(());
        };
        let event = decoder.decode(&record, &self.bounds);
        let (used, keys) = self.inputs.event_use_and_keys();
        let changes = EventChanges::of(&record, event, used, keys, self.status)?;
        let has_counted = !changes.is_empty() && changes.apply(self.inputs, self.status);
        self.accepted += u64::from(has_counted);
        Ok(())
    }

    /// Feeds a record of the topic of rules, or makes it a dead letter.
    fn apply_rule(&mut self, id: &PartitionId, record: &Record<'_>) -> Result<(), Box<DeadLetter>> {
        let (stream, partition, offset) = (&*id.topic, id.partition, record.offset);
        let payload = record.payload.unwrap_or_default();
        let raw = RawRecord { stream, partition, offset, time: record_time(record), payload };
        let (known, keys) = (&mut *self.known_rules, self.inputs.keys());
        let changes = EventChanges::of_rule_record(&raw, record.key, &self.bounds, known, keys, self.status)?;
        self.accepted += u64::from(changes.apply(self.inputs, self.status));
        Ok(())
    }
}

impl Drop for RecordApplier<'_> {
    fn drop(&mut self) {
        if self.accepted > 0 {
            self.status.accepted(self.accepted);
        }
    }
}
