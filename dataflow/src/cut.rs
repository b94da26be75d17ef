//! Cuts: the base collections as of one tick, for checkpoints, taken without a pause.
//!
//! ```text
//! leader closes tick T "for a cut" ─▶ every worker: delta log up to T ─┐
//!                    its first publish past T: base batches, positions ┴▶ Part ─▶ Cuts ─(all parts)─▶ Cut, on any thread
//! ```
//! A cut is the same in every worker: all updates given up to its tick, and none given later. The base batches are
//! shared and immutable, so the workers continue at once, and the caller reads the batches in its own time. The
//! [`delta_log`] holds the updates since the previous cut, so that the cost of writing a delta follows the changes and
//! not the size of the state.

pub mod base;
pub mod delta_log;

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::feed::position::Position;
use crate::feed::waker::Waker;
use crate::time::Time;

pub use crate::erased_users::ErasedUntilByUser;
pub use base::Base;
pub use delta_log::DeltaLog;
pub(crate) use delta_log::FillLevel;

/// One worker's share of a cut.
pub struct Part {
    /// The worker's rows as of the tick.
    pub base: Base,
    /// The worker's updates after the previous cut, up to the tick; `None` if the log overflowed.
    pub delta_log: Option<DeltaLog>,
    /// The positions from which the worker's sources continue after the tick.
    pub positions: Arc<[Position]>,
    /// All users of any worker that were erased up to the tick, and perhaps some of later ticks.
    pub erased: Arc<ErasedUntilByUser>,
}

/// The base collections of this process as of one tick.
pub struct Cut {
    /// The tick: all updates up to it are in the cut.
    pub tick: Time,
    /// One part for each worker of this process.
    pub parts: Vec<Part>,
}

/// Takes requests for cuts, and the workers' parts of them.
pub struct Cuts {
    /// Updates a worker's delta log may hold.
    journal_max: usize,
    workers: usize,
    wanted: AtomicBool,
    /// The [`FillLevel`] of the fullest worker.
    fill_level: AtomicU8,
    leader: Mutex<Option<Waker>>,
    open: Mutex<Option<Cut>>,
    handed_in: Condvar,
}

impl Cuts {
    /// For `workers` workers of this process, whose delta logs hold at most `journal_max` updates each.
    #[must_use]
    pub fn new(workers: usize, journal_max: usize) -> Self {
        Cuts {
            journal_max,
            workers,
            wanted: AtomicBool::new(false),
            fill_level: AtomicU8::new(FillLevel::Low as u8),
            leader: Mutex::default(),
            open: Mutex::default(),
            handed_in: Condvar::new(),
        }
    }

    /// Asks for a cut and waits until every worker has handed in its part; `None` after the timeout.
    pub fn take(&self, timeout: Duration) -> Option<Cut> {
        self.ask();
        self.wait(timeout)
    }

    /// Asks for a cut.
    pub fn ask(&self) {
        *lock(&self.open) = None;
        self.wanted.store(true, Ordering::Release);
        if let Some(leader) = &*lock(&self.leader) {
            leader.wake();
        }
    }

    /// Waits until every worker has handed in its part of a cut, whichever process asked for it; `None` after the
    /// timeout.
    pub fn wait(&self, timeout: Duration) -> Option<Cut> {
        let deadline = Instant::now() + timeout;
        let mut open = lock(&self.open);
        loop {
            if open.as_ref().is_some_and(|cut| cut.parts.len() == self.workers) {
                return open.take();
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            open = self.handed_in.wait_timeout(open, left).expect("no holder of this lock can panic").0;
        }
    }

    /// Whether a worker's delta log is at least half full and no log has overflowed since the last cut.
    #[must_use]
    pub fn are_filling(&self) -> bool {
        self.fill_level.load(Ordering::Relaxed) == FillLevel::Half as u8
    }

    /// Takes a worker's fill level since the last cut.
    pub(crate) fn note(&self, fill_level: FillLevel) {
        self.fill_level.fetch_max(fill_level as u8, Ordering::Relaxed);
    }

    pub(crate) fn journal_max(&self) -> usize {
        self.journal_max
    }

    /// Sets the waker of the leader, which is woken when a cut is asked for.
    pub(crate) fn lead(&self, leader: Waker) {
        *lock(&self.leader) = Some(leader);
    }

    /// For the leader: whether a cut is asked for. The leader then closes a tick for it.
    pub(crate) fn take_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) && self.wanted.swap(false, Ordering::Acquire)
    }

    /// Takes a worker's part of the cut at `tick`.
    pub(crate) fn hand_in(&self, tick: Time, part: Part) {
        let mut open = lock(&self.open);
        match &mut *open {
            Some(cut) if cut.tick == tick => cut.parts.push(part),
            // The part belongs to an older cut, whose caller stopped waiting.
            Some(cut) if cut.tick > tick => return,
            open => *open = Some(Cut { tick, parts: vec![part] }),
        }
        if open.as_ref().is_some_and(|cut| cut.parts.len() == self.workers) {
            self.fill_level.store(FillLevel::Low as u8, Ordering::Relaxed);
            self.handed_in.notify_all();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of these locks can panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part() -> Part {
        Part { base: Base::empty(), delta_log: None, positions: Arc::new([]), erased: Arc::default() }
    }

    #[test]
    fn a_cut_is_whole_when_every_worker_has_handed_in_its_part_of_the_same_tick() {
        let cuts = Cuts::new(2, 10);
        cuts.hand_in(7, part());
        assert!(cuts.wait(Duration::ZERO).is_none());
        // The caller stopped waiting for the first worker: the next cut has another tick.
        cuts.hand_in(9, part());
        cuts.hand_in(7, part());
        assert!(cuts.wait(Duration::ZERO).is_none(), "parts of two ticks are no cut");
        cuts.hand_in(9, part());
        assert_eq!(cuts.wait(Duration::ZERO).unwrap().tick, 9);
        assert!(cuts.wait(Duration::ZERO).is_none(), "each cut is taken once");
    }
}
