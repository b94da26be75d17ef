//! PostgreSQL: orders, their lines and the catalogue, so that each transaction of the shop is one tick.
//!
//! ```text
//!  reader thread                                                                          worker 0
//! ┌─────────────────────────────────────────────────────────────────────────────────┐   ┌─────────┐
//! │ log:      slot + snapshot ─▶ COPY three tables ─▶ RowStore ─▶ Change ──────────▶│   │         │
//! │           pgoutput ─▶ rows ─▶ edits of one transaction ─▶ RowStore ─▶ Change ──▶│──▶│  Feed   │─▶ Inputs
//! │ readings: one transaction ─▶ COPY three tables ─▶ RowStore ─▶ Change ──────────▶│   │         │
//! │    ▲                                                                            │   │         │
//! │    └── backoff ◀── any failure: nothing has changed      ◀── fed, acknowledged ─┼───│         │
//! └─────────────────────────────────────────────────────────────────────────────────┘   └─────────┘
//! ```
//! - **Log** (`replication`): a publication of the three tables and a replication slot. A slot is made together with a
//!   snapshot of its very place in the log; the tables are read as of it, and the log tells the rest, transaction by
//!   transaction, each fed in one call and so visible in one tick. Rows are held by key: the log gives no old rows.
//! - **PollingReader** (`refresh`): all tables in one transaction, again after a while; the difference is one tick.
//! - **Where the log cannot be gone on from** (the slot is gone, lost or was moved on, the publication was changed, a
//!   table's definition changed, the server was put back) everything is read as of a new slot, and the difference to what is held is one tick. The range of the log that is not known change by
//!   change is warned of. The old slot goes first, so that a crash on the way is not forgotten.
//! - **Bounds**: what is held follows the window. Orders leave when they leave it, with their lines; later changes of
//!   such rows do nothing, and an order whose time is put back into the window comes back without its lines. An order that
//!   does not count for its status is held with its lines like all others: the graph passes it over. A line that
//!   is inserted, or moves away from its order, waits for the order one window. A line that is not held (it has left, or
//!   was refused) and is updated comes only to an order that is held when that transaction ends, and waits for none.
//!   A transaction is held as keys, 48 bytes a row, until it is committed.
//! - **Values** are read in one way, from the text that a type's output function writes: the log and a copy both have it.
//!   Text comes in the bytes that the database stores, ids are made canonical by their type, local times are those of a
//!   zone whose rules the server tells. Queries compare stored values with constants and compute nothing from them.
//! - **Definite errors** of one row (no id, no time, bytes that are no text, a value that the server cannot read) refuse
//!   that row: it goes to the dead letters once, and the others count. A product whose category is wrong is there
//!   without one. An order dated in the future counts from when its time has come: the graph holds it. A used column that is
//!   gone stops its table alone, until it is back and everything has been read again; so it does at a restart, where the
//!   other tables are read as of a new slot. Lines are read with their orders; without rows to go on from all three are needed.
//! - **What following costs the shop**: the server keeps its log while nobody confirms it (not for a table that stays
//!   broken, nor for readings), and refuses UPDATE and DELETE of a published table once its key is dropped or its REPLICA
//!   IDENTITY is NOTHING. The source takes such a table out of the publication, within seconds or when it starts next; who
//!   cannot wait runs `ALTER PUBLICATION … DROP TABLE …` before. Keys that are deferrable tell no rows and are refused from
//!   the start. Everything else may be done freely: tables are published whole, because the server lets no column of a
//!   publication's list change its type or go.
//! - **Values that change without a row in the log** (all rows are written anew by `ALTER COLUMN … TYPE … USING`, a label of
//!   an enum is renamed, a column takes the name of a used one) show in the table's definition (`keys`), which is compared
//!   every two seconds and, through the checkpoint (`definitions`), at a start. Where it differs everything is read anew.
//! - **Row-level security** hides rows from a query and not from the log. A table of which policies could hide rows from
//!   this role is not read (`layout`), and sessions that read tables have `row_security = off`, so that the server refuses
//!   what slips through.
//! - **Every wait is bounded** (`guard`): for a connection with all that belongs to it, for an answer, for the next row of a
//!   table, for what the log should have told by now (`ear`). The session is given up then and made anew. A new slot alone
//!   may take as long as the transactions that are open: they are named (`making`). Nothing waits when the source is to end.
//! - **Another server** than the rows held came from: a copy that has taken over (the same system identifier, a later
//!   timeline) is read anew by itself, as a difference. Any other one (a restore, `pg_upgrade`) needs a person's word, see
//!   [`Adopt`]: until then the source stands still and keeps looking, for that word and for the server it knows.
//! - **Everything else** is tried again: a lost connection with growing pauses, a missing table or column every few
//!   seconds, with the SQL or the setting that mends it in the source's state. Answers stay as they are meanwhile.
//!
//! The stream is named `postgres`; its one partition's position is the place in the log (the end of the last commit
//! fed, or any later place before which nothing of ours is left) with the server's identity as its proof, or the number
//! of readings fed, without proof. Position 0 stands for rows of no single place: resumed there, everything is read anew.

