//! Decides when a tick closes: as soon as there is a change to show, but only when the previous tick is published.
//!
//! One worker leads: it closes ticks, and the others follow its tick messages. So the leader has passed every frontier
//! that a reader can see, and the window's edge, which it moves with each tick, is exactly there.
//!
//! While a source catches up, ticks do not run ahead of the time that its records have reached: answers given meanwhile
//! carry the time of the data, not of the clock.
//!
//! In a cluster the leader is a worker of process 0. Its tick messages reach the other processes through the graph, and
//! their schedulers follow; their sources report their progress to it (see [`crate::cluster`]).
//!
//! Before a tick becomes visible, the holder of the [`TimestampLease`] has noted it durably.
//!
//! While sources are far behind, all unread records join one large tick, because the cost of an update falls with the
//! size of its tick. When the sources have caught up, ticks become small again by themselves.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use crate::cluster::ClusterPlace;
use crate::cluster::messages::{ProgressMessage, TickMessage};
use crate::feed::{FeedProgress, Waker};
use crate::freshness::FreshnessTracker;
use crate::lease::{Extent, TimestampLease};
use crate::source_status::SourceRegistry;
use crate::time::{Millis, Time};

settings::section! {
    /// The bounds within which ticks adapt.
    #[derive(Copy)]
    pub struct TickPolicy in "dataflow" {
        /// Shortest time between two ticks. A tick closes as soon as there is a change to show, but not earlier than
        /// this.
        tick_ms: Millis = 1, "ms", settings::whole(1, 1000);
        /// A tick closes at least this often without new records, so that windows move and `as_of` stays current.
        idle_tick_ms: Millis = 100, "ms", settings::whole(1, 60_000);
        /// Longest time that a tick stays open while sources are far behind.
        tick_ms_max: Millis = 1000, "ms", settings::whole(1, 60_000);
        /// Number of unread records at which sources count as far behind. Ticks then become larger.
        behind_min: usize = 50_000, "records", settings::whole(1, 100_000_000);
        /// Limit of records in one tick, over all workers. It also limits the records that are read and not visible
        /// yet.
        batch_max: usize = 250_000, "records", settings::whole(1000, 10_000_000);
    }
}

/// The open tick at the start of an empty graph.
pub(crate) const FIRST_TICK: Time = 1;

/// How the leader closes a tick; the other processes receive this.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Closing {
    /// Whether the tick is closed for a cut.
    pub(crate) cut: bool,
    /// A process whose sources are not live, if there is one.
    pub(crate) waits_for: Option<usize>,
    /// Whether all sources had caught up when the tick closed.
    pub(crate) caught_up: bool,
    /// The first tick with a known time; 0 before that tick.
    pub(crate) first: Time,
    /// By kind of input, up to which time all its sources are heard, if one is away.
    pub(crate) heard: [Option<Time>; 2],
}

/// The state that the workers of one process share to close ticks together.
pub(crate) struct TickScheduler {
    rules: TickPolicy,
    place: ClusterPlace,
    /// Records this process may feed into one tick.
    share: usize,
    /// The open tick; the registry of sources dates state changes by it.
    tick: Arc<AtomicU64>,
    /// When the open tick was opened, by the service clock.
    opened_at: AtomicU64,
    /// The time that each worker's sources have reached while they catch up; `LIVE` when they have caught up.
    reached: Vec<AtomicU64>,
    /// The last tick that was closed for a cut.
    cut: AtomicU64,
    fed: AtomicUsize,
    /// For the leader: the most records that another process has fed into the open tick, as far as reported.
    fed_elsewhere: AtomicUsize,
    waiting: Vec<AtomicUsize>,
    /// For the leader: whether the sources of each worker's process are live, for workers of other processes.
    live: Vec<AtomicBool>,
    /// For the leader: by kind of input, whether these processes hear all sources that provide it.
    heard: Vec<[AtomicBool; 2]>,
    freshness: Arc<FreshnessTracker>,
    /// The first tick with a known time; 0 before that tick.
    first: AtomicU64,
    wakers: Mutex<Vec<Waker>>,
    /// The leader must tell all processes to end.
    ending: AtomicBool,
    stopped: AtomicBool,
    end: (Mutex<()>, Condvar),
    ticks: AtomicU64,
    /// The open tick when all sources had caught up for the first time; `NEVER` before.
    caught_up: AtomicU64,
    lease: Option<Arc<dyn TimestampLease>>,
    /// For the leader: a tick was due that the lease does not cover.
    refused: AtomicBool,
    /// For the leader: no time is known yet for the tick that was last found due.
    undated: AtomicBool,
    /// How many times the leader reported that it waits for its lease.
    held: AtomicU64,
}

