//! What the reading threads hand to the feed.

use dataflow::ids::ProductKey;
use dataflow::source_status::State;
use dataflow::tables::{CatalogueRow, OrderRow};
use dataflow::time::Diff;
use events::HistoryChange;

/// A line of the orders: who ordered, when, and which product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sale {
    pub(super) order: OrderRow,
    pub(super) product: ProductKey,
}

/// Changes to the graph's inputs, of one kind.
pub(super) enum Changes {
    Histories(Vec<HistoryChange>),
    Sales(Vec<(Sale, Diff)>),
    Products(Vec<(CatalogueRow, Diff)>),
}

impl Changes {
    pub(super) fn len(&self) -> usize {
        match self {
            Changes::Histories(changes) => changes.len(),
            Changes::Sales(sales) => sales.len(),
            Changes::Products(products) => products.len(),
        }
    }
}

/// A stretch of a file, fed in one call.
pub(super) struct Batch {
    /// Which of [`super::FILES`].
    pub(super) part: usize,
    /// What it says, if anything.
    pub(super) changes: Option<Changes>,
    /// The offset after it, and the end of the file as it was then.
    pub(super) next: u64,
    pub(super) end: u64,
    /// How the file is doing once the batch is fed, where that has changed.
    pub(super) state: Option<State>,
}
