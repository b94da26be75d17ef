//! One partition's records in their order: each waits for its step.

use std::sync::Arc;

use dataflow::inputs::Inputs;
use dataflow::source_status::SourceStatus;
use dataflow::time::{Millis, Time};
use events::{Event, EventChanges, EventKind, Malformed, RawRecord};

use super::{LetterHandler, ReplayBounds, ReplayErasures};

/// See [`crate::replay`].
pub(crate) struct PartitionReplay {
    until: Time,
    status: Arc<SourceStatus>,
    refused: LetterHandler,
    /// Those that are known before the first record is read; none if erasures are what is looked for.
    erased: Option<Arc<ReplayErasures>>,
    /// The service time of the record that counted last.
    reached: Time,
    /// The offset of the first record beyond the last step, and how many were skipped.
    beyond: Option<(i64, u64)>,
    /// That record's changes, if it is beyond the step.
    waiting: Option<EventChanges>,
    accepted: u64,
}

/// The kind under which events of erased users, and the erasures, are counted.
const ERASED: &str = "erased";

impl PartitionReplay {
    pub(crate) fn new(
        bounds: ReplayBounds,
        status: Arc<SourceStatus>,
        refused: LetterHandler,
        erased: Option<Arc<ReplayErasures>>,
    ) -> Self {
        let until = bounds.until;
        PartitionReplay { until, status, refused, erased, reached: 0, beyond: None, waiting: None, accepted: 0 }
    }

    /// Gives the record that waited, if its time has come; returns the number of records given.
    pub(crate) fn give_waiting(&mut self, inputs: &mut Inputs, step: Time) -> usize {
        let due = self.waiting.take_if(|_| self.reached <= step);
        let given = usize::from(due.is_some());
        due.into_iter().for_each(|changes| self.apply(changes, inputs));
        given
    }

    /// Whether the next record can be taken: none waits for a later step.
    pub(crate) fn is_open(&self, step: Time) -> bool {
        self.reached <= step
    }

    /// Whether all records up to the step have been given, without giving any. `has_ended`: no further record is read.
    pub(crate) fn has_reached(&self, step: Time, has_ended: bool) -> bool {
        self.reached > step || (has_ended && self.waiting.is_none())
    }

    /// The offset of the first record beyond the last step, if there was one, and how many were skipped.
    pub(crate) fn beyond(&self) -> Option<(i64, u64)> {
        self.beyond
    }

    /// Whether a record of this time cannot count: it follows one beyond the last step, and is not dated before that step.
    pub(crate) fn is_over(&self, record_time: Option<Millis>) -> bool {
        self.beyond.is_some() && record_time.is_none_or(|time| time > self.until)
    }

    /// Skips a record that counts at no step.
    pub(crate) fn skip(&mut self, offset: i64) {
        self.beyond.get_or_insert((offset, 0)).1 += 1;
    }

    /// Takes the next record, which counts now or waits for its step.
    pub(crate) fn take(
        &mut self,
        record: &RawRecord<'_>,
        event: Result<Event<'_>, Malformed>,
        inputs: &mut Inputs,
        step: Time,
    ) {
        if let Ok(event) = &event {
            if event.at > self.until {
                return self.skip(record.offset);
            }
            self.reached = self.reached.max(event.at);
            if let Some(erased) = self.erased.as_ref().filter(|erased| !erased.is_empty())
                && (event.kind == EventKind::Erasure
                    || erased.cover(inputs.dictionary().find_user(&event.user), event.at))
            {
                return self.status.ignored(ERASED);
            }
        }
        let (used, keys) = inputs.event_use_and_keys();
        match EventChanges::of(record, event, used, keys, &self.status) {
            Ok(changes) if changes.is_empty() => {}
            Ok(mut changes) => {
                changes.leave_session_if_late(self.reached, &self.status);
                if self.reached <= step {
                    self.apply(changes, inputs);
                } else {
                    self.waiting = Some(changes);
                }
            }
            Err(letter) => (self.refused)(*letter),
        }
    }

    /// Refuses a record that is not an event.
    pub(crate) fn refuse(&self, record: &RawRecord<'_>, malformed: Malformed) {
        let letter = record.refuse(malformed);
        self.status.rejected(letter.reason);
        (self.refused)(letter);
    }

    /// Counts a record that is valid but not an event.
    pub(crate) fn ignore(&self, kind: &'static str) {
        self.status.ignored(kind);
    }

    fn apply(&mut self, changes: EventChanges, inputs: &mut Inputs) {
        self.accepted += u64::from(changes.apply(inputs, &self.status));
    }
}

impl Drop for PartitionReplay {
    fn drop(&mut self) {
        self.status.accepted(self.accepted);
    }
}
