//! PostgreSQL: orders, their lines and the catalogue, so that each transaction of the shop is one tick.
//!
//! ```text
//!  reader thread                                                                             worker 0
//! ┌──────────────────────────────────────────────────────────────────────────────────────┐  ┌────────┐
//! │ follow: slot + snapshot ─▶ COPY of the tables ──▶ TableCache ─▶ ChangeSet ───────────│─▶│        │
//! │         pgoutput ─▶ rows ─▶ edits of a transaction ─▶ TableCache ─▶ ChangeSet ───────│─▶│  Feed  │─▶ Inputs
//! │ poll:   one transaction ─▶ COPY of the tables ─▶ TableCache ─▶ ChangeSet ────────────│─▶│        │
//! │    ▲                                                                                 │  │        │
//! │    └── backoff ◀── any failure: nothing has changed             ◀── fed, acknowledged│──│        │
//! └──────────────────────────────────────────────────────────────────────────────────────┘  └────────┘
//! ```
//! Each layer uses only the ones above it:
//!
//! | module | what it does |
//! |---|---|
//! | `names`, `settings`, `diagnostic` | names of tables and columns, settings, problems with the SQL that solves them |
//! | `values` | values as the server writes them: text, ids, times, time zones |
//! | `session` | connections and replication sessions, with a limit on every wait |
//! | `schema` | layout, keys, column types and definitions of the tables, the publication |
//! | `rows` | decoding of rows, and the rows that are held, by key |
//! | `snapshot` | reading all tables in one transaction, for polling, for the log and for replay |
//! | `follow` | following the log: the state machine `Follower` and its I/O |
//! | `poll` | reading the tables again and again |
//! | `reader`, `feed` | the thread that decides between the two and retries; the worker's end |
//! | `rules` | a source of its own: the table of merchandising rules, read again and again |
//!
//! - **Two ways**: `replication` follows the server's log through a publication and a slot, `refresh` reads the tables again.
//!   Both hand over the difference to the rows held, which becomes visible in one tick.
//! - **Resynchronization**: where the log does not continue from the rows held, all tables are read as of a new slot, and
//!   the difference is one tick (`follow::resume`).
//! - **Bounded memory**: rows follow the window; orders leave it with their lines (`rows::table_cache`).
//! - **Errors**: a wrong row goes to the dead letters and the others count. A table that cannot be read stops alone. All other
//!   failures are retried.
//! - **What it does to the shop's database**, and which statements are affected: `docs/postgresql.md`.
//!
//! The stream is named `postgres`. Its one partition's position is a place in the log (the end of the last commit fed, or any
//! later place before which nothing of ours is left) with the server's identity as its fingerprint, or the number of readings
//! fed, without fingerprint. Position 0 stands for rows of no single place: a process that resumes there reads all tables.

pub mod adopt;
mod context;
pub(crate) mod descriptions;
mod diagnostic;
mod feed;
mod follow;
mod handover;
mod health;
mod inspect;
mod names;
mod poll;
mod progress;
mod reader;
mod rows;
pub mod rules;
mod schema;
mod session;
mod settings;
mod snapshot;
#[cfg(test)]
mod soak;
mod values;

use std::sync::{Arc, Mutex, PoisonError};

use dataflow::feed::{Feed, StreamFingerprint, WorkerContext};
use dataflow::freshness::InputKind;
use dataflow::source_status::{SourceRegistry, SourceStatus, State};
use dataflow::tables::{CatalogueRow, LineRow, OrderRow};
use dataflow::time::{Millis, ServiceClock};
use events::DeadLetterSender;

use progress::ReaderProgress;

pub use adopt::Adopt;
pub use diagnostic::Diagnostic;
pub use follow::simulation;
pub use inspect::{NoSession, ReplicationReport, inspect, inspect_replication, time_zone, try_session};
pub use names::{
    BadName, OrderItems, OrderTime, Orders, Products, RuleTable, Status, Tables, column as quoted_name, is_table,
    table as quoted_table,
};
pub use postgres_tls::SslMode;
pub use schema::definitions::Definitions;
pub use session::connection::{BadUrl, Connection, NoConnection, Target};
pub use session::error_text::error_text;
pub use settings::{Mode, OrdersTable, Settings};
pub use snapshot::range;

