//! PostgreSQL for the commands that run once: connect with a time-out, quote names.

use std::time::Duration;

use postgres::error::SqlState;
use postgres::{Client, Config, NoTls};
pub(super) use sources::postgres::words;

use crate::config::Postgres;

/// How long to wait for the server's first answer.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The connection string, parsed, with a limit on the wait and our name.
pub(super) fn settings(postgres: &Postgres) -> Config {
    let mut config: Config = postgres.url.expose().parse().expect("the configuration checked the connection string");
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_MAX);
    }
    if config.get_application_name().is_none() {
        config.application_name("vitrine");
    }
    // The server's small talk, such as what IF EXISTS did not find. The driver would call it news.
    config
        .notice_callback(|notice| tracing::debug!(severity = notice.severity(), said = notice.message(), "PostgreSQL"));
    config
}

/// There is no connection. The text is without the connection string's password.
#[derive(Debug, thiserror::Error)]
#[error("no connection to PostgreSQL at {place}: {reason}")]
pub(super) struct NoConnection {
    place: String,
    reason: String,
    /// Whether the server is there, and only the database is not.
    pub(super) no_database: bool,
}

/// Connects, or says why not.
pub(super) fn connect(config: &Config) -> Result<Client, NoConnection> {
    config.connect(NoTls).map_err(|error| NoConnection {
        place: place(config),
        reason: words(&error),
        no_database: error.code() == Some(&SqlState::INVALID_CATALOG_NAME),
    })
}

/// Host, port and database of a connection string.
pub(super) fn place(config: &Config) -> String {
    let host = config.get_hosts().first().map_or("localhost".to_owned(), |host| match host {
        postgres::config::Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        postgres::config::Host::Unix(path) => path.display().to_string(),
    });
    let port = config.get_ports().first().copied().unwrap_or(5432);
    format!("{host}:{port}/{}", database(config))
}

/// The database's name; like PostgreSQL's own tools, the user's name if none is given.
pub(super) fn database(config: &Config) -> &str {
    config.get_dbname().or(config.get_user()).unwrap_or("postgres")
}

/// A name as SQL takes it exactly: quoted, each part of `schema.table` on its own.
pub(super) fn quoted(name: &str) -> String {
    name.split('.').map(quoted_whole).collect::<Vec<_>>().join(".")
}

/// A name without a schema, as SQL takes it exactly.
pub(super) fn quoted_whole(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
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

    #[test]
    fn the_place_never_shows_the_password() {
        let config = "postgresql://u:secret@db.example:5433/shop".parse().expect("a sound URL");
        assert_eq!(place(&config), "db.example:5433/shop");
    }
}
