//! The reading thread: all rows once, then what changes. It also loads the shop's files into the store.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use dataflow::dictionary::Dictionary;
use dataflow::feed::{Waker, WorkerContext};
use dataflow::source_status::{SourceStatus, State};
use dataflow::time::{Millis, ServiceClock};
use events::{DeadLetter, DeadLetterSender};
use store::{Follow, FollowError, Followed, Follower, TableRow};

use super::batch::{StoreBatch, TableChanges};
use super::catalogue::StoreCatalogue;
use super::orders::StoreOrders;
use super::reading::{HeldRows, Refused, read_all, refusal};
use super::shop_files::ShopFiles;
use super::{NAME, POLL, Resumed, Source};
use crate::refusals::Refusals;
use crate::retention;
use crate::side_thread::{Stop, Stopped};

/// Orders that are kept no longer are removed this many times in the time for which orders are kept.
const SWEEPS: Millis = 720;

pub(super) struct StoreReader {
    store: Arc<dyn Follow>,
    follower: Option<Box<dyn Follower>>,
    dictionary: Arc<Dictionary>,
    clock: Arc<dyn ServiceClock>,
    status: Arc<SourceStatus>,
    letters: DeadLetterSender,
    waker: Waker,
    batches: SyncSender<StoreBatch>,
    catalogue: StoreCatalogue,
    orders: StoreOrders,
    files: ShopFiles,
    /// States of files that hold once the changes of the store up to now are fed.
    file_states: Vec<(usize, State)>,
    refusals: Refusals,
    kept_ms: Millis,
    sweep_at: Millis,
    /// The last change that was read; none before all rows were read, and after changes were lost.
    last: Option<i64>,
    /// What the store could not be read for, until it can.
    failing: Option<FollowError>,
}

impl StoreReader {
    pub(super) fn new(source: &Source, worker: &WorkerContext, batches: SyncSender<StoreBatch>) -> Self {
        let resumed = source.resumed.lock().expect("no holder of this lock can panic").take().unwrap_or_default();
        let Resumed { orders, lines, catalogue } = resumed;
        StoreReader {
            store: source.store.clone(),
            follower: None,
            dictionary: worker.dictionary.clone(),
            clock: source.clock.clone(),
            status: source.status.clone(),
            letters: source.letters.clone(),
            waker: worker.waker.clone(),
            batches,
            catalogue: StoreCatalogue::resumed(catalogue),
            orders: StoreOrders::resumed(orders, lines),
            files: ShopFiles::new(source.files.as_deref()),
            file_states: Vec::new(),
            refusals: Refusals::default(),
            kept_ms: source.kept_ms,
            sweep_at: 0,
            last: None,
            failing: None,
        }
    }

    /// Reads until the thread is to end.
    pub(super) fn run(mut self, stop: &Stop) {
        loop {
            let read = match self.turn() {
                Ok(read) => read,
                Err(error) => self.trouble(error),
            };
            let sent = read.map_or(Ok(()), |(batch, refused)| self.send(batch, refused, stop));
            if sent.and_then(|()| stop.wait(POLL)).is_err() {
                return;
            }
        }
    }

    /// The next batch, if there is anything new, and the rows that were refused.
    fn turn(&mut self) -> Result<Option<(StoreBatch, Vec<Refused>)>, FollowError> {
        let held = Some(self.dictionary.hold());
        let now = self.clock.now();
        let cutoff = now.saturating_sub(self.kept_ms);
        let mut refused = Vec::new();
        let states = self.files.turn(&*self.store, i64::try_from(now).unwrap_or(i64::MAX));
        self.file_states.extend(states);
        let (changes, last) = match self.last {
            None if !self.files.are_tried() => return Ok(None),
            Some(last) => {
                let mut changes = TableChanges::default();
                let mut rows = Vec::new();
                let follower = follower(&mut self.follower, &self.store)?;
                match follower.read_changes(last, &mut |row| rows.push(row))? {
                    Followed::Unchanged => return Ok(self.sweep(now, cutoff)),
                    Followed::Lost => {
                        tracing::warn!("the store has changed more than its log of changes holds: all rows are read");
                        self.last = None;
                        return Ok(None);
                    }
                    Followed::UpTo(last) => {
                        self.change(rows, cutoff, &mut changes, &mut refused);
                        (changes, last)
                    }
                }
            }
            None => self.read_all(cutoff, &mut refused)?,
        };
        self.last = Some(last);
        self.failing = None;
        Ok(Some((StoreBatch { changes, next: Some(last + 1), states: self.live(), held }, refused)))
    }