/// The name of the source in the registry, and of its stream.
pub const NAME: &str = "postgres";

/// The stream's name.
const STREAM: &str = NAME;

/// When the server may forget its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledge {
    /// When its changes were fed: no later process needs it.
    WhenFed,
    /// When [`Source::acknowledge`] says so.
    AfterCheckpoint,
}

/// Rows that are in the graph already, and their place in the log.
#[derive(Clone, Debug, Default)]
pub struct Resumed {
    /// The position's `next`.
    pub lsn: i64,
    /// The position's fingerprint.
    pub fingerprint: Option<StreamFingerprint>,
    /// The definitions of the tables when they were read.
    pub definitions: Definitions,
    /// The orders in the graph.
    pub orders: Vec<OrderRow>,
    /// The lines in the graph.
    pub lines: Vec<LineRow>,
    /// The catalogue in the graph.
    pub catalogue: Vec<CatalogueRow>,
}

impl Resumed {
    /// The same rows, for a process that keeps orders for `kept_ms`.
    pub(crate) fn keeping(self, kept_ms: Millis) -> Resumed {
        Resumed { definitions: self.definitions.keeping(kept_ms), ..self }
    }
}

/// The settings cannot be used with any server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The connection string.
    #[error(transparent)]
    Url(#[from] BadUrl),
    /// The name of a table or a column.
    #[error(transparent)]
    Name(#[from] BadName),
}

/// The tables of one database.
pub struct Source {
    settings: Settings,
    target: Target,
    clock: Arc<dyn ServiceClock>,
    status: Arc<SourceStatus>,
    letters: DeadLetterSender,
    progress: Arc<ReaderProgress>,
    /// Taken when the feed is opened.
    resumed: Mutex<Option<Resumed>>,
}

impl Source {
    /// A source that is not connected yet. `resumed`: the rows that are in the graph already, of an earlier source that it
    /// continues.
    ///
    /// # Errors
    /// When the connection string or a name cannot be used.
    pub fn new(
        settings: Settings,
        clock: Arc<dyn ServiceClock>,
        status: &SourceRegistry,
        letters: DeadLetterSender,
        resumed: Option<Resumed>,
    ) -> Result<Source, SettingsError> {
        settings.tables.check()?;
        names::check_slot(&settings.slot)?;
        names::check_slot(&settings.publication)?;
        let target = settings.target()?;
        let resumed = resumed.map(|rows| rows.keeping(settings.kept_ms));
        let status = status.source(NAME);
        status.gives(&[InputKind::Shop]);
        status.state(0, State::CatchingUp);
        if resumed.is_none() {
            // Its rows have no time that ticks could wait for.
            status.pass_over();
        }
        let progress =
            Arc::new(resumed.as_ref().map_or_else(ReaderProgress::fresh, |rows| ReaderProgress::resuming(rows.lsn)));
        Ok(Source { settings, target, clock, status, letters, progress, resumed: Mutex::new(resumed) })
    }

    /// Starts to read, for worker 0; the other workers get their rows through the graph. The reading ends when the feed
    /// is dropped.
    #[must_use]
    pub fn open(&self, worker: &WorkerContext) -> Option<Box<dyn Feed>> {
        (worker.index == 0).then(|| Box::new(feed::TablesFeed::open(self, worker)) as Box<dyn Feed>)
    }

    /// Everything before `lsn`, a position's `next`, is durable: with [`Acknowledge::AfterCheckpoint`] the server may
    /// forget it. Callable from any thread; a place before an earlier one has no effect.
    pub fn acknowledge(&self, lsn: i64) {
        self.progress.acknowledge(lsn);
    }

    fn take_resumed(&self) -> Option<Resumed> {
        self.resumed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
