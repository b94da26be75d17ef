//! The log, message by message: transactions are collected, applied as a whole and fed. Between them, expired orders are
//! removed and the tables are checked.
//!
//! A transaction is held as changes in keys, 48 bytes each, until it is committed. It leaves nothing behind when the
//! connection is lost in its middle: the server sends it again from its beginning.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use dataflow::dictionary::Hold;
use dataflow::source_status::Progress;
use dataflow::time::Time;

use super::{Examined, Follower, LogMessage, LogServer};
use crate::postgres::STREAM;
use crate::postgres::context::CHECK_AGAIN;
use crate::postgres::follow::silence_detector::SilenceDetector;
use crate::postgres::handover::FeedBatch;
use crate::postgres::names::SourceTable;
use crate::postgres::rows::changed_row::{ChangedRow, RowChange};
use crate::postgres::rows::order_window::OrderWindow;
use crate::postgres::rows::pgoutput::{self, Message, Relation};
use crate::postgres::rows::row_decoder::{RelationError, RowDecoder};
use crate::postgres::rows::row_edit::RowEdit;
use crate::postgres::rows::table_cache::{ChangeSet, sweep_every};
use crate::postgres::rows::table_scan::{FUTURE, letter};
use crate::postgres::schema::schema_check::{self, SchemaCheck};
use crate::postgres::schema::value_format::ValueFormat;
use crate::postgres::session::error::Error;
use crate::postgres::session::lsn::Lsn;

/// How often expired orders are looked for.
const PASS_TIME_EVERY: Duration = Duration::from_secs(1);

/// The state of a session whose log is being received.
pub(crate) struct LogStream {
    /// The tables at the beginning of the session.
    check: SchemaCheck,
    format: ValueFormat,
    /// The end of the server's log at the start: later transactions are live.
    target: Lsn,
    /// No place before this is confirmed to the server.
    floor: Lsn,
    silence: SilenceDetector,
    decoders: HashMap<u32, RowDecoder>,
    /// Why a table's changes are skipped, by table.
    broken: [Option<String>; 3],
    transaction: Option<Transaction>,
    /// The commit time of the last transaction while catching up.
    reached: Option<Time>,
    caught_up: bool,
    time_passed: Instant,
    tables_checked: Instant,
}

/// A transaction that is not committed yet.
struct Transaction {
    /// The place where its commit begins.
    place: Lsn,
    edits: Vec<RowEdit>,
    /// Taken before the ids of the edits were seen.
    held: Hold,
}

/// How following goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FollowReport {
    CatchingUp,
    Live,
    /// Why some tables are skipped; the others are followed.
    Broken(String),
}

impl Follower {
    /// From now on the log comes. `end`: of the server's log; `floor`: see [`LogStream`].
    pub(super) fn start(
        &mut self,
        server: &mut dyn LogServer,
        check: SchemaCheck,
        end: Lsn,
        floor: Lsn,
    ) -> Result<(), Error> {
        let format = server.stream(&check.layout)?;
        let at = server.now();
        self.progress.ends(end.0);
        let broken = SourceTable::ALL.map(|which| check.broken(which).map(ToString::to_string));
        self.stream = Some(LogStream {
            check,
            format,
            target: end,
            floor,
            silence: SilenceDetector::new(self.resume.place()),
            decoders: HashMap::new(),
            broken: [None, None, None],
            transaction: None,
            reached: None,
            caught_up: false,
            time_passed: at,
            tables_checked: at,
        });
        for (which, reason) in SourceTable::ALL.into_iter().zip(broken) {
            if let Some(reason) = reason {
                self.break_off(which, reason);
            }
        }
        self.tick(server, 0)
    }

    fn stream(&mut self) -> Result<&mut LogStream, Error> {
        self.stream.as_mut().ok_or_else(out_of_order)
    }

    /// The next message of the log.
    pub(crate) fn message(&mut self, server: &mut dyn LogServer, message: LogMessage<'_>) -> Result<(), Error> {
        match message {
            LogMessage::Begin(place) => {
                let held = self.dictionary.hold();
                let stream = self.stream()?;
                stream.silence.hear(Lsn(0));
                stream.transaction = Some(Transaction { place, edits: Vec::new(), held });
            }
            LogMessage::Data(bytes) => {
                self.stream()?.silence.hear(Lsn(0));
                self.change(server, bytes)?;
            }
            LogMessage::Commit { end, time } => {
                self.stream()?.silence.hear(end);
                self.commit(server, end, time)?;
            }
            LogMessage::KeepAlive { end } => {
                self.stream()?.silence.hear(end);
                self.progress.ends(end.0);
                // Everything committed before has been sent.
                if self.stream()?.transaction.is_none() {
                    self.resume.hear(end);
                }
            }
        }
        Ok(())
    }

