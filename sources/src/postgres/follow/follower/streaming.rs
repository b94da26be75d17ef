//! The log, message by message: transactions are gathered, applied whole and fed; between them time does its part.
//!
//! A transaction is held as changes in keys, 48 bytes each, until it is committed. It leaves nothing behind when the
//! connection is lost in its middle: the server sends it again from its beginning.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use dataflow::source_status::Progress;
use dataflow::time::Time;

use super::connecting::out_of_order;
use super::{Examined, FollowStep, Follower, LogMessage};
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
use crate::postgres::schema::schema_check;
use crate::postgres::schema::value_format::ValueFormat;
use crate::postgres::session::error::Error;
use crate::postgres::session::lsn::Lsn;

/// How often time alone changes something.
const PASS_TIME_EVERY: Duration = Duration::from_secs(1);

/// What is known of the log that comes.
pub(crate) struct LogStream {
    format: ValueFormat,
    /// Where the server's log ended at the start: later transactions are live.
    target: Lsn,
    silence: SilenceDetector,
    decoders: HashMap<u32, RowDecoder>,
    /// Why a table's changes are passed over, by table.
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
    /// Where its commit begins.
    place: Lsn,
    edits: Vec<RowEdit>,
}

/// How following goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FollowReport {
    CatchingUp,
    Live,
    /// Why tables are passed over; the others are followed.
    Broken(String),
}

impl Follower {
    pub(crate) fn streaming(&mut self, format: ValueFormat, at: Instant) -> Result<(), Error> {
        let Some(target) = self.session.server.map(|server| server.end) else { return Err(out_of_order()) };
        self.progress.ends(target.0);
        self.stream = Some(LogStream {
            format,
            target,
            silence: SilenceDetector::new(self.resume.place()),
            decoders: HashMap::new(),
            broken: [None, None, None],
            transaction: None,
            reached: None,
            caught_up: false,
            time_passed: at,
            tables_checked: at,
        });
        for which in SourceTable::ALL {
            let reason = self.check().and_then(|check| check.broken(which)).map(ToString::to_string);
            if let Some(reason) = reason {
                self.break_off(which, reason);
            }
        }
        self.tick(at, 0)
    }

    fn stream(&mut self) -> Result<&mut LogStream, Error> {
        self.stream.as_mut().ok_or_else(out_of_order)
    }

