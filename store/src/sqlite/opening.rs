//! Opening the SQLite file, and bringing its tables to the newest version.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use thiserror::Error;

/// The scripts that lead from each version of the tables to the next one.
const SCRIPTS: [&str; 3] = [include_str!("schema_1.sql"), include_str!("schema_2.sql"), include_str!("schema_3.sql")];

/// How long a writer waits while another process writes.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// Statements kept prepared by each connection.
const STATEMENTS_MAX: usize = 64;

/// Why the file cannot be used.
#[derive(Debug, Error)]
pub enum OpenError {
    /// SQLite's reason.
    #[error("{path}: {error}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: rusqlite::Error,
    },
    /// Made by a newer version of Vitrine.
    #[error("{path} has tables of version {found}, and this program knows versions up to {known}: use a newer Vitrine")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest known version.
        known: usize,
    },
    /// A thread or a directory is denied.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl OpenError {
    /// The reason without the path of the file, for the clients of the store.
    pub(super) fn reason(&self) -> String {
        match self {
            OpenError::Sqlite { error: rusqlite::Error::SqliteFailure(failure, _), .. } => {
                rusqlite::ffi::code_to_str(failure.extended_code).to_owned()
            }
            OpenError::Sqlite { .. } => "its file cannot be opened".to_owned(),
            OpenError::Newer { found, known, .. } => {
                format!("its tables have version {found}, and this program knows versions up to {known}")
            }
            OpenError::Io(error) => error.kind().to_string(),
        }
    }
}

/// A connection that writes, to a file that has the newest tables.
pub(super) fn writer(path: &Path) -> Result<Connection, OpenError> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory)?;
    }
    let fail = |error| OpenError::Sqlite { path: path.to_owned(), error };
    let mut connection = Connection::open(path).and_then(prepared).map_err(fail)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(fail)?;
    // An acknowledged write must outlive a loss of power.
    connection.pragma_update(None, "synchronous", "FULL").map_err(fail)?;
    migrate(&mut connection, path)?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn reader(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags).and_then(prepared);
    opened.map_err(|error| OpenError::Sqlite { path: path.to_owned(), error })
}

fn prepared(connection: Connection) -> rusqlite::Result<Connection> {
    connection.busy_timeout(BUSY_MAX)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let fail = |error| OpenError::Sqlite { path: path.to_owned(), error };
    // Another process may do the same at this moment.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(fail)?;
    let Some(missing) = usize::try_from(found).ok().and_then(|version| SCRIPTS.get(version..)) else {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: SCRIPTS.len() });
    };
    for script in missing {
        transaction.execute_batch(script).map_err(fail)?;
    }
    transaction
        .pragma_update(None, "user_version", i64::try_from(SCRIPTS.len()).expect("scripts are few"))
        .map_err(fail)?;
    transaction.commit().map_err(fail)
}
