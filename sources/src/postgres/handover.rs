//! Changes on their way from the reader to the graph, with the positions after them.

use std::sync::Arc;

use dataflow::dictionary::Hold;
use dataflow::feed::{Position, StreamFingerprint};
use dataflow::inputs::Inputs;
use dataflow::source_status::{Progress, SourceStatus};
use dataflow::time::Time;

use crate::postgres::progress::ReaderProgress;
use crate::postgres::rows::table_cache::ChangeSet;
use crate::postgres::{Definitions, Resumed, STREAM};

/// A change on its way to the feed, and the source's position after it.
pub(crate) struct FeedBatch {
    pub(crate) change: ChangeSet,
    /// The number of readings, or the place in the log.
    pub(crate) next: i64,
    pub(crate) fingerprint: Option<StreamFingerprint>,
    /// The time of the tables that was reached, while there is more to catch up on.
    pub(crate) reached: Option<Time>,
    /// Present if the tables were read for it.
    pub(crate) reading: Option<ReadingInfo>,
    /// Taken before the ids of the change were seen, if they were.
    pub(crate) held: Option<Hold>,
}

/// The consequences of a reading of all tables for the rows.
#[derive(Clone, Copy)]
pub(crate) struct ReadingInfo {
    /// The rows are good again up to this number of [spoils](ReaderProgress::spoils).
    pub(crate) spoils: u64,
    /// The definitions of the tables at the reading.
    pub(crate) definitions: Definitions,
}

/// The changes that were fed, and the positions after them.
pub(crate) struct FedState {
    pub(crate) progress: Arc<ReaderProgress>,
    pub(crate) status: Arc<SourceStatus>,
    stream: Arc<str>,
    fingerprint: Option<StreamFingerprint>,
    /// The definitions of the tables when they were read last.
    definitions: Definitions,
}

impl FedState {
    pub(crate) fn new(progress: Arc<ReaderProgress>, status: Arc<SourceStatus>, resumed: Option<&Resumed>) -> FedState {
        let fingerprint = resumed.and_then(|rows| rows.fingerprint);
        let definitions = resumed.map(|rows| rows.definitions).unwrap_or_default();
        FedState { progress, status, stream: STREAM.into(), fingerprint, definitions }
    }

    /// Feeds one change; returns its rows.
    pub(crate) fn take(&mut self, batch: FeedBatch, inputs: &mut Inputs) -> usize {
        let FeedBatch { change, next, fingerprint, reached, reading, held: _held } = batch;
        let rows = change.len();
        change.give(inputs);
        self.fingerprint = fingerprint;
        if let Some(reading) = reading {
            self.definitions = reading.definitions;
        }
        // A number of readings has no end to lag behind.
        let end = fingerprint.map_or(next, |_| self.progress.end().max(next));
        self.status.accepted(rows as u64);
        self.status.partition(&self.stream, 0, Progress { next, end });
        self.progress.reach(reached);
        self.progress.feed(rows, next, reading.map(|reading| reading.spoils));
        rows
    }

    /// The positions after everything fed.
    pub(crate) fn positions(&self, out: &mut Vec<Position>) {
        let position = Position::new(self.stream.clone(), 0, self.progress.next());
        out.push(Position { fingerprint: self.fingerprint, ..position });
        self.definitions.positions(out);
    }
}
