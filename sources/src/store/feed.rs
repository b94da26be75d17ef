//! The feed of worker 0: takes batches from the reading thread.

use std::sync::Arc;

use dataflow::feed::{Feed, FeedProgress, Position, WorkerContext};
use dataflow::inputs::Inputs;
use dataflow::source_status::{Progress, SourceStatus};
use dataflow::tables;

use super::batch::StoreBatch;
use super::reader::StoreReader;
use super::{NAME, Source};
use crate::read_ahead::ReadAhead;

pub(super) struct StoreFeed {
    batches: ReadAhead<StoreBatch>,
    status: Arc<SourceStatus>,
    stream: Arc<str>,
    /// The number of the next change; none before the first reading.
    next: Option<i64>,
}

impl StoreFeed {
    pub(super) fn open(source: &Source, worker: &WorkerContext) -> StoreFeed {
        let batches = ReadAhead::start(NAME, &source.status, |batches| {
            let reader = StoreReader::new(source, worker, batches);
            move |stop| reader.run(&stop)
        });
        StoreFeed { batches, status: source.status.clone(), stream: NAME.into(), next: None }
    }

    fn take(&mut self, batch: StoreBatch, inputs: &mut Inputs) -> usize {
        let _held = batch.held;
        let records = batch.changes.len();
        let changes = batch.changes;
        changes.catalogue.into_iter().for_each(|(row, diff)| inputs.update::<tables::Catalogue>(row, diff));
        changes.orders.into_iter().for_each(|(row, diff)| inputs.update::<tables::Orders>(row, diff));
        changes.lines.into_iter().for_each(|(row, diff)| inputs.update::<tables::Lines>(row, diff));
        self.status.accepted(records as u64);
        if let Some(next) = batch.next {
            self.next = Some(next);
            self.status.partition(&self.stream, 0, Progress { next, end: next });
        }
        batch.states.into_iter().for_each(|(part, state)| self.status.state(part, state));
        // A batch without changes may have moved the position all the same.
        records.max(1)
    }
}

impl Feed for StoreFeed {
    fn feed(&mut self, inputs: &mut Inputs, budget: usize) -> FeedProgress {
        let mut records = 0;
        while records < budget
            && let Some(batch) = self.batches.take()
        {
            records += self.take(batch, inputs);
        }
        // The time that the store has reached is unknown until it has been read.
        let reached = self.next.is_none().then_some(0);
        FeedProgress { records, waiting: 0, reached }
    }

    fn positions(&self, out: &mut Vec<Position>) {
        let next = self.next.map(|next| Position::new(self.stream.clone(), 0, next));
        out.extend(next);
    }
}
