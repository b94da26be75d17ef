//! A restored checkpoint: rows for the workers, rows and positions for the sources.

use std::iter::repeat_n;
use std::sync::Arc;

use dataflow::dictionary::{Collision, Dictionary};
use dataflow::engine::Restore;
use dataflow::feed::Position;
use dataflow::inputs::Inputs;
use dataflow::tables::{self, Nothing, Pair, Table, Tables};
use dataflow::time::{Diff, Time};
use differential_dataflow::consolidation::consolidate;

use crate::error::Error;
use crate::restorable::{FrameRef, Restorable};
use crate::table::TableId;

/// The restored checkpoint. Its rows are read when they are needed.
pub struct Restored {
    checkpoint: Restorable,
    frames: Vec<FrameRef>,
}

/// A checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Error),
    /// Its names contradict the names of this process.
    #[error("a checkpoint's names: {0}")]
    Names(#[from] Collision),
}

impl Restored {
    /// Reads the names into the dictionary; the other rows are read later.
    ///
    /// # Errors
    /// The error of the disk, damage since the checkpoint was verified, or names that the dictionary has under other
    /// keys.
    pub fn read(checkpoint: Restorable, dictionary: &Dictionary) -> Result<Restored, RestoreError> {
        let (names, frames): (Vec<_>, Vec<_>) =
            checkpoint.frames().into_iter().partition(|frame| frame.table() == TableId::NAMES);
        for frame in names {
            frame.names()?.iter().try_for_each(|name| dictionary.learn(name))?;
        }
        Ok(Restored { checkpoint, frames })
    }

    /// The tick of the rows.
    #[must_use]
    pub fn tick(&self) -> Time {
        self.checkpoint.tick
    }

    /// The number of rows to read.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.frames.iter().map(FrameRef::len).sum()
    }

    /// The number of checkpoints in its chain.
    #[must_use]
    pub fn chain_len(&self) -> usize {
        self.checkpoint.chain.len()
    }

    /// The positions of all sources.
    #[must_use]
    pub fn positions(&self) -> &[Position] {
        &self.checkpoint.positions
    }

    /// The position of a partition of a stream.
    #[must_use]
    pub fn position(&self, stream: &str, partition: i32) -> Option<&Position> {
        self.positions().iter().find(|position| &*position.stream == stream && position.partition == partition)
    }

    /// The rows of a table, each as often as it has copies.
    ///
    /// # Errors
    /// The error of the disk, or damage since the checkpoint was verified.
    pub fn copies_of<T: Table<Diff = Diff>>(&self) -> Result<Vec<T::Row>, Error> {
        let copies = |(row, copies): (Pair<T>, Diff)| repeat_n(row, usize::try_from(copies).unwrap_or(0));
        Ok(self.rows_of::<T>()?.into_iter().flat_map(copies).map(T::Row::from).collect())
    }

    /// The rows of a table, each once, with their differences.
    ///
    /// # Errors
    /// The error of the disk, or damage since the checkpoint was verified.
    pub fn rows_of<T: Table>(&self) -> Result<tables::Rows<T>, Error> {
        let mut rows = Vec::new();
        for frame in self.frames.iter().filter(|frame| frame.table() == TableId::of::<T>()) {
            rows.append(&mut frame.rows::<T>()?);
        }
        consolidate(&mut rows);
        Ok(rows)
    }

    /// Every worker learns all events that may have repeats.
    fn learn_identities(&self, inputs: &mut Inputs) {
        for frame in self.frames.iter().filter(|frame| frame.table() == TableId::of::<tables::Identities>()) {
            let rows = rows::<tables::Identities>(frame).into_iter().filter(|(_, copies)| *copies > 0);
            rows.for_each(|(row, _)| inputs.learn_identity(row));
        }
    }

    /// The rows for the workers.
    #[must_use]
    pub fn restore(self: &Arc<Self>) -> Restore {
        let restored = self.clone();
        let give = move |worker: usize, peers: usize, calls: usize, inputs: &mut Inputs| {
            if calls == 0 {
                restored.learn_identities(inputs);
            }
            let Some(frame) = restored.frames.get(worker + calls * peers) else { return false };
            Tables::<Nothing>::make(&mut Give { frame, inputs });
            true
        };
        Restore { tick: self.tick(), give: Arc::new(give) }
    }
}

/// The rows of a frame, which was valid at the start of the process. Without them, answers would be wrong.
fn rows<T: Table>(frame: &FrameRef) -> tables::Rows<T> {
    frame.rows::<T>().unwrap_or_else(|error| panic!("a checkpoint cannot be read: {error}"))
}

/// Gives a frame's rows to a worker's inputs.
struct Give<'a> {
    frame: &'a FrameRef,
    inputs: &'a mut Inputs,
}

impl tables::Make<Nothing> for Give<'_> {
    fn make<T: Table>(&mut self) {
        if self.frame.table() == TableId::of::<T>() {
            rows::<T>(self.frame).into_iter().for_each(|(row, diff)| self.inputs.update::<T>(row, diff));
        }
    }
}
