//! A checkpoint that a start goes on from: rows for the workers, rows and positions for the sources.

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

/// What was restored, but for the rows themselves, which are read when they are asked for.
pub struct Restored {
    checkpoint: Restorable,
    frames: Vec<FrameRef>,
}

/// A checkpoint cannot be gone on from.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Error),
    /// Its names are not those of this process.
    #[error("a checkpoint's names: {0}")]
    Names(#[from] Collision),
}

impl Restored {
    /// Reads the names into the dictionary; the other rows stay where they are for now.
    ///
    /// # Errors
    /// The disk's refusal, damage since the checkpoint was verified, or names that the dictionary has for other keys.
    pub fn read(checkpoint: Restorable, dictionary: &Dictionary) -> Result<Restored, RestoreError> {
        let (names, frames): (Vec<_>, Vec<_>) =
            checkpoint.frames().into_iter().partition(|frame| frame.table() == TableId::NAMES);
        for frame in names {
            frame.names()?.iter().try_for_each(|name| dictionary.learn(name))?;
        }
        Ok(Restored { checkpoint, frames })
    }

    /// The tick whose rows these are.
    #[must_use]
    pub fn tick(&self) -> Time {
        self.checkpoint.tick
    }

    /// How many rows are to be read.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.frames.iter().map(FrameRef::len).sum()
    }

    /// How many checkpoints it is made of.
    #[must_use]
    pub fn chain_len(&self) -> usize {
        self.checkpoint.chain.len()
    }

    /// Where all sources had been.
    #[must_use]
    pub fn positions(&self) -> &[Position] {
        &self.checkpoint.positions
    }

    /// Where a stream's partition had been.
    #[must_use]
    pub fn position(&self, stream: &str, partition: i32) -> Option<&Position> {
        self.positions().iter().find(|position| &*position.stream == stream && position.partition == partition)
    }

    /// Whether the catalogue holds products that are in no category. An earlier version left them out: its catalogue is to be
    /// read anew.
    #[must_use]
    pub fn has_whole_catalogue(&self) -> bool {
        self.checkpoint.whole_catalogue
    }

    /// The rows of a table, each as often as it has copies.
    ///
    /// # Errors
    /// The disk's refusal, or damage since the checkpoint was verified.
    pub fn copies_of<T: Table<Diff = Diff>>(&self) -> Result<Vec<T::Row>, Error> {
        let mut rows = Vec::new();
        for frame in self.frames.iter().filter(|frame| frame.table() == TableId::of::<T>()) {
            rows.append(&mut frame.rows::<T>()?);
        }
        consolidate(&mut rows);
        let copies = |(row, copies): (Pair<T>, Diff)| repeat_n(row, usize::try_from(copies).unwrap_or(0));
        Ok(rows.into_iter().flat_map(copies).map(T::Row::from).collect())
    }

    /// The rows for the workers.
    #[must_use]
    pub fn restore(self: &Arc<Self>) -> Restore {
        let restored = self.clone();
        let give = move |worker: usize, peers: usize, calls: usize, inputs: &mut Inputs| {
            let Some(frame) = restored.frames.get(worker + calls * peers) else { return false };
            Tables::<Nothing>::make(&mut Give { frame, inputs });
            true
        };
        Restore { tick: self.tick(), give: Arc::new(give) }
    }
}

/// Gives a frame's rows to a worker's inputs.
struct Give<'a> {
    frame: &'a FrameRef,
    inputs: &'a mut Inputs,
}

impl tables::Make<Nothing> for Give<'_> {
    fn make<T: Table>(&mut self) {
        if self.frame.table() == TableId::of::<T>() {
            // It verified at the start of the process. To go on without it would be to answer wrong.
            let rows = self.frame.rows::<T>().unwrap_or_else(|error| panic!("a checkpoint cannot be read: {error}"));
            rows.into_iter().for_each(|(row, diff)| self.inputs.update::<T>(row, diff));
        }
    }
}
