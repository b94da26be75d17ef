//! Follows the server's log: takes the steps of the [`Follower`] on a real server.

use std::sync::mpsc::TrySendError;
use std::time::{Duration, Instant};

use dataflow::source_status::State;
use dataflow::time::Millis;
use pgwire_replication::ReplicationEvent;

use super::connection::{Connection, Target};
use super::context::{Context, FeedBatch};
use super::error::Error;
use super::follower::{Event, Examined, Follower, LogMessage, Report, Step};
use super::health::Health;
use super::opening::Opening;
use super::release_table::release_table;
use super::schema_check::{self, SchemaCheck};
use super::session::{Session, from_wire};
use super::slot::{self, Lsn};
use super::spelling::Spelling;
use super::{NAME, Resumed, making, publication, snapshot, trial};
use crate::side_thread::{Stop, Stopped};

/// The longest wait before the other duties are seen to.
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
pub(super) struct LogReader {
    follower: Follower,
    /// The server's process that served the last session.
    sender: Option<i32>,
}

/// A connection to the server, and the replication session beside it.
struct Connected<'a> {
    context: &'a Context,
    stop: &'a Stop,
    client: Connection,
    session: Option<Session>,
    /// The server's process that serves the session.
    sender: &'a mut Option<i32>,
}

impl LogReader {
    pub(super) fn new(context: &Context, resumed: Option<Resumed>) -> Self {
        let Context { settings, target, dictionary, clock, status, flow, .. } = context;
        let (settings, place, clock) = (settings.clone(), target.place(), clock.clone());
        let (dictionary, status, flow) = (dictionary.clone(), status.clone(), flow.clone());
        let follower = Follower::new(settings, place, dictionary, clock, status, flow, resumed.as_ref());
        LogReader { follower, sender: None }
    }

    /// Nothing was read yet: how changes are found may be decided again.
    pub(super) fn is_fresh(&self) -> bool {
        self.follower.is_fresh()
    }

    /// Connects and follows, until something fails.
    pub(super) fn turn(&mut self, context: &Context, health: &mut Health, stop: &Stop) -> Result<(), Error> {
        let done = self.follow(context, health, stop);
        if let Err(error) = &done {
            self.follower.failed(error);
        }
        done
    }

    fn follow(&mut self, context: &Context, health: &mut Health, stop: &Stop) -> Result<(), Error> {
        let settings = &context.settings;
        context.pulse.ask();
        let mut client = context.target.connect_unless(&stop.signal())?;
        let findings = schema_check::server(&mut *client, settings)?;
        if !findings.is_empty() {
            return Err(Error::Layout(findings));
        }
        let examined = examine(context, &mut client)?;
        let mut connected = Connected { context, stop, client, session: None, sender: &mut self.sender };
        let follower = &mut self.follower;
        follower.drive(Event::Connected(examined), |follower, step| connected.perform(follower, step, health))?;
        let mut ticked = Instant::now();
        loop {
            let received = connected.session()?.next(TICK)?;
            if let Some(message) = received.as_ref().and_then(message) {
                let event = Event::Message(message);
                follower.drive(event, |follower, step| connected.perform(follower, step, health))?;
            }
            if ticked.elapsed() >= TICK {
                stop.check()?;
                ticked = Instant::now();
                let event = Event::Tick { at: ticked, open_tick: context.status.open_tick() };
                follower.drive(event, |follower, step| connected.perform(follower, step, health))?;
            }
        }
    }
}

fn message(event: &ReplicationEvent) -> Option<LogMessage<'_>> {
    Some(match event {
        ReplicationEvent::Begin { final_lsn, .. } => LogMessage::Begin(from_wire(*final_lsn)),
        ReplicationEvent::XLogData { data, .. } => LogMessage::Change(data),
        ReplicationEvent::Commit { end_lsn, commit_time_micros, .. } => {
            let time = u64::try_from(commit_time_micros.div_euclid(1000).saturating_add(EPOCH_MS)).unwrap_or(0);
            LogMessage::Commit { end: from_wire(*end_lsn), time }
        }
        ReplicationEvent::KeepAlive { wal_end, .. } => LogMessage::KeepAlive { end: from_wire(*wal_end) },
        ReplicationEvent::Message { .. } | ReplicationEvent::StoppedAt { .. } => return None,
    })
}

/// The tables as they are now. A table whose changes the server refuses leaves the publication.
fn examine(context: &Context, client: &mut Connection) -> Result<Examined, Error> {
    let check = SchemaCheck::read(&mut **client, &context.settings.tables)?;
    let refused = release_table(client, &context.settings.publication)?;
    Ok(Examined { check, refused })
}

