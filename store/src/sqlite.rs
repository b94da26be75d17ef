//! SQLite: the embedded home. One thread writes, some read; WAL lets them work at the same time.
//!
//! ```text
//! write ─▶ bounded queue ─▶ writer: one transaction for all that wait, a savepoint each ─▶ fsync ─▶ answers
//! read ──▶ bounded queue ─▶ readers, each with its own connection
//! ```
//! What waits while the disk takes one transaction is one transaction together.

mod dangling;
mod follow;
mod import;
mod load;
mod opening;
mod rows;
mod saver;
mod threads;
mod write;

use std::io::BufRead;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use rusqlite::ErrorCode;
use tokio::sync::oneshot;

use crate::error::{Refusal, StoreError};
use crate::follower::{Follow, FollowError, Follower};
use crate::home::{BoxFuture, ListRequest, Store, Stored, WriteRequest, Written};
use crate::import::{ImportReport, ImportRequest};
use crate::kind::Kind;
use crate::queue::{self, WAITING_MAX, WriteJob};
use crate::row::Row;
use crate::settings::Settings;
use crate::shop_file::LoadRequest;

use follow::SqliteFollower;
use threads::ReadJob;

pub use opening::{OpenError, examine};

/// The name of the stream of changes in positions and tokens: the source reads it, and an answer to a write names it.
pub const STREAM: &str = "store";

/// Threads that read.
const READERS: usize = 2;

/// The store in a SQLite file.
pub struct SqliteStore {
    settings: Settings,
    writes: SyncSender<WriteJob>,
    reads: SyncSender<ReadJob>,
}

impl SqliteStore {
    /// Opens the file, creates what is missing, and starts the threads. They end when the store is dropped and what waits
    /// is done.
    ///
    /// # Errors
    /// When the file cannot be opened, or was made by a newer version.
    pub fn open(settings: Settings) -> Result<SqliteStore, OpenError> {
        let writer = opening::writer(&settings.path)?;
        let (writes, write_jobs) = sync_channel(WAITING_MAX);
        let (reads, read_jobs) = sync_channel(WAITING_MAX);
        let readers = (0..READERS).map(|_| opening::reader(&settings.path)).collect::<Result<Vec<_>, _>>()?;
        threads::start(writer, write_jobs, readers, read_jobs, &settings)?;
        Ok(SqliteStore { settings, writes, reads })
    }

    fn read<R: Send + 'static>(
        &self,
        read: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<R> + Send + 'static,
    ) -> BoxFuture<'_, Result<R, StoreError>> {
        let (answer, answered) = oneshot::channel();
        let job: ReadJob = Box::new(move |connection| {
            // The request may have gone away.
            let _ = answer.send(read(connection).map_err(|error| unavailable(&error)));
        });
        queue::answer_to(queue::queued(&self.reads, job), answered)
    }
}

impl Store for SqliteStore {
    fn get(&self, kind: Kind, id: String) -> BoxFuture<'_, Result<Option<Stored>, StoreError>> {
        self.read(move |connection| Ok(rows::load(connection, kind, &id)?.as_ref().map(Stored::from)))
    }

    fn list(&self, request: ListRequest) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        self.read(move |connection| rows::page(connection, &request))
    }

    fn write(&self, request: WriteRequest) -> BoxFuture<'_, Result<Written, StoreError>> {
        queue::write(&self.writes, request)
    }

    fn import(&self, request: &ImportRequest, file: &mut dyn BufRead) -> Result<ImportReport, StoreError> {
        let mut connection = opening::writer(&self.settings.path).map_err(|error| closed(&error))?;
        import::import(&mut connection, request, file, &self.settings)
    }

    fn export(&self, kind: Kind, see: &mut dyn FnMut(Row) -> bool) -> Result<(), StoreError> {
        let mut connection = opening::reader(&self.settings.path).map_err(|error| closed(&error))?;
        let read = |transaction: rusqlite::Transaction<'_>| rows::each(&transaction, kind, see);
        connection.transaction().and_then(read).map_err(|error| unavailable(&error))
    }

    fn price_digits(&self) -> usize {
        self.settings.price_digits
    }

    fn stream(&self) -> &'static str {
        STREAM
    }
}

impl Follow for SqliteStore {
    fn follow(&self) -> Result<Box<dyn Follower>, FollowError> {
        let connection = opening::reader(&self.settings.path).map_err(|error| FollowError(error.to_string()))?;
        Ok(Box::new(SqliteFollower::new(connection)))
    }

    fn load(&self, request: &LoadRequest, file: &mut dyn BufRead) -> Result<Option<ImportReport>, StoreError> {
        let connection = opening::writer(&self.settings.path).map_err(|error| closed(&error))?;
        load::load(&connection, request, file, &self.settings)
    }
}

fn closed(error: &OpenError) -> StoreError {
    tracing::warn!(%error, "the file of the store cannot be opened");
    StoreError::Unavailable(error.reason())
}

fn unavailable(error: &rusqlite::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// Why the write with this index failed: it is refused if it would break a constraint. The message names columns, no values.
fn failed(index: usize, error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => {
            StoreError::Refused { index, refusal: Refusal::Constraint(error.to_string()) }
        }
        _ => unavailable(error),
    }
}

/// The store, shared.
///
/// # Errors
/// See [`SqliteStore::open`].
pub fn open(settings: Settings) -> Result<Arc<SqliteStore>, OpenError> {
    Ok(Arc::new(SqliteStore::open(settings)?))
}
