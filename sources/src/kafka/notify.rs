//! Calls the watcher before its time, and ends it.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Rung from any thread, also from librdkafka's callbacks; heard by one.
#[derive(Default)]
pub(super) struct Notify {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    rung: bool,
    stopped: bool,
}

impl Notify {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock can panic")
    }

    /// Something happened that is worth a look.
    pub(super) fn ring(&self) {
        self.state().rung = true;
        self.changed.notify_all();
    }

    /// Nothing is to be looked at any more.
    pub(super) fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }

    /// Whether [`Notify::stop`] was called.
    pub(super) fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    /// Waits for `least`, and from then on up to `most` in all until the bell is rung. Says whether it was; what rings
    /// during the first wait is heard at its end. A stop ends both at once.
    pub(super) fn wait(&self, least: Duration, most: Duration) -> bool {
        let start = Instant::now();
        let mut state = self.state();
        loop {
            let waited = start.elapsed();
            if state.stopped || waited >= most || (state.rung && waited >= least) {
                return std::mem::take(&mut state.rung);
            }
            let until = if state.rung { least } else { most };
            state = self.changed.wait_timeout(state, until - waited).expect("no holder of this lock can panic").0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn a_ring_ends_the_wait_and_is_heard_once() {
        let notify = Notify::default();
        notify.ring();
        notify.ring();
        assert!(notify.wait(Duration::from_millis(1), LONG));
        assert!(!notify.wait(Duration::ZERO, Duration::from_millis(1)));
    }

    #[test]
    fn a_stop_ends_every_wait() {
        let notify = Notify::default();
        notify.stop();
        notify.wait(LONG, LONG);
        assert!(notify.is_stopped());
    }
}
