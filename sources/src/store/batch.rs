//! Batches from the reading thread to the feed.

use dataflow::dictionary::Hold;
use dataflow::source_status::State;
use dataflow::tables::{CatalogueRow, LineRow, OrderRow};
use dataflow::time::Diff;

/// What has changed in the tables, fed in one call.
#[derive(Default)]
pub(super) struct TableChanges {
    pub(super) catalogue: Vec<(CatalogueRow, Diff)>,
    pub(super) orders: Vec<(OrderRow, Diff)>,
    pub(super) lines: Vec<(LineRow, Diff)>,
}

impl TableChanges {
    pub(super) fn len(&self) -> usize {
        self.catalogue.len() + self.orders.len() + self.lines.len()
    }
}

/// One reading.
pub(super) struct StoreBatch {
    pub(super) changes: TableChanges,
    /// The number of the change after the last one that it holds; none if it is no reading of changes.
    pub(super) next: Option<i64>,
    /// The states of parts of the source once the batch is fed: of the store, and of followed files.
    pub(super) states: Vec<(usize, State)>,
    /// Taken before the ids of the changes were seen, if they were.
    pub(super) held: Option<Hold>,
}
