//! The reader's thread: decides how changes are found, does it, and tries again whatever fails.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use dataflow::dictionary::Dictionary;
use dataflow::feed::{StreamFingerprint, Waker};
use dataflow::source_status::{SourceStatus, State};
use dataflow::time::{ServiceClock, Time};

use super::backoff::Backoff;
use super::connection::{Connection, Target, words};
use super::diagnostic::Diagnostic;
use super::error::Error;
use super::liveness::Pulse;
use super::log::Log;
use super::polling_reader::PollingReader;
use super::progress::Flow;
use super::release_table::release_table;
use super::schema_check::{self, SchemaCheck};
use super::slot::{self, Slot};
use super::table::Scan;
use super::table_cache::Change;
use super::trial;
use super::{Acknowledge, Definitions, Mode, NAME, Resumed, Settings};
use crate::dead_letter::DeadLetters;
use crate::side_thread::Stop;

/// What is wrong until somebody mends it is looked at again after this long.
pub(super) const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Everything the thread works with.
pub(super) struct Reader {
    pub(super) settings: Settings,
    pub(super) target: Target,
    pub(super) clock: Arc<dyn ServiceClock>,
    pub(super) status: Arc<SourceStatus>,
    pub(super) letters: DeadLetters,
    pub(super) dictionary: Arc<Dictionary>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) flow: Arc<Flow>,
    pub(super) link: Link,
}

/// The reader's ends of what leads to the feed.
pub(super) struct Link {
    pub(super) steps: SyncSender<Step>,
    pub(super) fed: Receiver<()>,
    pub(super) waker: Waker,
}

/// A change on its way to the feed, and where the source is afterwards.
pub(super) struct Step {
    pub(super) change: Change,
    /// The number of readings, or the place in the log.
    pub(super) next: i64,
    pub(super) fingerprint: Option<StreamFingerprint>,
    /// The time the tables have come to, while there is more to catch up on.
    pub(super) reached: Option<Time>,
    /// The tables were read for it.
    pub(super) reading: Option<Reading>,
}

/// What a reading of all tables says of the rows from then on.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    /// Up to which of the times that rows were spoilt it makes them good.
    pub(super) spoils: u64,
    /// What the tables were when they were read.
    pub(super) definitions: Definitions,
}

/// How changes are found.
enum Work {
    Undecided(Option<Resumed>),
    PollingReader(Box<PollingReader>),
    Log(Box<Log>),
}

/// Whether things go well.
pub(super) struct Health {
    backoff: Backoff,
    /// What was said last.
    reason: String,
    /// Nothing has gone well yet.
    first: bool,
}

impl Health {
    /// All goes well, again or still.
    pub(super) fn good(&mut self, reader: &Reader) {
        self.backoff.reset();
        if !self.reason.is_empty() || self.first {
            tracing::info!(server = reader.target.place(), "the tables have been read");
            self.reason.clear();
            self.first = false;
        }
    }

    /// Something goes wrong; it is told once.
    pub(super) fn bad(&mut self, reader: &Reader, reason: String) {
        if self.reason != reason {
            tracing::warn!(source = NAME, reason, "tables cannot be followed, trying again");
            self.reason.clone_from(&reason);
        }
        reader.status.state(0, State::Retrying(reason));
    }

    /// A person is to say how it goes on; until then it is looked at again.
    fn stopped(&mut self, reader: &Reader, reason: String) {
        if self.reason != reason {
            tracing::error!(source = NAME, reason, "the tables are not read");
            self.reason.clone_from(&reason);
        }
        reader.status.state(0, State::Stopped(reason));
    }
}

impl Reader {
    /// Reads until told to stop.
    pub(super) fn run(self, resumed: Option<Resumed>, stop: &Stop) {
        let backoff = Backoff::new(self.settings.backoff_max);
        let mut health = Health { backoff, reason: String::new(), first: true };
        let mut work = Work::Undecided(resumed);
        loop {
            let failed = self.turn(&mut work, &mut health, stop);
            self.pulse.rest();
            // Whatever failed then failed because of it.
            if stop.check().is_err() {
                return;
            }
            let pause = match failed {
                Ok(()) => Duration::ZERO,
                Err(Error::Stopped(_)) => return,
                Err(error) => {
                    // Time goes on, for the other sources too, unless it is not known yet how far it had come.
                    let lasts = matches!(error, Error::OtherServer(_) | Error::Layout(_));
                    self.flow.lose(lasts);
                    if lasts {
                        self.status.pass_over();
                    }
                    let text = format!("PostgreSQL at {}: {error}", self.target.place());
                    match error {
                        // The server they came from may come back, and a person may adopt this one.
                        Error::OtherServer(_) => {
                            health.stopped(&self, text);
                            LOOK_AGAIN
                        }
                        Error::Layout(_) | Error::Busy(_) => {
                            health.bad(&self, text);
                            LOOK_AGAIN
                        }
                        _ => {
                            health.bad(&self, text);
                            health.backoff.pause()
                        }
                    }
                }
            };
            if stop.wait(pause).is_err() {
                return;
            }
        }
    }

