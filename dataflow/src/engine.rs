//! The engine: worker threads that feed, tick, step and publish, for months.

mod settings;

use std::sync::Arc;
use std::time::{Duration, Instant};

use timely::worker::Worker;

use crate::allocator_trim::AllocatorTrim;
use crate::cluster::{Cluster, ClusterControl, ClusterPlace, Reporter};
use crate::cut::Cuts;
use crate::feed::{Feed, FeedProgress, Waker, WorkerContext};
use crate::graph::Plan;
use crate::index_reader::IndexReader;
use crate::publish::PublishedSnapshots;
use crate::source_status::SourceRegistry;
use crate::tick_scheduler::{Closing, FIRST_TICK, TickScheduler};
use crate::time::{ServiceClock, Time};
use crate::worker_graph::WorkerGraph;
use crate::workers;

pub use settings::{GiveRows, Restore, Settings};

/// Limit of records that a worker feeds between two steps.
const FEED_MAX: usize = 16_384;

/// At the end of a cluster, how long a worker waits for messages that are still needed for a cut.
const LAST_CUT_MAX: Duration = Duration::from_secs(2);

/// How often a leader that waits for its lease tells the other processes so.
const HELD_TOLD_EVERY: Duration = Duration::from_millis(250);

/// The engine could not start.
#[derive(Debug, thiserror::Error)]
#[error("the workers could not be started: {0}")]
pub struct StartError(String);

/// A worker ended in a panic.
#[derive(Debug, thiserror::Error)]
#[error("a worker ended unexpectedly: {0}")]
pub struct WorkerError(String);

/// Running workers. Dropping the engine ends them as [`Engine::stop`] does.
pub struct Engine {
    reader: IndexReader,
    registry: Arc<SourceRegistry>,
    cuts: Option<Arc<Cuts>>,
    // Declared before the guards, and so dropped before them: the guards wait for the workers.
    scheduler: StopOnDrop,
    guards: timely::communication::WorkerGuards<()>,
}

