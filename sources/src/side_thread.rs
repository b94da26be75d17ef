//! A source's own thread: it ends when its owner is dropped.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// How long the owner waits for the thread's end. A thread that hangs in a call to the outside ends when the call does.
const END_MAX: Duration = Duration::from_millis(500);

/// Owns the thread. Dropped, it asks the thread to end and waits a moment for it.
pub(crate) struct SideThread {
    stop: Option<Sender<Infallible>>,
    signal: StopSignal,
    ended: Receiver<Infallible>,
}

/// For the thread: when to end.
pub(crate) struct Stop {
    ended: Receiver<Infallible>,
    signal: StopSignal,
}

/// Whether the thread is to end, for code that waits in it. The default signal is never given.
#[derive(Clone, Debug, Default)]
pub(crate) struct StopSignal(Arc<AtomicBool>);

impl StopSignal {
    pub(crate) fn is_given(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The thread is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the source is being stopped")]
pub(crate) struct Stopped;

impl SideThread {
    /// Runs `body` in a thread of that name (at most 15 bytes are shown by the system).
    pub(crate) fn spawn(name: &str, body: impl FnOnce(Stop) + Send + 'static) -> io::Result<SideThread> {
        let (stop, stopped) = channel();
        let (end, ended) = channel();
        let signal = StopSignal::default();
        let stop_signal = signal.clone();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Dropped at the thread's end, also when it panics.
            let _end = end;
            body(Stop { ended: stopped, signal: stop_signal });
        })?;
        Ok(SideThread { stop: Some(stop), signal, ended })
    }
}

impl Drop for SideThread {
    fn drop(&mut self) {
        self.signal.0.store(true, Ordering::Release);
        self.stop = None;
        // Nothing is ever sent: this returns at the thread's end or when time is up.
        let _ = self.ended.recv_timeout(END_MAX);
    }
}

impl Stop {
    /// Waits; ends early, with an error, when the thread is to end.
    pub(crate) fn wait(&self, time: Duration) -> Result<(), Stopped> {
        match self.ended.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Stopped),
        }
    }

    /// The same for what cannot borrow this.
    pub(crate) fn signal(&self) -> StopSignal {
        self.signal.clone()
    }

    /// An error when the thread is to end.
    pub(crate) fn check(&self) -> Result<(), Stopped> {
        self.wait(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_drop_ends_the_thread_at_once() {
        let ended = Arc::new(AtomicBool::new(false));
        let flag = ended.clone();
        let thread = SideThread::spawn("test", move |stop| {
            assert_eq!(stop.wait(Duration::from_secs(600)), Err(Stopped));
            flag.store(true, Ordering::Relaxed);
        });
        drop(thread.unwrap());
        assert!(ended.load(Ordering::Relaxed));
    }

    #[test]
    fn a_thread_that_hangs_does_not_hold_its_owner() {
        let (release, hang) = channel::<()>();
        let thread = SideThread::spawn("test", move |_| {
            let _ = hang.recv();
        });
        let start = Instant::now();
        drop(thread.unwrap());
        assert!(start.elapsed() < Duration::from_secs(60));
        drop(release);
    }
}
