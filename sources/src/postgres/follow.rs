//! Follows the server's log: the [`Follower`] on a real server.

pub(crate) mod follower;
pub(crate) mod replication_check;
pub(crate) mod resume;
pub(crate) mod silence_detector;
pub mod simulation;
pub(crate) mod slot;
mod slot_creation;

use std::sync::mpsc::TrySendError;
use std::time::{Duration, Instant};

use dataflow::source_status::State;
use dataflow::time::Millis;
use events::DeadLetter;
use pgwire_replication::ReplicationEvent;

use self::slot::Slot;
use crate::postgres::context::ReaderContext;
use crate::postgres::follow::follower::{
    Examined, FollowReport, Follower, LogMessage, LogServer, OpenedSession, TablesRead,
};
use crate::postgres::handover::FeedBatch;
use crate::postgres::health::HealthLog;
use crate::postgres::rows::table_cache::TableCache;
use crate::postgres::schema::layout::Layout;
use crate::postgres::schema::publication;
use crate::postgres::schema::release_table::release_table;
use crate::postgres::schema::schema_check::{self, SchemaCheck};
use crate::postgres::schema::value_format::ValueFormat;
use crate::postgres::session::connection::{Connection, Target};
use crate::postgres::session::error::Error;
use crate::postgres::session::lsn::Lsn;
use crate::postgres::session::replication::{ReplicationSession, from_wire};
use crate::postgres::snapshot;
use crate::postgres::snapshot::read_plan::{ReadPlan, TableReadState};
use crate::postgres::{NAME, Resumed};
use crate::side_thread::{Stop, Stopped};

/// The longest wait for a message before the follower is told that time has passed.
const TICK: Duration = Duration::from_millis(100);

/// Rows of changes that wait for the feed; a larger change waits alone.
const ROWS_MAX: usize = 100_000;

/// How soon a full feed is tried again.
const AGAIN: Duration = Duration::from_millis(2);

/// PostgreSQL counts time from the year 2000, in microseconds.
const EPOCH_MS: i64 = 946_684_800_000;

/// How often the slot is checked for the server's old sender, and how many times.
const RELEASE_CHECK_EVERY: Duration = Duration::from_millis(100);
const RELEASE_CHECKS_MAX: usize = 20;

/// Follows the log of one server.
pub(crate) struct LogReader {
    follower: Follower,
    read_state: TableReadState,
    /// The server's process that served the last session.
    sender: Option<i32>,
}

/// A connection to the server, and the replication session beside it.
struct LogConnection<'a> {
    context: &'a ReaderContext,
    health: &'a mut HealthLog,
    stop: &'a Stop,
    client: Connection,
    session: Option<ReplicationSession>,
    read_state: &'a mut TableReadState,
    /// The server's process that serves the session.
    sender: &'a mut Option<i32>,
}

impl LogReader {
    pub(crate) fn new(context: &ReaderContext, resumed: Option<Resumed>) -> Self {
        let ReaderContext { settings, target, dictionary, clock, status, progress, .. } = context;
        let (settings, place, clock) = (settings.clone(), target.place(), clock.clone());
        let (dictionary, status, progress) = (dictionary.clone(), status.clone(), progress.clone());
        let follower = Follower::new(settings, place, dictionary, clock, status, progress, resumed.as_ref());
        LogReader { follower, read_state: TableReadState::default(), sender: None }
    }

    /// Whether nothing was read yet, so that the way of finding changes may be chosen again.
    pub(crate) fn is_fresh(&self) -> bool {
        self.follower.is_fresh()
    }

    /// Connects and follows, until something fails.
    pub(crate) fn turn(&mut self, context: &ReaderContext, health: &mut HealthLog, stop: &Stop) -> Result<(), Error> {
        let done = self.follow(context, health, stop);
        if let Err(error) = &done {
            self.follower.failed(error);
        }
        done
    }

