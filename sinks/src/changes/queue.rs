//! Closed ticks that wait to be written; the number of their rows is bounded. Each holds the ids that its lines need.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use dataflow::dictionary::Hold;
use dataflow::graph::Changed;

/// Ticks on their way from the graph to the file.
pub(super) struct ChangeQueue {
    rows_max: usize,
    state: Mutex<QueueState>,
    changed: Condvar,
}

/// The changes of a tick, whose ids are not forgotten before they are written.
pub(super) type HeldChanges = (Changed, Hold);

#[derive(Default)]
struct QueueState {
    ticks: VecDeque<HeldChanges>,
    /// Rows that wait here or are being written.
    rows: usize,
    /// Rows that were given and are not written, yet or for ever.
    unwritten: u64,
    give_up_at: Option<Instant>,
    closed: bool,
}

impl QueueState {
    fn given_up(&self) -> bool {
        self.give_up_at.is_some_and(|deadline| deadline <= Instant::now())
    }
}

impl ChangeQueue {
    pub(super) fn new(rows_max: usize) -> Self {
        ChangeQueue { rows_max, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Adds a tick; waits while there is no room for it. After the deadline the tick is dropped and counts as
    /// unwritten.
    pub(super) fn push(&self, changed: HeldChanges) {
        let mut state = self.state();
        let rows = changed.0.rows.len();
        state.unwritten += rows as u64;
        while state.rows > 0 && state.rows + rows > self.rows_max && !state.closed {
            if state.given_up() {
                return;
            }
            let until = state.give_up_at;
            state = self.wait(state, until);
        }
        if !state.closed {
            state.rows += rows;
            state.ticks.push_back(changed);
            self.changed.notify_all();
        }
    }

    /// The ticks that wait, at least one; `None` when the queue is closed and empty.
    pub(super) fn take(&self) -> Option<VecDeque<HeldChanges>> {
        let mut state = self.state();
        while state.ticks.is_empty() {
            if state.closed {
                return None;
            }
            state = self.wait(state, None);
        }
        Some(std::mem::take(&mut state.ticks))
    }

    /// Frees the room of rows that were taken.
    pub(super) fn release(&self, rows: usize) {
        self.state().rows -= rows;
        self.changed.notify_all();
    }

    /// Adds to the number of rows that are in the file.
    pub(super) fn written(&self, rows: u64) {
        self.state().unwritten -= rows;
    }

    pub(super) fn unwritten(&self) -> u64 {
        self.state().unwritten
    }

    /// Waits for `wait`; returns `false` as soon as the deadline has passed.
    pub(super) fn pause(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let mut state = self.state();
        while Instant::now() < until && !state.given_up() {
            let until = state.give_up_at.map_or(until, |deadline| deadline.min(until));
            state = self.wait(state, Some(until));
        }
        !state.given_up()
    }

    /// Sets the deadline, unless an earlier deadline is set.
    pub(super) fn give_up_at(&self, deadline: Instant) {
        let mut state = self.state();
        state.give_up_at = Some(state.give_up_at.map_or(deadline, |earlier| earlier.min(deadline)));
        self.changed.notify_all();
    }

    /// Accepts no more ticks; waiting ticks can still be taken.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().expect("no holder of this lock can panic")
    }

    /// Waits for any change, at most until `until`.
    fn wait<'q>(&self, state: MutexGuard<'q, QueueState>, until: Option<Instant>) -> MutexGuard<'q, QueueState> {
        match until {
            None => self.changed.wait(state).expect("no holder of this lock can panic"),
            Some(until) => {
                let wait = until.saturating_duration_since(Instant::now());
                self.changed.wait_timeout(state, wait).expect("no holder of this lock can panic").0
            }
        }
    }
}
