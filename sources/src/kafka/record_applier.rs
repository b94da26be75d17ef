//! One record into the graph: decoded, keyed, given to the inputs, and counted.

use dataflow::inputs::Inputs;
use dataflow::source_status::SourceStatus;
use dataflow::time::Time;
use rdkafka::{Message, Timestamp};

use crate::decode::{self, DeadLetter, Kind, RecordTime, TimeBounds};

use super::assignments::PartitionId;

/// As what records without a payload are counted. They mark the end of a key in topics that are compacted, and some tools
/// write them elsewhere: they are no events, and nothing is wrong with them.
pub(in crate::kafka) const TOMBSTONE: &str = "tombstone";

/// Everything a record meets on its way in, for the length of one call of the feed.
pub(super) struct RecordApplier<'a> {
    inputs: &'a mut Inputs,
    bounds: TimeBounds,
    status: &'a SourceStatus,
    accepted: u64,
}

impl<'a> RecordApplier<'a> {
    pub(super) fn new(inputs: &'a mut Inputs, bounds: TimeBounds, status: &'a SourceStatus) -> Self {
        RecordApplier { inputs, bounds, status, accepted: 0 }
    }

    /// The time of a record, if it has one that its writer's clock can have shown by now.
    pub(super) fn time_of(&self, message: &impl Message) -> Option<Time> {
        let time = record_time(message).map(RecordTime::at);
        time.filter(|time| *time <= self.bounds.now.saturating_add(self.bounds.future_max))
    }

    /// Feeds a record, or refuses it for good.
    pub(super) fn take(&mut self, id: &PartitionId, message: &impl Message) -> Result<(), Box<DeadLetter>> {
        let Some(payload) = message.payload() else {
            self.status.ignored(TOMBSTONE);
            return Ok(());
        };
        let record_time = record_time(message);
        let refused = |letter: DeadLetter| {
            self.status.rejected(letter.reason);
            Box::new(letter)
        };
        let event = decode::decode_record(payload, record_time, &self.bounds).map_err(|malformed| {
            refused(DeadLetter::new(&id.topic, id.partition, message.offset(), &malformed, payload))
        })?;
        if !matches!(event.kind, Kind::View | Kind::Removal) {
            self.status.ignored(event.kind.name());
            return Ok(());
        }
        let dictionary = self.inputs.dictionary();
        let user = dictionary.user(&event.user);
        let product = dictionary.product(&event.product).map_err(|collision| {
            refused(DeadLetter::colliding(&id.topic, id.partition, message.offset(), collision, payload))
        })?;
        match event.kind {
            Kind::Removal => self.inputs.removal(user, product, event.at),
            _ => self.inputs.view(user, product, event.at),
        }
        self.accepted += 1;
        Ok(())
    }
}

/// The time of a record, if it has one.
pub(in crate::kafka) fn record_time(message: &impl Message) -> Option<RecordTime> {
    match message.timestamp() {
        Timestamp::NotAvailable => None,
        Timestamp::CreateTime(number) | Timestamp::LogAppendTime(number) => RecordTime::of(number),
    }
}

impl Drop for RecordApplier<'_> {
    fn drop(&mut self) {
        if self.accepted > 0 {
            self.status.accepted(self.accepted);
        }
    }
}