/// The time of an event that has not happened.
const NEVER: Time = Time::MAX;

/// The value for a worker whose sources have caught up.
const LIVE: Time = Time::MAX;

impl TickScheduler {
    /// The scheduler for the workers of a process; the tick `start` is open from the beginning. With a lease, only
    /// ticks that it covers become visible.
    pub(crate) fn new(
        rules: TickPolicy,
        place: ClusterPlace,
        start: Time,
        registry: &SourceRegistry,
        lease: Option<Arc<dyn TimestampLease>>,
    ) -> Self {
        let (peers, tick) = (place.peers(), registry.open());
        tick.store(start, Ordering::Release);
        // A restored state has a known time.
        let first = if start > FIRST_TICK { start - 1 } else { 0 };
        if first > 0 {
            registry.freshness_tracker().begin(first);
        }
        TickScheduler {
            rules,
            place,
            share: (rules.batch_max / place.processes).max(1),
            tick,
            opened_at: AtomicU64::new(0),
            // Before a source was first polled, it may have any amount to catch up with.
            reached: (0..peers).map(|_| AtomicU64::new(0)).collect(),
            cut: AtomicU64::new(0),
            fed: AtomicUsize::new(0),
            fed_elsewhere: AtomicUsize::new(0),
            waiting: (0..peers).map(|_| AtomicUsize::new(0)).collect(),
            live: (0..peers).map(|_| AtomicBool::new(false)).collect(),
            heard: (0..peers).map(|_| [true; 2].map(AtomicBool::new)).collect(),
            freshness: registry.freshness_tracker().clone(),
            first: AtomicU64::new(first),
            wakers: Mutex::default(),
            ending: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            end: (Mutex::new(()), Condvar::new()),
            ticks: AtomicU64::new(0),
            caught_up: AtomicU64::new(NEVER),
            lease,
            refused: AtomicBool::new(false),
            undated: AtomicBool::new(true),
            held: AtomicU64::new(0),
        }
    }

    fn wakers(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.wakers.lock().expect("no holder of this lock can panic")
    }

    /// Adds a worker of this process. If the leader is one of them, it comes first.
    pub(crate) fn join(&self, waker: Waker) {
        self.wakers().push(waker);
    }

    /// The number of workers that have joined.
    pub(crate) fn joined(&self) -> usize {
        self.wakers().len()
    }

    /// How many more records this process may feed into the open tick.
    pub(crate) fn budget(&self) -> usize {
        self.share.saturating_sub(self.fed_here())
    }

    /// How many records this process has fed into the open tick.
    pub(crate) fn fed_here(&self) -> usize {
        self.fed.load(Ordering::Relaxed)
    }

    /// Takes a worker's progress: records fed, records unread, and the time reached by sources that catch up.
    pub(crate) fn fed(&self, worker: usize, fed: FeedProgress) {
        let FeedProgress { records, waiting, reached } = fed;
        self.waiting[worker].store(waiting, Ordering::Relaxed);
        self.reached[worker].store(reached.unwrap_or(LIVE), Ordering::Relaxed);
        if records > 0 && self.fed.fetch_add(records, Ordering::Relaxed) == 0 && worker != 0 && self.place.leads() {
            // The leader sleeps while nothing happens; it must close this tick.
            if let Some(leader) = self.wakers().first() {
                leader.wake();
            }
        }
    }

