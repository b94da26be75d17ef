//! When a tick closes: as soon as there is something to show, and not before the one before it is shown.
//!
//! One worker leads: it closes ticks, the others follow what it announced. So every frontier any reader can see is one
//! the leader has passed, and the window's edge, moved by the leader at each closing, stands exactly there.
//!
//! While a source catches up, ticks do not run ahead of the time its records have come to: what is answered meanwhile is
//! dated by the data, not by the wall.
//!
//! In a cluster the leader is a worker of process 0. Its marks come to the other processes through the graph, and their
//! paces follow; what their sources do comes back to it as reports (see [`crate::cluster`]).
//!
//! Before a tick shows, whoever holds the [`TimestampLease`] has noted it where a crash does not reach.
//!
//! While sources are far behind, everything queued joins one large tick, because the cost of an update falls with the
//! size of its tick; when they have caught up, ticks shrink by themselves.

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

/// The tick that is open at the start of an empty graph.
pub(crate) const FIRST_TICK: Time = 1;

/// How the leader closes a tick; other processes are told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Closing {
    /// For a cut.
    pub(crate) cut: bool,
    /// A process whose sources are not live, if there is one.
    pub(crate) waits_for: Option<usize>,
    /// Whether all sources had caught up by then.
    pub(crate) caught_up: bool,
    /// The first tick whose time says something; 0 before.
    pub(crate) first: Time,
    /// By part, up to which time all sources are heard, if one is away.
    pub(crate) heard: [Option<Time>; 2],
}

/// What the workers of one process share to keep pace.
pub(crate) struct TickScheduler {
    rules: TickPolicy,
    place: ClusterPlace,
    /// Records this process may feed into one tick.
    share: usize,
    /// The tick that is open; the registry of sources dates by it what sources say.
    tick: Arc<AtomicU64>,
    /// When that tick was opened, by the service clock.
    opened_at: AtomicU64,
    /// How far each worker's sources have come while they catch up; `LIVE` when they have.
    reached: Vec<AtomicU64>,
    /// The last tick that was closed for a cut.
    cut: AtomicU64,
    fed: AtomicUsize,
    /// For the leader: the most that another process is known to have fed into the open tick.
    fed_elsewhere: AtomicUsize,
    waiting: Vec<AtomicUsize>,
    /// For the leader: whether the sources of each worker's process are live, where that is another one.
    live: Vec<AtomicBool>,
    /// For the leader: whether they hear what gives a part, by part.
    heard: Vec<[AtomicBool; 2]>,
    freshness: Arc<FreshnessTracker>,
    /// The first tick whose time says something; 0 before.
    first: AtomicU64,
    wakers: Mutex<Vec<Waker>>,
    /// The leader is to tell all processes to end.
    ending: AtomicBool,
    stopped: AtomicBool,
    end: (Mutex<()>, Condvar),
    ticks: AtomicU64,
    /// The tick that was open when all sources had caught up for the first time; `NEVER` before.
    caught_up: AtomicU64,
    lease: Option<Arc<dyn TimestampLease>>,
    /// For the leader: a tick was due that the lease does not cover.
    refused: AtomicBool,
    /// For the leader: what the tick that was last found due says of the time is not known.
    undated: AtomicBool,
    /// How often the leader was heard to wait for its lease.
    held: AtomicU64,
}

/// Of something that has not happened.
const NEVER: Time = Time::MAX;

/// Of a worker whose sources have caught up.
const LIVE: Time = Time::MAX;