    fn change(&mut self, server: &mut dyn LogServer, bytes: &[u8]) -> Result<(), Error> {
        match pgoutput::decode(bytes)? {
            Message::Relation(relation) => {
                if self.describe(&relation)? {
                    self.check_tables(server)?;
                }
                Ok(())
            }
            Message::Insert { relation, new } => self.row(server, relation, RowChange::Inserted(&new)),
            Message::Update { relation, old, new } => {
                self.row(server, relation, RowChange::Updated(old.as_ref(), &new))
            }
            Message::Delete { relation, old } => self.row(server, relation, RowChange::Deleted(&old)),
            Message::Truncate { relations } => {
                let LogStream { decoders, transaction, .. } = self.stream()?;
                let tables =
                    relations.iter().filter_map(|relation| decoders.get(relation)).map(|decoder| decoder.which);
                transaction.as_mut().ok_or_else(unbegun)?.edits.extend(tables.map(RowEdit::Truncate));
                Ok(())
            }
            Message::Other => Ok(()),
        }
    }

    /// A table's columns, as they are from here on. Returns whether the tables must be checked.
    fn describe(&mut self, relation: &Relation<'_>) -> Result<bool, Error> {
        let Some(stream) = &mut self.stream else { return Err(out_of_order()) };
        let LogStream { check, format, decoders, broken, caught_up, .. } = stream;
        let mut identities = SourceTable::ALL.into_iter().filter_map(|which| Some((which, check.identity(which)?)));
        let Some((which, identity)) = identities.find(|(_, identity)| identity.relation == relation.id) else {
            return Ok(false);
        };
        let tables = &self.settings.tables;
        match RowDecoder::new(relation, which, tables, identity, format) {
            Ok(decoder) => {
                // Columns of another name or type may have other values, without a row in the log.
                let is_same = match decoders.get(&relation.id) {
                    Some(before) if before.reads_the_same(&decoder) => true,
                    // The check of the tables came after this change of theirs.
                    Some(_) if !*caught_up => return Err(Error::Resync(schema_check::another(tables.name(which)))),
                    _ => false,
                };
                if broken[which as usize].is_none() {
                    decoders.insert(relation.id, decoder);
                }
                Ok(!is_same)
            }
            Err(RelationError::Key(reason)) => Err(Error::Resync(reason)),
            Err(RelationError::Column(reason)) => {
                decoders.remove(&relation.id);
                self.break_off(which, reason);
                Ok(false)
            }
        }
    }

    fn row(&mut self, server: &mut dyn LogServer, relation: u32, change: RowChange<'_, '_>) -> Result<(), Error> {
        let Some(LogStream { decoders, transaction, .. }) = &mut self.stream else { return Err(out_of_order()) };
        // The table is not ours, or its changes are skipped.
        let Some(decoder) = decoders.get(&relation) else { return Ok(()) };
        let transaction = transaction.as_mut().ok_or_else(unbegun)?;
        let row = ChangedRow { decoder, change };
        if let Err(fault) = row.edits(&self.dictionary, &mut transaction.edits) {
            let (table, payload) = (self.settings.tables.name(decoder.which), row.to_json());
            if self.cache.refusals.is_new(&(table, &payload)) {
                server.refuse(letter(table, transaction.place.0, &fault, payload))?;
            }
        }
        Ok(())
    }

    /// The transaction is complete.
    fn commit(&mut self, server: &mut dyn LogServer, end: Lsn, time: Time) -> Result<(), Error> {
        let now = self.clock.now();
        let stream = self.stream()?;
        let Some(transaction) = stream.transaction.take() else {
            return Err(Error::Protocol("the end of a transaction that has not begun".to_owned()));
        };
        if !self.resume.take(end) {
            return Ok(());
        }
        let stream = self.stream()?;
        if !stream.caught_up {
            stream.reached = Some(time.min(now));
        }
        let span = self.span().unwrap_or_else(|| self.settings.span(now));
        let mut change = ChangeSet::default();
        let Transaction { edits, held, .. } = transaction;
        for _ in 0..self.cache.transact(edits, span, &mut change) {
            self.status.ignored(FUTURE);
        }
        self.cache.count_change(&change);
        if let Some(reason) = self.cache.unheld.take_missing() {
            self.want(reason);
        }
        self.feed(server, change, Some(held))
    }

    /// The orders that are kept: as of the time of the tables while they catch up, then as of the clock.
    fn span(&self) -> Option<OrderWindow> {
        let stream = self.stream.as_ref()?;
        let now = if stream.caught_up { Some(self.clock.now()) } else { stream.reached };
        now.map(|now| self.settings.span(now))
    }

    fn feed(&self, server: &mut dyn LogServer, change: ChangeSet, ids: Option<Hold>) -> Result<(), Error> {
        let (Some(held), Some(stream), false) = (self.resume.held, &self.stream, change.is_empty()) else {
            return Ok(());
        };
        let behind = !self.live && held.place < stream.target;
        let (reached, fingerprint) = (stream.reached.filter(|_| behind), Some(held.fingerprint()));
        server.feed(FeedBatch { change, next: held.place.0, fingerprint, reached, reading: None, held: ids })
    }

