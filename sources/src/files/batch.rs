//! Batches from the reading threads to the feed.

use dataflow::dictionary::Hold;
use dataflow::ids::{CategoryKey, ProductKey};
use dataflow::source_status::State;
use dataflow::tables::{CatalogueRow, OrderRow};
use dataflow::time::Diff;
use events::EventChanges;

use crate::erasures::ErasedAtStart;

/// A line of the orders: who ordered, when, and which product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sale {
    pub(super) order: OrderRow,
    pub(super) product: ProductKey,
}

/// A line of the catalogue: a product, one of its categories, and whether it can be bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ListedLine {
    pub(super) row: CatalogueRow,
    pub(super) available: bool,
}

impl ListedLine {
    /// The rows of the graph's table.
    pub(super) fn rows(self) -> impl Iterator<Item = CatalogueRow> {
        let unavailable = CatalogueRow { category: CategoryKey::UNAVAILABLE, ..self.row };
        [Some(self.row), Some(unavailable).filter(|_| !self.available)].into_iter().flatten()
    }
}

/// Changes of the graph's inputs, of one kind.
pub(super) enum InputChanges {
    /// The erasures that there were at the start, before all events.
    Erasures(ErasedAtStart),
    Events(Vec<EventChanges>),
    Sales(Vec<(Sale, Diff)>),
    ProductsFile(Vec<(ListedLine, Diff)>),
}

impl InputChanges {
    /// The number of records.
    pub(super) fn len(&self) -> usize {
        match self {
            InputChanges::Erasures(_) => 0,
            InputChanges::Events(events) => events.len(),
            InputChanges::Sales(sales) => sales.len(),
            InputChanges::ProductsFile(products) => products.len(),
        }
    }
}

/// A chunk of a file, fed in one call.
pub(super) struct FileBatch {
    /// Which of [`super::FILES`].
    pub(super) part: usize,
    /// Its changes, if any.
    pub(super) changes: Option<InputChanges>,
    /// The offset after it, and the end of the file as it was then.
    pub(super) next: u64,
    pub(super) end: u64,
    /// The state of the file once the batch is fed, if that has changed.
    pub(super) state: Option<State>,
    /// Taken before the ids of the changes were seen, if they were.
    pub(super) held: Option<Hold>,
}

impl FileBatch {
    /// The batch with the hold of its ids.
    pub(super) fn holding(self, held: Hold) -> Self {
        FileBatch { held: Some(held), ..self }
    }
}