impl TickScheduler {
    /// The pace of the workers of a process, whose first tick, open from the start, is `start`. Where there is a lease,
    /// nothing shows that it does not cover.
    pub(crate) fn new(
        rules: TickPolicy,
        place: ClusterPlace,
        start: Time,
        registry: &SourceRegistry,
        lease: Option<Arc<dyn TimestampLease>>,
    ) -> Self {
        let (peers, tick) = (place.peers(), registry.open());
        tick.store(start, Ordering::Release);
        // What was restored has a time.
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
            // Until it has been asked, a source may have anything to catch up with.
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

    /// Adds a worker of this process; the leader, where it is one of them, comes first.
    pub(crate) fn join(&self, waker: Waker) {
        self.wakers().push(waker);
    }

    /// How many workers have joined.
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

    /// Notes what a worker fed, how much it knows to be waiting upstream, and how far it has come while it catches up.
    pub(crate) fn fed(&self, worker: usize, fed: FeedProgress) {
        let FeedProgress { records, waiting, reached } = fed;
        self.waiting[worker].store(waiting, Ordering::Relaxed);
        self.reached[worker].store(reached.unwrap_or(LIVE), Ordering::Relaxed);
        if records > 0 && self.fed.fetch_add(records, Ordering::Relaxed) == 0 && worker != 0 && self.place.leads() {
            // The leader sleeps through silence; it is to close this tick.
            if let Some(leader) = self.wakers().first() {
                leader.wake();
            }
        }
    }

    /// For the leader: a worker of another process told this of a tick.
    pub(crate) fn apply_report(&self, report: ProgressMessage, tick: Time) {
        self.waiting[report.worker].store(report.waiting, Ordering::Relaxed);
        self.reached[report.worker].store(report.reached.unwrap_or(LIVE), Ordering::Relaxed);
        self.live[report.worker].store(report.live, Ordering::Relaxed);
        for (heard, told) in self.heard[report.worker].iter().zip(report.heard) {
            heard.store(told, Ordering::Relaxed);
        }
        // What belongs to the tick before shows without another one being closed for it.
        if tick >= self.tick() {
            self.fed_elsewhere.fetch_max(report.fed, Ordering::Relaxed);
        }
    }

    /// For the workers of other processes than the leader's: the leader has closed a tick. For all: it is the end.
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
        // Each worker of the process hears of it; the first one tells.
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

    /// The tick that followers should have open.
    pub(crate) fn tick(&self) -> Time {
        self.tick.load(Ordering::Acquire)
    }

    /// How many ticks have been closed.
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Relaxed)
    }

    /// For the leader: the tick to open instead of the one that is open, if that is to be closed at `now`, when times
    /// before `shown` are published.
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

    /// For the leader: whether the tick that was last asked for is due and the lease does not cover it.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// How often the leader was heard to wait for its lease.
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

    /// For the leader: how the tick that was last found due closes, and how it shows that in its own process.
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

    /// `tick` is the first one whose time says something, if none was before.
    fn begin(&self, tick: Time) {
        if self.first.compare_exchange(0, tick, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.freshness.begin(tick);
        }
    }

    /// Whether a state as of `as_of` holds everything that there was in the sources at the start.
    pub(crate) fn has_caught_up(&self, as_of: Time) -> bool {
        self.caught_up.load(Ordering::Acquire) <= as_of
    }

    /// For the leader: a process of the cluster whose sources are not live, if there is one; `own` tells of this one's.
    pub(crate) fn waits_for(&self, own: &SourceRegistry) -> Option<usize> {
        let ClusterPlace { workers, processes, .. } = self.place;
        let is_live = |process: usize| {
            let mut live = self.live[process * workers..][..workers].iter();
            if process == 0 { own.is_live() } else { live.all(|live| live.load(Ordering::Relaxed)) }
        };
        // Alone a process knows by itself.
        if processes > 1 { (0..processes).find(|process| !is_live(*process)) } else { None }
    }

    /// For the leader: announces the tick it has opened at `now`, and whether the one before was closed for a cut.
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

    /// How long a worker without work may sleep; what arrives ends the sleep.
    pub(crate) fn patience(&self) -> Duration {
        if self.fed.load(Ordering::Relaxed) > 0 { Duration::from_micros(200) } else { Duration::from_millis(5) }
    }

    /// Ends the workers: of all processes, if the leader is one of this one, otherwise of this process only.
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

    /// For the leader: whether it is to tell all processes to end; true once.
    pub(crate) fn take_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed) && self.ending.swap(false, Ordering::Acquire)
    }

    /// Waits until the workers are to end; false when time is up.
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
