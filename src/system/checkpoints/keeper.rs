//! The thread that takes checkpoints, and tells the sources which positions have become durable.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use checkpoints::{Bounds, Pending, Series, Taken, Written};
use dataflow::cut::{Cut, Cuts};
use dataflow::dictionary::Dictionary;
use query_server::LastCheckpoint;
use sinks::dead_letters::UnwrittenLetters;

use super::{AcknowledgePositions, Found, Restored};

/// How long the workers may take to hand in a cut.
const CUT_MAX: Duration = Duration::from_secs(60);

/// How long the other processes of a cluster may take to write their parts, and how often this is checked.
const PARTS_MAX: Duration = Duration::from_secs(60);
const PARTS_LOOK: Duration = Duration::from_millis(50);

/// How long to wait for dead letters to reach the log before a checkpoint is postponed.
const SETTLE_MAX: Duration = Duration::from_secs(2);

/// How often the thread checks whether a checkpoint is due, or the shutdown has begun.
const LOOK: Duration = Duration::from_millis(200);

/// An early checkpoint is taken no sooner than after this share of the interval.
const EARLY_SHARE: u32 = 4;

/// The dependencies of a keeper.
pub(crate) struct Keeping {
    pub(crate) cuts: Arc<Cuts>,
    pub(crate) dictionary: Arc<Dictionary>,
    /// Waits until the dead letters of all records read so far are in the log: these records are not read again.
    pub(crate) settle: Settle,
    pub(crate) acknowledge: AcknowledgePositions,
    /// Whether this process asks for cuts; otherwise another process of the cluster does.
    pub(crate) leads: bool,
}

/// See [`Keeping::settle`].
pub(crate) type Settle = Box<dyn Fn(Duration) -> Result<(), UnwrittenLetters> + Send>;

/// The running thread.
pub(crate) struct Keeper {
    stop: Sender<()>,
    /// The deadline of the last checkpoint, once it is known.
    end: Arc<OnceLock<Instant>>,
    thread: JoinHandle<()>,
    last: Arc<Mutex<LastCheckpoint>>,
}

/// The state of the thread.
struct Writing {
    series: Series,
    cuts: Arc<Cuts>,
    settle: Settle,
    acknowledge: AcknowledgePositions,
    last: Arc<Mutex<LastCheckpoint>>,
    end: Arc<OnceLock<Instant>>,
}

/// The positions that become durable once all parts of a checkpoint are present.
struct Unacknowledged {
    pending: Pending,
    start: Instant,
}

impl Keeper {
    /// Starts to take checkpoints.
    ///
    /// # Errors
    /// When the system denies a thread.
    pub(crate) fn start(found: Found, keeping: Keeping) -> std::io::Result<Keeper> {
        let Found { store, every, restored, id_key, .. } = found;
        let restored: Option<&Restored> = restored.as_deref();
        let as_of_ms = restored.map_or(0, Restored::tick);
        let last = Arc::new(Mutex::new(LastCheckpoint { as_of_ms, ..LastCheckpoint::default() }));
        let Keeping { cuts, dictionary, settle, acknowledge, leads } = keeping;
        let series = Series::new(store, id_key, dictionary, restored, Bounds::default());
        let end: Arc<OnceLock<Instant>> = Arc::default();
        let writing = Writing { series, cuts, settle, acknowledge, last: last.clone(), end: end.clone() };
        let (stop, stopped) = channel();
        let run = move || if leads { writing.run(every, &stopped) } else { writing.follow(&stopped) };
        let thread = std::thread::Builder::new().name("checkpoints".into()).spawn(run)?;
        Ok(Keeper { stop, end, thread, last })
    }

    /// The information about the last checkpoint, for status and metrics.
    pub(crate) fn last(&self) -> Arc<dyn Fn() -> LastCheckpoint + Send + Sync> {
        let last = self.last.clone();
        Arc::new(move || last.lock().expect("no holder of this lock can panic").clone())
    }