    fn follow(&mut self, context: &ReaderContext, health: &mut HealthLog, stop: &Stop) -> Result<(), Error> {
        let settings = &context.settings;
        context.liveness.ask();
        let mut client = context.target.connect_unless(&stop.signal())?;
        let findings = schema_check::server(&mut *client, settings)?;
        if !findings.is_empty() {
            return Err(Error::Layout(findings));
        }
        let LogReader { follower, read_state, sender } = self;
        let mut server = LogConnection { context, health, stop, client, session: None, read_state, sender };
        follower.connect(&mut server)?;
        let mut ticked = Instant::now();
        loop {
            let received = server.session()?.next(TICK)?;
            if let Some(message) = received.as_ref().and_then(message) {
                follower.message(&mut server, message)?;
            }
            if ticked.elapsed() >= TICK {
                stop.check()?;
                ticked = Instant::now();
                follower.tick(&mut server, context.status.open_tick())?;
            }
        }
    }
}

fn message(event: &ReplicationEvent) -> Option<LogMessage<'_>> {
    Some(match event {
        ReplicationEvent::Begin { final_lsn, .. } => LogMessage::Begin(from_wire(*final_lsn)),
        ReplicationEvent::XLogData { data, .. } => LogMessage::Data(data),
        ReplicationEvent::Commit { end_lsn, commit_time_micros, .. } => {
            let time = u64::try_from(commit_time_micros.div_euclid(1000).saturating_add(EPOCH_MS)).unwrap_or(0);
            LogMessage::Commit { end: from_wire(*end_lsn), time }
        }
        ReplicationEvent::KeepAlive { wal_end, .. } => LogMessage::KeepAlive { end: from_wire(*wal_end) },
        ReplicationEvent::Message { .. } | ReplicationEvent::StoppedAt { .. } => return None,
    })
}

impl LogConnection<'_> {
    fn session(&mut self) -> Result<&mut ReplicationSession, Error> {
        self.session.as_mut().ok_or_else(no_session)
    }

    /// Ends the sender of a session that was given up, where the server still has it: it would keep the slot to itself
    /// until the server notices too.
    fn release_slot(&mut self) -> Result<(), Error> {
        let Some(pid) = self.sender.take() else { return Ok(()) };
        for _ in 0..RELEASE_CHECKS_MAX {
            if !slot::end_sender(&mut *self.client, &self.context.settings.slot, pid)? {
                break;
            }
            self.stop.wait(RELEASE_CHECK_EVERY)?;
        }
        Ok(())
    }
}

