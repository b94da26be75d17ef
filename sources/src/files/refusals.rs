//! What a reading thread works with, whichever files it reads.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use dataflow::dictionary::Dictionary;
use dataflow::feed::Waker;
use dataflow::source_status::{SourceStatus, State};
use dataflow::time::{Millis, ServiceClock};
use events::{DeadLetter, DeadLetterSender, Refusal};
use thiserror::Error;

use super::FILES;
use super::batch::{Batch, Changes};
use super::position::{FilePosition, offset_i64};
use super::tail::Tail;
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

/// The way out for everything read.
pub(super) struct FileRefusals {
    pub(super) clock: Arc<dyn ServiceClock>,
    pub(super) dictionary: Arc<Dictionary>,
    pub(super) status: Arc<SourceStatus>,
    pub(super) letters: DeadLetterSender,
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

    /// Counts a row that was refused at `offset` of a file, and sends its letter.
    pub(super) fn refuse(&self, file: &str, offset: u64, refusal: Refusal, payload: &[u8]) -> Result<(), Stopped> {
        self.status.rejected(refusal.reason);
        self.send_letter(DeadLetter::new(file, 0, offset_i64(offset), refusal, payload))
    }

    /// Sends a letter that was counted, waiting until there is room.
    pub(super) fn send_letter(&self, letter: DeadLetter) -> Result<(), Stopped> {
        events::send(&self.letters, letter, |wait| self.stop.wait(wait))
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
