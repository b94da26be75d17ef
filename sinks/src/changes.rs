//! `[sinks] changes`: the changes of every list as JSON lines with their tick, for systems that keep a copy of the
//! lists.
//!
//! ```text
//! graph (one worker) ─▶ outlet ─▶ ChangeQueue (bounded by rows) ─▶ a thread ─▶ names for keys ─▶ lines ─▶ the file
//! ```
//! Ticks arrive closed and in order. Within a tick the histories come before the best sellers, and within each list the
//! rows that left (`-`) come before the rows that entered (`+`). A line is written as a whole or not at all.
//!
//! No change is dropped: if the file cannot be written, the thread retries for ever; if the queue is full, the outlet
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

use self::queue::ChangeQueue;
use self::writer::ChangeFileWriter;
use crate::Report;

/// Default limit of waiting rows; a row in the queue takes about 50 bytes. A tick of any size is accepted when the
/// queue is empty.
pub const ROWS_MAX: usize = 500_000;

/// Changes were given and are not in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rows} changes could not be written in time")]
pub struct UnwrittenChanges {
    /// The number of missing rows.
    pub rows: u64,
}

/// The thread that writes the changes.
pub struct Changes {
    queue: Arc<ChangeQueue>,
    done: Receiver<()>,
}

impl Changes {
    /// Starts to append to `file`, which is created at the first tick. No other process may write it. If a crash left
    /// an unfinished line, that line is cut off.
    ///
    /// At every start the lists are built again from nothing. So if the file already has lines, the first line of this
    /// start says that all lists are empty: `{"tick":…,"list":"all","change":"reset"}`.
    ///
    /// `dictionary` translates keys into ids. It has the ids of users only if it remembers users; a key without an id
    /// is written as `null`. `report` is called when the file cannot be written, and when it can be written again.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        file: PathBuf,
        dictionary: Arc<Dictionary>,
        rows_max: usize,
        report: Report,
    ) -> io::Result<(Changes, ChangeOutlet)> {
        let queue = Arc::new(ChangeQueue::new(rows_max));
        let mut writer = ChangeFileWriter::new(file, dictionary.clone(), queue.clone(), report);
        let (ended, done) = channel();
        std::thread::Builder::new().name("changes".into()).spawn(move || {
            writer.run();
            // A thread that does not finish the changes does not wait for the end either.
            let _ = ended.send(());
        })?;
        let outlet = {
            let queue = queue.clone();
            Arc::new(Mutex::new(move |changed: Changed| queue.push((changed, dictionary.hold()))))
        };
        Ok((Changes { queue, done }, outlet))
    }

    /// From `deadline` on, neither the graph nor the thread waits for the file any longer. Call this before the graph
    /// is stopped, because its worker may be waiting in the outlet.
    pub fn stop_by(&self, deadline: Instant) {
        self.queue.give_up_at(deadline);
    }

    /// Waits until all changes are in the file. Call this after the graph has stopped.
    ///
    /// # Errors
    /// When this took longer than `within`, or than [`Changes::stop_by`] allowed.
    pub fn finish(self, within: Duration) -> Result<(), UnwrittenChanges> {
        self.queue.give_up_at(Instant::now() + within);
        self.queue.close();
        // If the thread hangs in a write, the missing changes are reported all the same.
        let _ = self.done.recv_timeout(within);
        match self.queue.unwritten() {
            0 => Ok(()),
            rows => Err(UnwrittenChanges { rows }),
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
