//! What a reading thread works with, whichever files it reads.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use dataflow::dictionary::Dictionary;
use dataflow::feed::Waker;
use dataflow::source_status::{SourceStatus, State};
use dataflow::time::{Millis, ServiceClock};
use thiserror::Error;

use super::FILES;
use super::batch::{Batch, Changes};
use super::position::FilePosition;
use super::tail::Tail;
use crate::dead_letter::{DeadLetters, PAYLOAD_BYTES_MAX, post};
use crate::decode::{DeadLetter, Malformed};
use crate::fault::Fault;
use crate::side_thread::{Stop, Stopped};

/// Why a turn ended early.
#[derive(Debug, Error)]
pub(super) enum Interruption {
    /// The file cannot be read now.
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why a line is refused: a stable name, and words.
#[derive(Debug)]
pub(super) struct Refusal {
    reason: &'static str,
    detail: String,
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Refusal { reason: malformed.reason(), detail: malformed.to_string() }
    }
}

impl From<Fault<'_>> for Refusal {
    fn from(fault: Fault<'_>) -> Self {
        Refusal { reason: fault.reason(), detail: fault.to_string() }
    }
}

/// The way out for everything read.
pub(super) struct FileRefusals {
    pub(super) clock: Arc<dyn ServiceClock>,
    pub(super) dictionary: Arc<Dictionary>,
    pub(super) status: Arc<SourceStatus>,
    pub(super) letters: DeadLetters,
    pub(super) batches: SyncSender<Batch>,
    pub(super) waker: Waker,
    pub(super) window_ms: Millis,
    pub(super) stop: Stop,
}

impl FileRefusals {
    pub(super) fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Hands a batch to the feed, waiting until there is room.
    pub(super) fn send(&self, batch: Batch) -> Result<(), Stopped> {
        self.batches.send(batch).map_err(|_| Stopped)?;
        self.waker.wake();
        Ok(())
    }

    /// Counts what was refused at `offset` of a file, and keeps it.
    pub(super) fn refuse(&self, file: &str, offset: u64, refusal: Refusal, payload: &[u8]) -> Result<(), Stopped> {
        let Refusal { reason, detail } = refusal;
        self.status.rejected(reason);
        let (stream, offset) = (file.to_owned(), i64::try_from(offset).unwrap_or(i64::MAX));
        let payload = payload[..payload.len().min(PAYLOAD_BYTES_MAX)].to_vec();
        post(&self.letters, DeadLetter { stream, partition: 0, offset, reason, detail, payload }, |wait| {
            self.stop.wait(wait)
        })
    }
}

/// What one file said last about itself: only what is new is told.
pub(super) struct Voice {
    part: usize,
    said: State,
    missing: bool,
}

impl Voice {
    pub(super) fn new(part: usize) -> Self {
        Voice { part, said: State::CatchingUp, missing: false }
    }

    /// The file's name, which is its stream.
    pub(super) fn name(&self) -> &'static str {
        FILES[self.part]
    }

    /// A part of the file has been read, up to `next`; `live` when that was all there is.
    pub(super) fn batch(&mut self, changes: Option<Changes>, next: u64, end: u64, live: bool) -> Batch {
        self.missing = false;
        let state = if live { self.becomes(State::Live) } else { None };
        Batch { part: self.part, changes, next, end, state }
    }

    /// The file is as it was, and well.
    pub(super) fn well(&mut self, tail: &Tail) -> Option<Batch> {
        self.tell(tail.place, State::Live)
    }

    /// The file is not there: nothing to read, for now.
    pub(super) fn missing(&mut self, tail: &Tail) -> Option<Batch> {
        if tail.was_read() {
            return self.trouble(tail, "the file is gone; what was read stays".to_owned());
        }
        if !std::mem::replace(&mut self.missing, true) {
            tracing::info!(file = %tail.path().display(), "waiting for a file that is not there");
        }
        self.tell(tail.place, State::Live)
    }

    /// The file cannot be read; what was read stays.
    pub(super) fn trouble(&mut self, tail: &Tail, reason: String) -> Option<Batch> {
        let state = State::Retrying(format!("{}: {reason}", tail.path().display()));
        if self.said != state {
            tracing::warn!(file = %tail.path().display(), reason, "a file cannot be read, trying again");
        }
        self.tell(tail.place, state)
    }

    fn tell(&mut self, place: FilePosition, state: State) -> Option<Batch> {
        let state = self.becomes(state)?;
        Some(Batch { part: self.part, changes: None, next: place.offset, end: place.offset, state: Some(state) })
    }

    fn becomes(&mut self, state: State) -> Option<State> {
        (self.said != state).then(|| {
            self.said = state.clone();
            state
        })
    }
}