impl Connected<'_> {
    fn session(&mut self) -> Result<&mut Session, Error> {
        self.session.as_mut().ok_or_else(|| Error::Protocol("there is no replication session".to_owned()))
    }

    fn perform(
        &mut self,
        follower: &mut Follower,
        step: Step,
        health: &mut Health,
    ) -> Result<Option<Event<'static>>, Error> {
        let settings = &self.context.settings;
        Ok(Some(match step {
            Step::CheckSlot => {
                self.release_slot()?;
                Event::SlotChecked(slot::look(&mut *self.client, &settings.slot)?)
            }
            Step::OpenSession { from, confirmed } => self.open(follower, from, confirmed)?,
            Step::CheckPublication => Event::PublicationChecked(self.needed_publication(follower.check())?),
            Step::Prepare { slot, publication } => {
                publication::renew(&mut self.client, settings, &slot, publication.as_deref())?
                    .map_err(|finding| Error::Layout(vec![finding]))?;
                if let Some(finding) = trial::snapshots(&mut *self.client, &settings.slot)? {
                    return Err(Error::Busy(finding));
                }
                Event::Prepared
            }
            Step::ReadTables { key, without } => self.read(follower, &key, without)?,
            Step::Stream => self.stream(follower)?,
            Step::CheckTables => self.check_tables()?,
            Step::CheckSender => {
                let idle = slot::is_sender_idle(&mut *self.client, &settings.slot)?;
                Event::SenderChecked { idle, at: Instant::now() }
            }
            Step::Feed(batch) => {
                self.feed(batch)?;
                return Ok(None);
            }
            Step::Refuse(letter) => {
                let (context, stop) = (self.context, self.stop);
                let session = self.session()?;
                context.scan(letter.offset, |time| session.rest(time, stop)).refuse(letter)?;
                return Ok(None);
            }
            Step::Confirm(place) => {
                self.session()?.confirm(place);
                return Ok(None);
            }
            Step::Report => {
                self.report(follower.report(), health);
                return Ok(None);
            }
        }))
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

    fn open(&mut self, follower: &Follower, from: Lsn, confirmed: Lsn) -> Result<Event<'static>, Error> {
        let (settings, target, signal) = (&self.context.settings, &self.context.target, self.stop.signal());
        let who = Target::who(&mut self.client)?;
        let at = self.client.reached().clone();
        let opened = Session::open(settings, target, (&at, &who), from, confirmed).and_then(|mut session| {
            let server = session.identify(&signal)?;
            session.receive(follower.layout().charset, &signal)?;
            Ok((session, server))
        });
        match opened {
            Ok((session, server)) => {
                self.session = Some(session);
                Ok(Event::Identified { server, adopted: settings.adopt.names(server.system) })
            }
            Err(error) => Err(Error::Busy(trial::refused(&mut self.client, error)?)),
        }
    }

    fn needed_publication(&mut self, check: Option<&SchemaCheck>) -> Result<Option<String>, Error> {
        Ok(match check {
            Some(check) => check.needed(&mut *self.client, &self.context.settings)?,
            None => None,
        })
    }

    /// Makes a slot and reads the tables as of its place.
    fn read(&mut self, follower: &mut Follower, key: &[String], without: [bool; 3]) -> Result<Event<'static>, Error> {
        let Connected { context, stop, client, session: Some(session), .. } = self else {
            return Err(Error::Protocol("there is no replication session".to_owned()));
        };
        let (place, snapshot) = making::make(context, client, session, stop)?;
        let as_of: Millis = context.clock.now();
        let cutoff = context.settings.span(as_of).cutoff();
        let plan = Opening { settings: &context.settings, snapshot: Some(&snapshot), without, cutoff, key: Some(key) };
        let scan = context.scan(place.0, |time| stop.wait(time));
        context.allow_reading(client)?;
        let change = snapshot::read(&mut follower.cache, client, &plan, &context.dictionary, as_of, &scan)?;
        client.expect_answers();
        context.status.state(0, State::CatchingUp);
        context.pulse.rest();
        Ok(Event::TablesRead { place, change, as_of })
    }

    /// From now on the log comes.
    fn stream(&mut self, follower: &mut Follower) -> Result<Event<'static>, Error> {
        let spelling = Spelling::read(&mut *self.client, &follower.layout(), &mut follower.cache.zones)?;
        let Connected { context, stop, client, session: Some(session), sender } = self else {
            return Err(Error::Protocol("there is no replication session".to_owned()));
        };
        **sender = Some(session.is_beside(client, &stop.signal())?);
        session.start(&stop.signal())?;
        context.pulse.rest();
        Ok(Event::Streaming { spelling, at: Instant::now() })
    }

    /// Looks at what the log does not tell.
    fn check_tables(&mut self) -> Result<Event<'static>, Error> {
        let context = self.context;
        context.pulse.ask();
        let examined = examine(context, &mut self.client)?;
        let publication = self.needed_publication(Some(&examined.check))?;
        let end = Lsn(slot::end(&mut *self.client)?);
        context.pulse.rest();
        Ok(Event::TablesChecked { examined, publication, end, at: Instant::now() })
    }

    /// Hands a change over, waiting for room; the server hears of us meanwhile.
    fn feed(&mut self, batch: FeedBatch) -> Result<(), Error> {
        let (context, stop, rows) = (self.context, self.stop, batch.change.len());
        let session = self.session()?;
        while context.flow.rows() > 0 && context.flow.rows() + rows > ROWS_MAX {
            session.rest(AGAIN, stop)?;
        }
        context.flow.hand(rows);
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

    /// Makes known how following goes.
    fn report(&self, report: Report, health: &mut Health) {
        let context = self.context;
        match report {
            Report::Broken(reasons) => {
                let place = context.target.place();
                health.bad(context, format!("PostgreSQL at {place}: {reasons}; the other tables are followed"));
            }
            Report::Live => {
                health.good(context);
                context.status.state(0, State::Live);
            }
            Report::CatchingUp => context.status.state(0, State::CatchingUp),
        }
    }
}
