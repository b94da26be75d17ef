//! The served watermark, raised durably ahead of `as_of`, so that no later start serves an older state.
//!
//! ```text
//! the leader of the workers ──may this tick show?──▶ WatermarkLease ──▶ a thread raises the watermark ahead of it
//!                                                    yes, once the watermark is durable
//! ```
//! In normal operation the watermark is raised a second before it is needed, so that no tick waits for it. While
//! sources catch up, ticks may be far apart: then each tick waits for the watermark, which stays close to the served
//! time.
//!
//! The next start begins at the watermark, so it is raised no further than [`AHEAD_MS`] beyond the wall clock. Otherwise the service
//! clock, which catches up at half speed, would be further ahead after each of several quick restarts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use checkpoints::{RealDisk, ServedWatermark, WatermarkFile};
use dataflow::lease::{Extent, TimestampLease};
use dataflow::source_status::{SourceStatus, State};
use dataflow::time::{Millis, Time};

use crate::clock::wall_ms;

/// How far ahead of the requested time the watermark is raised, if that is the wall clock's.
const AHEAD_MS: Millis = 2_000;

/// How far it is raised if the requested time is that far ahead of the wall clock already.
const AHEAD_MS_MIN: Millis = 200;

/// The pause between a failure and the next attempt.
const RETRY: Duration = Duration::from_millis(500);

/// The file of the watermark, in the directory of checkpoints.
const FILE: &str = "served";

/// The lease: which ticks may show.
pub(crate) struct WatermarkLease {
    /// The newest tick that may show, by how much of the sources its state holds.
    until: [AtomicU64; 3],
    wanted: Mutex<Wanted>,
    changed: Condvar,
    wall: fn() -> Millis,
}

#[derive(Default)]
struct Wanted {
    mark: ServedWatermark,
    stopped: bool,
}

impl WatermarkLease {
    /// States that the watermark covers already may show.
    fn new(noted: ServedWatermark, wall: fn() -> Millis) -> WatermarkLease {
        let lease =
            WatermarkLease { until: Default::default(), wanted: Mutex::default(), changed: Condvar::new(), wall };
        lease.allow(noted);
        lease
    }

    /// How far ahead of a tick the watermark is raised.
    fn ahead_of(&self, tick: Time) -> Millis {
        ((self.wall)() + AHEAD_MS).saturating_sub(tick).clamp(AHEAD_MS_MIN, AHEAD_MS)
    }

    fn allow(&self, noted: ServedWatermark) {
        let extent = match noted {
            ServedWatermark { caught_up: true, .. } => Extent::CaughtUp,
            ServedWatermark { begun: true, .. } => Extent::Begun,
            _ => Extent::Partial,
        };
        self.until[..=extent as usize].iter().for_each(|until| until.store(noted.tick, Ordering::Release));
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().expect("no holder of this lock can panic")
    }

    /// Waits for a request that the watermark does not cover yet; `None` at the end.
    fn next(&self, noted: ServedWatermark) -> Option<ServedWatermark> {
        let wanted =
            self.changed.wait_while(self.wanted(), |wanted| !wanted.stopped && noted.and(wanted.mark) == noted);
        let wanted = wanted.expect("no holder of this lock can panic");
        (!wanted.stopped).then_some(wanted.mark)
    }

    /// Waits before the next attempt; false at the end.
    fn rest(&self) -> bool {
        let rested = self.changed.wait_timeout_while(self.wanted(), RETRY, |wanted| !wanted.stopped);
        !rested.expect("no holder of this lock can panic").0.stopped
    }

    fn stop(&self) {
        self.wanted().stopped = true;
        self.changed.notify_all();
    }
}

impl TimestampLease for WatermarkLease {
    fn covers(&self, tick: Time, extent: Extent) -> bool {
        let until = self.until[extent as usize].load(Ordering::Acquire);
        let ahead = self.ahead_of(tick);
        if tick + ahead / 2 > until {
            let mut wanted = self.wanted();
            let (begun, caught_up) = (extent >= Extent::Begun, extent == Extent::CaughtUp);
            let mark = ServedWatermark { tick: tick + ahead, begun, caught_up };
            // The request is repeated until it is granted: only a new one wakes the thread.
            let says = |mark: ServedWatermark| (mark.begun, mark.caught_up);
            if wanted.mark.tick < tick + ahead / 2 || says(wanted.mark.and(mark)) != says(wanted.mark) {
                wanted.mark = wanted.mark.and(mark);
                self.changed.notify_all();
            }
        }
        tick <= until
    }
}

/// The thread that raises the watermark. Dropping it ends the thread.
pub(crate) struct WatermarkThread {
    lease: Arc<WatermarkLease>,
    thread: Option<JoinHandle<()>>,
    floor: Option<ServedWatermark>,
}