pub mod adopt;
mod blockers;
mod charset;
mod connection;
mod context;
mod copied;
mod damage;
mod definitions;
mod diagnostic;
mod ear;
mod edit;
mod error;
mod feed;
mod first_seen;
mod follower;
mod form;
mod guard;
mod health;
mod ids;
mod inspect;
mod keys;
mod layout;
mod limits;
mod lines;
mod liveness;
mod log;
mod making;
mod names;
mod opening;
mod pg_time;
mod pgoutput;
mod places;
mod polling_reader;
mod progress;
mod publication;
pub mod range;
mod reader;
mod relation;
mod release_table;
mod resume;
mod role;
mod rows;
mod schema_check;
mod session;
mod settings;
pub mod simulation;
mod slot;
mod snapshot;
#[cfg(test)]
mod soak;
mod spelling;
mod sql;
mod table;
mod table_cache;
mod trial;
mod types;
mod unmatched;
mod witness;
mod words;
mod zone;

use std::sync::{Arc, Mutex, PoisonError};

use dataflow::feed::{Feed, StreamFingerprint, WorkerContext};
use dataflow::hearing::Part;
use dataflow::source_status::{SourceRegistry, SourceStatus, State};
use dataflow::tables::{CatalogueRow, LineRow, OrderRow};
use dataflow::time::ServiceClock;

use events::DeadLetterSender;
use progress::Flow;

pub use adopt::Adopt;
pub use connection::{BadUrl, Connection, NoConnection, Target, words};
pub use definitions::Definitions;
pub use diagnostic::Diagnostic;
pub use inspect::{Look, NoSession, inspect, look, time_zone, try_session};
pub use names::{BadName, OrderItems, OrderTime, Orders, Products, Status, Tables};
pub use settings::{Mode, OrdersTable, Postgres, Settings, TableNames};

/// The source's name on the board, and its stream's.
pub const NAME: &str = "postgres";

/// The stream's name.
const STREAM: &str = NAME;

/// When the server may forget its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledge {
    /// When it was fed: there is no later reader who would need it.
    WhenFed,
    /// When [`Source::acknowledge`] says so.
    AfterCheckpoint,
}

/// Rows that are in the graph already, and where they stand.
#[derive(Clone, Debug, Default)]
pub struct Resumed {
    /// The position's `next`.
    pub lsn: i64,
    /// The position's proof.
    pub fingerprint: Option<StreamFingerprint>,
    /// What the tables were when they were read.
    pub definitions: Definitions,
    /// The orders in the graph.
    pub orders: Vec<OrderRow>,
    /// The lines in the graph.
    pub lines: Vec<LineRow>,
    /// The catalogue in the graph.
    pub catalogue: Vec<CatalogueRow>,
}

/// The settings cannot be used, whatever the server says.
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
    flow: Arc<Flow>,
    /// Until the feed is opened.
    resumed: Mutex<Option<Resumed>>,
}

impl Source {
    /// A source that is not connected yet.
    ///
    /// # Errors
    /// When the connection string or a name cannot be used.
    pub fn new(
        settings: Settings,
        clock: Arc<dyn ServiceClock>,
        status: &SourceRegistry,
        letters: DeadLetterSender,
    ) -> Result<Source, SettingsError> {
        Source::start(settings, clock, status, letters, None)
    }

    /// A source that goes on where an earlier one was: `rows` are in the graph already.
    ///
    /// # Errors
    /// When the connection string or a name cannot be used.
    pub fn resuming(
        settings: Settings,
        clock: Arc<dyn ServiceClock>,
        status: &SourceRegistry,
        letters: DeadLetterSender,
        rows: Resumed,
    ) -> Result<Source, SettingsError> {
        Source::start(settings, clock, status, letters, Some(rows))
    }

    fn start(
        settings: Settings,
        clock: Arc<dyn ServiceClock>,
        status: &SourceRegistry,
        letters: DeadLetterSender,
        resumed: Option<Resumed>,
    ) -> Result<Source, SettingsError> {
        settings.tables.check()?;
        names::check_slot(&settings.slot)?;
        names::check_slot(&settings.publication)?;
        let target = Target::new(&settings)?;
        let status = status.source(NAME);
        status.gives(&[Part::Shop]);
        status.state(0, State::CatchingUp);
        if resumed.is_none() {
            // Its rows have no time that ticks could wait for.
            status.pass_over();
        }
        let flow = Arc::new(resumed.as_ref().map_or_else(Flow::fresh, |rows| Flow::resuming(rows.lsn)));
        Ok(Source { settings, target, clock, status, letters, flow, resumed: Mutex::new(resumed) })
    }

    /// Starts to read, for worker 0; the other workers get their rows through the graph. The reading ends when the feed
    /// is dropped.
    #[must_use]
    pub fn open(&self, worker: &WorkerContext) -> Option<Box<dyn Feed>> {
        (worker.index == 0).then(|| Box::new(feed::TablesFeed::open(self, worker)) as Box<dyn Feed>)
    }

    /// Everything before `lsn`, a position's `next`, is durable: with [`Acknowledge::AfterCheckpoint`] the server may
    /// forget it. Callable from any thread; an earlier place than before does nothing.
    pub fn acknowledge(&self, lsn: i64) {
        self.flow.acknowledge(lsn);
    }

    fn take_resumed(&self) -> Option<Resumed> {
        self.resumed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
