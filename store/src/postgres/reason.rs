//! Why the database did not do what was asked, without values of rows.

use std::error::Error as _;

use postgres::error::SqlState;
use thiserror::Error;

use crate::error::StoreError;

/// A failure of the database.
#[derive(Debug, Error)]
pub(super) enum PgError {
    /// The driver's reason.
    #[error("{}", in_words(.0))]
    Driver(#[from] postgres::Error),
    /// A value that another tool has written.
    #[error("a row has a value in column {0} that cannot be read")]
    Value(&'static str),
}

impl PgError {
    /// Whether the same may succeed when it is done again.
    pub(super) fn is_passing(&self) -> bool {
        let PgError::Driver(error) = self else { return false };
        // A unique violation: another tool has added the row since it was found to be absent.
        let passing =
            [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::UNIQUE_VIOLATION];
        error.code().is_some_and(|code| passing.contains(code))
    }
}

impl From<PgError> for StoreError {
    fn from(error: PgError) -> Self {
        StoreError::Unavailable(error.to_string())
    }
}

/// The server's message (its details may hold values of rows), or the chain of causes.
fn in_words(error: &postgres::Error) -> String {
    if let Some(server) = error.as_db_error() {
        return server.message().to_owned();
    }
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}