    pub(crate) fn message(&mut self, message: LogMessage<'_>) -> Result<(), Error> {
        match message {
            LogMessage::Begin(place) => {
                let stream = self.stream()?;
                stream.silence.hear(Lsn(0));
                stream.transaction = Some(Transaction { place, edits: Vec::new() });
            }
            LogMessage::Data(bytes) => {
                self.stream()?.silence.hear(Lsn(0));
                self.change(bytes)?;
            }
            LogMessage::Commit { end, time } => {
                self.stream()?.silence.hear(end);
                self.commit(end, time)?;
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

    fn change(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match pgoutput::decode(bytes)? {
            Message::Relation(relation) => self.describe(&relation),
            Message::Insert { relation, new } => self.row(relation, RowChange::Inserted(&new)),
            Message::Update { relation, old, new } => self.row(relation, RowChange::Updated(old.as_ref(), &new)),
            Message::Delete { relation, old } => self.row(relation, RowChange::Deleted(&old)),
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

    /// A table's columns, as they are from here on.
    fn describe(&mut self, relation: &Relation<'_>) -> Result<(), Error> {
        let (Some(check), Some(stream)) = (&self.session.check, &mut self.stream) else { return Err(out_of_order()) };
        let identities = SourceTable::ALL.into_iter().filter_map(|which| Some((which, check.identity(which)?)));
        let Some((which, identity)) = identities.into_iter().find(|(_, identity)| identity.relation == relation.id)
        else {
            return Ok(());
        };
        let tables = &self.settings.tables;
        match RowDecoder::new(relation, which, tables, identity, &stream.format) {
            Ok(decoder) => {
                // Columns of another name or type may have other values, without a row in the log.
                match stream.decoders.get(&relation.id) {
                    Some(before) if before.reads_the_same(&decoder) => {}
                    // The check of the tables came after this change of theirs.
                    Some(_) if !stream.caught_up => {
                        return Err(Error::Resync(schema_check::another(tables.name(which))));
                    }
                    _ => self.steps.push_back(FollowStep::CheckTables),
                }
                if stream.broken[which as usize].is_none() {
                    stream.decoders.insert(relation.id, decoder);
                }
                Ok(())
            }
            Err(RelationError::Key(reason)) => Err(Error::Resync(reason)),
            Err(RelationError::Column(reason)) => {
                stream.decoders.remove(&relation.id);
                self.break_off(which, reason);
                Ok(())
            }
        }
    }

    fn row(&mut self, relation: u32, change: RowChange<'_, '_>) -> Result<(), Error> {
        let Some(LogStream { decoders, transaction, .. }) = &mut self.stream else { return Err(out_of_order()) };
        // Of a table that is not ours, or whose changes are passed over.
        let Some(decoder) = decoders.get(&relation) else { return Ok(()) };
        let transaction = transaction.as_mut().ok_or_else(unbegun)?;
        let row = ChangedRow { decoder, change };
        if let Err(fault) = row.edits(&self.dictionary, &mut transaction.edits) {
            let (table, payload) = (self.settings.tables.name(decoder.which), row.to_json());
            if self.cache.refusals.is_new(&(table, &payload)) {
                self.steps.push_back(FollowStep::Refuse(letter(table, transaction.place.0, &fault, payload)));
            }
        }
        Ok(())
    }

    /// The transaction is whole.
    fn commit(&mut self, end: Lsn, time: Time) -> Result<(), Error> {
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
        for _ in 0..self.cache.transact(transaction.edits, span, &mut change) {
            self.status.ignored(FUTURE);
        }
        self.cache.count_change(&change);
        self.feed(change);
        Ok(())
    }

    /// Which times count: those of the tables while they catch up, then the clock's.
    fn span(&self) -> Option<OrderWindow> {
        let stream = self.stream.as_ref()?;
        let now = if stream.caught_up { Some(self.clock.now()) } else { stream.reached };
        now.map(|now| self.settings.span(now))
    }

    fn feed(&mut self, change: ChangeSet) {
        let (Some(held), Some(stream), false) = (self.resume.held, &self.stream, change.is_empty()) else { return };
        let behind = !self.live && held.place < stream.target;
        let (reached, fingerprint) = (stream.reached.filter(|_| behind), Some(held.fingerprint()));
        let batch = FeedBatch { change, next: held.place.0, fingerprint, reached, reading: None };
        self.steps.push_back(FollowStep::Feed(batch));
    }

    pub(crate) fn tick(&mut self, at: Instant, open_tick: Time) -> Result<(), Error> {
        self.progress.quiet(self.resume.place().0);
        self.steps.push_back(FollowStep::Confirm(self.confirmed()));
        if at.saturating_duration_since(self.stream()?.time_passed) >= PASS_TIME_EVERY {
            self.stream()?.time_passed = at;
            self.pass_time(open_tick);
        }
        if at.saturating_duration_since(self.stream()?.tables_checked) >= CHECK_AGAIN {
            self.stream()?.tables_checked = at;
            self.steps.push_back(FollowStep::CheckTables);
        }
        self.steps.push_back(FollowStep::Report);
        Ok(())
    }

    /// The server may forget its log before this place.
    pub(crate) fn confirmed(&self) -> Lsn {
        self.resume.confirmed(self.kept(), self.session.floor)
    }

    /// What time alone changes.
    fn pass_time(&mut self, open_tick: Time) {
        let Some(mut span) = self.span() else { return };
        // While another source catches up, lists are as of an earlier time: orders of its window stay.
        span.now = span.now.min(open_tick);
        let mut change = ChangeSet::default();
        if span.now >= self.swept.saturating_add(sweep_every(span.window_ms)) {
            self.swept = span.now;
            self.cache.sweep(span, &mut change);
        }
        self.cache.count_left_lines();
        self.feed(change);
    }

    /// The tables were checked: renames, removals and changes of the publication are not in the log.
    pub(crate) fn tables_checked(
        &mut self,
        examined: Examined,
        is_unfit: bool,
        end: Lsn,
        at: Instant,
    ) -> Result<(), Error> {
        let Examined { check: mut now, refused } = examined;
        self.leave_out_missed_lines(&mut now);
        self.progress.ends(end.0);
        if self.stream()?.silence.misses(end, at) {
            self.steps.push_back(FollowStep::CheckSender);
        }
        for which in SourceTable::ALL {
            let table = self.settings.tables.name(which);
            let before = self.check().and_then(|check| check.identity(which));
            match (&self.stream.as_ref().ok_or_else(out_of_order)?.broken[which as usize], now.broken(which)) {
                (_, Some(finding)) => {
                    let reasons = [Some(finding), refused.as_ref()].into_iter().flatten();
                    let reason = reasons.map(ToString::to_string).collect::<Vec<_>>().join(" | ");
                    self.break_off(which, reason);
                }
                (Some(_), None) => return Err(Error::Resync(format!("table {table} can be followed again"))),
                (None, None) if now.identity(which) != before => {
                    return Err(Error::Resync(schema_check::another(table)));
                }
                (None, None) => {}
            }
        }
        if is_unfit {
            return Err(Error::Resync(format!("the publication {} was changed", self.settings.publication)));
        }
        Ok(())
    }

    pub(crate) fn sender_checked(&mut self, idle: bool, at: Instant) -> Result<(), Error> {
        let limit = self.settings.answer_max;
        self.stream()?.silence.sender(idle, at, limit)
    }

    /// From here on this table's changes are left out, until it is repaired and all tables are read again.
    fn break_off(&mut self, which: SourceTable, reason: String) {
        self.miss(which);
        let (Some(check), Some(stream)) = (&self.session.check, &mut self.stream) else { return };
        if let Some(identity) = check.identity(which) {
            stream.decoders.remove(&identity.relation);
        }
        stream.broken[which as usize] = Some(reason);
    }

    /// How following goes. Makes known how far the source is.
    pub(crate) fn report(&mut self) -> FollowReport {
        self.cache.orphan_lines.show(&self.status);
        let place = self.resume.place();
        let Some(stream) = &mut self.stream else { return FollowReport::CatchingUp };
        if !stream.caught_up && place >= stream.target && self.progress.is_empty() {
            (stream.caught_up, stream.reached, self.live) = (true, None, true);
            self.progress.reach(None);
        }
        let next = self.progress.fed_place();
        self.status.partition(&STREAM.into(), 0, Progress { next, end: self.progress.end().max(next) });
        // A reason that ends in SQL ends in its semicolon.
        let reasons: Vec<&str> = stream.broken.iter().flatten().map(|reason| reason.trim_end_matches(';')).collect();
        if !reasons.is_empty() {
            FollowReport::Broken(reasons.join(" | "))
        } else if stream.caught_up {
            FollowReport::Live
        } else {
            FollowReport::CatchingUp
        }
    }

    /// Which tables are passed over.
    pub(crate) fn broken(&self) -> [bool; 3] {
        self.stream
            .as_ref()
            .map_or([false; 3], |stream| SourceTable::ALL.map(|which| stream.broken[which as usize].is_some()))
    }
}

fn unbegun() -> Error {
    Error::Protocol("a change outside of any transaction".to_owned())
}
