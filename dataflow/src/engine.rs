//! The engine: worker threads that feed, tick, step and publish, for months.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use timely::worker::Worker;

use crate::board::Board;
use crate::dictionary::Dictionary;
use crate::feed::{Feed, OpenFeeds, Seat, Waker};
use crate::graph::{ChangeOutlet, Plan};
use crate::pace::{Pace, TickRules};
use crate::publish::Slots;
use crate::rules::Rules;
use crate::shelf::Shelf;
use crate::station::Station;
use crate::time::ServiceClock;

/// Records moved between two steps of a worker.
const FEED_MAX: usize = 16_384;

/// Everything an engine is started with.
pub struct Settings {
    /// Worker threads.
    pub workers: usize,
    /// The business numbers.
    pub rules: Rules,
    /// When ticks close.
    pub ticks: TickRules,
    /// Effort spent on merging while idle: 300 to 3000 keeps lookups quick, much more starves ingest.
    pub idle_merge_effort: isize,
    /// From ids to keys; shared with whoever looks up.
    pub dictionary: Arc<Dictionary>,
    /// Where "now" comes from.
    pub clock: Arc<dyn ServiceClock>,
    /// Opens a worker's sources.
    pub open_feeds: OpenFeeds,
    /// Where every list's changes go, if anywhere.
    pub changes: Option<ChangeOutlet>,
    /// What sources say about themselves.
    pub board: Arc<Board>,
}

/// The engine could not start.
#[derive(Debug, thiserror::Error)]
#[error("the workers could not be started: {0}")]
pub struct StartError(String);

/// A worker ended in a panic.
#[derive(Debug, thiserror::Error)]
#[error("a worker ended unexpectedly: {0}")]
pub struct WorkerError(String);

/// Running workers. Dropping it ends them as [`Engine::stop`] does.
pub struct Engine {
    shelf: Shelf,
    board: Arc<Board>,
    // Declared, and so dropped, before the guards, which wait for the workers.
    pace: StopOnDrop,
    guards: timely::communication::WorkerGuards<()>,
}

/// Tells the workers to end when nobody can tell them any more.
struct StopOnDrop(Arc<Pace>);

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
        let slots = Arc::new(Slots::new(settings.workers));
        let pace = Arc::new(Pace::new(settings.ticks, settings.workers));
        let plan = Plan {
            rules: settings.rules,
            dictionary: settings.dictionary.clone(),
            late_lines: Arc::new(AtomicU64::new(0)),
            changes: settings.changes.clone(),
        };
        let shelf = Shelf::new(slots.clone(), plan.dictionary.clone(), plan.rules, plan.late_lines.clone());
        let mut config = match settings.workers {
            1 => timely::Config::thread(),
            workers => timely::Config::process(workers),
        };
        let merging = differential_dataflow::Config::default().idle_merge_effort(Some(settings.idle_merge_effort));
        differential_dataflow::configure(&mut config.worker, &merging);
        let (clock, open_feeds, shared) = (settings.clock, settings.open_feeds, pace.clone());
        let guards = timely::execute(config, move |worker| {
            let station = Station::new(worker, &plan, &slots);
            let seat = Seat {
                index: worker.index(),
                peers: worker.peers(),
                waker: Waker::of_this_thread(),
                dictionary: plan.dictionary.clone(),
            };
            // The leader joins first, whichever thread is quicker: the others wait for its first tick.
            while seat.index != shared.joined() {
                std::thread::yield_now();
            }
            shared.join(seat.waker.clone());
            let feeds = open_feeds(seat);
            Loop { station, feeds, pace: &shared, clock: &*clock, slots: &slots }.run(worker);
        })
        .map_err(StartError)?;
        Ok(Engine { shelf, board: settings.board, pace: StopOnDrop(pace), guards })
    }

    /// The read side.
    #[must_use]
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// What the sources say about themselves.
    #[must_use]
    pub fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// How many ticks have been closed since the start.
    #[must_use]
    pub fn tick_counter(&self) -> TickCounter {
        TickCounter(self.pace.0.clone())
    }

    /// Ends the workers and waits for them. What was fed and not shown is fed again at the next start.
    ///
    /// # Errors
    /// When a worker had panicked.
    pub fn stop(self) -> Result<(), WorkerError> {
        self.pace.0.stop();
        self.guards.join().into_iter().try_for_each(|ended| ended.map_err(WorkerError))
    }
}

/// Counts closed ticks.
#[derive(Clone)]
pub struct TickCounter(Arc<Pace>);

impl TickCounter {
    /// Ticks closed since the start.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.0.ticks()
    }
}

/// One worker's loop.
struct Loop<'a> {
    station: Station,
    feeds: Vec<Box<dyn Feed>>,
    pace: &'a Pace,
    clock: &'a dyn ServiceClock,
    slots: &'a Slots,
}

impl Loop<'_> {
    fn run(mut self, worker: &mut Worker) {
        let mut unnoted = false;
        while !self.pace.is_stopped() {
            let fed = self.feed(worker.index());
            unnoted |= fed > 0;
            self.tick(worker.index(), &mut unnoted);
            if fed > 0 {
                worker.step();
            } else {
                worker.step_or_park(Some(self.pace.patience()));
            }
            self.station.publish();
        }
        drop(self.feeds);
        self.station.close(worker);
    }

    /// Lets every source give what has arrived, within what the open tick still takes.
    fn feed(&mut self, index: usize) -> usize {
        let (mut records, mut waiting) = (0, 0);
        for feed in &mut self.feeds {
            let budget = self.pace.budget().min(FEED_MAX).saturating_sub(records);
            let fed = feed.feed(self.station.inputs(), budget);
            records += fed.records;
            waiting += fed.waiting;
        }
        self.pace.fed(index, records, waiting);
        records
    }

    /// Closes the open tick if it is time: the leader by the rules, the others when the leader has.
    fn tick(&mut self, index: usize, unnoted: &mut bool) {
        let next = if index == 0 {
            let now = self.clock.now();
            if !self.pace.is_due(now, self.slots.closed()) {
                return;
            }
            now
        } else {
            self.pace.tick()
        };
        if next <= self.station.tick() {
            return;
        }
        if std::mem::take(unnoted) {
            let mut positions = Vec::new();
            self.feeds.iter().for_each(|feed| feed.positions(&mut positions));
            self.station.note(positions);
        }
        self.station.advance_to(next);
        if index == 0 {
            self.pace.open(next);
        }
    }
}
