//! The context of a reading thread, and the status of one file.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use dataflow::dictionary::Dictionary;
use dataflow::feed::Waker;
use dataflow::rules::EventUse;
use dataflow::source_status::{SourceStatus, State};
use dataflow::time::{Millis, ServiceClock};
use events::{DeadLetter, DeadLetterSender, Refusal};
use thiserror::Error;

use super::FILES;
use super::batch::{FileBatch, InputChanges};
use crate::erasures::ErasedAtStart;
use crate::file_position::{FilePosition, offset_i64};
use crate::file_tail::FileTail;
use crate::side_thread::{Stop, Stopped};
use crate::wall_clock::wall_ms;

/// Why a turn ended early.
#[derive(Debug, Error)]
pub(super) enum Interruption {
    /// The file cannot be read now.
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// The context of a reading thread: where it sends batches, dead letters and counts.
pub(super) struct FilesContext {
    pub(super) clock: Arc<dyn ServiceClock>,
    pub(super) dictionary: Arc<Dictionary>,
    pub(super) status: Arc<SourceStatus>,
    pub(super) letters: DeadLetterSender,
    pub(super) batches: SyncSender<FileBatch>,
    pub(super) waker: Waker,
    pub(super) kept_ms: Millis,
    /// Which events change rows, beside views and removals.
    pub(super) used: EventUse,
    pub(super) stop: Stop,
}

impl FilesContext {
    pub(super) fn now(&self) -> Millis {
        self.clock.now()
    }

    /// The time at which lines arrive that are read now: that of the wall clock, which dates removals and the events of callers
    /// and is up to two seconds behind the service clock after a quick restart.
    pub(super) fn arrival(&self) -> Millis {
        self.now().min(wall_ms())
    }

    /// Sends a batch to the feed, waiting until there is room.
    pub(super) fn send(&self, batch: FileBatch) -> Result<(), Stopped> {
        self.batches.send(batch).map_err(|_| Stopped)?;
        self.waker.wake();
        Ok(())
    }

    /// Sends a batch if there is one.
    pub(super) fn send_any(&self, batch: Option<FileBatch>) -> Result<(), Stopped> {
        batch.map_or(Ok(()), |batch| self.send(batch))
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

/// Reports the state of one file when it changes.
pub(super) struct FileReporter {
    part: usize,
    state: State,
    missing: bool,
}

impl FileReporter {
    pub(super) fn new(part: usize) -> Self {
        FileReporter { part, state: State::CatchingUp, missing: false }
    }

    /// The file's name, which is its stream.
    pub(super) fn name(&self) -> &'static str {
        FILES[self.part]
    }

    /// A part of the file has been read, up to `next`; `live` when that was all there is.
    pub(super) fn batch(&mut self, changes: Option<InputChanges>, next: u64, end: u64, live: bool) -> FileBatch {
        self.missing = false;
        let state = if live { self.change_to(State::Live) } else { None };
        FileBatch { part: self.part, changes, next, end, state, held: None }
    }

    /// The erasures of the file, before it is followed.
    pub(super) fn erasures(&self, erased: ErasedAtStart) -> FileBatch {
        let changes = Some(InputChanges::Erasures(erased));
        FileBatch { part: self.part, changes, next: 0, end: 0, state: None, held: None }
    }

    /// The file is unchanged, and has been read.
    pub(super) fn live(&mut self, tail: &FileTail) -> Option<FileBatch> {
        self.report(tail.position, State::Live)
    }

    /// The file does not exist: there is nothing to read for now.
    pub(super) fn missing(&mut self, tail: &FileTail) -> Option<FileBatch> {
        if tail.was_read() {
            return self.failing(tail, "the file is gone; what was read stays".to_owned());
        }
        if !std::mem::replace(&mut self.missing, true) {
            tracing::info!(file = %tail.path().display(), "waiting for a file that does not exist");
        }
        self.report(tail.position, State::Live)
    }

    /// The file cannot be read; the rows that were read stay.
    pub(super) fn failing(&mut self, tail: &FileTail, reason: String) -> Option<FileBatch> {
        let state = State::Retrying(format!("{}: {reason}", tail.path().display()));
        if self.state != state {
            tracing::warn!(file = %tail.path().display(), reason, "a file cannot be read, trying again");
        }
        self.report(tail.position, state)
    }

    fn report(&mut self, position: FilePosition, state: State) -> Option<FileBatch> {
        let state = self.change_to(state)?;
        Some(FileBatch {
            part: self.part,
            changes: None,
            next: position.offset,
            end: position.offset,
            state: Some(state),
            held: None,
        })
    }

    fn change_to(&mut self, state: State) -> Option<State> {
        (self.state != state).then(|| {
            self.state = state.clone();
            state
        })
    }
}
