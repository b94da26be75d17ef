//! Why the database did not do what was asked, without values of rows.

use std::error::Error as _;

use postgres::error::SqlState;
use thiserror::Error;

use crate::error::{Refusal, StoreError};

/// The class of the codes of integrity constraint violations (SQL standard, 23).
const CONSTRAINTS: &str = "23";

/// A failure of the database.
#[derive(Debug, Error)]
pub(super) enum PgError {
    /// The driver's reason.
    #[error("{}", in_words(.0))]
    Driver(#[from] postgres::Error),
    /// Rows could not be sent.
    #[error("the connection does not take rows: {0}")]
    Sending(#[from] std::io::Error),
    /// A value that another tool has written.
    #[error("a row has a value in column {0} that cannot be read")]
    Value(&'static str),
}

impl PgError {
    /// Whether the same may succeed when it is done again.
    pub(super) fn is_passing(&self) -> bool {
        let PgError::Driver(error) = self else { return false };
        let passing = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
        error.code().is_some_and(|code| passing.contains(code))
    }

    /// Whether the transaction of another tool held a lock for too long.
    pub(super) fn is_locked(&self) -> bool {
        let PgError::Driver(error) = self else { return false };
        error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE)
    }

    /// Whether another tool has added the row since it was found to be absent.
    pub(super) fn is_overtaken(&self) -> bool {
        let PgError::Driver(error) = self else { return false };
        let Some(server) = error.as_db_error() else { return false };
        let key = server.table().map(|table| format!("{table}_pkey"));
        *server.code() == SqlState::UNIQUE_VIOLATION && key.as_deref() == server.constraint()
    }

    /// Whether the rows would break a constraint of the tables.
    pub(super) fn is_of_constraint(&self) -> bool {
        let PgError::Driver(error) = self else { return false };
        error.code().is_some_and(|code| code.code().starts_with(CONSTRAINTS))
    }

    /// Why the write with this index failed: it is refused if it would break a constraint.
    pub(super) fn of_write(self, index: usize) -> StoreError {
        match self.is_of_constraint() {
            true => StoreError::Refused { index, refusal: Refusal::Constraint(self.to_string()) },
            false => StoreError::Unavailable(self.to_string()),
        }
    }
}

impl From<PgError> for StoreError {
    fn from(error: PgError) -> Self {
        error.of_write(0)
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
