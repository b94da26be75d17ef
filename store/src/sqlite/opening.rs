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

/// Whether the store could be opened in a file that is there, as far as reading tells. Nothing is written, and no file is made beside it.
///
/// # Errors
/// When it is no database of SQLite, or was made by a newer version.
pub fn examine(path: &Path) -> Result<(), OpenError> {
    let fail = |error| OpenError::Sqlite { path: path.to_owned(), error };
    let connection = unchanging(path).unwrap_or_else(|| reader(path))?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(fail)?;
    let found = version(&connection).map_err(fail)?;
    missing_scripts(path, found).map(drop)
}

/// A connection for which the file does not change, so that SQLite makes no file beside it; none if another process may use it
/// now, or its name is not UTF-8.
fn unchanging(path: &Path) -> Option<Result<Connection, OpenError>> {
    let log = format!("{}-wal", path.to_str()?);
    if Path::new(&log).exists() {
        return None;
    }
    let name = path.to_str()?.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let opened = Connection::open_with_flags(format!("file:{name}?immutable=1"), flags);
    Some(opened.map_err(|error| OpenError::Sqlite { path: path.to_owned(), error }))
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
    let found = version(&transaction).map_err(fail)?;
    for script in missing_scripts(path, found)? {
        transaction.execute_batch(script).map_err(fail)?;
    }
    transaction
        .pragma_update(None, "user_version", i64::try_from(SCRIPTS.len()).expect("scripts are few"))
        .map_err(fail)?;
    transaction.commit().map_err(fail)
}

/// The version of a file's tables.
fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// The scripts that lead from the version `found` to the newest one.
fn missing_scripts(path: &Path, found: i64) -> Result<&'static [&'static str], OpenError> {
    let missing = usize::try_from(found).ok().and_then(|version| SCRIPTS.get(version..));
    missing.ok_or_else(|| OpenError::Newer { path: path.to_owned(), found, known: SCRIPTS.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_examined_without_a_trace() {
        let dir = tempfile::tempdir().unwrap();
        let (path, text) = (dir.path().join("a?b#c%20.db"), dir.path().join("text"));
        let names = || std::fs::read_dir(dir.path()).unwrap().count();
        let open = writer(&path).unwrap();
        assert!(examine(&path).is_ok(), "also while it is used");
        open.pragma_update(None, "user_version", 1_000).unwrap();
        assert!(matches!(examine(&path), Err(OpenError::Newer { found: 1_000, .. })));
        open.close().unwrap();
        assert!(matches!(examine(&path), Err(OpenError::Newer { found: 1_000, .. })));
        std::fs::write(&text, "hello\n".repeat(100)).unwrap();
        let error = examine(&text).unwrap_err().to_string();
        assert!(error.contains("file is not a database"), "{error}");
        std::fs::write(&text, "").unwrap();
        assert!(examine(&text).is_ok(), "an empty file becomes a store");
        assert!(examine(&dir.path().join("missing")).is_err());
        assert_eq!(names(), 2, "no file was made");
    }
}
