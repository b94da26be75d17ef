//! A checkpoint that a start goes on from: rows for the workers, rows and positions for the sources.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use dataflow::dictionary::{Collision, Dictionary};
use dataflow::engine::Restore;
use dataflow::feed::Position;
use dataflow::inputs::Inputs;
use dataflow::rows::{CatalogueRow, LineRow, OrderRow};
use dataflow::time::{Diff, Time};

use crate::error::Error;
use crate::restorable::{FrameRef, Restorable};
use crate::table::{Rows, Table};

/// What was restored, but for the rows themselves, which are read when they are asked for.
pub struct Restored {
    checkpoint: Restorable,
    frames: Vec<FrameRef>,
}

/// Rows that sources remember, each once a copy.
#[derive(Default)]
pub struct SourceRows {
    /// Orders.
    pub orders: Vec<OrderRow>,
    /// Lines of orders.
    pub lines: Vec<LineRow>,
    /// Which category each product is in.
    pub catalogue: Vec<CatalogueRow>,
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
            checkpoint.frames().into_iter().partition(|frame| frame.table() == Table::Names);
        for frame in names {
            if let Rows::Names(names) = frame.read()? {
                names.iter().try_for_each(|name| dictionary.learn(name))?;
            }
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

    /// The rows that sources remember.
    ///
    /// # Errors
    /// The disk's refusal, or damage since the checkpoint was verified.
    pub fn source_rows(&self) -> Result<SourceRows, Error> {
        let (mut orders, mut lines, mut catalogue) = (HashMap::new(), HashMap::new(), HashMap::new());
        for frame in self.frames.iter().filter(|frame| frame.table() != Table::Stamps) {
            match frame.read()? {
                Rows::Orders(rows) => add(&mut orders, rows),
                Rows::Lines(rows) => add(&mut lines, rows),
                Rows::Catalogue(rows) => add(&mut catalogue, rows),
                Rows::Stamps(_) | Rows::Names(_) => {}
            }
        }
        Ok(SourceRows { orders: copies(orders), lines: copies(lines), catalogue: copies(catalogue) })
    }

    /// The rows for the workers.
    #[must_use]
    pub fn restore(self: &Arc<Self>) -> Restore {
        let restored = self.clone();
        let give = move |worker: usize, peers: usize, calls: usize, inputs: &mut Inputs| {
            let Some(frame) = restored.frames.get(worker + calls * peers) else { return false };
            // It verified at the start of the process. To go on without it would be to answer wrong.
            let rows = frame.read().unwrap_or_else(|error| panic!("a checkpoint cannot be read: {error}"));
            give(rows, inputs);
            true
        };
        Restore { tick: self.tick(), give: Arc::new(give) }
    }
}

fn give(rows: Rows, inputs: &mut Inputs) {
    match rows {
        Rows::Stamps(rows) => rows.into_iter().for_each(|((user, product), stamp)| inputs.stamp(user, product, stamp)),
        Rows::Orders(rows) => rows.into_iter().for_each(|(row, diff)| inputs.order(row, diff as Diff)),
        Rows::Lines(rows) => rows.into_iter().for_each(|(row, diff)| inputs.line(row, diff as Diff)),
        Rows::Catalogue(rows) => rows.into_iter().for_each(|(row, diff)| inputs.catalogue(row, diff as Diff)),
        Rows::Names(_) => {}
    }
}

fn add<T: Eq + Hash>(sums: &mut HashMap<T, i64>, rows: Vec<(T, i64)>) {
    for (row, diff) in rows {
        *sums.entry(row).or_default() += diff;
    }
}

fn copies<T: Copy>(sums: HashMap<T, i64>) -> Vec<T> {
    let copies = |(row, copies): (T, i64)| std::iter::repeat_n(row, usize::try_from(copies).unwrap_or(0));
    sums.into_iter().flat_map(copies).collect()
}
