//! The reading thread: reads the table, hands over what has changed, waits.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use dataflow::backoff::Backoff;
use dataflow::dictionary::{Dictionary, Hold};
use dataflow::feed::{Waker, WorkerContext};
use dataflow::merchandising::{RuleId, RuleVersion};
use dataflow::source_status::{SourceStatus, State};
use dataflow::time::ServiceClock;
use events::{DeadLetter, DeadLetterSender};

use super::changes::TableRules;
use super::query::{self, ReadError};
use super::row::{RuleRow, decode};
use super::{NAME, Source};
use crate::postgres::names::RuleTable;
use crate::postgres::session::connection::{Connection, Target};
use crate::refusals::Refusals;
use crate::side_thread::{Stop, Stopped};

/// The first pause after a failure, unless the limit is less.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The outcome of one attempt to read the table.
pub(super) struct RuleReading {
    /// The versions of the rules that have changed.
    pub(super) changes: Vec<(RuleId, RuleVersion)>,
    /// Whether the table could be read.
    pub(super) state: State,
    /// Taken before the ids of the rules were seen, if they were.
    pub(super) held: Option<Hold>,
}

/// Reads one table again and again.
pub(super) struct RulesReader {
    table: RuleTable,
    name: String,
    zone: Option<String>,
    target: Target,
    client: Option<Connection>,
    dictionary: Arc<Dictionary>,
    clock: Arc<dyn ServiceClock>,
    status: Arc<SourceStatus>,
    letters: DeadLetterSender,
    waker: Waker,
    readings: SyncSender<RuleReading>,
    rules: TableRules,
    refusals: Refusals,
    backoff: Backoff,
    /// Why the table cannot be read, until it can.
    failing: Option<String>,
}

impl RulesReader {
    pub(super) fn new(source: &Source, worker: &WorkerContext, readings: SyncSender<RuleReading>) -> Self {
        let resumed = std::mem::take(&mut *source.resumed.lock().expect("no holder of this lock can panic"));
        RulesReader {
            table: source.table.clone(),
            name: source.table.name.clone().unwrap_or_default(),
            zone: source.zone.clone(),
            target: source.target.clone(),
            client: None,
            dictionary: worker.dictionary.clone(),
            clock: source.clock.clone(),
            status: source.status.clone(),
            letters: source.letters.clone(),
            waker: worker.waker.clone(),
            readings,
            rules: TableRules::resumed(resumed),
            refusals: Refusals::default(),
            backoff: Backoff::new(FIRST_PAUSE, source.backoff_max),
            failing: None,
        }
    }

    /// Reads until the thread is to end.
    pub(super) fn run(mut self, stop: &Stop) {
        loop {
            let done = match self.read(stop) {
                Ok(rows) => self.take(&rows, stop).map(|()| self.table.refresh),
                // A failure after the stop signal was caused by it.
                Err(error) => stop.check().and_then(|()| self.fail(&error)),
            };
            if done.and_then(|pause| stop.wait(pause)).is_err() {
                return;
            }
        }
    }

    fn read(&mut self, stop: &Stop) -> Result<Vec<RuleRow>, ReadError> {
        let client = match &mut self.client {
            Some(client) => client,
            None => self.client.insert(self.target.connect_unless(&stop.signal())?),
        };
        client.expect_answers();
        query::read(&mut **client, &self.name, &self.table, self.zone.as_deref())
    }

    fn take(&mut self, rows: &[RuleRow], stop: &Stop) -> Result<(), Stopped> {
        let held = Some(self.dictionary.hold());
        let read = decode(rows, &self.table, &self.dictionary);
        for (row, refusal) in read.refused {
            if self.refusals.is_new(row) {
                self.status.rejected(refusal.reason);
                let letter = DeadLetter::new(&self.name, 0, 0, refusal, row.to_json(&self.table).as_bytes());
                events::send(&self.letters, letter, |wait| stop.wait(wait))?;
            }
        }
        self.refusals.end_reading();
        self.backoff.reset();
        if self.failing.take().is_some() {
            tracing::info!(source = NAME, table = self.name, "the table of rules has been read");
        }
        let changes = self.rules.take(read.rules, self.clock.now());
        self.hand(RuleReading { changes, state: State::Live, held })
    }

    /// Reports that the table cannot be read; returns the pause before the next attempt.
    fn fail(&mut self, error: &ReadError) -> Result<Duration, Stopped> {
        self.client = None;
        let reason = format!("PostgreSQL at {}: {error}", self.target.place());
        if self.failing.as_ref() != Some(&reason) {
            tracing::warn!(source = NAME, reason, "the rules stay as they are, trying again");
            self.failing = Some(reason.clone());
        }
        self.hand(RuleReading { changes: Vec::new(), state: State::Retrying(reason), held: None })?;
        Ok(self.backoff.pause())
    }

    fn hand(&self, reading: RuleReading) -> Result<(), Stopped> {
        self.readings.send(reading).map_err(|_| Stopped)?;
        self.waker.wake();
        Ok(())
    }
}
