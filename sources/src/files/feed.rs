//! The feed of worker 0: takes batches from the reading threads.

use std::sync::Arc;

use dataflow::dictionary::KeyCache;
use dataflow::feed::{Feed, FeedProgress, Position, WorkerContext};
use dataflow::ids::RowKey;
use dataflow::inputs::Inputs;
use dataflow::source_status::{Progress, SourceStatus, State};
use dataflow::tables::{self, LineRow};

use super::batch::{FileBatch, InputChanges};
use super::context::FilesContext;
use super::erasures;
use super::event_file::EventFile;
use super::follow::{self, FollowedFile};
use super::orders::OrdersFile;
use super::products::ProductsFile;
use super::table::FileTable;
use super::{EVENT_FILES, FILES, Source};
use crate::erasures::ErasureGate;
use crate::file_position::offset_i64;
use crate::read_ahead::ReadAhead;

/// The thread that reads the files of events, and its place among the threads.
const EVENTS: &str = "files-events";
const EVENTS_PLACE: usize = 0;

/// Assumed length of a line, to estimate the number of lines in the rest of a file.
const LINE_BYTES: u64 = 100;

pub(super) struct FilesFeed {
    /// Of the events, and of the tables if they are read.
    batches: Vec<ReadAhead<FileBatch>>,
    /// Whether events may be given.
    gate: ErasureGate,
    /// Whether the erasures of the file of removals are known, or not needed.
    knows_erasures: bool,
    status: Arc<SourceStatus>,
    streams: Vec<Arc<str>>,
    progress: Vec<Progress>,
    /// For each file, whether it has been read to its end, or could not be.
    tried: Vec<bool>,
}

impl FilesFeed {
    /// Starts the reading threads.
    pub(super) fn open(source: &Source, worker: &WorkerContext) -> FilesFeed {
        let files = source.settings.files();
        let mut feed = FilesFeed {
            batches: Vec::new(),
            gate: ErasureGate::default(),
            knows_erasures: !source.settings.used.features,
            status: source.status.clone(),
            streams: FILES[..files].iter().map(|name| Arc::from(*name)).collect(),
            progress: vec![Progress { next: 0, end: 0 }; files],
            tried: vec![false; files],
        };
        let dir = source.settings.dir.clone();
        feed.spawn(EVENTS, source, worker, {
            let (dir, dictionary) = (dir.clone(), worker.dictionary.clone());
            let file = move |part| EventFile::new(&dir, part, KeyCache::new(dictionary.clone()));
            move || (0..EVENT_FILES.len()).map(|part| Box::new(file(part)) as Box<dyn FollowedFile>).collect()
        });
        if !source.settings.tables {
            return feed;
        }
        let rest = source.settings.rest;
        feed.spawn("files-tables", source, worker, move || {
            vec![
                Box::new(FileTable::<OrdersFile>::new(&dir, 3, rest)),
                Box::new(FileTable::<ProductsFile>::new(&dir, 4, rest)),
            ]
        });
        feed
    }

    fn spawn(
        &mut self,
        name: &'static str,
        source: &Source,
        worker: &WorkerContext,
        files: impl FnOnce() -> Vec<Box<dyn FollowedFile>> + Send + 'static,
    ) {
        let (clock, dictionary, status) = (source.clock.clone(), worker.dictionary.clone(), source.status.clone());
        let (letters, waker, kept_ms) = (source.letters.clone(), worker.waker.clone(), source.settings.kept_ms);
        let (dir, poll, used) = (source.settings.dir.clone(), source.settings.poll, source.settings.used.clone());
        self.batches.push(ReadAhead::start(name, &source.status, |batches| {
            move |stop| {
                let context = FilesContext { clock, dictionary, status, letters, batches, waker, kept_ms, used, stop };
                if name == EVENTS && context.used.features && erasures::send(&dir, poll, &context).is_err() {
                    return;
                }
                follow::run(files(), poll, &context);
            }
        }));
    }

    fn take(&mut self, batch: FileBatch, inputs: &mut Inputs) -> usize {
        let _held = batch.held;
        let records = batch.changes.as_ref().map_or(0, InputChanges::len);
        let mut repeats = 0;
        match batch.changes {
            None => {}
            Some(InputChanges::Erasures(erased)) => {
                self.knows_erasures = true;
                self.gate.give(&erased, inputs);
            }
            Some(InputChanges::Events(events)) => events.into_iter().for_each(|event| {
                repeats += usize::from(!event.apply(inputs, &self.status));
            }),
            Some(InputChanges::Sales(sales)) => sales.into_iter().for_each(|(sale, diff)| {
                inputs.update::<tables::Orders>(sale.order, diff);
                inputs.update::<tables::Lines>(
                    LineRow { order: sale.order.order, product: sale.product, row: RowKey::NONE },
                    diff,
                );
            }),
            Some(InputChanges::ProductsFile(lines)) => lines.into_iter().for_each(|(line, diff)| {
                line.rows().for_each(|row| inputs.update::<tables::Catalogue>(row, diff));
            }),
        }
        self.progress[batch.part] = Progress { next: offset_i64(batch.next), end: offset_i64(batch.end) };
        self.status.partition(&self.streams[batch.part], 0, self.progress[batch.part]);
        self.status.accepted((records - repeats) as u64);
        if let Some(state) = batch.state {
            self.tried[batch.part] = true;
            if !self.knows_erasures && matches!(state, State::Retrying(_)) {
                // All files of events wait for the file of removals: the lists of orders need not.
                self.tried[..EVENT_FILES.len()].fill(true);
            }
            self.status.state(batch.part, state);
        }
        // A batch without changes may have moved the position all the same.
        records.max(1)
    }
}

impl Feed for FilesFeed {
    fn feed(&mut self, inputs: &mut Inputs, budget: usize) -> FeedProgress {
        let mut records = self.gate.pass(inputs);
        for thread in 0..self.batches.len() {
            while records < budget
                && (thread != EVENTS_PLACE || self.gate.is_open())
                && let Some(batch) = self.batches[thread].take()
            {
                records += self.take(batch, inputs);
            }
        }
        let left: u64 = self.progress.iter().map(|progress| progress.lag().unsigned_abs()).sum();
        // The time that files have reached is unknown until they have been read.
        let reached = self.tried.contains(&false).then_some(0);
        FeedProgress { records, waiting: usize::try_from(left / LINE_BYTES).unwrap_or(usize::MAX), reached }
    }

    fn positions(&self, out: &mut Vec<Position>) {
        for (stream, progress) in self.streams.iter().zip(&self.progress) {
            out.push(Position::new(stream.clone(), 0, progress.next));
        }
    }
}
