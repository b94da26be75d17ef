//! Replay: workers that go through a stretch of the past step by step, as fast as they can, instead of following a
//! clock.
//!
//! ```text
//! ReplaySource ─▶ Inputs ─▶ graph ─▶ PublishedSnapshots ─▶ IndexReader as of the step ─▶ Observer
//!   └ has given everything up to the step ─▶ this worker closes the tick
//! ```
//! The steps are the ticks; if features are dropped in the course of time, so are the beginnings of days. A worker closes a step when each of its sources has given all records up to the step; the
//! step becomes visible when all workers have closed it. So the lists at a step depend only on the records: not on the
//! number of workers, and not on the number of records given between two steps of the graph.
//!
//! While a step is observed, the workers continue with the next step. The leader closes that step only after the
//! observation. This preserves the observed state, and limits the workers to one step ahead of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use timely::worker::Worker;

use crate::dictionary::Dictionary;
use crate::feed::{Waker, WorkerContext};
use crate::graph::Plan;
use crate::index_reader::IndexReader;
use crate::inputs::Inputs;
use crate::publish::PublishedSnapshots;
use crate::rules::{Features, Rules};
use crate::time::Time;
use crate::worker_graph::WorkerGraph;
use crate::workers;

/// How long a worker waits before it checks the progress of the others; arriving data ends the wait.
const PATIENCE: Duration = Duration::from_millis(1);

/// How often the observer is called while a step is in progress.
const LOOK: Duration = Duration::from_millis(100);

/// Why a source or the observer cannot continue.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The result of one call of [`ReplaySource::feed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Went {
    /// Records given.
    pub records: usize,
    /// Whether all records up to the step have been given.
    pub reached: bool,
}

/// Records of the past, in the order of their times, as a worker sees them. It lives in the thread of one worker.
pub trait ReplaySource {
    /// Gives at most about `budget` records whose time is `step` or earlier. Never blocks. Steps only increase.
    /// With a budget of 0 it gives nothing and answers whether everything up to `step` was given; such steps may go back.
    ///
    /// # Errors
    /// When the remaining records cannot be given: the whole replay ends.
    fn feed(&mut self, inputs: &mut Inputs, step: Time, budget: usize) -> Result<Went, Failure>;
}

/// Opens the sources of a worker, once, in the worker's own thread.
pub type OpenReplaySources = Arc<dyn Fn(WorkerContext) -> Result<Vec<Box<dyn ReplaySource>>, Failure> + Send + Sync>;

/// Observes the steps, in the thread that called [`run`].
pub trait Observer {
    /// A step is visible: the reader shows the state as of this step until the function returns.
    ///
    /// # Errors
    /// When the observer cannot use the step: the whole replay ends.
    fn step(&mut self, reader: &IndexReader, step: Time) -> Result<(), Failure>;

    /// Some time has passed.
    fn waiting(&mut self);
}

/// The settings of a replay.
pub struct Settings {
    /// Worker threads.
    pub workers: usize,
    /// The business numbers.
    pub rules: Rules,
    /// See [`crate::engine::Settings::idle_merge_effort`].
    pub idle_merge_effort: usize,
    /// The dictionary of ids and keys.
    pub dictionary: Arc<Dictionary>,
    /// The times to show, in ascending order, from 1 on.
    pub steps: Arc<[Time]>,
    /// About how many records a source gives between two steps of the graph; affects only speed and memory.
    pub batch: usize,
    /// Opens the sources of a worker.
    pub open: OpenReplaySources,
}

/// A replay did not complete.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Threads could not be started.
    #[error("the workers could not be started: {0}")]
    Start(String),
    /// A worker ended in a panic.
    #[error("a worker ended unexpectedly: {0}")]
    Worker(String),
    /// A source or the observer could not continue.
    #[error("{0}")]
    Failed(Failure),
}

/// Runs all steps; returns after the last one has been observed.
///
/// # Errors
/// When threads cannot be started, a source or the observer fails, or a worker panics.
pub fn run(settings: Settings, observer: &mut dyn Observer) -> Result<(), Error> {
    let snapshots = Arc::new(PublishedSnapshots::new(settings.workers));
    let plan = Plan::new(settings.rules, settings.dictionary.clone());
    let reader = IndexReader::new(snapshots.clone(), plan.dictionary.clone(), plan.rules, plan.late_lines.clone());
    let config = workers::config(settings.workers, settings.idle_merge_effort);
    let shared = Arc::new(ReplayState::default());
    let Settings { steps, batch, open, .. } = settings;
    let theirs = (shared.clone(), steps.clone());
    let guards = timely::execute(config, move |worker| {
        let (shared, steps) = &theirs;
        let _alarm = Alarm(shared);
        let mut walk = ReplayWalk {
            worker_graph: WorkerGraph::new(worker, &plan, &snapshots),
            snapshots: &snapshots,
            shared,
            features: plan.rules.features,
            batch,
        };
        let context = WorkerContext {
            index: worker.index(),
            peers: worker.peers(),
            waker: Waker::of_this_thread(),
            dictionary: plan.dictionary.clone(),
        };
        let walked = open(context).and_then(|sources| walk.all(sources, steps, worker));
        if let Err(failure) = walked {
            shared.fail(failure);
        }
        walk.worker_graph.close(worker);
    })
    .map_err(Error::Start)?;
    observe(&reader, &steps, &shared, observer);
    let ended = guards.join().into_iter().try_for_each(|ended| ended.map_err(Error::Worker));
    match shared.failure() {
        Some(failure) => Err(Error::Failed(failure)),
        None => ended,
    }
}