    /// For the leader: takes the report of a worker of another process, sent in `tick`.
    pub(crate) fn apply_report(&self, report: ProgressMessage, tick: Time) {
        self.waiting[report.worker].store(report.waiting, Ordering::Relaxed);
        self.reached[report.worker].store(report.reached.unwrap_or(LIVE), Ordering::Relaxed);
        self.live[report.worker].store(report.live, Ordering::Relaxed);
        for (heard, told) in self.heard[report.worker].iter().zip(report.heard) {
            heard.store(told, Ordering::Relaxed);
        }
        // Records of an earlier tick become visible without closing another tick for them.
        if tick >= self.tick() {
            self.fed_elsewhere.fetch_max(report.fed, Ordering::Relaxed);
        }
    }

    /// In processes other than the leader's: the leader has closed a tick. In all processes: the workers end.
    pub(crate) fn apply(&self, mark: TickMessage) {
        if mark.end {
            return self.stop_here();
        }
        if mark.held {
            self.held.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if self.place.leads() {
            return;
        }
        if mark.caught_up {
            self.caught_up.fetch_min(mark.now, Ordering::AcqRel);
        }
        if mark.cut {
            self.cut.fetch_max(mark.now, Ordering::Relaxed);
        }
        // Each worker of the process receives the message; the first one applies it.
        if self.tick.fetch_max(mark.now + 1, Ordering::AcqRel) <= mark.now {
            self.freshness.told(mark.now, mark.heard);
            if mark.first > 0 {
                self.begin(mark.first);
            }
            self.fed.store(0, Ordering::Relaxed);
            self.ticks.fetch_add(1, Ordering::Relaxed);
            self.wakers().iter().for_each(Waker::wake);
        }
    }

    /// The open tick; followers open it too.
    pub(crate) fn tick(&self) -> Time {
        self.tick.load(Ordering::Acquire)
    }

    /// The number of closed ticks.
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    /// For the leader: the next tick to open, if the open tick is due at `now` and times before `shown` are published.
    pub(crate) fn due(&self, now: Time, shown: Time) -> Option<Time> {
        let open = self.tick();
        if now <= open || shown < open {
            return None;
        }
        let reached = self.reached.iter().map(|reached| reached.load(Ordering::Relaxed)).min().unwrap_or(LIVE);
        if reached == LIVE {
            self.caught_up.fetch_min(open, Ordering::AcqRel);
        }
        let next = now.min(reached.max(open + 1));
        self.undated.store(reached == 0, Ordering::Relaxed);
        let age = now.saturating_sub(self.opened_at.load(Ordering::Relaxed));
        let fed = self.fed_here().max(self.fed_elsewhere.load(Ordering::Relaxed));
        let waiting: usize = self.waiting.iter().map(|waiting| waiting.load(Ordering::Relaxed)).sum();
        let is_due = if fed == 0 {
            age >= self.rules.idle_tick_ms
        } else if waiting < self.rules.behind_min {
            age >= self.rules.tick_ms
        } else {
            fed >= self.share || age >= self.rules.tick_ms_max
        };
        let is_refused = is_due && !self.may_show(next);
        self.refused.store(is_refused, Ordering::Relaxed);
        (is_due && !is_refused).then_some(next)
    }

    /// For the leader: whether the tick of the last [`TickScheduler::due`] is due and the lease does not cover it.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many times the leader reported that it waits for its lease.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    fn may_show(&self, tick: Time) -> bool {
        let extent = || match self.freshness.has_met_all() {
            _ if self.has_caught_up(tick) => Extent::CaughtUp,
            true => Extent::Begun,
            false => Extent::Partial,
        };
        self.lease.as_ref().is_none_or(|lease| lease.covers(tick, extent()))
    }

