//! Files: the embedded source. A directory is read, and then followed as its files grow or are replaced.
//!
//! ```text
//!  events thread   views.jsonl, product-views.json, removals.jsonl ─▶ whole lines ─▶ decode ──────────┐
//!                                                                                                     ├▶ Feed ─▶ Inputs
//!  tables thread   orders.csv, product_catalog.csv ─▶ whole records ─▶ rows ─▶ appended / RowStore ───┘ (worker 0)
//! ```
//! - **Lines** count when they have a line end; a line that is still being written waits. A line above the limit goes
//!   to the dead letters and is skipped without being held in memory. So does any line that is wrong.
//! - **Growth** is read from where the reading stopped. A file that is replaced, cut or rewritten is read from its start:
//!   views and removals that were read stay (reading them again changes nothing), and of a table the difference is fed
//!   in one tick, once the file no longer grows. A last line of a table without a line end counts when the file rests, if
//!   it can be read; otherwise it waits for the rest of it. If more of it comes, the table is read again and the difference
//!   is fed.
//! - **Missing** files are waited for. An empty directory is a shop without visitors.
//! - **Times**: an event's time is at most the time its line arrived: now, or for what is there at the start, the file's
//!   modification time. A line without a time gets a time of its own: the arrival's, counted back by one millisecond for
//!   every line that arrived after it, and later than any line before it. So the order of lines is the order of views. Lines that were
//!   there when a removal or an erasure was written stay older than it (see the module `places`).
//! - **Orders**: each line of `orders.csv` has buyer, product and time. Lines of orders that are too old to be kept are
//!   skipped; lines that become so are removed. An order is cancelled by a rewrite without its lines.
//! - **Erasures** that are in the file of removals at the start are given before all events (see the module `erasures`).
//! - **Positions**: the stream is the file's name, its partition 0, its offset the byte after the last line fed.

mod batch;
mod context;
pub(crate) mod descriptions;
mod erasures;
mod event_file;
mod feed;
mod follow;
mod lines;
mod orders;
pub mod places;
mod products;
pub mod range;
mod records;
mod rows;
mod table;
mod times;
pub mod whole_lines;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dataflow::feed::{Feed, WorkerContext};
use dataflow::freshness::InputKind;
use dataflow::rules::EventUse;
use dataflow::source_status::{SourceRegistry, SourceStatus, State};
use dataflow::time::{Millis, ServiceClock};
use events::DeadLetterSender;

/// The source's name in the status.
pub const NAME: &str = "files";

/// The longest line or record, in bytes.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// The files, in the order of their parts in the status.
pub const FILES: [&str; 5] = ["views.jsonl", "product-views.json", REMOVALS, orders::FILE, products::FILE];

/// The files with events.
pub const EVENT_FILES: [&str; 3] = [FILES[0], FILES[1], FILES[2]];

/// The file with removals and erasures.
pub const REMOVALS: &str = "removals.jsonl";

/// The settings of the source.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory with the files. It may be created later.
    pub dir: PathBuf,
    /// How long an order is kept from its time on, in milliseconds: older lines are skipped.
    pub kept_ms: Millis,
    /// Which events change rows, beside views and removals.
    pub used: EventUse,
    /// Whether the tables are read too: not where the shop's rows are in a store.
    pub tables: bool,
    /// Time between two looks at a file that has not changed.
    pub poll: Duration,
    /// How long a table must be unchanged before a rewrite of it, or its last line without a line end, counts.
    pub rest: Duration,
}

impl Settings {
    /// Settings for the files of `dir` with orders that are kept for `kept_ms` milliseconds. Files are checked every 5 ms, and
    /// a table rests when it has not changed for 250 ms.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, kept_ms: Millis) -> Self {
        let (poll, rest) = (Duration::from_millis(5), Duration::from_millis(250));
        Settings { dir: dir.into(), kept_ms, used: EventUse::default(), tables: true, poll, rest }
    }

    /// The number of files that are read, from the first one on.
    fn files(&self) -> usize {
        if self.tables { FILES.len() } else { EVENT_FILES.len() }
    }
}

/// The files of one directory.
pub struct Source {
    settings: Settings,
    clock: Arc<dyn ServiceClock>,
    status: Arc<SourceStatus>,
    letters: DeadLetterSender,
}

impl Source {
    /// A source that has read nothing yet.
    #[must_use]
    pub fn new(
        settings: Settings,
        clock: Arc<dyn ServiceClock>,
        status: &SourceRegistry,
        letters: DeadLetterSender,
    ) -> Source {
        let status = status.source(NAME);
        status.gives(if settings.tables { &InputKind::ALL } else { &[InputKind::Views] });
        (0..settings.files()).for_each(|part| status.state(part, State::CatchingUp));
        Source { settings, clock, status, letters }
    }

    /// Starts to read, for worker 0; the other workers get their rows through the graph. The reading ends when the feed
    /// is dropped.
    #[must_use]
    pub fn open(&self, worker: &WorkerContext) -> Option<Box<dyn Feed>> {
        (worker.index == 0).then(|| Box::new(feed::FilesFeed::open(self, worker)) as Box<dyn Feed>)
    }
}
