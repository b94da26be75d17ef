//! The slots into which workers publish and from which readers read, and the time as of which all slots are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};

use super::Snapshot;
use crate::feed::position::Position;
use crate::time::Time;

type Hook = Box<dyn Fn() + Send + Sync>;

/// One slot for each worker of this process, and the least frontier of all of them.
pub struct PublishedSnapshots {
    snapshots: Vec<ArcSwap<Snapshot>>,
    uppers: Vec<AtomicU64>,
    /// The least of `uppers`: times before it are complete everywhere. Never goes back.
    closed: AtomicU64,
    waiters: AtomicUsize,
    hooks: Mutex<Vec<Hook>>,
    waiting: (Mutex<()>, Condvar),
}

impl PublishedSnapshots {
    /// Empty slots for `workers` workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        PublishedSnapshots {
            snapshots: (0..workers).map(|_| ArcSwap::from_pointee(Snapshot::empty())).collect(),
            uppers: (0..workers).map(|_| AtomicU64::new(0)).collect(),
            closed: AtomicU64::new(0),
            waiters: AtomicUsize::new(0),
            hooks: Mutex::default(),
            waiting: (Mutex::new(()), Condvar::new()),
        }
    }

    /// The number of workers that publish here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.snapshots.len()
    }

    /// Whether there are no slots; never true in a running engine.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.snapshots.is_empty()
    }

    /// Times before this one are complete in every worker. Never goes back.
    #[must_use]
    pub fn closed(&self) -> Time {
        self.closed.load(Ordering::Acquire)
    }

    /// A worker's snapshot, with a time as of which this snapshot and those of all other workers can be read.
    pub(crate) fn read(&self, slot: usize) -> (Guard<Arc<Snapshot>>, Time) {
        loop {
            let as_of = self.closed().saturating_sub(1);
            let snapshot = self.snapshots[slot].load();
            // A snapshot published after `closed` was read may have compacted that time: then `closed` has advanced
            // too.
            if snapshot.since <= as_of {
                return (snapshot, as_of);
            }
            std::hint::spin_loop();
        }
    }

    /// The snapshots of all workers, with a time as of which all of them can be read.
    pub(crate) fn read_all(&self) -> (Vec<Guard<Arc<Snapshot>>>, Time) {
        loop {
            let as_of = self.closed().saturating_sub(1);
            let snapshots: Vec<_> = self.snapshots.iter().map(ArcSwap::load).collect();
            if snapshots.iter().all(|snapshot| snapshot.since <= as_of) {
                return (snapshots, as_of);
            }
            std::hint::spin_loop();
        }
    }

    /// Publishes a worker's snapshot; returns the previous one.
    pub(crate) fn publish(&self, slot: usize, snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        let upper = snapshot.upper;
        let old = self.snapshots[slot].swap(snapshot);
        // All threads see the stores in one order: of two workers that publish at the same instant, at least one must
        // see the other's store. Otherwise neither would advance `closed`, and the next tick waits for it.
        self.uppers[slot].store(upper, Ordering::SeqCst);
        let least = self.uppers.iter().map(|upper| upper.load(Ordering::SeqCst)).min().unwrap_or(0);
        let before = self.closed.fetch_max(least, Ordering::SeqCst);
        if before < least && self.waiters.load(Ordering::SeqCst) > 0 {
            self.notify();
        }
        old
    }

    /// The tick from which on all records before `wanted` are visible, if they have been published.
    ///
    /// It may be up to one tick late: it is the frontier of the first snapshot that was seen to cover the position.
    #[must_use]
    pub fn covered_at(&self, wanted: &Position) -> Option<Time> {
        self.snapshots.iter().find_map(|slot| {
            let snapshot = slot.load();
            let covers = |at: &Position| {
                at.partition == wanted.partition && at.next >= wanted.next && at.stream == wanted.stream
            };
            snapshot.positions.iter().any(covers).then_some(snapshot.upper)
        })
    }

    /// Whether all records before `wanted` are visible to a read that starts now.
    #[must_use]
    pub fn covers(&self, wanted: &Position) -> bool {
        self.covered_at(wanted).is_some_and(|upper| upper <= self.closed())
    }

    /// Calls `hook` whenever `closed` has advanced while a reader waits (see [`PublishedSnapshots::wait`]). It must not
    /// block.
    pub fn on_advance(&self, hook: Hook) {
        self.hooks.lock().expect("hooks do not panic").push(hook);
    }

    /// Announces a waiter; hooks are called until the ticket is dropped.
    #[must_use]
    pub fn wait(&self) -> WaitGuard<'_> {
        self.waiters.fetch_add(1, Ordering::SeqCst);
        WaitGuard(self)
    }

    /// Blocks the calling thread until `ready` holds, and checks again whenever `closed` advances; false after the
    /// timeout.
    pub fn wait_until(&self, timeout: Duration, mut ready: impl FnMut() -> bool) -> bool {
        let _ticket = self.wait();
        let deadline = Instant::now() + timeout;
        let mut guard = self.waiting.0.lock().expect("waiters do not panic");
        loop {
            if ready() {
                return true;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            guard = self.waiting.1.wait_timeout(guard, left).expect("waiters do not panic").0;
        }
    }

    fn notify(&self) {
        drop(self.waiting.0.lock().expect("waiters do not panic"));
        self.waiting.1.notify_all();
        for hook in self.hooks.lock().expect("hooks do not panic").iter() {
            hook();
        }
    }
}

/// Marks a reader that waits for `closed` to advance.
pub struct WaitGuard<'a>(&'a PublishedSnapshots);

impl Drop for WaitGuard<'_> {
    fn drop(&mut self) {
        self.0.waiters.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits until two threads have arrived `times` times; spins, so that they continue at the same time.
    fn meet(arrived: &AtomicU64, times: u64) {
        arrived.fetch_add(1, Ordering::SeqCst);
        for tries in 1.. {
            if arrived.load(Ordering::SeqCst) >= 2 * times {
                return;
            }
            if tries % 1000 == 0 {
                std::thread::yield_now();
            }
        }
    }

    /// Two workers publish each tick as simultaneously as threads can; returns the ticks that did not close.
    fn race(ticks: Time) -> Vec<Time> {
        let (snapshots, arrived) = (PublishedSnapshots::new(2), AtomicU64::new(0));
        let publish_all = |slot: usize| {
            let mut open = Vec::new();
            for upper in 1..=ticks {
                let snapshot = Arc::new(Snapshot { upper, ..Snapshot::empty() });
                meet(&arrived, 2 * upper - 1);
                snapshots.publish(slot, snapshot);
                meet(&arrived, 2 * upper);
                if snapshots.closed() < upper {
                    open.push(upper);
                }
            }
            open
        };
        std::thread::scope(|scope| {
            scope.spawn(|| publish_all(1));
            publish_all(0)
        })
    }

    #[test]
    fn workers_that_publish_at_the_same_instant_still_close_the_tick() {
        assert_eq!(race(200_000), []);
    }

    #[test]
    fn a_reader_never_gets_a_snapshot_that_has_forgotten_its_time() {
        let (snapshots, last) = (PublishedSnapshots::new(1), 200_000);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for upper in 1..=last {
                    let since = snapshots.closed().saturating_sub(1);
                    snapshots.publish(0, Arc::new(Snapshot { upper, since, ..Snapshot::empty() }));
                }
            });
            while snapshots.closed() < last {
                let (snapshot, as_of) = snapshots.read(0);
                assert!(snapshot.since <= as_of && as_of <= snapshot.upper, "{as_of} cannot be read");
            }
        });
    }
}