    fn read_all(&mut self, cutoff: Millis, refused: &mut Vec<Refused>) -> Result<(TableChanges, i64), FollowError> {
        let follower = follower(&mut self.follower, &self.store)?;
        let held = HeldRows { catalogue: &mut self.catalogue, orders: &mut self.orders };
        let read = read_all(&mut **follower, cutoff, held, &self.dictionary, refused)?;
        self.refusals.end_reading();
        Ok(read)
    }

    fn change(&mut self, rows: Vec<TableRow>, cutoff: Millis, changes: &mut TableChanges, refused: &mut Vec<Refused>) {
        let mut catalogue = self.catalogue.change();
        for row in rows {
            let taken = match &row {
                TableRow::Category { .. } | TableRow::Product { .. } => catalogue.changed(&row, &self.dictionary),
                TableRow::Order { .. } | TableRow::Line { .. } => {
                    self.orders.changed(&row, cutoff, &self.dictionary, changes)
                }
            };
            refused.extend(taken.err().map(|fault| refusal(row, fault)));
        }
        catalogue.finish(&mut changes.catalogue);
    }

    /// Removes orders that are kept no longer.
    fn sweep(&mut self, now: Millis, cutoff: Millis) -> Option<(StoreBatch, Vec<Refused>)> {
        let mut changes = TableChanges::default();
        if now >= self.sweep_at {
            self.sweep_at = now + retention::sweep_every(self.kept_ms, SWEEPS);
            self.orders.sweep(cutoff, &mut changes);
            self.catalogue.forget(&self.orders, now, cutoff, &mut changes.catalogue);
        }
        let recovered = self.failing.take().is_some();
        if !recovered && self.file_states.is_empty() && changes.len() == 0 {
            return None;
        }
        Some((StoreBatch { changes, next: None, states: self.live(), held: None }, Vec::new()))
    }

    /// The states when all changes of the store are fed.
    fn live(&mut self) -> Vec<(usize, State)> {
        std::iter::once((0, State::Live)).chain(self.file_states.drain(..)).collect()
    }

    /// Reports that the store cannot be read. It is tried again.
    fn trouble(&mut self, error: FollowError) -> Option<(StoreBatch, Vec<Refused>)> {
        self.follower = None;
        if self.failing.as_ref() == Some(&error) {
            return None;
        }
        tracing::warn!(%error, "trying again");
        let state = State::Retrying(error.to_string());
        self.failing = Some(error);
        let states = vec![(0, state)];
        Some((StoreBatch { changes: TableChanges::default(), next: None, states, held: None }, Vec::new()))
    }

    fn send(&mut self, batch: StoreBatch, refused: Vec<Refused>, stop: &Stop) -> Result<(), Stopped> {
        for (reason, payload, fault) in refused {
            if self.refusals.is_new(&payload) {
                self.status.rejected(reason);
                let offset = batch.next.unwrap_or(0);
                let letter = DeadLetter::new(NAME, 0, offset, fault.into(), payload.as_bytes());
                events::send(&self.letters, letter, |wait| stop.wait(wait))?;
            }
        }
        self.batches.send(batch).map_err(|_| Stopped)?;
        self.waker.wake();
        Ok(())
    }
}

/// The reader of the store, opened again after a failure.
fn follower<'f>(
    follower: &'f mut Option<Box<dyn Follower>>,
    store: &Arc<dyn Follow>,
) -> Result<&'f mut Box<dyn Follower>, FollowError> {
    if follower.is_none() {
        *follower = Some(store.follow()?);
    }
    Ok(follower.as_mut().expect("it was opened above"))
}