    /// For the leader: how the tick last found due closes. Also applies the reports to the freshness of this process.
    pub(crate) fn closing(&self, tick: Time, own: &SourceRegistry) -> Closing {
        if !self.undated.load(Ordering::Relaxed) {
            self.begin(tick);
        }
        if self.place.processes > 1 {
            let hear = |kind: usize| self.heard.iter().all(|heard| heard[kind].load(Ordering::Relaxed));
            self.freshness.others([hear(0), hear(1)], self.tick());
        }
        Closing {
            cut: false,
            waits_for: self.waits_for(own),
            caught_up: self.has_caught_up(tick),
            first: self.first.load(Ordering::Relaxed),
            heard: self.freshness.at(tick),
        }
    }

    /// `tick` is the first tick with a known time, unless there was an earlier one.
    fn begin(&self, tick: Time) {
        if self.first.compare_exchange(0, tick, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.freshness.begin(tick);
        }
    }

    /// Whether the state as of `as_of` holds everything that the sources held at the start.
    pub(crate) fn has_caught_up(&self, as_of: Time) -> bool {
        self.caught_up.load(Ordering::Acquire) <= as_of
    }

    /// For the leader: a process of the cluster whose sources are not live, if there is one; `own` is this one's registry.
    pub(crate) fn waits_for(&self, own: &SourceRegistry) -> Option<usize> {
        let ClusterPlace { workers, processes, .. } = self.place;
        let is_live = |process: usize| {
            let mut live = self.live[process * workers..][..workers].iter();
            if process == 0 { own.is_live() } else { live.all(|live| live.load(Ordering::Relaxed)) }
        };
        // A single process knows the state of its sources itself.
        if processes > 1 { (0..processes).find(|process| !is_live(*process)) } else { None }
    }

    /// For the leader: announces the tick that it opened at `now`, and whether the previous tick was closed for a cut.
    pub(crate) fn open(&self, tick: Time, now: Time, cut: bool) {
        self.fed.store(0, Ordering::Relaxed);
        self.fed_elsewhere.store(0, Ordering::Relaxed);
        self.ticks.fetch_add(1, Ordering::Relaxed);
        self.opened_at.store(now, Ordering::Relaxed);
        if cut {
            self.cut.store(tick - 1, Ordering::Relaxed);
        }
        self.tick.store(tick, Ordering::Release);
        for follower in self.wakers().iter().skip(1) {
            follower.wake();
        }
    }

    /// The last tick that was closed for a cut; read it after [`TickScheduler::tick`].
    pub(crate) fn cut(&self) -> Time {
        self.cut.load(Ordering::Relaxed)
    }

    /// How long a worker without work may sleep; arriving records end the sleep.
    pub(crate) fn patience(&self) -> Duration {
        if self.fed.load(Ordering::Relaxed) > 0 { Duration::from_micros(200) } else { Duration::from_millis(5) }
    }

    /// Ends the workers: of all processes if the leader is in this process, otherwise only of this process.
    pub(crate) fn stop(&self) {
        if self.place.processes > 1 && self.place.leads() {
            self.ending.store(true, Ordering::Release);
            self.wakers().iter().for_each(Waker::wake);
        } else {
            self.stop_here();
        }
    }

    fn stop_here(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wakers().iter().for_each(Waker::wake);
        drop(self.end.0.lock().expect("no holder of this lock can panic"));
        self.end.1.notify_all();
    }

    /// For the leader: whether it must tell all processes to end; true once.
    pub(crate) fn take_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed) && self.ending.swap(false, Ordering::Acquire)
    }

    /// Waits until the workers are told to end; false after `timeout`.
    pub(crate) fn wait_stopped(&self, timeout: Duration) -> bool {
        let guard = self.end.0.lock().expect("no holder of this lock can panic");
        let waited = self.end.1.wait_timeout_while(guard, timeout, |()| !self.is_stopped());
        drop(waited.expect("no holder of this lock can panic"));
        self.is_stopped()
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests;
