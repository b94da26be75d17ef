//! The log, change by change: transactions are gathered, applied whole and handed over; between them time does its part.
//!
//! A transaction is held as changes in keys, 48 bytes each, until it is committed. It leaves nothing behind when the
//! connection is lost in its middle: the server sends it again from its beginning.

use std::collections::HashMap;
use std::sync::mpsc::TrySendError;
use std::time::{Duration, Instant};

use dataflow::source_status::{Progress, State};
use dataflow::time::Time;
use pgwire_replication::ReplicationEvent;

use super::apply::Edit;
use super::connection::Connection;
use super::ear::Ear;
use super::error::Error;
use super::expiry::sweep_every;
use super::log::Log;
use super::names::Which;
use super::pgoutput::{self, Message, Relation};
use super::reader::{Health, LOOK_AGAIN, Reader, Step};
use super::relation::{Lost, Route};
use super::release_table::release_table;
use super::rows::{Row, Told};
use super::schema_check::{self, SchemaCheck};
use super::session::{Session, from_wire};
use super::slot::{self, Lsn};
use super::spelling::Spelling;
use super::table::{FUTURE, Scan, Skip};
use super::table_cache::{Change, Span};
use super::{NAME, STREAM};
use crate::side_thread::{Stop, Stopped};

/// The longest wait before the other duties are seen to.
const TICK: Duration = Duration::from_millis(100);

/// Rows of changes that wait for the feed; a larger change waits alone.
const ROWS_MAX: usize = 100_000;

/// How soon a full feed is tried again.
const AGAIN: Duration = Duration::from_millis(2);

/// PostgreSQL counts time from the year 2000, in microseconds.
const EPOCH_MS: i64 = 946_684_800_000;

/// Places between which a stream runs.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    /// The server is never told less than this.
    pub(super) floor: Lsn,
    /// Where the server's log ended at the start: what comes behind is live.
    pub(super) target: Lsn,
}

/// A transaction that is not committed yet.
struct Transaction {
    /// Where its commit begins.
    place: Lsn,
    edits: Vec<Edit>,
}

pub(super) struct Stream<'a> {
    reader: &'a Reader,
    log: &'a mut Log,
    survey: SchemaCheck,
    spelling: Spelling,
    client: Connection,
    session: Session,
    ends: Ends,
    ear: Ear,
    routes: HashMap<u32, Route>,
    /// Why a table's changes are passed over, by table.
    broken: [Option<String>; 3],
    transaction: Option<Transaction>,
    /// The commit time of the last transaction while catching up.
    reached: Option<Time>,
    caught_up: bool,
    ticked: Instant,
    timed: Instant,
    looked: Instant,
}