    fn turn(&self, work: &mut Work, health: &mut Health, stop: &Stop) -> Result<(), Error> {
        match work {
            Work::Undecided(resumed) => {
                let mode = self.decide(stop)?;
                *work = match mode {
                    Mode::Replication => Work::Log(Box::new(Log::new(resumed.take()))),
                    Mode::Refresh | Mode::Auto => Work::PollingReader(Box::new(PollingReader::new(resumed.take()))),
                };
                Ok(())
            }
            Work::PollingReader(readings) => readings.turn(self, health, stop),
            Work::Log(log) => {
                let done = log.turn(self, health, stop);
                // What keeps the log from being followed may show only now.
                if done.is_err() && self.settings.mode == Mode::Auto && log.is_fresh() {
                    *work = Work::Undecided(None);
                }
                done
            }
        }
    }

    /// Follows the log where that is asked for, or where it can be done.
    fn decide(&self, stop: &Stop) -> Result<Mode, Error> {
        if self.settings.mode != Mode::Auto {
            return Ok(self.settings.mode);
        }
        self.pulse.ask();
        let mut client = self.target.connect_unless(&stop.signal())?;
        let slot = slot::look(&mut *client, &self.settings.slot)?;
        let mut obstacles = self.obstacles(&mut client, &slot, stop)?;
        if obstacles.is_empty() {
            return Ok(Mode::Replication);
        }
        // Of a publication that was followed before nothing may stay that hinders the shop.
        obstacles.extend(release_table(&mut client, &self.settings.publication)?);
        let reason = Error::Layout(obstacles).to_string();
        let every_s = self.settings.refresh.as_secs();
        tracing::warn!(source = NAME, reason, every_s, "the log cannot be followed: the tables are read again instead");
        self.status.note(format!(
            "until the next start the tables are read again every {every_s} s, because the log cannot be followed: {reason}"
        ));
        self.abandon(&mut client, &slot);
        Ok(Mode::Refresh)
    }

    /// What keeps the log from being followed. Changes nothing: what there is to be made or mended tells what was missed.
    fn obstacles(&self, client: &mut Connection, slot: &Slot, stop: &Stop) -> Result<Vec<Diagnostic>, Error> {
        let survey = SchemaCheck::read(&mut **client, &self.settings.tables)?;
        if !survey.readable {
            return Err(Error::Layout(survey.all()));
        }
        let mut obstacles = schema_check::server(&mut **client, &self.settings)?;
        obstacles.extend(survey.all());
        match slot {
            Slot::Refused(finding) => obstacles.push(finding.clone()),
            Slot::Busy(finding) => return Err(Error::Busy(finding.clone())),
            Slot::Missing | Slot::Lost | Slot::At(_) => {}
        }
        if obstacles.is_empty() {
            obstacles.extend(survey.refused(&mut **client, &self.settings)?);
        }
        if obstacles.is_empty() {
            obstacles = trial::obstacles(client, &self.target, &self.settings, &stop.signal())?;
        }
        Ok(obstacles)
    }

    /// Nobody will follow the log: the server need not keep it for us.
    fn abandon(&self, client: &mut Connection, slot: &Slot) {
        if !matches!(slot, Slot::Lost | Slot::At(_)) {
            return;
        }
        let name = &self.settings.slot;
        match slot::remove(&mut **client, name) {
            Ok(()) => {
                tracing::info!(source = NAME, slot = name, "the replication slot was removed: it is of no use now")
            }
            Err(error) => {
                let reason = words(&error);
                let mend = format!("SELECT pg_drop_replication_slot('{name}');");
                tracing::warn!(
                    source = NAME,
                    reason,
                    mend,
                    "the server keeps its log for a replication slot that nobody follows, and it cannot be removed"
                );
            }
        }
    }

    /// Tables are read now: that may take its time, and whom it waits for is told.
    pub(super) fn allow_reading(&self, client: &mut Connection) -> Result<(), Error> {
        let (status, pulse, place) = (self.status.clone(), self.pulse.clone(), self.target.place());
        let tell = move |found: Option<Diagnostic>| {
            pulse.ask();
            if let Some(finding) = found {
                status.state(0, State::Retrying(format!("PostgreSQL at {place}: {finding}")));
            }
        };
        Ok(client.allow_telling(self.settings.statement_timeout, "the reading of the tables", Arc::new(tell))?)
    }

    /// Up to where no reader will ever ask for the log again.
    pub(super) fn kept(&self) -> i64 {
        match self.settings.acknowledge {
            Acknowledge::WhenFed => self.flow.fed_place(),
            Acknowledge::AfterCheckpoint => self.flow.kept(),
        }
    }

    /// For the rows that cannot be taken, of the reading or the transaction with this number.
    pub(super) fn scan<'a>(&'a self, reading: i64, stop: &'a Stop) -> Scan<'a> {
        Scan { status: &self.status, letters: &self.letters, pulse: &self.pulse, stop, reading, session: None }
    }
}
