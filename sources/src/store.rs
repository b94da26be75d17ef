//! The store: the shop's own tables of Vitrine, followed in the order of their log of changes.
//!
//! ```text
//!  start ──▶ all rows ─▶ difference to the rows of the checkpoint ─┐
//!                                                                  ├─▶ Feed ─▶ Inputs (worker 0)
//!  changes ─▶ the rows that changed, as they are now ──────────────┘
//!     ▲
//!     └────── product_catalog.csv, orders.csv: loaded into the store as they change
//! ```
//! - **Position**: the stream is `store`, its partition 0, its offset the number of the next change. The answer to a
//!   write names the number of its change, so that `after=` waits for it.
//! - **Whole transactions**: a reading is of one state of the store, and all of it is one batch. A transaction is never
//!   shown in part.
//! - **Restart**: all rows are read, and the difference to the rows of the checkpoint is one tick. The same happens when the
//!   source is so far behind that some changes are not kept any more.
//! - **Categories** are trees: a product is in its category and in all ancestors of it. So the best sellers of a parent count
//!   each buyer of a product once.
//! - **Not for sale**: a product that is not available is in its categories all the same, and on no list.
//! - **Files**: with a directory, its CSV files are loaded into the store, by the same thread that follows it. A file counts
//!   as read when the changes it made are fed, and the first reading waits until each file is loaded or cannot be.
//! - **Orders** that are kept no longer are not held. A returned line is no line; a cancelled order does not count.
//! - **Replay**: all rows are read once, by the same conversions ([`range`]).

mod batch;
mod catalogue;
pub(crate) mod descriptions;
mod feed;
mod orders;
#[cfg(test)]
mod proptests;
pub mod range;
mod reader;
mod reading;
mod shop_files;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dataflow::feed::{Feed, WorkerContext};
use dataflow::freshness::InputKind;
use dataflow::source_status::{SourceRegistry, SourceStatus, State};
use dataflow::tables::{CatalogueRow, LineRow, OrderRow};
use dataflow::time::{Millis, ServiceClock};
use events::DeadLetterSender;
use store::Follow;

/// The source's name in the status, and the name of its stream.
pub const NAME: &str = store::sqlite::STREAM;

/// Time between two looks for changes.
const POLL: Duration = Duration::from_millis(2);

/// The rows of a checkpoint, which the graph holds at the start.
#[derive(Default)]
pub struct Resumed {
    /// The orders in the graph.
    pub orders: Vec<OrderRow>,
    /// The lines in the graph.
    pub lines: Vec<LineRow>,
    /// The catalogue in the graph.
    pub catalogue: Vec<CatalogueRow>,
}

/// The store as a source.
pub struct Source {
    store: Arc<dyn Follow>,
    /// The directory with the shop's files, if the store follows any.
    files: Option<PathBuf>,
    kept_ms: Millis,
    clock: Arc<dyn ServiceClock>,
    status: Arc<SourceStatus>,
    letters: DeadLetterSender,
    /// Taken by the worker that reads.
    resumed: Mutex<Option<Resumed>>,
}

impl Source {
    /// A source that has read nothing yet. The CSV files of the directory `files` are loaded into the store. Orders are kept
    /// for `kept_ms` milliseconds.
    #[must_use]
    pub fn new(
        store: Arc<dyn Follow>,
        files: Option<PathBuf>,
        kept_ms: Millis,
        clock: Arc<dyn ServiceClock>,
        status: &SourceRegistry,
        letters: DeadLetterSender,
        resumed: Resumed,
    ) -> Source {
        let status = status.source(NAME);
        status.gives(&[InputKind::Shop]);
        let parts = if files.is_some() { shop_files::PARTS } else { 1 };
        (0..parts).for_each(|part| status.state(part, State::CatchingUp));
        Source { store, files, kept_ms, clock, status, letters, resumed: Mutex::new(Some(resumed)) }
    }

    /// Starts to read, for worker 0; the other workers get their rows through the graph. The reading ends when the feed
    /// is dropped.
    #[must_use]
    pub fn open(&self, worker: &WorkerContext) -> Option<Box<dyn Feed>> {
        (worker.index == 0).then(|| Box::new(feed::StoreFeed::open(self, worker)) as Box<dyn Feed>)
    }
}
