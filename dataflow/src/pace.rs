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
//! Before a tick shows, whoever holds the [`Lease`] has noted it where a crash does not reach.
//!
//! While sources are far behind, everything queued joins one large tick, because the cost of an update falls with the
//! size of its tick; when they have caught up, ticks shrink by themselves.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use crate::board::Board;
use crate::cluster::Place;
use crate::cluster::talk::{Mark, Report};
use crate::feed::{Fed, Waker};
use crate::lease::Lease;
use crate::time::{Millis, Time};

/// The bounds within which ticks adapt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TickRules {
    /// The least time between two ticks, in milliseconds.
    pub tick_ms: Millis,
    /// After this long in silence a tick closes all the same, in milliseconds, so that windows move.
    pub idle_tick_ms: Millis,
    /// A tick closes after this long even while far behind, in milliseconds.
    pub tick_ms_max: Millis,
    /// Records in one tick at most, over all workers; also the bound of what is fed and not yet shown.
    pub batch_max: usize,
    /// Sources that know of this many unread records are far behind.
    pub behind_min: usize,
}

impl Default for TickRules {
    fn default() -> Self {
        TickRules { tick_ms: 1, idle_tick_ms: 100, tick_ms_max: 1000, batch_max: 250_000, behind_min: 50_000 }
    }
}

/// What the workers of one process share to keep pace.
pub(crate) struct Pace {
    rules: TickRules,
    place: Place,
    /// Records this process may feed into one tick.
    share: usize,
    /// The tick that is open; the board dates by it what sources say.
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
    wakers: Mutex<Vec<Waker>>,
    /// The leader is to tell all processes to end.
    ending: AtomicBool,
    stopped: AtomicBool,
    end: (Mutex<()>, Condvar),
    ticks: AtomicU64,
    /// The tick that was open when all sources had caught up for the first time; `NEVER` before.
    caught_up: AtomicU64,
    lease: Option<Arc<dyn Lease>>,
}

/// Of something that has not happened.
const NEVER: Time = Time::MAX;

/// Of a worker whose sources have caught up.
const LIVE: Time = Time::MAX;