impl LogServer for LogConnection<'_> {
    /// A table whose changes the server refuses leaves the publication.
    fn examine(&mut self) -> Result<Examined, Error> {
        let ReaderContext { settings, liveness, .. } = self.context;
        liveness.ask();
        let check = SchemaCheck::read(&mut *self.client, &settings.tables)?;
        let refused = release_table(&mut self.client, &settings.publication)?;
        Ok(Examined { check, refused })
    }

    fn slot(&mut self) -> Result<Slot, Error> {
        self.release_slot()?;
        Ok(slot::look(&mut *self.client, &self.context.settings.slot)?)
    }

    fn open_session(&mut self, layout: &Layout, from: Lsn, confirmed: Lsn) -> Result<OpenedSession, Error> {
        let (settings, target, signal) = (&self.context.settings, &self.context.target, self.stop.signal());
        let who = Target::who(&mut self.client)?;
        let opened = ReplicationSession::open(settings, target, (&self.client, &who), (from, confirmed), &signal)
            .and_then(|mut session| {
                let server = session.identify(&signal)?;
                session.receive(layout.charset, &signal)?;
                Ok((session, server))
            });
        match opened {
            Ok((session, server)) => {
                self.session = Some(session);
                Ok(OpenedSession { server, adopted: settings.adopt.names(server.system) })
            }
            Err(error) => Err(Error::Busy(replication_check::refused(&mut self.client, error)?)),
        }
    }

    fn publication(&mut self, check: &SchemaCheck) -> Result<Option<String>, Error> {
        Ok(check.needed(&mut *self.client, &self.context.settings)?)
    }

    /// The slot goes first. Its absence outlives this process: without it a crash between the two would leave a slot behind
    /// that continues from the rows that are kept, and a log in which the changes are missing that nobody published.
    fn prepare(&mut self, slot: &Slot, publication: Option<&str>) -> Result<(), Error> {
        let name = &self.context.settings.slot;
        if matches!(slot, Slot::Lost | Slot::At(_)) {
            slot::remove(&mut *self.client, name)?;
        }
        if let Some(sql) = publication {
            publication::renew(&mut self.client, sql)?.map_err(|finding| Error::Layout(vec![finding]))?;
        }
        replication_check::snapshots(&mut *self.client, name)?.map_or(Ok(()), |finding| Err(Error::Busy(finding)))
    }

    fn read_tables(&mut self, cache: &mut TableCache, key: &[String], without: [bool; 3]) -> Result<TablesRead, Error> {
        let LogConnection { context, stop, client, session: Some(session), read_state, .. } = self else {
            return Err(no_session());
        };
        let (place, snapshot) = slot_creation::make(context, client, session, stop)?;
        let as_of: Millis = context.clock.now();
        let cutoff = context.settings.span(as_of).cutoff();
        let plan = ReadPlan { settings: &context.settings, snapshot: Some(&snapshot), without, cutoff, key: Some(key) };
        let scan = context.scan(place.0, |time| stop.wait(time));
        context.allow_reading(client)?;
        let change = snapshot::read(cache, read_state, client, &plan, &context.dictionary, as_of, &scan)?;
        client.expect_answers();
        context.status.state(0, State::CatchingUp);
        context.liveness.rest();
        Ok(TablesRead { place, change, as_of })
    }

    fn stream(&mut self, layout: &Layout) -> Result<ValueFormat, Error> {
        let format = ValueFormat::read(&mut *self.client, layout, &mut self.read_state.zones)?;
        let LogConnection { context, stop, client, session: Some(session), sender, .. } = self else {
            return Err(no_session());
        };
        **sender = Some(session.is_beside(client, &stop.signal())?);
        session.start(&stop.signal())?;
        context.liveness.rest();
        Ok(format)
    }

    fn log_end(&mut self) -> Result<Lsn, Error> {
        let end = Lsn(slot::end(&mut *self.client)?);
        self.context.liveness.rest();
        Ok(end)
    }

    fn is_sender_idle(&mut self) -> Result<bool, Error> {
        Ok(slot::is_sender_idle(&mut *self.client, &self.context.settings.slot)?)
    }

    /// Waits for room; the server hears of us meanwhile.
    fn feed(&mut self, batch: FeedBatch) -> Result<(), Error> {
        let (context, stop, rows) = (self.context, self.stop, batch.change.len());
        let session = self.session()?;
        while context.progress.rows() > 0 && context.progress.rows() + rows > ROWS_MAX {
            session.rest(AGAIN, stop)?;
        }
        context.progress.hand(rows);
        let mut held = batch;
        loop {
            match context.link.batches.try_send(held) {
                Ok(()) => break,
                Err(TrySendError::Disconnected(_)) => return Err(Stopped.into()),
                Err(TrySendError::Full(batch)) => held = batch,
            }
            session.rest(AGAIN, stop)?;
        }
        context.link.waker.wake();
        tracing::trace!(source = NAME, rows, "a change was handed over");
        Ok(())
    }

    fn refuse(&mut self, letter: DeadLetter) -> Result<(), Error> {
        let (context, stop) = (self.context, self.stop);
        let session = self.session()?;
        Ok(context.scan(letter.offset, |time| session.rest(time, stop)).refuse(letter)?)
    }

    fn confirm(&mut self, place: Lsn) -> Result<(), Error> {
        self.session()?.confirm(place);
        Ok(())
    }

    fn report(&mut self, report: FollowReport) {
        let context = self.context;
        match report {
            FollowReport::Broken(reasons) => {
                let place = context.target.place();
                self.health.bad(context, format!("PostgreSQL at {place}: {reasons}; the other tables are followed"));
            }
            FollowReport::Live => {
                self.health.good(context);
                context.status.state(0, State::Live);
            }
            FollowReport::CatchingUp => context.status.state(0, State::CatchingUp),
        }
    }

    fn now(&self) -> Instant {
        Instant::now()
    }
}

fn no_session() -> Error {
    Error::Protocol("there is no replication session".to_owned())
}