/// Ends the workers when no handle is left that could end them.
struct StopOnDrop(Arc<TickScheduler>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Engine {
    /// Starts the workers; returns at once.
    ///
    /// # Errors
    /// When threads cannot be started.
    pub fn start(settings: Settings) -> Result<Engine, StartError> {
        Engine::start_in(settings, None)
    }

    /// Starts the workers of this process, as a part of `cluster` if one is given. All processes of a cluster must have
    /// the same number of workers and the same settings, as far as the settings determine the result.
    ///
    /// # Errors
    /// When threads cannot be started.
    pub fn start_in(settings: Settings, cluster: Option<Cluster>) -> Result<Engine, StartError> {
        let place =
            cluster.as_ref().map_or(ClusterPlace::alone(settings.workers), |cluster| cluster.place(settings.workers));
        let snapshots = Arc::new(PublishedSnapshots::new(settings.workers));
        let start = settings.restore.as_ref().map_or(FIRST_TICK, |restore| restore.tick + 1);
        let scheduler = Arc::new(TickScheduler::new(settings.ticks, place, start, &settings.registry, settings.lease));
        let cuts = settings.journal_max.map(|max| Arc::new(Cuts::new(settings.workers, max)));
        let plan = Plan {
            changes: settings.changes.clone(),
            touched: settings.touched.clone(),
            cuts: cuts.clone(),
            observer: settings.registry.observer(),
            restored_at: settings.restore.as_ref().map(|restore| restore.tick),
            ..Plan::new(settings.rules, settings.dictionary.clone())
        };
        let reader = IndexReader::new(snapshots.clone(), plan.dictionary.clone(), plan.rules, plan.late_lines.clone())
            .in_cluster(place.process, place.processes);
        let config = workers::config(settings.workers, settings.idle_merge_effort);
        let (clock, open_feeds, shared) = (settings.clock, settings.open_feeds, scheduler.clone());
        let (restore, behind_min, registry) = (settings.restore, settings.ticks.behind_min, settings.registry.clone());
        let (builders, threads) = match cluster {
            Some(cluster) => cluster.connect(settings.workers).map_err(|error| StartError(error.to_string()))?,
            None => config.communication.try_build().map_err(StartError)?,
        };
        let guards = timely::execute::execute_from(builders, threads, config.worker, move |worker| {
            let control = (place.processes > 1).then(|| ClusterControl::new(shared.clone(), place, &registry));
            let mut worker_graph = WorkerGraph::talking(worker, &plan, &snapshots, control);
            if let Some(restore) = &restore {
                restore.start(&mut worker_graph, worker);
            }
            if let Some(cuts) = &plan.cuts {
                worker_graph.keep_delta_log(cuts.journal_max());
            }
            let context = WorkerContext {
                index: worker.index(),
                peers: worker.peers(),
                waker: Waker::of_this_thread(),
                dictionary: plan.dictionary.clone(),
            };
            // The leader joins first, even if another thread is faster: the others wait for its first tick.
            while context.index % place.workers != shared.joined() {
                std::thread::yield_now();
            }
            shared.join(context.waker.clone());
            if let Some(cuts) = plan.cuts.as_ref().filter(|_| context.index == 0) {
                cuts.lead(context.waker.clone());
            }
            let reporter = (!place.leads()).then(|| Reporter::new(context.index, context.peers, behind_min));
            let feeds = open_feeds(context);
            let cuts = plan.cuts.as_ref();
            Loop {
                worker_graph,
                feeds,
                scheduler: &shared,
                clock: &*clock,
                snapshots: &snapshots,
                cuts,
                cut: 0,
                reporter,
                held: Instant::now(),
                registry: &registry,
            }
            .run(worker);
        })
        .map_err(StartError)?;
        Ok(Engine { reader, registry: settings.registry, cuts, scheduler: StopOnDrop(scheduler), guards })
    }

    /// The read side.
    #[must_use]
    pub fn reader(&self) -> &IndexReader {
        &self.reader
    }

    /// The status of all sources.
    #[must_use]
    pub fn registry(&self) -> &Arc<SourceRegistry> {
        &self.registry
    }

    /// Takes requests for cuts; `None` if no cuts are taken.
    #[must_use]
    pub fn cuts(&self) -> Option<&Arc<Cuts>> {
        self.cuts.as_ref()
    }

    /// Counts the ticks that were closed since the start.
    #[must_use]
    pub fn tick_counter(&self) -> TickCounter {
        TickCounter(self.scheduler.0.clone())
    }

    /// Waits until the workers are told to end; false after `timeout`. In a cluster, process 0 ends the workers of all
    /// processes.
    #[must_use]
    pub fn wait_for_the_end(&self, timeout: Duration) -> bool {
        self.scheduler.0.wait_stopped(timeout)
    }

    /// Ends the workers and waits for them. In process 0 of a cluster this ends the workers of all processes. Records
    /// that were fed and did not become visible are fed again at the next start.
    ///
    /// # Errors
    /// When a worker had panicked.
    pub fn stop(self) -> Result<(), WorkerError> {
        self.scheduler.0.stop();
        self.guards.join().into_iter().try_for_each(|ended| ended.map_err(WorkerError))
    }
}

/// Counts closed ticks, and knows which states hold everything that the sources held at the start.
#[derive(Clone)]
pub struct TickCounter(Arc<TickScheduler>);

impl TickCounter {
    /// Ticks closed since the start.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.0.ticks()
    }

    /// How many times the leader of a cluster reported that it closes no tick because the lease does not cover it yet.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.0.held()
    }

    /// Whether the state as of `as_of` holds everything that the sources held at the start.
    #[must_use]
    pub fn has_caught_up(&self, as_of: Time) -> bool {
        self.0.has_caught_up(as_of)
    }
}

/// One worker's loop.
struct Loop<'a> {
    worker_graph: WorkerGraph,
    feeds: Vec<Box<dyn Feed>>,
    scheduler: &'a TickScheduler,
    clock: &'a dyn ServiceClock,
    snapshots: &'a PublishedSnapshots,
    cuts: Option<&'a Arc<Cuts>>,
    /// The tick of the last cut.
    cut: Time,
    /// Set in processes other than the leader's.
    reporter: Option<Reporter>,
    /// When the leader last told the other processes that it waits for the lease.
    held: Instant,
    registry: &'a SourceRegistry,
}

