//! The log, message by message: transactions are gathered, applied whole and fed; between them time does its part.
//!
//! A transaction is held as changes in keys, 48 bytes each, until it is committed. It leaves nothing behind when the
//! connection is lost in its middle: the server sends it again from its beginning.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use dataflow::source_status::Progress;
use dataflow::time::Time;

use super::super::STREAM;
use super::super::context::{CHECK_AGAIN, FeedBatch};
use super::super::ear::Ear;
use super::super::edit::Edit;
use super::super::error::Error;
use super::super::names::Which;
use super::super::pgoutput::{self, Message, Relation};
use super::super::relation::{Lost, Route};
use super::super::rows::{Row, Told};
use super::super::schema_check;
use super::super::slot::Lsn;
use super::super::spelling::Spelling;
use super::super::table::{FUTURE, letter};
use super::super::table_cache::{Change, Span, sweep_every};
use super::connecting::out_of_order;
use super::{Examined, Follower, LogMessage, Step};

/// How often time alone changes something.
const PASS_TIME_EVERY: Duration = Duration::from_secs(1);

/// What is known of the log that comes.
pub(super) struct Stream {
    spelling: Spelling,
    /// Where the server's log ended at the start: what comes behind is live.
    target: Lsn,
    silence: Ear,
    routes: HashMap<u32, Route>,
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
    edits: Vec<Edit>,
}

/// How following goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Report {
    CatchingUp,
    Live,
    /// Why tables are passed over; the others are followed.
    Broken(String),
}

impl Follower {
    pub(super) fn streaming(&mut self, spelling: Spelling, at: Instant) -> Result<(), Error> {
        let Some(target) = self.session.server.map(|server| server.end) else { return Err(out_of_order()) };
        self.flow.ends(target.0);
        self.stream = Some(Stream {
            spelling,
            target,
            silence: Ear::new(self.resume.place()),
            routes: HashMap::new(),
            broken: [None, None, None],
            transaction: None,
            reached: None,
            caught_up: false,
            time_passed: at,
            tables_checked: at,
        });
        for which in Which::ALL {
            let reason = self.check().and_then(|check| check.broken(which)).map(ToString::to_string);
            if let Some(reason) = reason {
                self.break_off(which, reason);
            }
        }
        self.tick(at, 0)
    }

    fn stream(&mut self) -> Result<&mut Stream, Error> {
        self.stream.as_mut().ok_or_else(out_of_order)
    }

