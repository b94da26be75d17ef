//! PostgreSQL: orders, their lines and the catalogue, read whole now and then, so that each difference is one tick.
//!
//! ```text
//!  reader thread                                                                   worker 0
//! ┌──────────────────────────────────────────────────────────────────────────┐   ┌─────────┐
//! │ connect ─▶ one REPEATABLE READ transaction: layout ─▶ COPY three tables  │   │         │
//! │    ▲            rows become keys as they stream ─▶ RowStore ─▶ Change ───┼──▶│  Feed   │─▶ Inputs
//! │    └── backoff ◀── any failure: nothing has changed          ◀── fed ────┼───│         │
//! └──────────────────────────────────────────────────────────────────────────┘   └─────────┘
//! ```
//! - **Snapshot**: all three tables are read in one transaction, so a tick never shows an order without its lines. Only
//!   orders that can still be in the window are read, and only their lines: what is remembered is bounded by the window.
//! - **Refresh**: the same again after a while. The difference to the time before is fed in one call, that is in one tick.
//! - **Definite errors** of one row (no id, no time) refuse that row: it goes to the dead letters once, and the others
//!   count. An order dated in the future is left out until its time has come.
//! - **Everything else** is tried again: a lost connection with growing pauses, a missing table or column every few
//!   seconds, with the SQL or the setting that mends it in the source's state. Answers stay as they are meanwhile.
//!
//! The stream is named `postgres`; its one partition's position is the number of readings fed.

mod backoff;
mod connection;
mod error;
mod feed;
mod first_seen;
mod inspect;
mod layout;
mod names;
mod pulse;
mod reader;
mod snapshot;
mod sql;
mod table;

use std::sync::Arc;
use std::time::Duration;

use dataflow::board::{Board, SourceBoard, State};
use dataflow::feed::{Feed, Seat};
use dataflow::rules::Rules;
use dataflow::time::{Millis, ServiceClock};

use crate::dead_letter::DeadLetters;
use connection::Target;

pub use connection::BadUrl;
pub use inspect::{Finding, inspect};
pub use names::{BadName, OrderItems, OrderTime, Orders, Products, Tables};

/// The source's name on the board, and its stream's.
pub const NAME: &str = "postgres";

/// What the source reads, and how patient it is.
#[derive(Clone)]
pub struct Settings {
    /// Connection string: `postgresql://user@host:5432/database`, or keys and values. May hold a password.
    pub url: String,
    /// Names of the tables and of their columns.
    pub tables: Tables,
    /// Time from the end of one reading to the beginning of the next.
    pub refresh: Duration,
    /// How long an order counts, in milliseconds: older ones are not read.
    pub window_ms: Millis,
    /// How far in the future an order's time may be, in milliseconds; an order beyond is left out until then.
    pub future_ms_max: Millis,
    /// The longest wait for a connection, where the connection string names no `connect_timeout`.
    pub connect_timeout: Duration,
    /// The longest time one statement may take; the server ends it.
    pub statement_timeout: Duration,
    /// After this long without a sign of the server the state says so.
    pub silence_max: Duration,
    /// The longest pause between two attempts to connect.
    pub backoff_max: Duration,
}

impl Settings {
    /// The tables' default names, and a refresh every 30 s.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Settings {
            url: url.into(),
            tables: Tables::default(),
            refresh: Duration::from_secs(30),
            window_ms: Rules::default().window_ms,
            future_ms_max: 5 * 60 * 1000,
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(600),
            silence_max: Duration::from_secs(60),
            backoff_max: Duration::from_secs(30),
        }
    }
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
    board: Arc<SourceBoard>,
    letters: DeadLetters,
}

impl Source {
    /// A source that is not connected yet.
    ///
    /// # Errors
    /// When the connection string or a name cannot be used.
    pub fn new(
        settings: Settings,
        clock: Arc<dyn ServiceClock>,
        board: &Board,
        letters: DeadLetters,
    ) -> Result<Source, SettingsError> {
        settings.tables.check()?;
        let target = Target::new(&settings)?;
        let board = board.source(NAME);
        board.state(0, State::CatchingUp);
        Ok(Source { settings, target, clock, board, letters })
    }

    /// Starts to read, for worker 0; the other workers get their rows through the graph. The reading ends when the feed
    /// is dropped.
    #[must_use]
    pub fn open(&self, seat: &Seat) -> Option<Box<dyn Feed>> {
        (seat.index == 0).then(|| Box::new(feed::TablesFeed::open(self, seat)) as Box<dyn Feed>)
    }
}