impl WatermarkThread {
    /// Reads the watermark in `dir`, and from now on raises it on request; `status` shows when this fails.
    ///
    /// # Errors
    /// When the watermark cannot be read.
    pub(crate) fn start(dir: &std::path::Path, status: Arc<SourceStatus>) -> anyhow::Result<WatermarkThread> {
        let mut mark = WatermarkFile::open(dir, FILE, Arc::new(RealDisk)).with_context(|| {
            let path = dir.join(FILE);
            let holds = "holds the last served time; without it, answers after a restart may be older than before";
            format!("{} {holds}", path.display())
        })?;
        let floor = mark.read();
        let lease = Arc::new(WatermarkLease::new(floor.unwrap_or_default(), wall_ms));
        status.state(0, State::Live);
        let leased = lease.clone();
        let thread = std::thread::Builder::new().name("served-mark".into()).spawn(move || {
            let mut told: Option<String> = None;
            while let Some(wanted) = leased.next(mark.read().unwrap_or_default()) {
                match mark.raise(wanted) {
                    Ok(()) => {
                        leased.allow(mark.read().unwrap_or_default());
                        status.state(0, State::Live);
                        if told.take().is_some() {
                            tracing::info!("the served watermark can be written again: the visible state advances");
                        }
                    }
                    Err(error) => {
                        let reason = format!(
                            "the served watermark cannot be noted, and the visible state stands still until it can be: {error}"
                        );
                        // Retries follow continually; only a new reason is logged.
                        if told.as_ref() != Some(&reason) {
                            tracing::error!(reason, "the visible state stands still");
                            told = Some(reason.clone());
                        }
                        status.state(0, State::Retrying(reason));
                        if !leased.rest() {
                            break;
                        }
                    }
                }
            }
        })?;
        Ok(WatermarkThread { lease, thread: Some(thread), floor })
    }

    /// The newest state served before the start; `None` if no state was served.
    pub(crate) fn floor(&self) -> Option<ServedWatermark> {
        self.floor
    }

    /// The lease, for the workers.
    pub(crate) fn lease(&self) -> Arc<WatermarkLease> {
        self.lease.clone()
    }
}

impl Drop for WatermarkThread {
    fn drop(&mut self) {
        self.lease.stop();
        if let Some(thread) = self.thread.take() {
            // The thread ends at once; if it had panicked, the process would have ended.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use dataflow::lease::TimestampLease as _;
    use dataflow::source_status::SourceRegistry;

    use super::*;

    fn served(dir: &std::path::Path) -> (WatermarkThread, Arc<SourceRegistry>) {
        let status = Arc::new(SourceRegistry::default());
        (WatermarkThread::start(dir, status.source("mark")).unwrap(), status)
    }

    /// Requests the lease as the workers do.
    fn wait_covered(served: &WatermarkThread, tick: Time, extent: Extent) {
        while !served.lease().covers(tick, extent) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_may_show_is_noted_before() {
        let dir = tempfile::tempdir().unwrap();
        let (first, _) = served(dir.path());
        assert_eq!(first.floor(), None);
        assert!(!first.lease().covers(100_000, Extent::Begun), "nothing is noted yet");
        wait_covered(&first, 100_000, Extent::Begun);
        assert_eq!(
            served(dir.path()).0.floor(),
            Some(ServedWatermark { tick: 100_000 + AHEAD_MS, begun: true, caught_up: false })
        );
        assert!(first.lease().covers(100_001, Extent::Begun) && !first.lease().covers(100_001, Extent::CaughtUp));
        wait_covered(&first, 100_001, Extent::CaughtUp);
        drop(first);
        let (second, _) = served(dir.path());
        let floor = second.floor().unwrap();
        assert!(floor.caught_up && floor.tick >= 100_001, "{floor:?}");
        assert!(second.lease().covers(floor.tick, Extent::CaughtUp), "it says so already");
        assert!(second.lease().covers(floor.tick, Extent::Partial));
    }

    #[test]
    fn restarts_do_not_add_up_to_a_clock_that_is_far_ahead() {
        const WALL: Millis = 1_000_000;
        let mut mark = ServedWatermark::default();
        for start in 0..50 {
            // Each start begins at the mark, or at the wall clock, and shows ticks for a tenth of a second.
            let lease = WatermarkLease::new(mark, || WALL);
            let begun = mark.tick.max(WALL);
            for tick in begun..begun + 100 {
                if !lease.covers(tick, Extent::CaughtUp) {
                    mark = mark.and(lease.wanted().mark);
                    lease.allow(mark);
                }
                assert!(lease.covers(tick, Extent::CaughtUp));
            }
            mark = mark.and(lease.wanted().mark);
            // The wall clock stands still here: each start may use up what it has shown and what is raised beyond that.
            assert!(mark.tick <= WALL + AHEAD_MS + start * (100 + AHEAD_MS_MIN), "{start}: {mark:?}");
        }
    }

    #[test]
    fn that_a_source_was_never_reached_is_noted_until_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (first, _) = served(dir.path());
        wait_covered(&first, 5_000, Extent::Partial);
        let begun = || served(dir.path()).0.floor().unwrap().begun;
        assert!(!begun());
        wait_covered(&first, 5_001, Extent::Begun);
        assert!(begun());
    }

    #[test]
    fn a_mark_that_cannot_be_raised_is_told_and_nothing_shows_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let (served, status) = served(dir.path());
        wait_covered(&served, 5000, Extent::CaughtUp);
        // Replaces the file by a directory.
        std::fs::remove_file(dir.path().join(FILE)).unwrap();
        std::fs::create_dir(dir.path().join(FILE)).unwrap();
        assert!(!served.lease().covers(50_000, Extent::CaughtUp));
        while status.snapshot()[0].state == State::Live {
            std::thread::yield_now();
        }
        assert!(!served.lease().covers(50_000, Extent::CaughtUp));
    }

    #[test]
    fn a_damaged_mark_is_named_with_what_it_is_for() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), "?").unwrap();
        let error =
            WatermarkThread::start(dir.path(), SourceRegistry::default().source("mark")).map(|_| ()).unwrap_err();
        assert!(format!("{error:#}").contains("without it, answers after a restart may be older"), "{error:#}");
    }
}
