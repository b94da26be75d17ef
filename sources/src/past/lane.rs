//! One partition's records in their order: each waits for its step.

use std::sync::Arc;

use dataflow::board::SourceBoard;
use dataflow::ids::{ProductKey, UserKey};
use dataflow::inputs::Inputs;
use dataflow::time::{Millis, Time};

use super::{Asked, Refused};
use crate::decode::{DeadLetter, Event, Kind, Malformed};

/// What a stream holds at one place.
pub(crate) struct Found<'a> {
    pub(crate) offset: i64,
    pub(crate) payload: &'a [u8],
    pub(crate) event: Result<Event<'a>, Malformed>,
    /// The time of the record: the service time is not after it.
    pub(crate) record_time: Option<Millis>,
}

/// What enters a history.
struct Deed {
    kind: Kind,
    user: UserKey,
    product: ProductKey,
    at: Millis,
}

/// See [`crate::past`].
pub(crate) struct Lane {
    stream: Arc<str>,
    partition: i32,
    until: Time,
    board: Arc<SourceBoard>,
    refused: Refused,
    /// The service time of the record taken last.
    reached: Time,
    /// That record's deed, if it is beyond the step.
    held: Option<Deed>,
    accepted: u64,
}

impl Lane {
    pub(crate) fn new(
        stream: Arc<str>,
        partition: i32,
        asked: Asked,
        board: Arc<SourceBoard>,
        refused: Refused,
    ) -> Self {
        Lane { stream, partition, until: asked.until, board, refused, reached: 0, held: None, accepted: 0 }
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

    /// Whether nothing that comes can count at any step.
    pub(crate) fn is_over(&self) -> bool {
        self.reached > self.until
    }

    /// Takes the next record, which counts now, or later and is then held.
    pub(crate) fn take(&mut self, found: &Found<'_>, inputs: &mut Inputs, step: Time) {
        let event = match &found.event {
            Ok(event) => event,
            Err(malformed) => return self.refuse(found.offset, malformed, found.payload),
        };
        self.reached = self.reached.max(found.record_time.map_or(event.at, |time| time.min(event.at)));
        if self.is_over() {
            return;
        }
        if !matches!(event.kind, Kind::View | Kind::Removal) {
            return self.board.ignored(event.kind.name());
        }
        let dictionary = inputs.dictionary();
        let product = match dictionary.product(&event.product) {
            Ok(product) => product,
            Err(collision) => {
                let (offset, payload) = (found.offset, found.payload);
                return self.post(DeadLetter::colliding(&self.stream, self.partition, offset, collision, payload));
            }
        };
        let deed = Deed { kind: event.kind, user: dictionary.user(&event.user), product, at: event.at };
        if self.reached <= step {
            self.give(inputs, &deed);
        } else {
            self.held = Some(deed);
        }
    }

    fn give(&mut self, inputs: &mut Inputs, deed: &Deed) {
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
        self.board.rejected(letter.reason);
        (self.refused)(letter);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.board.accepted(self.accepted);
    }
}
