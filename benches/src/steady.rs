//! Work at a steady rate on a thread of its own, until it is stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::machine::rest;

const ROUND: Duration = Duration::from_millis(1);

/// Running work; ended on drop.
pub(crate) struct Steady {
    stopped: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Steady {
    /// Does `work` that many times a second, with a number from 0; what is late is made up for. The first failure ends it.
    pub(crate) fn start(per_s: f64, mut work: impl FnMut(u64) -> anyhow::Result<()> + Send + 'static) -> Steady {
        let (stopped, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (ended, count) = (stopped.clone(), done.clone());
        let run = move || {
            let start = Instant::now();
            while !ended.load(Ordering::Relaxed) {
                let number = count.load(Ordering::Relaxed);
                if (number as f64) < start.elapsed().as_secs_f64() * per_s {
                    work(number)?;
                    count.store(number + 1, Ordering::Relaxed);
                } else {
                    rest(ROUND);
                }
            }
            Ok(())
        };
        Steady { stopped, done, thread: Some(std::thread::spawn(run)) }
    }

    /// How many times it was done so far.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Whether it still goes on; [`Steady::stop`] says why not.
    pub(crate) fn goes_on(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Ends it, or says why it has ended; returns how many times it was done.
    pub(crate) fn stop(mut self) -> anyhow::Result<u64> {
        self.stopped.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("it is stopped once")?;
        thread.join().map_err(|_| anyhow::anyhow!("the thread has panicked"))??;
        Ok(self.done())
    }
}

impl Drop for Steady {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it failed with is told by `stop`; here another failure is on its way.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_until_it_is_stopped_or_fails() {
        let steady = Steady::start(1e6, |_| Ok(()));
        harness::wait_until(Duration::from_secs(20), "some of it is done", || steady.done() > 100);
        assert!(steady.goes_on() && steady.stop().unwrap() > 100);
        let failing = Steady::start(1e6, |number| if number < 3 { Ok(()) } else { anyhow::bail!("enough") });
        harness::wait_until(Duration::from_secs(20), "it fails", || !failing.goes_on());
        assert_eq!((failing.done(), failing.stop().unwrap_err().to_string()), (3, "enough".to_owned()));
    }
}
