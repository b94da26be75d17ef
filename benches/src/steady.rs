//! Work at a steady rate on a thread of its own, until it is stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};

use crate::machine::rest;

const ROUND: Duration = Duration::from_millis(1);

/// Running work; ended on drop.
pub(crate) struct Steady {
    stopped: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    thread: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Steady {
    /// Calls `work` that many times per second, with a number from 0; late calls are made up for. The first failure
    /// ends it.
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

    /// The number of calls so far.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Returns the error that ended it, if any.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        let has_ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        if has_ended { self.join().and_then(|()| bail!("it has ended")) } else { Ok(()) }
    }

    /// Ends it, or returns the error that ended it; returns the number of calls.
    pub(crate) fn stop(mut self) -> anyhow::Result<u64> {
        self.stopped.store(true, Ordering::Relaxed);
        self.join()?;
        Ok(self.done())
    }

    fn join(&mut self) -> anyhow::Result<()> {
        let thread = self.thread.take().context("it was told before why it has ended")?;
        thread.join().map_err(|_| anyhow!("the thread has panicked"))?
    }
}

impl Drop for Steady {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // `stop` returns its error; here another failure is reported already.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_until_it_is_stopped_or_fails() {
        let mut steady = Steady::start(1e6, |_| Ok(()));
        harness::wait_until(Duration::from_secs(20), "some of it is done", || steady.done() > 100);
        assert!(steady.check().is_ok() && steady.stop().unwrap() > 100);
        let mut failing = Steady::start(1e6, |number| if number < 3 { Ok(()) } else { anyhow::bail!("enough") });
        let failure = harness::wait_for(Duration::from_secs(20), "it fails", || failing.check().err());
        assert_eq!((failing.done(), failure.to_string()), (3, "enough".to_owned()));
        assert!(failing.stop().is_err());
    }
}
