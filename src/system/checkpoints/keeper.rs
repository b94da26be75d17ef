//! The thread that takes checkpoints, and tells the sources what has become durable.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use checkpoints::{Draft, Error, Fingerprint, Kind, Store, Written};
use dataflow::cut::{Cut, Cuts};
use dataflow::dictionary::Dictionary;
use dataflow::feed::Position;
use dataflow::time::Time;
use query_server::LastCheckpoint;

use super::contents::{self, Changes};
use super::{Acknowledge, Found, Restored};

/// How long the workers may take to hand in a cut.
const CUT_MAX: Duration = Duration::from_secs(60);

/// Checkpoints in a row that hold changes only; each is a file to read at a start.
const CHANGES_MAX: usize = 100;

/// Below this many rows of changes nothing is written anew for the sake of a quicker start.
const CHANGED_ROWS_MIN: usize = 100_000;

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
    store: Store,
    id_key: Fingerprint,
    keeping: Keeping,
    /// The tick of the newest checkpoint that the next one can stand on.
    on: Option<Time>,
    /// Rows in the last one that holds everything, and rows and number of those on it.
    base_rows: usize,
    changed_rows: usize,
    changed: usize,
    /// Where sources had been that have not been heard of since the start.
    positions: BTreeMap<(Arc<str>, i32), Position>,
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
        let tick = restored.map(Restored::tick);
        let last = LastCheckpoint { as_of_ms: tick.unwrap_or(0), ..LastCheckpoint::default() };
        let last = Arc::new(Mutex::new(last));
        let positions = restored.map(Restored::positions).unwrap_or_default();
        let writing = Writing {
            store,
            id_key,
            keeping,
            on: tick,
            base_rows: restored.map_or(0, Restored::rows),
            changed_rows: 0,
            changed: restored.map_or(0, |restored| restored.chain_len() - 1),
            positions: positions.iter().map(|at| ((at.stream.clone(), at.partition), at.clone())).collect(),
            last: last.clone(),
        };
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
        let Some(cut) = self.keeping.cuts.take(patience) else {
            self.failed("the workers did not come to a common tick in time".into());
            return;
        };
        if self.on.is_some_and(|on| cut.tick <= on) {
            return;
        }
        let tick = cut.tick;
        match self.write(cut, deadline) {
            Ok((written, full)) => {
                self.on = Some(tick);
                if let Some(error) = &written.not_removed {
                    tracing::warn!(%error, "checkpoints that are not needed any more could not be removed");
                }
                let took_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                tracing::debug!(tick, rows = written.rows, bytes = written.bytes, full, took_ms, "checkpoint");
                let positions: Vec<Position> = self.positions.values().cloned().collect();
                (self.keeping.acknowledge)(&positions);
                let mut last = self.last.lock().expect("no holder of this lock can panic");
                let Written { rows, bytes, .. } = written;
                let (taken, failed) = (last.taken + 1, last.failed);
                *last = LastCheckpoint { as_of_ms: tick, full, rows, bytes, took_ms, taken, failed, failure: None };
            }
            Err(error) => {
                self.on = None;
                self.failed(error.to_string());
            }
        }
    }

    fn failed(&self, failure: String) {
        tracing::error!(reason = failure, "no checkpoint could be taken; the last one stays, and it is tried again");
        let mut last = self.last.lock().expect("no holder of this lock can panic");
        last.failed += 1;
        last.failure = Some(failure);
    }

    fn write(&mut self, mut cut: Cut, deadline: Option<Instant>) -> Result<(Written, bool), Error> {
        for at in cut.parts.iter().flat_map(|part| part.positions.iter()) {
            self.positions.insert((at.stream.clone(), at.partition), at.clone());
        }
        // Taken before anything is read: whatever a row needs a name for had it before the cut.
        let names = self.keeping.dictionary.take_unsaved();
        let changes = self.on.and_then(|on| Changes::since(on, &mut cut)).filter(|changes| self.is_worth(changes));
        let kind = match (&changes, self.on) {
            (Some(_), Some(on)) => Kind::Delta { on },
            _ => Kind::Full,
        };
        let positions = self.positions.values().cloned().collect();
        let draft = Draft { tick: cut.tick, kind, id_key: self.id_key, positions };
        let dictionary = &self.keeping.dictionary;
        let written = self.store.write(draft, |to| {
            match &changes {
                Some(changes) => changes.write(&names, to)?,
                None => contents::write_all(&cut, |take| dictionary.names(take), to)?,
            }
            match deadline {
                Some(deadline) if Instant::now() > deadline => Err(Error::Abandoned),
                _ => Ok(()),
            }
        })?;
        match &changes {
            Some(changes) => {
                self.changed_rows += changes.rows();
                self.changed += 1;
            }
            None => {
                self.base_rows = usize::try_from(written.rows).unwrap_or(usize::MAX);
                (self.changed_rows, self.changed) = (0, 0);
            }
        }
        Ok((written, changes.is_none()))
    }

    /// Whether a checkpoint of these changes is better than one of everything.
    fn is_worth(&self, changes: &Changes) -> bool {
        let rows = self.changed_rows + changes.rows();
        self.changed < CHANGES_MAX && (rows < CHANGED_ROWS_MIN || rows < self.base_rows)
    }
}
