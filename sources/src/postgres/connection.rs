//! Reaching the server: the connection string with limits on every wait, and a name for it without its password.

use std::error::Error as _;
use std::time::Duration;

use postgres::config::Host;
use postgres::error::SqlState;
use postgres::{Client, Config, NoTls};
use thiserror::Error;

use super::Settings;

/// How long an idle connection waits before it asks whether the other side is there.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// How long what was sent may stay unacknowledged.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(20);

/// How the server says, from 14 on and before, that it found no line in pg_hba.conf for a connection without TLS.
const UNENCRYPTED: [&str; 2] = ["no encryption", "SSL off"];

/// The connection string cannot be read. It is not repeated here: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the connection string of PostgreSQL cannot be read: {0}; it looks like postgresql://user@host:5432/database")]
pub struct BadUrl(String);

/// As whom the server knows us, and in which database.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub(super) user: String,
    pub(super) database: String,
}

/// Where to connect to, and how.
#[derive(Clone)]
pub(super) struct Target {
    config: Config,
    place: String,
}

impl Target {
    pub(super) fn new(settings: &Settings) -> Result<Target, BadUrl> {
        let mut config: Config = settings.url.parse().map_err(|error| BadUrl(words(&error)))?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(settings.connect_timeout);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(UNACKNOWLEDGED_MAX);
        }
        if config.get_application_name().is_none() {
            config.application_name("vitrine");
        }
        config.keepalives_idle(config.get_keepalives_idle().min(KEEPALIVE));
        let place = place(&config);
        Ok(Target { config, place })
    }

    pub(super) fn connect(&self) -> Result<Client, postgres::Error> {
        self.config.connect(NoTls)
    }

    /// Who we are on this connection.
    pub(super) fn who(client: &mut Client) -> Result<Who, postgres::Error> {
        let row = client.query_one("SELECT session_user::text, current_database()::text", &[])?;
        Ok(Who { user: row.get(0), database: row.get(1) })
    }

    /// The first host that is named; the others are for servers that take over, which need a person here.
    pub(super) fn host(&self) -> Host {
        let address = self.config.get_hostaddrs().first().map(|address| Host::Tcp(address.to_string()));
        let host = address.or_else(|| self.config.get_hosts().first().cloned());
        host.unwrap_or_else(|| Host::Tcp("localhost".to_owned()))
    }

    pub(super) fn port(&self) -> u16 {
        self.config.get_ports().first().copied().unwrap_or(5432)
    }

    pub(super) fn password(&self) -> String {
        String::from_utf8_lossy(self.config.get_password().unwrap_or_default()).into_owned()
    }

    pub(super) fn options(&self) -> &str {
        self.config.get_options().unwrap_or_default()
    }

    pub(super) fn application_name(&self) -> &str {
        self.config.get_application_name().unwrap_or_default()
    }

    /// Host, port and database.
    pub(super) fn place(&self) -> &str {
        &self.place
    }
}

fn place(config: &Config) -> String {
    let host = config.get_hosts().first().map_or("localhost".to_owned(), |host| match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    });
    let port = config.get_ports().first().copied().unwrap_or(5432);
    // Like PostgreSQL's own tools: the user's name where no database is named.
    format!("{host}:{port}/{}", config.get_dbname().or(config.get_user()).unwrap_or("postgres"))
}

/// The server's own words where it sent some (the driver says "db error" only), else the whole chain of causes. Neither
/// repeats the connection string. A server that demands TLS is told apart: nobody would find out from its words why.
pub fn words(error: &postgres::Error) -> String {
    if let Some(server) = error.as_db_error() {
        let hint = server.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let demands_tls = *server.code() == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
            && UNENCRYPTED.iter().any(|word| server.message().contains(word));
        let limit = if demands_tls {
            "; connections of Vitrine's are not encrypted: pg_hba.conf must take them so"
        } else {
            ""
        };
        return format!("{}{hint}{limit}", server.message());
    }
    let mut chain: Vec<String> = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some errors repeat their cause in their own text.
        if !chain.last().is_some_and(|last| last.contains(&text)) {
            chain.push(text);
        }
        cause = error.source();
    }
    chain.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_place_nor_error_shows_the_password() {
        let target = Target::new(&Settings::new("postgresql://u:secret@db.example:5433/shop")).unwrap();
        assert_eq!(target.place(), "db.example:5433/shop");
        for url in ["postgresql://u:secret@db.example:port/shop", "password=secret port=x", "password=secret nonsense"]
        {
            let bad = Target::new(&Settings::new(url)).err().unwrap();
            assert!(!bad.to_string().contains("secret"), "{bad}");
        }
    }

    #[test]
    fn every_wait_has_a_limit_and_the_urls_own_is_kept() {
        let target = Target::new(&Settings::new("postgresql://u@127.0.0.1/shop?connect_timeout=7")).unwrap();
        assert_eq!(target.config.get_connect_timeout(), Some(&Duration::from_secs(7)));
        assert_eq!(target.config.get_tcp_user_timeout(), Some(&UNACKNOWLEDGED_MAX));
        assert_eq!(target.config.get_keepalives_idle(), KEEPALIVE);
    }
}
