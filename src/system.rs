//! The whole system, started and stopped: what `vitrine serve` runs, and what tests run in their own process.
//!
//! ```text
//! start: log ─▶ dead letters ─▶ sources ─▶ engine ─▶ server
//! stop:  server answers what is in flight ─▶ engine ─▶ sources ─▶ what is left is written
//! ```

mod checkpoints;
mod log;
pub(crate) mod settings;
pub(crate) mod sources;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use dataflow::board::Board;
use dataflow::dictionary::Dictionary;
use dataflow::engine::{Engine, Settings};
use dataflow::ids::Ids;
use dataflow::shelf::Shelf;
use dataflow::time::ServiceClock;
use query_server::{App, Intake, Running, Shutdown};
use sinks::changes::{Changes, ROWS_MAX};
use sinks::dead_letters::DeadLetters;

use self::checkpoints::{Keeper, Keeping, Restored, Served};
use crate::clock::WallClock;
use crate::config::Config;
use crate::intake::LogIntake;

/// Dead letters that may wait for the log; when they are as many, sources pause.
const LETTERS_MAX: usize = 10_000;

/// Of the time that is left when the last answer has been given, the share that a last checkpoint may take.
const CHECKPOINT_SHARE: u32 = 2;

/// A running Vitrine.
pub struct System {
    server: Running,
    shutdown: Shutdown,
    engine: Engine,
    intake: Arc<dyn Intake>,
    letters: DeadLetters,
    changes: Option<Changes>,
    keeper: Option<Keeper>,
    // Until the last answer has been given.
    _served: Option<Served>,
}

impl System {
    /// Starts everything `config` names. Services that are away are no error: they are waited for.
    ///
    /// # Errors
    /// When a setting cannot work, the address is taken, or the operating system refuses a thread or a directory.
    pub fn start(config: &Config) -> anyhow::Result<System> {
        let listen = config.server.listen;
        let listener = TcpListener::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
        let board = Arc::new(Board::default());
        let (served, clock) = clock(config)?;
        let dictionary = Arc::new(dictionary(config));
        // Files are read anew at every start, from which the same follows.
        let found = match config.checkpoint.as_ref().filter(|_| config.files.is_none()) {
            Some(settings) => Some(checkpoints::open(settings, config, &dictionary)?),
            None => None,
        };
        let restored = found.as_ref().and_then(|found| found.restored.clone());
        let log = log::open(config, &board)?;
        let (outlet, letters) = sync_channel(LETTERS_MAX);
        let letters =
            DeadLetters::start(log.clone(), letters, log::letter_record, log::report(&board, "dead-letters"))?;
        let changes = match &config.sinks.changes {
            Some(file) => {
                let report = log::report(&board, "changes");
                Some(Changes::start(file.clone(), dictionary.clone(), ROWS_MAX, report)?)
            }
            None => None,
        };
        let (changes, changes_outlet) = changes.unzip();
        let sources = sources::make(config, &clock, &board, &outlet, restored.as_ref())?;
        let engine = Engine::start(Settings {
            workers: config.dataflow.workers,
            rules: settings::rules(config),
            ticks: settings::ticks(config),
            idle_merge_effort: config.dataflow.idle_merge_effort.cast_signed(),
            dictionary: dictionary.clone(),
            clock: clock.clone(),
            open_feeds: sources.open_feeds,
            changes: changes_outlet,
            restore: restored.as_ref().map(Restored::restore),
            journal_max: found.as_ref().map(|found| found.journal_max),
            board: board.clone(),
        })?;
        let keeper = match (found, engine.cuts()) {
            (Some(found), Some(cuts)) => {
                let keeping = Keeping { cuts: cuts.clone(), dictionary, acknowledge: sources.acknowledge };
                Some(Keeper::start(found, keeping)?)
            }
            _ => None,
        };
        let intake: Arc<dyn Intake> = Arc::new(LogIntake::new(log, clock.clone()));
        let app = App {
            shelf: engine.shelf().clone(),
            board,
            ticks: engine.tick_counter(),
            clock,
            floor: served.as_ref().map_or(0, Served::floor),
            checkpoints: keeper.as_ref().map(Keeper::last),
            intake: intake.clone(),
            workers: config.dataflow.workers,
            version: env!("CARGO_PKG_VERSION"),
            embedded: embedded(config),
        };
        let shutdown = Shutdown::new();
        let server = query_server::serve(listener, settings::server(config), app, shutdown.clone())?;
        Ok(System { server, shutdown, engine, intake, letters, changes, keeper, _served: served })
    }

    /// The address the server listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The read side.
    #[must_use]
    pub fn shelf(&self) -> &Shelf {
        self.engine.shelf()
    }

    /// Where events go, as if they had come over HTTP.
    #[must_use]
    pub fn intake(&self) -> &Arc<dyn Intake> {
        &self.intake
    }

    /// Stops accepting, answers what is in flight, and writes what is left, within `patience`.
    ///
    /// # Errors
    /// When a thread had panicked, or something given could not be written in time.
    pub fn stop(self, patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        let left = || deadline.saturating_duration_since(Instant::now());
        self.shutdown.begin();
        let served = self.server.join();
        if let Some(changes) = &self.changes {
            changes.stop_by(deadline);
        }
        if let Some(keeper) = self.keeper {
            keeper.finish(Instant::now() + left() / CHECKPOINT_SHARE);
        }
        // The sources go with the workers, and with them every sender of dead letters.
        let stopped = self.engine.stop();
        let lettered = self.letters.finish(left());
        let changed = self.changes.map_or(Ok(()), |changes| changes.finish(left()));
        served?;
        stopped?;
        lettered?;
        Ok(changed?)
    }
}

/// The service clock; where checkpoints are kept it never runs ahead of what is noted there.
fn clock(config: &Config) -> anyhow::Result<(Option<Served>, Arc<dyn ServiceClock>)> {
    if let Some(settings) = &config.checkpoint {
        let (served, clock) = Served::start(config, settings)?;
        return Ok((Some(served), clock));
    }
    Ok((None, Arc::new(WallClock::new(Duration::from_millis(config.dataflow.forward_jump_max_ms)))))
}

fn dictionary(config: &Config) -> Dictionary {
    let dictionary = Dictionary::new(Ids::new(config.dataflow.id_key));
    let dictionary = if config.checkpoint.is_some() { dictionary.saving() } else { dictionary };
    if config.sinks.changes.is_some() { dictionary.remembering_users() } else { dictionary }
}

/// The parts that are files where a service could be.
#[must_use]
pub fn embedded(config: &Config) -> Vec<String> {
    let parts = match (&config.files, &config.kafka, &config.postgres) {
        (Some(_), None, None) => &["views", "orders", "catalogue", "log"][..],
        _ => &[],
    };
    parts.iter().map(|part| (*part).to_owned()).collect()
}
