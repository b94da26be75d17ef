//! A thread of the lowest priority that does the same work again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::Context as _;

/// The lowest priority of Linux.
const NICE: i32 = 19;

/// How long the end of the thread is waited for. A reading from a server that does not answer ends later, by its own limit.
const END_MAX: Duration = Duration::from_millis(500);

/// The running thread. Dropped, it asks the thread to end and waits a moment for it.
pub(super) struct BackgroundThread {
    is_ending: Arc<AtomicBool>,
    end: Option<Sender<()>>,
    ended: Receiver<()>,
}

impl BackgroundThread {
    /// Starts the thread, which does its work at once and then every `every`. The work gets a function that says whether to go on.
    ///
    /// # Errors
    /// When the system denies a thread.
    pub(super) fn start(
        name: &str,
        every: Duration,
        mut work: impl FnMut(&dyn Fn() -> bool) + Send + 'static,
    ) -> anyhow::Result<BackgroundThread> {
        let is_ending = Arc::<AtomicBool>::default();
        let (end, ending) = channel();
        let (has_ended, ended) = channel();
        let asked = Arc::clone(&is_ending);
        let run = move || {
            // Dropped at the thread's end.
            let _has_ended: Sender<()> = has_ended;
            // On Linux, the priority belongs to the thread. Without it the thread still works.
            let _ = rustix::process::nice(NICE);
            loop {
                work(&|| !asked.load(Ordering::Acquire));
                if ending.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name(name.into()).spawn(run);
        thread.with_context(|| format!("thread `{name}` cannot be started"))?;
        Ok(BackgroundThread { is_ending, end: Some(end), ended })
    }
}

impl Drop for BackgroundThread {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::Release);
        self.end = None;
        // Nothing is ever sent: this returns at the thread's end or when time is up.
        let _ = self.ended.recv_timeout(END_MAX);
    }
}