impl Pace {
    /// The pace of the workers of a process, whose first tick, open from the start, is `start`. Where there is a lease,
    /// nothing shows that it does not cover.
    pub(crate) fn new(
        rules: TickRules,
        place: Place,
        start: Time,
        board: &Board,
        lease: Option<Arc<dyn Lease>>,
    ) -> Self {
        let (peers, tick) = (place.peers(), board.open());
        tick.store(start, Ordering::Release);
        Pace {
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
            wakers: Mutex::default(),
            ending: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            end: (Mutex::new(()), Condvar::new()),
            ticks: AtomicU64::new(0),
            caught_up: AtomicU64::new(NEVER),
            lease,
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
    pub(crate) fn fed(&self, worker: usize, fed: Fed) {
        let Fed { records, waiting, reached } = fed;
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
    pub(crate) fn reported(&self, report: Report, tick: Time) {
        self.waiting[report.worker].store(report.waiting, Ordering::Relaxed);
        self.reached[report.worker].store(report.reached.unwrap_or(LIVE), Ordering::Relaxed);
        self.live[report.worker].store(report.live, Ordering::Relaxed);
        // What belongs to the tick before shows without another one being closed for it.
        if tick >= self.tick() {
            self.fed_elsewhere.fetch_max(report.fed, Ordering::Relaxed);
        }
    }

    /// For the workers of other processes than the leader's: the leader has closed a tick. For all: it is the end.
    pub(crate) fn marked(&self, mark: Mark) {
        if mark.end {
            return self.stop_here();
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
        let age = now.saturating_sub(self.opened_at.load(Ordering::Relaxed));
        let fed = self.fed_here().max(self.fed_elsewhere.load(Ordering::Relaxed));
        if fed == 0 {
            return (age >= self.rules.idle_tick_ms && self.may_show(next)).then_some(next);
        }
        let waiting: usize = self.waiting.iter().map(|waiting| waiting.load(Ordering::Relaxed)).sum();
        let is_due = if waiting < self.rules.behind_min {
            age >= self.rules.tick_ms
        } else {
            fed >= self.share || age >= self.rules.tick_ms_max
        };
        (is_due && self.may_show(next)).then_some(next)
    }

    fn may_show(&self, tick: Time) -> bool {
        self.lease.as_ref().is_none_or(|lease| lease.covers(tick, self.has_caught_up(tick)))
    }

    /// Whether a state as of `as_of` holds everything that there was in the sources at the start.
    pub(crate) fn has_caught_up(&self, as_of: Time) -> bool {
        self.caught_up.load(Ordering::Acquire) <= as_of
    }

    /// For the leader: a process of the cluster whose sources are not live, if there is one; `own` tells of this one's.
    pub(crate) fn waits_for(&self, own: &Board) -> Option<usize> {
        let Place { workers, processes, .. } = self.place;
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

    /// The last tick that was closed for a cut; read it after [`Pace::tick`].
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
mod tests {
    use super::*;
    use crate::board::State;

    fn pace() -> Pace {
        let pace = Pace::new(
            TickRules { batch_max: 100, behind_min: 50, ..TickRules::default() },
            Place::alone(1),
            0,
            &Board::default(),
            None,
        );
        pace.fed(0, Fed::default());
        pace.open(1000, 1000, false);
        pace
    }

    fn fed(records: usize, waiting: usize) -> Fed {
        Fed { records, waiting, reached: None }
    }

    #[test]
    fn a_tick_closes_when_there_is_something_to_show_and_the_last_one_is_shown() {
        let pace = pace();
        assert_eq!(pace.due(1001, 1000), None, "nothing was fed");
        pace.fed(0, fed(1, 0));
        assert_eq!(pace.due(1001, 1000), Some(1001));
        assert_eq!(pace.due(1001, 999), None, "the tick before is not shown yet");
        assert_eq!(pace.due(1000, 1000), None, "time has not moved");
    }

    #[test]
    fn silence_closes_a_tick_too() {
        assert_eq!(pace().due(1099, 1000), None);
        assert_eq!(pace().due(1100, 1000), Some(1100));
    }

    #[test]
    fn far_behind_ticks_grow_up_to_their_bounds() {
        let pace = pace();
        pace.fed(0, fed(10, 50));
        assert_eq!(pace.due(1500, 1000), None);
        assert_eq!(pace.due(2000, 1000), Some(2000), "the longest tick");
        pace.fed(0, fed(90, 50));
        assert_eq!(pace.due(1001, 1000), Some(1001), "the largest tick");
        assert_eq!(pace.budget(), 0);
    }

    #[test]
    fn while_catching_up_ticks_are_dated_by_the_slowest_source() {
        let pace = Pace::new(TickRules::default(), Place::alone(2), 0, &Board::default(), None);
        pace.fed(0, Fed { records: 1, waiting: 0, reached: Some(500) });
        assert_eq!(pace.due(9000, 0), Some(1), "the other worker has not been asked yet");
        pace.fed(1, Fed { records: 1, waiting: 0, reached: Some(700) });
        assert_eq!(pace.due(9000, 0), Some(500));
        pace.open(500, 9000, false);
        pace.fed(0, fed(1, 0));
        assert_eq!(pace.due(9000, 500), None, "not twice at one moment");
        assert_eq!(pace.due(9001, 500), Some(700));
        pace.open(700, 9001, false);
        pace.fed(1, Fed { records: 1, waiting: 0, reached: Some(600) });
        assert_eq!(pace.due(9002, 700), Some(701), "time goes on, though one record be older than another");
        assert!(!pace.has_caught_up(9002));
        pace.fed(1, fed(1, 0));
        assert_eq!(pace.due(9002, 700), Some(9002));
        pace.fed(1, Fed { records: 0, waiting: 0, reached: Some(Fed::UNDATED) });
        assert_eq!(pace.due(9003, 700), Some(9003));
        assert!(pace.has_caught_up(700) && !pace.has_caught_up(699), "what is fed into the open tick belongs to it");
    }

    #[test]
    fn nothing_shows_that_the_lease_does_not_cover() {
        struct Until(AtomicU64, AtomicBool);

        impl Lease for Until {
            fn covers(&self, tick: Time, caught_up: bool) -> bool {
                self.1.store(caught_up, Ordering::Relaxed);
                tick <= self.0.load(Ordering::Relaxed)
            }
        }

        let lease = Arc::new(Until(AtomicU64::new(500), AtomicBool::new(true)));
        let pace = Pace::new(TickRules::default(), Place::alone(1), 0, &Board::default(), Some(lease.clone()));
        pace.fed(0, Fed { records: 1, waiting: 0, reached: Some(400) });
        assert_eq!(pace.due(9000, 0), Some(400));
        assert!(!lease.1.load(Ordering::Relaxed), "the source is catching up");
        pace.fed(0, fed(1, 0));
        assert_eq!(pace.due(9000, 0), None);
        lease.0.store(9000, Ordering::Relaxed);
        assert_eq!(pace.due(9000, 0), Some(9000));
        assert!(lease.1.load(Ordering::Relaxed));
    }

    #[test]
    fn the_leader_closes_ticks_for_what_is_fed_elsewhere_and_other_paces_follow_its_marks() {
        let place = |process| Place { workers: 1, process, processes: 2 };
        let rules = TickRules { batch_max: 100, behind_min: 50, ..TickRules::default() };
        let [leading, following] = [0, 1].map(|process| Pace::new(rules, place(process), 0, &Board::default(), None));
        leading.fed(0, fed(0, 0));
        assert_eq!(leading.due(9000, 0), Some(1), "the other process has not been heard of yet");
        leading.open(1000, 1000, false);
        let report = |fed, waiting| Report { worker: 1, fed, waiting, reached: None, live: waiting == 0 };
        let board = Board::default();
        board.source("database");
        assert_eq!(leading.waits_for(&board), Some(0));
        board.source("database").state(0, State::Live);
        assert_eq!(leading.waits_for(&board), Some(1), "it has not been heard of yet");
        leading.reported(report(3, 0), 999);
        assert_eq!(leading.waits_for(&board), None);
        assert_eq!(leading.due(1001, 1000), None, "that shows with the tick before");
        leading.reported(report(3, 0), 1000);
        assert_eq!(leading.due(1001, 1000), Some(1001));
        leading.reported(report(50, 70), 1000);
        assert_eq!(leading.waits_for(&board), Some(1));
        assert_eq!(leading.due(1001, 1000), Some(1001), "the other process may feed no more into this tick");
        following.fed(1, fed(50, 70));
        assert_eq!(following.budget(), 0);
        let mark = Mark { now: 1000, cut: true, end: false, waits_for: None, caught_up: false };
        following.marked(mark);
        assert!(!following.has_caught_up(1000));
        following.marked(mark);
        assert_eq!((following.tick(), following.cut(), following.ticks(), following.budget()), (1001, 1000, 1, 50));
        leading.stop();
        assert!(leading.take_ending() && !leading.is_stopped(), "all processes are told first");
        let end = Mark { end: true, ..mark };
        leading.marked(end);
        following.marked(end);
        assert!(leading.is_stopped() && following.wait_stopped(Duration::ZERO));
    }
}
