//! The thread that takes checkpoints, and tells the sources what has become durable.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use checkpoints::{Bounds, Series, Taken, Written};
use dataflow::cut::Cuts;
use dataflow::dictionary::Dictionary;
use query_server::LastCheckpoint;

use super::{Acknowledge, Found, Restored};

/// How long the workers may take to hand in a cut.
const CUT_MAX: Duration = Duration::from_secs(60);

/// What a keeper works with.
pub(crate) struct Keeping {
    pub(crate) cuts: Arc<Cuts>,
    pub(crate) dictionary: Arc<Dictionary>,
    pub(crate) acknowledge: Acknowledge,
}

/// The running thread.
pub(crate) struct Keeper {
    stop: Sender<Instant>,
    thread: JoinHandle<()>,
    last: Arc<Mutex<LastCheckpoint>>,
}

/// The thread's own.
struct Writing {
    series: Series,
    cuts: Arc<Cuts>,
    acknowledge: Acknowledge,
    last: Arc<Mutex<LastCheckpoint>>,
}

impl Keeper {
    /// Starts to take checkpoints.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(crate) fn start(found: Found, keeping: Keeping) -> std::io::Result<Keeper> {
        let Found { store, every, restored, id_key, .. } = found;
        let restored: Option<&Restored> = restored.as_deref();
        let as_of_ms = restored.map_or(0, Restored::tick);
        let last = Arc::new(Mutex::new(LastCheckpoint { as_of_ms, ..LastCheckpoint::default() }));
        let Keeping { cuts, dictionary, acknowledge } = keeping;
        let series = Series::new(store, id_key, dictionary, restored, Bounds::default());
        let writing = Writing { series, cuts, acknowledge, last: last.clone() };
        let (stop, stopped) = channel();
        let thread =
            std::thread::Builder::new().name("checkpoints".into()).spawn(move || writing.run(every, &stopped))?;
        Ok(Keeper { stop, thread, last })
    }

    /// What is told of checkpoints.
    pub(crate) fn last(&self) -> Arc<dyn Fn() -> LastCheckpoint + Send + Sync> {
        let last = self.last.clone();
        Arc::new(move || last.lock().expect("no holder of this lock can panic").clone())
    }

    /// Takes a last checkpoint, if that can be done by `deadline`, and ends. The workers must still run.
    pub(crate) fn finish(self, deadline: Instant) {
        // It has ended only if it panicked, and then the process has.
        let _ = self.stop.send(deadline);
        let _ = self.thread.join();
    }
}

impl Writing {
    fn run(mut self, every: Duration, stopped: &Receiver<Instant>) {
        loop {
            match stopped.recv_timeout(every) {
                Err(RecvTimeoutError::Timeout) => self.take(CUT_MAX, None),
                Ok(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    return self.take(left, Some(deadline));
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Takes a checkpoint; after a failure the next one holds everything.
    fn take(&mut self, patience: Duration, deadline: Option<Instant>) {
        let start = Instant::now();
        let Some(cut) = self.cuts.take(patience) else {
            self.failed("the workers did not come to a common tick in time".into());
            return;
        };
        let tick = cut.tick;
        let in_time = || deadline.is_none_or(|deadline| Instant::now() <= deadline);
        match self.series.take(cut, in_time) {
            Ok(None) => {}
            Ok(Some(Taken { written, full, positions })) => {
                if let Some(error) = &written.not_removed {
                    tracing::warn!(%error, "checkpoints that are not needed any more could not be removed");
                }
                let took_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::debug!(tick, rows = written.rows, bytes = written.bytes, full, took_ms, "checkpoint");
                (self.acknowledge)(&positions);
                let mut last = self.last.lock().expect("no holder of this lock can panic");
                let Written { rows, bytes, .. } = written;
                let (taken, failed) = (last.taken + 1, last.failed);
                *last = LastCheckpoint { as_of_ms: tick, full, rows, bytes, took_ms, taken, failed, failure: None };
            }
            Err(error) => self.failed(error.to_string()),
        }
    }

    fn failed(&self, failure: String) {
        tracing::error!(reason = failure, "no checkpoint could be taken; the last one stays, and it is tried again");
        let mut last = self.last.lock().expect("no holder of this lock can panic");
        last.failed += 1;
        last.failure = Some(failure);
    }
}