/// Shows every step, until a worker or the observer fails.
fn observe(reader: &IndexReader, steps: &[Time], shared: &ReplayState, observer: &mut dyn Observer) {
    let snapshots = reader.snapshots();
    for &step in steps {
        while !snapshots.wait_until(LOOK, || shared.is_over() || snapshots.closed() > step) {
            observer.waiting();
        }
        if shared.is_over() {
            return;
        }
        if let Err(failure) = observer.step(reader, step) {
            return shared.fail(failure);
        }
        shared.observed.store(step, Ordering::Release);
    }
}

/// The state that the workers and the observer share.
#[derive(Default)]
struct ReplayState {
    over: AtomicBool,
    failure: Mutex<Option<Failure>>,
    /// The last step that was observed.
    observed: AtomicU64,
}

impl ReplayState {
    /// Only the first failure is reported.
    fn fail(&self, failure: Failure) {
        self.failure.lock().expect("no holder of this lock can panic").get_or_insert(failure);
        self.over.store(true, Ordering::Release);
    }

    fn failure(&self) -> Option<Failure> {
        self.failure.lock().expect("no holder of this lock can panic").take()
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

/// Ends the replay when the thread that holds it panics, so that no thread waits for a worker that is gone.
struct Alarm<'a>(&'a ReplayState);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.over.store(true, Ordering::Release);
        }
    }
}

/// One worker's run through the steps.
struct ReplayWalk<'a> {
    worker_graph: WorkerGraph,
    snapshots: &'a PublishedSnapshots,
    shared: &'a ReplayState,
    features: Features,
    batch: usize,
}

impl ReplayWalk<'_> {
    fn all(
        &mut self,
        mut sources: Vec<Box<dyn ReplaySource>>,
        steps: &[Time],
        worker: &mut Worker,
    ) -> Result<(), Failure> {
        let mut before = 0;
        for &step in steps {
            let features = self.features;
            while let Some(day) = features.next_day(self.worker_graph.tick()).filter(|day| *day <= step) {
                self.feed(&mut sources, day - 1, worker)?;
                self.wait_until_observed(before, worker);
                if self.shared.is_over() {
                    return Ok(());
                }
                self.worker_graph.advance_to(day);
            }
            self.feed(&mut sources, step, worker)?;
            self.wait_until_observed(before, worker);
            if self.shared.is_over() {
                return Ok(());
            }
            self.worker_graph.advance_to(step + 1);
            self.step_until(worker, |walk| {
                walk.worker_graph.publish();
                walk.snapshots.closed() > step
            });
            before = step;
        }
        Ok(())
    }

    /// The leader closes no tick before this step was observed.
    fn wait_until_observed(&mut self, step: Time, worker: &mut Worker) {
        if worker.index() == 0 {
            self.step_until(worker, |walk| walk.shared.observed.load(Ordering::Acquire) >= step);
        }
    }

    /// Gives all records up to the step.
    fn feed(&mut self, sources: &mut [Box<dyn ReplaySource>], step: Time, worker: &mut Worker) -> Result<(), Failure> {
        let mut left: Vec<&mut Box<dyn ReplaySource>> = sources.iter_mut().collect();
        while !left.is_empty() && !self.shared.is_over() {
            let (mut records, mut unreached) = (0, Vec::with_capacity(left.len()));
            for past in left {
                let went = past.feed(self.worker_graph.inputs(), step, self.batch)?;
                records += went.records;
                if !went.reached {
                    unreached.push(past);
                }
            }
            left = unreached;
            if records > 0 {
                worker.step();
            } else if !left.is_empty() {
                worker.step_or_park(Some(PATIENCE));
            }
        }
        Ok(())
    }

    fn step_until(&mut self, worker: &mut Worker, mut done: impl FnMut(&mut Self) -> bool) {
        while !done(self) && !self.shared.is_over() {
            worker.step_or_park(Some(PATIENCE));
        }
    }
}
