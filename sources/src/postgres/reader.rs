//! The reader's thread: connect, read, hand the change over, wait, again; whatever fails is tried again.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use dataflow::board::{SourceBoard, State};
use dataflow::dictionary::Dictionary;
use dataflow::feed::Waker;
use dataflow::time::ServiceClock;
use postgres::Client;

use super::backoff::Backoff;
use super::connection::Target;
use super::error::Error;
use super::pulse::Pulse;
use super::snapshot::{Change, Memory};
use super::table::Scan;
use super::{NAME, Settings};
use crate::dead_letter::DeadLetters;
use crate::side_thread::{Stop, Stopped};

/// Time between two looks at an idle connection.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Tables that could not be read are looked at again after this long: somebody may be mending them.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Everything the thread works with.
pub(super) struct Reader {
    pub(super) settings: Settings,
    pub(super) target: Target,
    pub(super) clock: Arc<dyn ServiceClock>,
    pub(super) board: Arc<SourceBoard>,
    pub(super) letters: DeadLetters,
    pub(super) dictionary: Arc<Dictionary>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) link: Link,
}

/// The reader's ends of what leads to the feed.
pub(super) struct Link {
    pub(super) changes: SyncSender<Change>,
    pub(super) fed: Receiver<()>,
    pub(super) waker: Waker,
}

impl Reader {
    /// Reads until told to stop.
    pub(super) fn run(self, stop: &Stop) {
        let mut backoff = Backoff::new(self.settings.backoff_max);
        let mut memory = Memory::new();
        let mut client = None;
        let mut reading = 0;
        let mut reason = String::new();
        loop {
            let failed = match self.turn(&mut client, &mut memory, &mut reading, stop) {
                Ok(()) => {
                    backoff.reset();
                    if !reason.is_empty() || reading == 1 {
                        tracing::info!(server = self.target.place(), "the tables have been read");
                        reason.clear();
                    }
                    self.board.state(0, State::Live);
                    self.idle(&mut client, stop)
                }
                Err(error) => Err(error),
            };
            self.pulse.rest();
            let pause = match failed {
                Ok(()) => Duration::ZERO,
                Err(Error::Stopped(_)) => return,
                Err(error) => self.report(&error, &mut reason, &mut client).unwrap_or_else(|| backoff.pause()),
            };
            if stop.wait(pause).is_err() {
                return;
            }
        }
    }

    /// Reads the tables once and waits until the difference has been fed.
    fn turn(
        &self,
        client: &mut Option<Client>,
        memory: &mut Memory,
        reading: &mut i64,
        stop: &Stop,
    ) -> Result<(), Error> {
        self.pulse.ask();
        let client = match client {
            Some(client) => client,
            None => client.insert(self.target.connect()?),
        };
        stop.check()?;
        let (settings, dictionary, now) = (&self.settings, &self.dictionary, self.clock.now());
        let scan =
            &mut Scan { board: &self.board, letters: &self.letters, pulse: &self.pulse, stop, reading: *reading };
        let change = memory.read(client, settings, dictionary, now, scan)?;
        self.pulse.rest();
        *reading += 1;
        self.link.changes.send(change).map_err(|_| Stopped)?;
        self.link.waker.wake();
        self.link.fed.recv().map_err(|_| Stopped)?;
        Ok(())
    }

    /// Waits for the next refresh, and notices a lost connection before it.
    fn idle(&self, client: &mut Option<Client>, stop: &Stop) -> Result<(), Error> {
        let until = Instant::now() + self.settings.refresh;
        loop {
            self.pulse.rest();
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            stop.wait(left.min(LOOK_EVERY))?;
            if let Some(client) = client {
                self.pulse.ask();
                client.check_connection()?;
            }
        }
    }

    /// Says why it failed; returns the pause if it is a fixed one.
    fn report(&self, error: &Error, reason: &mut String, client: &mut Option<Client>) -> Option<Duration> {
        let text = format!("PostgreSQL at {}: {error}", self.target.place());
        if *reason != text {
            tracing::warn!(source = NAME, reason = text, "tables cannot be read, trying again");
            reason.clone_from(&text);
        }
        self.board.state(0, State::Retrying(text));
        if let Error::Layout(_) = error {
            return Some(LOOK_AGAIN);
        }
        *client = None;
        None
    }
}