impl Loop<'_> {
    fn run(mut self, worker: &mut Worker) {
        let (mut unnoted, mut airing) = (false, AllocatorTrim::new());
        while !self.scheduler.is_stopped() {
            let fed = self.feed(worker.index());
            unnoted |= fed > 0;
            self.tick(worker.index(), &mut unnoted);
            if fed > 0 {
                worker.step();
            } else {
                airing.rest();
                worker.step_or_park(Some(self.scheduler.patience()));
            }
            self.worker_graph.publish();
        }
        drop(self.feeds);
        // Last messages between this process and the others are still under way.
        let deadline = Instant::now() + LAST_CUT_MAX;
        worker.step();
        while self.worker_graph.is_cutting() && Instant::now() < deadline {
            worker.step_or_park(Some(self.scheduler.patience()));
            self.worker_graph.publish();
        }
        self.worker_graph.close(worker);
    }

    /// Lets every source feed the records that have arrived, up to the remaining budget of the open tick.
    fn feed(&mut self, index: usize) -> usize {
        let mut all = FeedProgress::default();
        for feed in &mut self.feeds {
            let budget = self.scheduler.budget().min(FEED_MAX).saturating_sub(all.records);
            let fed = feed.feed(self.worker_graph.inputs(), budget);
            all.records += fed.records;
            all.waiting += fed.waiting;
            all.reached =
                fed.reached.map_or(all.reached, |time| Some(all.reached.map_or(time, |least| least.min(time))));
        }
        self.scheduler.fed(index, all);
        if let Some(reporter) = &mut self.reporter {
            let (fed, is_full) = (self.scheduler.fed_here(), self.scheduler.budget() == 0);
            let how = (self.registry.is_live(), self.registry.freshness_tracker().here());
            if let Some(report) = reporter.after(all, self.worker_graph.tick(), fed, is_full, how) {
                self.worker_graph.report(report);
            }
        }
        all.records
    }

    /// Closes the open tick if it is due. The leader decides by the rules; the other workers close after the leader.
    fn tick(&mut self, index: usize, unnoted: &mut bool) {
        if index > 0 {
            let next = self.scheduler.tick();
            if next > self.worker_graph.tick() {
                self.close_tick(next, unnoted, Closing::default());
                self.cut_at(self.scheduler.cut());
            }
            return;
        }
        if self.scheduler.take_ending() {
            self.worker_graph.end_all();
        }
        let now = self.clock.now();
        let Some(next) = self.scheduler.due(now, self.snapshots.closed()) else { return self.hold() };
        if next > self.worker_graph.tick() {
            let cut = self.cuts.is_some_and(|cuts| cuts.take_wanted());
            let closing = Closing { cut, ..self.scheduler.closing(next - 1, self.registry) };
            self.close_tick(next, unnoted, closing);
            if cut {
                self.cut_at(next - 1);
            }
            self.scheduler.open(next, now, cut);
        }
    }

    /// While a tick waits for the lease, tells the other processes so from time to time, so that they do not take it
    /// for a freeze.
    fn hold(&mut self) {
        if self.scheduler.is_refused() && self.held.elapsed() >= HELD_TOLD_EVERY {
            self.held = Instant::now();
            self.worker_graph.hold_all();
        }
    }

    fn close_tick(&mut self, next: Time, unnoted: &mut bool, closing: Closing) {
        if std::mem::take(unnoted) {
            let mut positions = Vec::new();
            self.feeds.iter().for_each(|feed| feed.positions(&mut positions));
            self.worker_graph.note(positions);
        }
        self.worker_graph.close_tick(next, closing);
        if let Some(cuts) = self.cuts {
            cuts.note(self.worker_graph.fill_level());
        }
    }

    /// Cuts at `tick`. No record was given since the open tick was opened, and the open tick is later than `tick`.
    fn cut_at(&mut self, tick: Time) {
        if let Some(cuts) = self.cuts.filter(|_| tick > self.cut) {
            self.cut = tick;
            self.worker_graph.cut(cuts, tick);
        }
    }
}
