//! The factor model while the server runs: a thread that puts new versions into use, and trains models by schedule.
//!
//! ```text
//!               ┌▶ a new version in the directory? ─▶ read, verify ─▶ slot of the source "als"
//! every second ─┤
//!               └▶ is a training due? ─▶ a thread at the lowest priority: histories ─▶ ALS ─▶ the next version
//! ```
//! A version that `vitrine train` or `vitrine model` puts into use is found in the same way as one of this process.

mod schedule;
mod training;
mod watch;

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use dataflow::engine::TickCounter;
use dataflow::index_reader::IndexReader;
use dataflow::time::ServiceClock;
use models::als::AlsSettings;
use query_server::AlsStatus;
use recommend::AlsSlot;

use self::schedule::{Decision, Schedule};
use self::training::Training;
use self::watch::Watch;

/// How often the thread looks for a new version, and whether a training is due.
const LOOK: Duration = Duration::from_secs(1);

/// What the thread needs.
pub(super) struct Using {
    pub(super) settings: AlsSettings,
    pub(super) reader: IndexReader,
    pub(super) ticks: TickCounter,
    pub(super) clock: Arc<dyn ServiceClock>,
}

/// The status, written by the thread and read by the server.
type SharedStatus = Arc<Mutex<AlsStatus>>;

/// The running thread.
pub(super) struct AlsThread {
    slot: AlsSlot,
    status: SharedStatus,
    /// Takes the time by which the thread has to end.
    end: Sender<Instant>,
    thread: JoinHandle<()>,
}

/// The state of the thread.
struct Work {
    using: Using,
    watch: Watch,
    schedule: Schedule,
    training: Option<Training>,
    status: SharedStatus,
}

impl AlsThread {
    /// Puts the version of the directory into use, and starts the thread. No version, or a refused one, is no error.
    ///
    /// # Errors
    /// When the system denies a thread.
    pub(super) fn start(using: Using) -> anyhow::Result<AlsThread> {
        let (slot, status) = (AlsSlot::default(), SharedStatus::default());
        let mut watch = Watch::new(&using.settings, using.reader.dictionary().clone(), slot.clone());
        let (end, ending) = channel();
        watch.look(&status);
        let has_model = slot.model().is_some();
        let schedule = Schedule::new(using.settings.every, using.clock.now(), has_model);
        let work = Work { using, watch, schedule, training: None, status: status.clone() };
        let thread = std::thread::Builder::new().name("als".into()).spawn(move || work.run(&ending));
        Ok(AlsThread { slot, status, end, thread: thread.context("the thread of the factor model cannot be started")? })
    }

    /// The place of the model in use.
    pub(super) fn slot(&self) -> &AlsSlot {
        &self.slot
    }

    /// The status, for `/v1/status` and metrics.
    pub(super) fn status(&self) -> Arc<dyn Fn() -> AlsStatus + Send + Sync> {
        let status = self.status.clone();
        Arc::new(move || status.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Ends the thread. A running training ends before its next iteration; it is not waited for beyond `deadline`, and
    /// leaves no version then.
    pub(super) fn finish(self, deadline: Instant) {
        // The thread has ended only if it panicked, and then the process has ended too.
        let _ = self.end.send(deadline);
        let _ = self.thread.join();
    }
}

impl Work {
    fn run(mut self, ending: &Receiver<Instant>) {
        loop {
            match ending.recv_timeout(LOOK) {
                Err(RecvTimeoutError::Timeout) => self.turn(),
                Ok(deadline) => {
                    if let Some(training) = self.training.take() {
                        training.end_by(deadline);
                    }
                    return;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn turn(&mut self) {
        self.take_result();
        self.watch.look(&self.status);
        let Using { settings, reader, ticks, clock } = &self.using;
        let has_caught_up = ticks.has_caught_up(reader.view_any().as_of());
        match self.schedule.decide(clock.now(), self.training.is_some(), has_caught_up) {
            Decision::Wait => {}
            Decision::Skip => {
                tracing::warn!("a training of the factor model is skipped: the previous one is still running");
                update(&self.status, |status| status.skipped += 1);
            }
            Decision::Train => match Training::start(reader.clone(), settings.clone()) {
                Ok(training) => {
                    self.training = Some(training);
                    update(&self.status, |status| status.is_training = true);
                }
                Err(error) => self.failed(&format!("the thread of the training cannot be started: {error}")),
            },
        }
    }

    /// Takes the result of a training that has ended.
    fn take_result(&mut self) {
        let Some(trained) = self.training.as_ref().and_then(Training::result) else { return };
        self.training = None;
        update(&self.status, |status| {
            status.is_training = false;
            status.took_ms = trained.took_ms;
        });
        match trained.version {
            Ok(version) => {
                tracing::info!(version, took_ms = trained.took_ms, "a factor model was trained");
                update(&self.status, |status| {
                    status.trained += 1;
                    status.failure = None;
                });
            }
            Err(error) => self.failed(&format!("{error:#}")),
        }
    }

    fn failed(&self, reason: &str) {
        tracing::warn!("no factor model was trained, and the previous one stays in use: {reason}");
        update(&self.status, |status| {
            status.failed += 1;
            status.failure = Some(reason.to_owned());
        });
    }
}

fn update(status: &SharedStatus, change: impl FnOnce(&mut AlsStatus)) {
    change(&mut status.lock().unwrap_or_else(PoisonError::into_inner));
}
