//! Errors of a reading or of following the log. All of them are retried. A wrong row is a `Fault` instead.

use std::io;
use std::time::Duration;

use pgwire_replication::PgWireError;
use postgres::error::SqlState;
use postgres_tls::{NegotiationFailure, RootsError};
use thiserror::Error;

use crate::postgres::diagnostic::Diagnostic;
use crate::postgres::names::SourceTable;
use crate::postgres::session::connection::NoConnection;
use crate::postgres::session::error_text::error_text;
use crate::side_thread::Stopped;

#[derive(Debug, Error)]
pub(crate) enum Error {
    /// Lasts until an operator solves it.
    #[error("{}", listed(.0))]
    Layout(Vec<Diagnostic>),
    /// Another session uses the slot, probably of the previous process: the server needs a moment to notice that it has ended,
    /// or a minute if its host is gone.
    #[error("{0}")]
    Busy(Diagnostic),
    /// No connection.
    #[error(transparent)]
    Connection(#[from] NoConnection),
    /// The connection, or the server.
    #[error("{}", error_text(.0))]
    Server(#[from] postgres::Error),
    /// The server cannot read a row of this table.
    #[error(
        "the server cannot read a row of table {table}, and Vitrine cannot find out which one: {}; repair that row",
        error_text(.error)
    )]
    Row { which: SourceTable, table: String, error: postgres::Error },
    /// The replication session, or its connection.
    #[error("the replication session failed: {0}")]
    Session(PgWireError),
    /// The replication session has no TLS as the connection string asks for it.
    #[error("the replication session cannot be encrypted: {0}")]
    Tls(#[from] NegotiationFailure),
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The server's message in a replication session.
    #[error("{0}")]
    ServerMessage(String),
    #[error("the server has not answered for {} s", .0.as_secs())]
    NoAnswer(Duration),
    #[error("the server's log has not come for {} s, although the server has written more of it", .0.as_secs())]
    NoLog(Duration),
    /// A pooler or balancer has led two sessions to different servers.
    #[error("the two sessions reached different servers: the connection string must lead to one server")]
    DifferentServers,
    /// The server violated its protocol.
    #[error("the server's log cannot be read: {0}")]
    Protocol(String),
    /// The log does not continue from the rows held.
    #[error("all tables are read again: {0}")]
    Resync(String),
    /// Not the server that the rows came from, and no operator has adopted it.
    #[error("{0}")]
    OtherServer(String),
    #[error("the replication session cannot be started: {0}")]
    Runtime(io::Error),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl Error {
    /// The error of reading this table, as an error of a row if it is one.
    pub(crate) fn of_row(self, which: SourceTable, table: &str) -> Error {
        match self {
            Error::Server(error) if is_row_error(&error) => Error::Row { which, table: table.to_owned(), error },
            other => other,
        }
    }

    /// An error of COPY.
    pub(crate) fn of_copy(error: io::Error) -> Error {
        match error.downcast::<postgres::Error>() {
            Ok(error) => Error::Server(error),
            Err(error) => Error::Protocol(error.to_string()),
        }
    }
}

/// Whether the server's error is about a row that it read, and not about the query, the session or the server itself.
pub(crate) fn is_row_error(error: &postgres::Error) -> bool {
    error.code().is_some_and(is_row_state)
}

/// The same for the text of an error in a replication session.
pub(crate) fn is_row_error_text(text: &str) -> bool {
    let state = text.split("SQLSTATE ").nth(1).and_then(|rest| rest.get(..5));
    state.is_some_and(|state| is_row_state(&SqlState::from_code(state)))
}

fn is_row_state(state: &SqlState) -> bool {
    state.code().starts_with("22")
        || [&SqlState::DATA_CORRUPTED, &SqlState::INTERNAL_ERROR, &SqlState::PROGRAM_LIMIT_EXCEEDED].contains(&state)
}

fn listed(findings: &[Diagnostic]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_of_a_row_is_told_from_the_rest() {
        assert!(is_row_error_text("invalid internal value for enum: 7 (SQLSTATE 22P03)"));
        assert!(is_row_error_text("missing chunk number 0 for toast value 1 in pg_toast_2 (SQLSTATE XX001)"));
        assert!(!is_row_error_text("publication \"vitrine\" does not exist (SQLSTATE 42704)"));
        assert!(!is_row_error_text("terminating connection due to administrator command (SQLSTATE 57P01)"));
        assert!(!is_row_error_text("unknown server error") && !is_row_error_text("SQLSTATE "));
    }
}
