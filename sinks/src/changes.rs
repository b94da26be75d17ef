//! `[sinks] changes`: every list's changes as JSON lines with their tick, for whoever keeps a copy of the lists.
//!
//! ```text
//! graph (one worker) ─▶ outlet ─▶ Queue (bounded by rows) ─▶ a thread ─▶ names for keys ─▶ lines ─▶ the file
//! ```
//! Ticks come closed and in order. Within a tick the histories stand before the best sellers, and in each of them the
//! rows that left (`-`) before the rows that entered (`+`). A line is written whole or not at all.
//!
//! Nothing is dropped: when the file cannot be written the thread tries for ever, and when the queue is full the outlet
//! blocks, and with it the graph, whose sources then stop reading (back-pressure).

mod line;
mod queue;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dataflow::dictionary::Dictionary;
use dataflow::graph::{ChangeOutlet, Changed};

use self::queue::Queue;
use self::writer::Writer;
use crate::Report;

/// How many rows may wait by default; a row in the queue takes about 50 bytes. A tick of any size is taken when
/// nothing waits.
pub const ROWS_MAX: usize = 500_000;

/// Changes were given and are not in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rows} changes could not be written in time")]
pub struct Unwritten {
    /// How many rows are missing.
    pub rows: u64,
}

/// The thread that writes the changes.
pub struct Changes {
    queue: Arc<Queue>,
    done: Receiver<()>,
}

impl Changes {
    /// Starts to append to `file`, which is made at the first tick; nobody else may write it. A line that a crash left
    /// unfinished is cut off.
    ///
    /// At every start the lists are built anew from nothing. So, where the file has lines already, the first one of
    /// this start says that all lists are empty: `{"tick":…,"list":"all","change":"reset"}`.
    ///
    /// `dictionary` names what the graph knows by keys. Users have names there only if it remembers users; a key without
    /// name is written as `null`. `report` is told when the file cannot be written, and when it can be again.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        file: PathBuf,
        dictionary: Arc<Dictionary>,
        rows_max: usize,
        report: Report,
    ) -> io::Result<(Changes, ChangeOutlet)> {
        let queue = Arc::new(Queue::new(rows_max));
        let mut writer = Writer::new(file, dictionary, queue.clone(), report);
        let (ended, done) = channel();
        std::thread::Builder::new().name("changes".into()).spawn(move || {
            writer.run();
            // Whoever does not finish does not wait for the end either.
            let _ = ended.send(());
        })?;
        let outlet = {
            let queue = queue.clone();
            Arc::new(Mutex::new(move |changed: Changed| queue.push(changed)))
        };
        Ok((Changes { queue, done }, outlet))
    }

    /// From `deadline` on nothing waits for the file any more, neither the graph nor the thread. To be called before
    /// the graph is stopped: its worker may be waiting in the outlet.
    pub fn stop_by(&self, deadline: Instant) {
        self.queue.give_up_at(deadline);
    }

    /// Waits until all changes are in the file. To be called when the graph has stopped.
    ///
    /// # Errors
    /// When that took longer than `within`, or than [`Changes::stop_by`] allowed.
    pub fn finish(self, within: Duration) -> Result<(), Unwritten> {
        self.queue.give_up_at(Instant::now() + within);
        self.queue.close();
        // Where the thread hangs in a write, what is missing is missing all the same.
        let _ = self.done.recv_timeout(within);
        match self.queue.unwritten() {
            0 => Ok(()),
            rows => Err(Unwritten { rows }),
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.queue.give_up_at(Instant::now());
        self.queue.close();
    }
}

#[cfg(test)]
mod tests;
