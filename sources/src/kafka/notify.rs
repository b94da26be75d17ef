//! Wakes the watcher before its time, and ends it.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Notified from any thread, also from librdkafka's callbacks; one thread waits.
#[derive(Default)]
pub(super) struct Notify {
    state: Mutex<NotifyState>,
    changed: Condvar,
}

#[derive(Default)]
struct NotifyState {
    notified: bool,
    stopped: bool,
}

impl Notify {
    fn state(&self) -> MutexGuard<'_, NotifyState> {
        self.state.lock().expect("no holder of this lock can panic")
    }

    /// Something happened that the watcher should look at.
    pub(super) fn notify(&self) {
        self.state().notified = true;
        self.changed.notify_all();
    }

    /// The watcher is to end.
    pub(super) fn stop(&self) {
        self.state().stopped = true;
        self.changed.notify_all();
    }

    /// Whether [`Notify::stop`] was called.
    pub(super) fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    /// Waits for `least`, and then until a notification, up to `most` in all. Returns whether there was one; a notification
    /// during the first wait counts at its end. A stop ends both waits at once.
    pub(super) fn wait(&self, least: Duration, most: Duration) -> bool {
        let start = Instant::now();
        let mut state = self.state();
        loop {
            let waited = start.elapsed();
            if state.stopped || waited >= most || (state.notified && waited >= least) {
                return std::mem::take(&mut state.notified);
            }
            let until = if state.notified { least } else { most };
            state = self.changed.wait_timeout(state, until - waited).expect("no holder of this lock can panic").0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn a_notification_ends_the_wait_and_counts_once() {
        let notify = Notify::default();
        notify.notify();
        notify.notify();
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
