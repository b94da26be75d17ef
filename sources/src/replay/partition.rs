//! One partition's records in their order: each waits for its step.

use std::sync::Arc;

use dataflow::ids::{ProductKey, UserKey};
use dataflow::inputs::Inputs;
use dataflow::source_status::SourceStatus;
use dataflow::time::{Millis, Time};

use super::{Asked, Refused};
use crate::decode::{DeadLetter, Event, Kind, Malformed};

/// What a stream holds at one place.
pub(crate) struct Found<'a> {
    pub(crate) offset: i64,
    pub(crate) payload: &'a [u8],
    pub(crate) event: Result<Event<'a>, Malformed>,
    /// The latest time that the record's own can stand for: the service time is not after it.
    pub(crate) record_time: Option<Millis>,
}

/// What enters a history.
struct Interaction {
    kind: Kind,
    user: UserKey,
    product: ProductKey,
    at: Millis,
}

/// See [`crate::replay`].
pub(crate) struct PartitionReplay {
    stream: Arc<str>,
    partition: i32,
    until: Time,
    status: Arc<SourceStatus>,
    refused: Refused,
    /// The service time of the record that counted last.
    reached: Time,
    /// The place of the first record beyond the last step, and how many were passed over.
    beyond: Option<(i64, u64)>,
    /// That record's deed, if it is beyond the step.
    held: Option<Interaction>,
    accepted: u64,
}

impl PartitionReplay {
    pub(crate) fn new(
        stream: Arc<str>,
        partition: i32,
        asked: Asked,
        status: Arc<SourceStatus>,
        refused: Refused,
    ) -> Self {
        let until = asked.until;
        PartitionReplay { stream, partition, until, status, refused, reached: 0, beyond: None, held: None, accepted: 0 }
    }

    /// Gives what was held, if its time has come; whether the next record can be taken.
    pub(crate) fn is_open(&mut self, inputs: &mut Inputs, step: Time) -> bool {
        if self.reached <= step
            && let Some(deed) = self.held.take()
        {
            self.give(inputs, &deed);
        }
        self.reached <= step
    }

    /// Where the first record beyond the last step was, if there was one, and how many were passed over.
    pub(crate) fn beyond(&self) -> Option<(i64, u64)> {
        self.beyond
    }

    /// Whether a record of this time cannot count, as it follows one beyond the last step and is no witness against it.
    pub(crate) fn is_over(&self, record_time: Option<Millis>) -> bool {
        self.beyond.is_some() && record_time.is_none_or(|time| time > self.until)
    }

    /// Passes a record over that counts at no step.
    pub(crate) fn pass(&mut self, offset: i64) {
        self.beyond.get_or_insert((offset, 0)).1 += 1;
    }

    /// Takes the next record, which counts now, or later and is then held.
    pub(crate) fn take(&mut self, found: &Found<'_>, inputs: &mut Inputs, step: Time) {
        let event = match &found.event {
            Ok(event) => event,
            Err(malformed) => return self.refuse(found.offset, malformed, found.payload),
        };
        let own = found.record_time.map_or(event.at, |time| time.min(event.at));
        if own > self.until {
            return self.pass(found.offset);
        }
        self.reached = self.reached.max(own);
        if !matches!(event.kind, Kind::View | Kind::Removal) {
            return self.status.ignored(event.kind.name());
        }
        let dictionary = inputs.dictionary();
        let product = match dictionary.product(&event.product) {
            Ok(product) => product,
            Err(collision) => {
                let (offset, payload) = (found.offset, found.payload);
                return self.post(DeadLetter::colliding(&self.stream, self.partition, offset, collision, payload));
            }
        };
        let deed = Interaction { kind: event.kind, user: dictionary.user(&event.user), product, at: event.at };
        if self.reached <= step {
            self.give(inputs, &deed);
        } else {
            self.held = Some(deed);
        }
    }

    /// Counts a record that is right and no event.
    pub(crate) fn ignore(&self, kind: &'static str) {
        self.status.ignored(kind);
    }

    fn give(&mut self, inputs: &mut Inputs, deed: &Interaction) {
        match deed.kind {
            Kind::Removal => inputs.removal(deed.user, deed.product, deed.at),
            _ => inputs.view(deed.user, deed.product, deed.at),
        }
        self.accepted += 1;
    }

    /// Refuses what is no event at all.
    pub(crate) fn refuse(&self, offset: i64, malformed: &Malformed, payload: &[u8]) {
        self.post(DeadLetter::new(&self.stream, self.partition, offset, malformed, payload));
    }

    fn post(&self, letter: DeadLetter) {
        self.status.rejected(letter.reason);
        (self.refused)(letter);
    }
}

impl Drop for PartitionReplay {
    fn drop(&mut self) {
        self.status.accepted(self.accepted);
    }
}