impl<'a> Stream<'a> {
    pub(super) fn new(
        reader: &'a Reader,
        log: &'a mut Log,
        survey: SchemaCheck,
        spelling: Spelling,
        client: Connection,
        session: Session,
        ends: Ends,
    ) -> Stream<'a> {
        let now = Instant::now();
        reader.flow.ends(ends.target.0);
        let ear = Ear::new(log.standing.place());
        Stream {
            reader,
            log,
            survey,
            spelling,
            client,
            session,
            ends,
            ear,
            routes: HashMap::new(),
            broken: [None, None, None],
            transaction: None,
            reached: None,
            caught_up: false,
            ticked: now,
            timed: now,
            looked: now,
        }
    }

    /// Follows until something fails.
    pub(super) fn run(mut self, health: &mut Health, stop: &Stop) -> Result<(), Error> {
        for which in Which::ALL {
            if let Some(finding) = self.survey.broken(which) {
                let reason = finding.to_string();
                self.break_off(which, reason);
            }
        }
        self.tick(health, stop)?;
        loop {
            let event = self.session.next(TICK)?;
            if let Some(event) = event {
                self.take(event, stop)?;
            }
            if self.ticked.elapsed() >= TICK {
                self.tick(health, stop)?;
            }
        }
    }

    fn take(&mut self, event: ReplicationEvent, stop: &Stop) -> Result<(), Error> {
        match event {
            ReplicationEvent::Begin { final_lsn, .. } => {
                self.ear.hear(Lsn(0));
                self.transaction = Some(Transaction { place: from_wire(final_lsn), edits: Vec::new() });
            }
            ReplicationEvent::XLogData { data, .. } => {
                self.ear.hear(Lsn(0));
                self.change(&data, stop)?;
            }
            ReplicationEvent::Commit { end_lsn, commit_time_micros, .. } => {
                let time = u64::try_from(commit_time_micros.div_euclid(1000).saturating_add(EPOCH_MS)).unwrap_or(0);
                self.ear.hear(from_wire(end_lsn));
                self.commit(from_wire(end_lsn), time, stop)?;
            }
            ReplicationEvent::KeepAlive { wal_end, .. } => {
                self.ear.hear(from_wire(wal_end));
                self.reader.flow.ends(from_wire(wal_end).0);
                // Everything committed before has been sent, so that nothing of ours is left there.
                if self.transaction.is_none() {
                    self.log.standing.hear(from_wire(wal_end));
                }
            }
            ReplicationEvent::Message { .. } | ReplicationEvent::StoppedAt { .. } => {}
        }
        Ok(())
    }

    fn place(&self) -> Lsn {
        self.log.standing.place()
    }

    fn change(&mut self, data: &[u8], stop: &Stop) -> Result<(), Error> {
        match pgoutput::decode(data)? {
            Message::Relation(relation) => self.describe(&relation),
            Message::Insert { relation, new } => self.row(relation, Told::Came(&new), stop),
            Message::Update { relation, old, new } => self.row(relation, Told::Changed(old.as_ref(), &new), stop),
            Message::Delete { relation, old } => self.row(relation, Told::Gone(&old), stop),
            Message::Truncate { relations } => {
                let tables = relations.iter().filter_map(|relation| self.routes.get(relation)).map(|route| route.which);
                let edits: Vec<Edit> = tables.map(Edit::Truncate).collect();
                self.open()?.edits.extend(edits);
                Ok(())
            }
            Message::Other => Ok(()),
        }
    }

    fn open(&mut self) -> Result<&mut Transaction, Error> {
        self.transaction.as_mut().ok_or_else(|| Error::Protocol("a change outside of any transaction".to_owned()))
    }

    /// A table's columns, as they are from here on.
    fn describe(&mut self, relation: &Relation<'_>) -> Result<(), Error> {
        let tables = &self.reader.settings.tables;
        let known = |which: &Which| self.survey.identity(*which).is_some_and(|found| found.relation == relation.id);
        let Some(which) = Which::ALL.into_iter().find(known) else { return Ok(()) };
        let Some(identity) = self.survey.identity(which) else { return Ok(()) };
        match Route::new(relation, which, tables, identity, &self.spelling) {
            Ok(route) => {
                // Columns of another name or type may have other values without a word in the log.
                match self.routes.get(&relation.id) {
                    Some(before) if before.reads_the_same(&route) => {}
                    // The tables were looked at when they had been changed already.
                    Some(_) if !self.caught_up => return Err(Error::Resync(schema_check::another(tables.name(which)))),
                    _ => self.look()?,
                }
                if self.broken[which as usize].is_none() {
                    self.routes.insert(relation.id, route);
                }
                Ok(())
            }
            Err(Lost::Key(reason)) => Err(Error::Resync(reason)),
            Err(Lost::Column(reason)) => {
                self.routes.remove(&relation.id);
                self.break_off(which, reason);
                Ok(())
            }
        }
    }

    fn row(&mut self, relation: u32, told: Told<'_, '_>, stop: &Stop) -> Result<(), Error> {
        // Of a table that is not ours, or whose changes are passed over.
        let Some(route) = self.routes.get(&relation) else { return Ok(()) };
        let Some(transaction) = self.transaction.as_mut() else {
            return Err(Error::Protocol("a row outside of any transaction".to_owned()));
        };
        let row = Row { route, told };
        if let Err(fault) = row.edits(&self.reader.dictionary, &mut transaction.edits) {
            let table = self.reader.settings.tables.name(route.which);
            let scan = Scan { session: Some(&self.session), ..self.reader.scan(transaction.place.0, stop) };
            scan.skip(table, row.to_json(), Skip::Refused(fault), &mut self.log.memory.refusals)?;
        }
        Ok(())
    }

    /// The transaction is whole.
    fn commit(&mut self, end: Lsn, time: Time, stop: &Stop) -> Result<(), Error> {
        let Some(transaction) = self.transaction.take() else {
            return Err(Error::Protocol("the end of a transaction that has not begun".to_owned()));
        };
        if !self.log.standing.take(end) {
            return Ok(());
        }
        if !self.caught_up {
            self.reached = Some(time.min(self.reader.clock.now()));
        }
        let span = self.span().unwrap_or_else(|| self.reader.settings.span(self.reader.clock.now()));
        let mut change = Change::default();
        for _ in 0..self.log.memory.transact(transaction.edits, span, &mut change) {
            self.reader.status.ignored(FUTURE);
        }
        self.log.memory.count_change(&change);
        self.hand(change, stop)
    }

    /// Which times count: those of the tables while they catch up, then the clock's.
    fn span(&self) -> Option<Span> {
        let now = if self.caught_up { Some(self.reader.clock.now()) } else { self.reached };
        now.map(|now| self.reader.settings.span(now))
    }

    fn hand(&mut self, change: Change, stop: &Stop) -> Result<(), Error> {
        if change.is_empty() {
            return Ok(());
        }
        let Some(held) = self.log.standing.held else { return Ok(()) };
        let behind = !self.log.live && held.place < self.ends.target;
        let reached = self.reached.filter(|_| behind);
        let step = Step { change, next: held.place.0, fingerprint: Some(held.fingerprint()), reached, reading: None };
        hand(self.reader, &mut self.session, step, stop)
    }

    /// Everything that is done now and then.
    fn tick(&mut self, health: &mut Health, stop: &Stop) -> Result<(), Error> {
        stop.check()?;
        self.ticked = Instant::now();
        self.reader.flow.quiet(self.place().0);
        self.session.confirm(self.log.standing.confirmed(Lsn(self.reader.kept()), self.ends.floor));
        if self.timed.elapsed() >= Duration::from_secs(1) {
            self.timed = Instant::now();
            self.pass_time(stop)?;
        }
        if self.looked.elapsed() >= LOOK_AGAIN {
            self.look()?;
            self.looked = Instant::now();
        }
        self.say(health);
        Ok(())
    }

    /// What the time alone changes.
    fn pass_time(&mut self, stop: &Stop) -> Result<(), Error> {
        let Some(mut span) = self.span() else { return Ok(()) };
        // While another source catches up, what is shown is as of an earlier time: orders of its window stay.
        span.now = span.now.min(self.reader.status.open_tick());
        let mut change = Change::default();
        if span.now >= self.log.swept.saturating_add(sweep_every(span.window_ms)) {
            self.log.swept = span.now;
            self.log.memory.sweep(span, &mut change);
        }
        self.log.memory.count_left_lines();
        self.hand(change, stop)
    }

    /// Looks at what the log does not tell: tables that were renamed, removed or taken out of the publication.
    fn look(&mut self) -> Result<(), Error> {
        let (reader, client) = (self.reader, &mut self.client);
        let tables = &reader.settings.tables;
        reader.pulse.ask();
        let now = self.log.survey(client, tables)?;
        let refused = release_table(client, &reader.settings.publication)?;
        let needed = now.needed(&mut **client, &reader.settings)?;
        let end = slot::end(&mut **client)?;
        reader.flow.ends(end);
        self.ear.listen(&mut **client, &reader.settings.slot, Lsn(end), reader.settings.answer_max)?;
        reader.pulse.rest();
        for which in Which::ALL {
            let table = tables.name(which);
            match (&self.broken[which as usize], now.broken(which)) {
                (_, Some(finding)) => {
                    let reasons: Vec<String> =
                        [Some(finding), refused.as_ref()].into_iter().flatten().map(ToString::to_string).collect();
                    self.break_off(which, reasons.join(" | "));
                }
                (Some(_), None) => return Err(Error::Resync(format!("table {table} can be followed again"))),
                (None, None) if now.identity(which) != self.survey.identity(which) => {
                    return Err(Error::Resync(schema_check::another(table)));
                }
                (None, None) => {}
            }
        }
        match needed {
            Some(_) => Err(Error::Resync(format!("the publication {} was changed", reader.settings.publication))),
            None => Ok(()),
        }
    }

    /// From here on this table's changes are passed over, until it has been mended and everything is read anew.
    fn break_off(&mut self, which: Which, reason: String) {
        self.log.miss(self.reader, which);
        if let Some(identity) = self.survey.identity(which) {
            self.routes.remove(&identity.relation);
        }
        self.broken[which as usize] = Some(reason);
    }

    /// Says how the source is doing.
    fn say(&mut self, health: &mut Health) {
        let (reader, flow) = (self.reader, &self.reader.flow);
        self.log.memory.unmatched.show(&reader.status);
        if !self.caught_up && self.place() >= self.ends.target && flow.is_empty() {
            self.caught_up = true;
            self.log.live = true;
            self.reached = None;
            flow.reach(None);
        }
        let next = flow.fed_place();
        reader.status.partition(&STREAM.into(), 0, Progress { next, end: flow.end().max(next) });
        // A reason that ends in SQL ends in its semicolon.
        let reasons: Vec<&str> = self.broken.iter().flatten().map(|reason| reason.trim_end_matches(';')).collect();
        if !reasons.is_empty() {
            let place = reader.target.place();
            let text = format!("PostgreSQL at {place}: {}; the other tables are followed", reasons.join(" | "));
            health.bad(reader, text);
        } else if self.caught_up {
            health.good(reader);
            reader.status.state(0, State::Live);
        } else {
            reader.status.state(0, State::CatchingUp);
        }
    }
}

/// Hands a change over, waiting for room; the server hears of us meanwhile.
pub(super) fn hand(reader: &Reader, session: &mut Session, step: Step, stop: &Stop) -> Result<(), Error> {
    let rows = step.change.len();
    while reader.flow.rows() > 0 && reader.flow.rows() + rows > ROWS_MAX {
        session.rest(AGAIN, stop)?;
    }
    reader.flow.hand(rows);
    let mut held = step;
    loop {
        match reader.link.steps.try_send(held) {
            Ok(()) => break,
            Err(TrySendError::Disconnected(_)) => return Err(Stopped.into()),
            Err(TrySendError::Full(step)) => held = step,
        }
        session.rest(AGAIN, stop)?;
    }
    reader.link.waker.wake();
    tracing::trace!(source = NAME, rows, "a change was handed over");
    Ok(())
}