    /// Takes a last checkpoint, if this is possible by `deadline`, and ends. The workers must still be running.
    pub(crate) fn finish(self, deadline: Instant) {
        // Only this function sets it.
        let _ = self.end.set(deadline);
        // The thread has ended only if it panicked, and then the process has ended too.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

impl Writing {
    fn run(mut self, every: Duration, stopped: &Receiver<()>) {
        let (mut unacknowledged, mut rested_from) = (None, Instant::now());
        loop {
            // Between two checkpoints, the thread waits for the parts of the other processes of a cluster.
            let wait = if unacknowledged.is_some() { PARTS_LOOK } else { LOOK.min(every) };
            match stopped.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) => match unacknowledged.take() {
                    Some(parts) => unacknowledged = self.acknowledge_whole(parts),
                    None if self.is_due(rested_from.elapsed(), every) => {
                        unacknowledged = self.take();
                        rested_from = Instant::now();
                    }
                    None => {}
                },
                Ok(()) => {
                    self.take();
                    return;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// A checkpoint is taken early if the delta log of a worker will overflow soon: otherwise the next checkpoint would
    /// be full.
    fn is_due(&self, rested: Duration, every: Duration) -> bool {
        rested >= every || (rested >= every / EARLY_SHARE && self.cuts.are_filling())
    }

    /// Writes this process's part of the checkpoints that process 0 of the cluster asks for.
    fn follow(mut self, stopped: &Receiver<()>) {
        loop {
            let ends = match stopped.recv_timeout(Duration::ZERO) {
                Ok(()) => true,
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // At the shutdown, all parts of the last cut have been handed in.
            let patience = if ends { Duration::ZERO } else { LOOK };
            if let Some(cut) = self.cuts.wait(patience) {
                self.write(cut, Instant::now());
            }
            if ends {
                return;
            }
        }
    }

    /// Whether the time is up. A process that shuts down waits no longer than its deadline.
    fn is_over(&self, patience: Duration, start: Instant) -> bool {
        start.elapsed() >= patience || self.end.get().is_some_and(|end| Instant::now() >= *end)
    }

    /// Takes a checkpoint; after a failure the next one is full. Returns the positions that wait for the parts of other
    /// processes before they can be acknowledged.
    fn take(&mut self) -> Option<Unacknowledged> {
        let start = Instant::now();
        self.cuts.ask();
        let cut = loop {
            match self.cuts.wait(LOOK) {
                Some(cut) => break cut,
                None if self.is_over(CUT_MAX, start) => {
                    self.failed("the workers did not reach a common tick in time".into());
                    return None;
                }
                None => {}
            }
        };
        let written = self.write(cut, start)?;
        self.acknowledge_whole(written)
    }

    /// Tells the sources the durable positions, if all processes have written their parts by now.
    fn acknowledge_whole(&self, written: Unacknowledged) -> Option<Unacknowledged> {
        let Unacknowledged { pending, start } = written;
        let pending = match self.series.durable(pending) {
            Ok(durable) => {
                (self.acknowledge)(&durable);
                return None;
            }
            Err(pending) => pending,
        };
        if start.elapsed() < PARTS_MAX {
            return Some(Unacknowledged { pending, start });
        }
        self.failed("other processes have not written their parts in time".into());
        None
    }

    /// Writes a cut; returns the positions that it makes durable together with the parts of other processes.
    fn write(&mut self, cut: Cut, start: Instant) -> Option<Unacknowledged> {
        let tick = cut.tick;
        let left = self.end.get().map_or(SETTLE_MAX, |end| end.saturating_duration_since(Instant::now()));
        let settle_max = left.min(SETTLE_MAX);
        if (self.settle)(settle_max).is_err() {
            self.series.passed_over();
            self.failed("the dead letters of the records read so far could not be written yet".into());
            return None;
        }
        let end = self.end.clone();
        let in_time = || end.get().is_none_or(|end| Instant::now() <= *end);
        match self.series.take(cut, in_time) {
            Ok(None) => None,
            Ok(Some(Taken { written, full, pending })) => {
                if let Some(error) = &written.not_removed {
                    tracing::warn!(%error, "superfluous checkpoints could not be removed");
                }
                let took_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::debug!(tick, rows = written.rows, bytes = written.bytes, full, took_ms, "checkpoint");
                let mut last = self.last.lock().expect("no holder of this lock can panic");
                let Written { rows, bytes, .. } = written;
                let (taken, failed) = (last.taken + 1, last.failed);
                if last.failure.is_some() {
                    tracing::info!("checkpoints are taken again");
                }
                *last = LastCheckpoint { as_of_ms: tick, full, rows, bytes, took_ms, taken, failed, failure: None };
                Some(Unacknowledged { pending, start })
            }
            Err(error) => {
                self.failed(error.to_string());
                None
            }
        }
    }

    fn failed(&self, failure: String) {
        let mut last = self.last.lock().expect("no holder of this lock can panic");
        // Retries follow at every interval; only a new reason is logged.
        if last.failure.as_ref() != Some(&failure) {
            tracing::error!(
                reason = failure,
                "no checkpoint could be written: the previous one stays in use, and the next attempt follows"
            );
        }
        last.failed += 1;
        last.failure = Some(failure);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use checkpoints::{Fingerprint, Place, RealDisk, Store};
    use dataflow::cut::{Base, Part};
    use dataflow::feed::Position;
    use dataflow::ids::Ids;
    use dataflow::time::Time;

    use super::*;

    #[test]
    fn nothing_is_kept_of_what_a_dead_letter_is_owed_for() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place { dir: dir.path().to_owned(), part: 0, parts: 1, keep: 1 };
        let store = Store::open(place, Arc::new(RealDisk)).unwrap();
        let dictionary = Arc::new(Dictionary::new(Ids::new([0; 16])).saving());
        let (written, heard) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
        let (settled, acknowledged) = (written.clone(), heard.clone());
        let mut writing = Writing {
            series: Series::new(store, Fingerprint::of(&[0; 16]), dictionary, None, Bounds::default()),
            cuts: Arc::new(Cuts::new(1, 10)),
            settle: Box::new(move |_| if settled.load(Ordering::Relaxed) { Ok(()) } else { Err(UnwrittenLetters) }),
            acknowledge: Arc::new(move |at| acknowledged.lock().unwrap().extend_from_slice(at.positions())),
            last: Arc::default(),
            end: Arc::default(),
        };
        let mut write = |tick: Time, is_written: bool| {
            written.store(is_written, Ordering::Relaxed);
            let next = i64::try_from(tick).unwrap();
            let position = Position::new("views", 0, next);
            let positions = Arc::new([position]);
            let part = Part { base: Base::empty(), delta_log: None, positions, erased: Arc::default() };
            if let Some(written) = writing.write(Cut { tick, parts: vec![part] }, Instant::now()) {
                writing.acknowledge_whole(written);
            }
            let last = writing.last.lock().unwrap().clone();
            (writing.series.newest_whole().unwrap(), last.full, last.failure.is_some())
        };
        assert_eq!(write(5, true), (Some(5), true, false));
        assert_eq!(write(6, false), (Some(5), true, true));
        // The updates of the cut that was not taken are in no delta log any more.
        assert_eq!(write(7, true), (Some(7), true, false));
        assert_eq!(heard.lock().unwrap().iter().map(|at| at.next).collect::<Vec<_>>(), [5, 7]);
    }
}
