//! PostgreSQL: the home beside the shop's other services. One thread writes, some read, each with its own connection.
//!
//! ```text
//! write ─▶ bounded queue ─▶ writer: one transaction for all that wait, a savepoint each ─▶ COMMIT ─▶ LSN ─▶ answers
//!                           (with categories among them, on a connection whose statements may take long)
//! read ──▶ bounded queue ─▶ readers
//! ```
//! - **Who hears of a write**: the server's log is followed by the same source as the tables of any shop. The number of a
//!   change is the LSN up to which the log was durable after the commit, less one: the source has seen the write when its
//!   position has reached that LSN.
//! - **Several processes**: an advisory lock lets one of them write at a time, so that the rules between rows hold. Rows
//!   that other tools may change are locked when they are read.
//! - **A server that is away**: every request gets an answer at once, and the connection is tried again.
//! - **Whose tables**: tables that Vitrine has made carry a comment. It never changes others.

mod connect;
mod copy;
mod import;
mod imported;
mod opening;
mod reason;
mod references;
mod rows;
mod runs;
mod save;
mod session;
mod statistics;
mod threads;
mod write;

use std::io::{self, BufRead};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::home::{BoxFuture, ListRequest, Store, Stored, WriteRequest, Written};
use crate::import::{ImportReport, ImportRequest};
use crate::kind::Kind;
use crate::queue::{self, WAITING_MAX, WriteJob};
use crate::row::Row;
use crate::settings::Settings;

use opening::TableAccess;
use reason::PgError;
use rows::ShopSql;
use session::PgSession;
use threads::ReadJob;

pub use connect::{Connect, PgClient};

/// How long the server may take for one statement of an import or an export, or of a write that moves the products of a
/// category.
const LONG: Duration = Duration::from_secs(3600);

/// The store in a PostgreSQL database.
pub struct PostgresStore {
    settings: Settings,
    connect: Arc<Connect>,
    stream: &'static str,
    writes: SyncSender<WriteJob>,
    reads: SyncSender<ReadJob>,
}

impl PostgresStore {
    /// Starts the threads, which connect and make the tables if that is allowed. They end when the store is dropped and
    /// what waits is done. `stream` is the name of the stream of the source that follows the database.
    ///
    /// # Errors
    /// When no thread can be started. A server that is away is no error.
    pub fn open(settings: Settings, connect: Arc<Connect>, stream: &'static str) -> io::Result<PostgresStore> {
        let (writes, write_jobs) = sync_channel(WAITING_MAX);
        let (reads, read_jobs) = sync_channel(WAITING_MAX);
        threads::start(&settings, &connect, write_jobs, read_jobs)?;
        Ok(PostgresStore { settings, connect, stream, writes, reads })
    }

    /// A connection for a long work of the calling thread.
    fn long_session(&self) -> PgSession {
        PgSession::long(&self.connect, self.settings.manage)
    }

    fn read<R: Send + 'static>(
        &self,
        read: impl Fn(&mut postgres::Client, &ShopSql) -> Result<R, PgError> + Send + 'static,
    ) -> BoxFuture<'_, Result<R, StoreError>> {
        let (answer, answered) = oneshot::channel();
        let job: ReadJob = Box::new(move |session| {
            // The request may have gone away.
            let _ = answer.send(session.read(read));
        });
        queue::answer_to(queue::queued(&self.reads, job), answered)
    }
}

impl Store for PostgresStore {
    fn get(&self, kind: Kind, id: String) -> BoxFuture<'_, Result<Option<Stored>, StoreError>> {
        self.read(move |client, sql| Ok(sql.load(client, kind, &id, false)?.as_ref().map(Stored::from)))
    }

    fn list(&self, request: ListRequest) -> BoxFuture<'_, Result<Vec<Row>, StoreError>> {
        self.read(move |client, sql| sql.page(client, &request))
    }

    fn write(&self, request: WriteRequest) -> BoxFuture<'_, Result<Written, StoreError>> {
        queue::write(&self.writes, request)
    }

    fn import(&self, request: &ImportRequest, file: &mut dyn BufRead) -> Result<ImportReport, StoreError> {
        let mut session = self.long_session();
        match session.get()? {
            (client, sql, TableAccess::Writes) => import::import(client, sql, request, file, &self.settings),
            (_, _, TableAccess::Reads(reason) | TableAccess::Nothing(reason)) => Err(StoreError::Elsewhere(reason)),
        }
    }

    fn export(&self, kind: Kind, see: &mut dyn FnMut(Row) -> bool) -> Result<(), StoreError> {
        let mut session = self.long_session();
        match session.get()? {
            (_, _, TableAccess::Nothing(reason)) => Err(StoreError::Elsewhere(reason)),
            (client, sql, _) => Ok(sql.each(client, kind, see)?),
        }
    }

    fn price_digits(&self) -> usize {
        self.settings.price_digits
    }

    fn stream(&self) -> &'static str {
        self.stream
    }
}
