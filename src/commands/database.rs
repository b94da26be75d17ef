//! PostgreSQL for the commands that run once: connect within a time, quote names.

pub(super) use sources::postgres::{
    Connection, Target, error_text, quoted_name as quoted_whole, quoted_table as quoted,
};

use crate::config::Postgres;

/// The server and database of the connection string.
pub(super) fn target(postgres: &Postgres) -> Target {
    Target::of(postgres.url.expose()).expect("the configuration checked the connection string")
}

/// The connection failed. The text does not contain the password of the connection string.
#[derive(Debug, thiserror::Error)]
#[error("no connection to PostgreSQL at {place}: {reason}")]
pub(super) struct ConnectError {
    place: String,
    reason: String,
    /// Whether the server answers and only the database is missing.
    pub(super) no_database: bool,
}

/// Connects, or returns why it cannot.
pub(super) fn connect(target: &Target) -> Result<Connection, ConnectError> {
    target.connect().map_err(|error| ConnectError {
        place: target.place(),
        no_database: error.is_no_database(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_by_part() {
        assert_eq!(quoted("orders"), "\"orders\"");
        assert_eq!(quoted("shop.Orders"), "\"shop\".\"Orders\"");
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
    }
}