    pub(super) fn message(&mut self, message: LogMessage<'_>) -> Result<(), Error> {
        match message {
            LogMessage::Begin(place) => {
                let stream = self.stream()?;
                stream.silence.hear(Lsn(0));
                stream.transaction = Some(Transaction { place, edits: Vec::new() });
            }
            LogMessage::Change(bytes) => {
                self.stream()?.silence.hear(Lsn(0));
                self.change(bytes)?;
            }
            LogMessage::Commit { end, time } => {
                self.stream()?.silence.hear(end);
                self.commit(end, time)?;
            }
            LogMessage::KeepAlive { end } => {
                self.stream()?.silence.hear(end);
                self.flow.ends(end.0);
                // Everything committed before has been sent, so that nothing of ours is left there.
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
            Message::Insert { relation, new } => self.row(relation, Told::Came(&new)),
            Message::Update { relation, old, new } => self.row(relation, Told::Changed(old.as_ref(), &new)),
            Message::Delete { relation, old } => self.row(relation, Told::Gone(&old)),
            Message::Truncate { relations } => {
                let Stream { routes, transaction, .. } = self.stream()?;
                let tables = relations.iter().filter_map(|relation| routes.get(relation)).map(|route| route.which);
                transaction.as_mut().ok_or_else(unbegun)?.edits.extend(tables.map(Edit::Truncate));
                Ok(())
            }
            Message::Other => Ok(()),
        }
    }

    /// A table's columns, as they are from here on.
    fn describe(&mut self, relation: &Relation<'_>) -> Result<(), Error> {
        let (Some(check), Some(stream)) = (&self.session.check, &mut self.stream) else { return Err(out_of_order()) };
        let identities = Which::ALL.into_iter().filter_map(|which| Some((which, check.identity(which)?)));
        let Some((which, identity)) = identities.into_iter().find(|(_, identity)| identity.relation == relation.id)
        else {
            return Ok(());
        };
        let tables = &self.settings.tables;
        match Route::new(relation, which, tables, identity, &stream.spelling) {
            Ok(route) => {
                // Columns of another name or type may have other values without a word in the log.
                match stream.routes.get(&relation.id) {
                    Some(before) if before.reads_the_same(&route) => {}
                    // The tables were looked at when they had been changed already.
                    Some(_) if !stream.caught_up => {
                        return Err(Error::Resync(schema_check::another(tables.name(which))));
                    }
                    _ => self.steps.push_back(Step::CheckTables),
                }
                if stream.broken[which as usize].is_none() {
                    stream.routes.insert(relation.id, route);
                }
                Ok(())
            }
            Err(Lost::Key(reason)) => Err(Error::Resync(reason)),
            Err(Lost::Column(reason)) => {
                stream.routes.remove(&relation.id);
                self.break_off(which, reason);
                Ok(())
            }
        }
    }

    fn row(&mut self, relation: u32, told: Told<'_, '_>) -> Result<(), Error> {
        let Some(Stream { routes, transaction, .. }) = &mut self.stream else { return Err(out_of_order()) };
        // Of a table that is not ours, or whose changes are passed over.
        let Some(route) = routes.get(&relation) else { return Ok(()) };
        let transaction = transaction.as_mut().ok_or_else(unbegun)?;
        let row = Row { route, told };
        if let Err(fault) = row.edits(&self.dictionary, &mut transaction.edits) {
            let (table, payload) = (self.settings.tables.name(route.which), row.to_json());
            if self.cache.refusals.is_new(&(table, &payload)) {
                self.steps.push_back(Step::Refuse(letter(table, transaction.place.0, &fault, payload)));
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
        let mut change = Change::default();
        for _ in 0..self.cache.transact(transaction.edits, span, &mut change) {
            self.status.ignored(FUTURE);
        }
        self.cache.count_change(&change);
        self.feed(change);
        Ok(())
    }

    /// Which times count: those of the tables while they catch up, then the clock's.
    fn span(&self) -> Option<Span> {
        let stream = self.stream.as_ref()?;
        let now = if stream.caught_up { Some(self.clock.now()) } else { stream.reached };
        now.map(|now| self.settings.span(now))
    }

    fn feed(&mut self, change: Change) {
        let (Some(held), Some(stream), false) = (self.resume.held, &self.stream, change.is_empty()) else { return };
        let behind = !self.live && held.place < stream.target;
        let (reached, fingerprint) = (stream.reached.filter(|_| behind), Some(held.fingerprint()));
        let batch = FeedBatch { change, next: held.place.0, fingerprint, reached, reading: None };
        self.steps.push_back(Step::Feed(batch));
    }

    pub(super) fn tick(&mut self, at: Instant, open_tick: Time) -> Result<(), Error> {
        self.flow.quiet(self.resume.place().0);
        self.steps.push_back(Step::Confirm(self.confirmed()));
        if at.saturating_duration_since(self.stream()?.time_passed) >= PASS_TIME_EVERY {
            self.stream()?.time_passed = at;
            self.pass_time(open_tick);
        }
        if at.saturating_duration_since(self.stream()?.tables_checked) >= CHECK_AGAIN {
            self.stream()?.tables_checked = at;
            self.steps.push_back(Step::CheckTables);
        }
        self.steps.push_back(Step::Report);
        Ok(())
    }

    /// The server may forget its log before this place.
    pub(in super::super) fn confirmed(&self) -> Lsn {
        self.resume.confirmed(self.kept(), self.session.floor)
    }

    /// What time alone changes.
    fn pass_time(&mut self, open_tick: Time) {
        let Some(mut span) = self.span() else { return };
        // While another source catches up, lists are as of an earlier time: orders of its window stay.
        span.now = span.now.min(open_tick);
        let mut change = Change::default();
        if span.now >= self.swept.saturating_add(sweep_every(span.window_ms)) {
            self.swept = span.now;
            self.cache.sweep(span, &mut change);
        }
        self.cache.count_left_lines();
        self.feed(change);
    }

    /// The tables were looked at: the log does not tell that one was renamed, removed or taken out of the publication.
    pub(super) fn tables_checked(
        &mut self,
        examined: Examined,
        is_unfit: bool,
        end: Lsn,
        at: Instant,
    ) -> Result<(), Error> {
        let Examined { check: mut now, refused } = examined;
        self.leave_out_missed_lines(&mut now);
        self.flow.ends(end.0);
        if self.stream()?.silence.misses(end, at) {
            self.steps.push_back(Step::CheckSender);
        }
        for which in Which::ALL {
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

    pub(super) fn sender_checked(&mut self, idle: bool, at: Instant) -> Result<(), Error> {
        let limit = self.settings.answer_max;
        self.stream()?.silence.sender(idle, at, limit)
    }

    /// From here on this table's changes are passed over, until it has been mended and everything is read anew.
    fn break_off(&mut self, which: Which, reason: String) {
        self.miss(which);
        let (Some(check), Some(stream)) = (&self.session.check, &mut self.stream) else { return };
        if let Some(identity) = check.identity(which) {
            stream.routes.remove(&identity.relation);
        }
        stream.broken[which as usize] = Some(reason);
    }

    /// How following goes. Makes known how far the source is.
    pub(in super::super) fn report(&mut self) -> Report {
        self.cache.unmatched.show(&self.status);
        let place = self.resume.place();
        let Some(stream) = &mut self.stream else { return Report::CatchingUp };
        if !stream.caught_up && place >= stream.target && self.flow.is_empty() {
            (stream.caught_up, stream.reached, self.live) = (true, None, true);
            self.flow.reach(None);
        }
        let next = self.flow.fed_place();
        self.status.partition(&STREAM.into(), 0, Progress { next, end: self.flow.end().max(next) });
        // A reason that ends in SQL ends in its semicolon.
        let reasons: Vec<&str> = stream.broken.iter().flatten().map(|reason| reason.trim_end_matches(';')).collect();
        if !reasons.is_empty() {
            Report::Broken(reasons.join(" | "))
        } else if stream.caught_up {
            Report::Live
        } else {
            Report::CatchingUp
        }
    }

    /// Which tables are passed over.
    pub(in super::super) fn broken(&self) -> [bool; 3] {
        self.stream
            .as_ref()
            .map_or([false; 3], |stream| Which::ALL.map(|which| stream.broken[which as usize].is_some()))
    }
}

fn unbegun() -> Error {
    Error::Protocol("a change outside of any transaction".to_owned())
}