    /// Time has passed: called about ten times a second. `open_tick`: of the graph.
    pub(crate) fn tick(&mut self, server: &mut dyn LogServer, open_tick: Time) -> Result<(), Error> {
        let (at, floor) = (server.now(), self.stream()?.floor);
        self.progress.quiet(self.resume.place().0);
        server.confirm(self.resume.confirmed(self.kept(), floor))?;
        if at.saturating_duration_since(self.stream()?.time_passed) >= PASS_TIME_EVERY {
            self.stream()?.time_passed = at;
            self.pass_time(server, open_tick)?;
        }
        if at.saturating_duration_since(self.stream()?.tables_checked) >= CHECK_AGAIN {
            self.stream()?.tables_checked = at;
            self.check_tables(server)?;
        }
        let report = self.report();
        server.report(report);
        self.fetch(at)
    }

    /// Removes orders that are kept no longer.
    fn pass_time(&mut self, server: &mut dyn LogServer, open_tick: Time) -> Result<(), Error> {
        let Some(mut span) = self.span() else { return Ok(()) };
        // While another source catches up, lists are as of an earlier time: what is kept then stays.
        span.now = span.now.min(open_tick);
        let mut change = ChangeSet::default();
        if span.now >= self.swept.saturating_add(sweep_every(span.kept_ms)) {
            self.swept = span.now;
            self.cache.sweep(span, &mut change);
        }
        self.cache.count_left_lines();
        // These rows are in the tables.
        self.feed(server, change, None)
    }

    /// Checks what is not in the log: renames, removals, changes of the publication, the log's end.
    fn check_tables(&mut self, server: &mut dyn LogServer) -> Result<(), Error> {
        let Examined { check: mut now, refused } = server.examine()?;
        let is_unfit = server.publication(&now)?.is_some();
        let end = server.log_end()?;
        let at = server.now();
        self.leave_out_missed_lines(&mut now);
        self.progress.ends(end.0);
        let misses = self.stream()?.silence.misses(end, at);
        for which in SourceTable::ALL {
            let table = self.settings.tables.name(which);
            let LogStream { check, broken, .. } = self.stream.as_ref().ok_or_else(out_of_order)?;
            match (&broken[which as usize], now.broken(which)) {
                (_, Some(finding)) => {
                    let reasons = [Some(finding), refused.as_ref()].into_iter().flatten();
                    let reason = reasons.map(ToString::to_string).collect::<Vec<_>>().join(" | ");
                    self.break_off(which, reason);
                }
                (Some(_), None) => return Err(Error::Resync(format!("table {table} can be followed again"))),
                (None, None) if now.identity(which) != check.identity(which) => {
                    return Err(Error::Resync(schema_check::another(table)));
                }
                (None, None) => {}
            }
        }
        if is_unfit {
            return Err(Error::Resync(format!("the publication {} was changed", self.settings.publication)));
        }
        if misses {
            let (idle, limit) = (server.is_sender_idle()?, self.settings.answer_max);
            self.stream()?.silence.sender(idle, server.now(), limit)?;
        }
        Ok(())
    }

    /// From here on this table's changes are skipped, until it is repaired and all tables are read again.
    fn break_off(&mut self, which: SourceTable, reason: String) {
        self.miss(which);
        let Some(stream) = &mut self.stream else { return };
        if let Some(identity) = stream.check.identity(which) {
            stream.decoders.remove(&identity.relation);
        }
        stream.broken[which as usize] = Some(reason);
    }

    /// How following goes. Also updates the source's progress in the registry.
    fn report(&mut self) -> FollowReport {
        self.cache.orphan_lines.show(&self.status);
        let place = self.resume.place();
        let Some(stream) = &mut self.stream else { return FollowReport::CatchingUp };
        if !stream.caught_up && place >= stream.target && self.progress.is_empty() {
            (stream.caught_up, stream.reached, self.live) = (true, None, true);
            self.progress.reach(None);
        }
        let next = self.progress.fed_place();
        self.status.partition(&STREAM.into(), 0, Progress { next, end: self.progress.end().max(next) });
        // A reason may end with an SQL statement and its semicolon.
        let reasons: Vec<&str> = stream.broken.iter().flatten().map(|reason| reason.trim_end_matches(';')).collect();
        if !reasons.is_empty() {
            FollowReport::Broken(reasons.join(" | "))
        } else if stream.caught_up {
            FollowReport::Live
        } else {
            FollowReport::CatchingUp
        }
    }

    /// The tables whose changes are skipped.
    pub(crate) fn broken(&self) -> [bool; 3] {
        self.stream
            .as_ref()
            .map_or([false; 3], |stream| SourceTable::ALL.map(|which| stream.broken[which as usize].is_some()))
    }
}

/// A message came without a session.
fn out_of_order() -> Error {
    Error::Protocol("an answer to a question that was not asked".to_owned())
}

fn unbegun() -> Error {
    Error::Protocol("a change outside of any transaction".to_owned())
}
