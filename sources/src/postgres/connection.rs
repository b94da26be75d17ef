//! Reaching the server: the hosts of the connection string in turn, with a limit on every wait.
//!
//! Over a Unix socket the driver lets nobody stand before the bytes: there the limits are the server's own, and a server on
//! this machine that is frozen is waited for. The end of the process does not wait for it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::config::{Host, SslMode, SslNegotiation};
use postgres::error::SqlState;
use postgres::{Client, Config, NoTls};
use thiserror::Error;

use super::guard::{Guard, Patience};
use super::limits;
use super::places::{self, Place};
use super::role::{self, Role};
use super::witness::{Case, Tell};
pub use super::words::words;
use super::{Settings, sql};
use crate::side_thread::StopSignal;

/// The longest wait for a connection where nobody names another.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The longest silence of a server that is asked something where nobody names another.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// The longest wait at the end of a connection.
const CLOSE_MAX: Duration = Duration::from_millis(200);

/// Of the longest silence, the share after which the server itself ends a statement: its words say more than silence.
const SERVER_SHARE: u32 = 2;

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
pub struct Target {
    /// Without hosts.
    config: Config,
    places: Vec<Place>,
    role: Role,
    answer_max: Duration,
}

/// A session with a server: a client whose calls come back, whatever the server does.
pub struct Connection {
    client: Client,
    patience: Arc<Patience>,
    place: Place,
    target: Target,
}

/// Why a host is not connected to.
#[derive(Debug, Error)]
enum Failure {
    #[error("{}", words(.0))]
    Driver(#[from] postgres::Error),
    #[error("{0}")]
    Name(std::io::Error),
    #[error("the connection string asks for TLS (sslmode=require), and connections of Vitrine's are not encrypted")]
    Tls,
    #[error("{0}")]
    Role(&'static str),
}

/// No host takes a connection. The text has nothing of the connection string but hosts and ports.
#[derive(Debug, Error)]
#[error("{}", listed(.0))]
pub struct NoConnection(Vec<(Place, Failure)>);

impl NoConnection {
    /// Whether a server is there, and only the database is not.
    #[must_use]
    pub fn is_no_database(&self) -> bool {
        let code = |failure: &Failure| match failure {
            Failure::Driver(error) => error.code() == Some(&SqlState::INVALID_CATALOG_NAME),
            Failure::Name(_) | Failure::Tls | Failure::Role(_) => false,
        };
        self.0.last().is_some_and(|(_, failure)| code(failure))
    }
}

fn listed(failures: &[(Place, Failure)]) -> String {
    match failures {
        [(_, failure)] => failure.to_string(),
        _ => failures.iter().map(|(place, failure)| format!("{place}: {failure}")).collect::<Vec<_>>().join(" | "),
    }
}

impl Target {
    /// Where a connection string leads, with limits where it has none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(url: &str) -> Result<Target, BadUrl> {
        let (url, role) = role::split(url);
        let named: Config = url.parse().map_err(|error| BadUrl(words(&error)))?;
        let places = places::named(&named).map_err(BadUrl)?;
        Ok(Target { config: limits::without_hosts(&named), places, role, answer_max: ANSWER_MAX })
    }

    pub(super) fn new(settings: &Settings) -> Result<Target, BadUrl> {
        let mut target = Target::of(settings.url.expose())?;
        target.answer_max = settings.answer_max;
        if target.config.get_connect_timeout().is_none() {
            target.config.connect_timeout(settings.connect_timeout);
        }
        Ok(target)
    }

    /// The same server, another database.
    #[must_use]
    pub fn with_database(mut self, name: &str) -> Target {
        self.config.dbname(name);
        self
    }

    /// Connects to the first host that can be used.
    ///
    /// # Errors
    /// None can, within the connection string's `connect_timeout` for each (5 s where it has none).
    pub fn connect(&self) -> Result<Connection, NoConnection> {
        self.connect_unless(&StopSignal::default())
    }

    /// The same; ends early, and so do all calls on the connection, when the signal is given.
    pub(super) fn connect_unless(&self, stop: &StopSignal) -> Result<Connection, NoConnection> {
        let places = places::in_turn(&self.places, self.config.get_load_balance_hosts());
        let mut failures = Vec::new();
        for role in self.role.rounds() {
            failures.clear();
            for place in &places {
                match self.reach(place, *role, stop) {
                    Ok(connection) => return Ok(connection),
                    Err(failure) => failures.push((place.clone(), failure)),
                }
                if stop.is_given() {
                    return Err(NoConnection(failures));
                }
            }
        }
        Err(NoConnection(failures))
    }

    /// Connects to one host, whichever of its addresses answers.
    fn reach(&self, place: &Place, role: Role, stop: &StopSignal) -> Result<Connection, Failure> {
        if self.config.get_ssl_mode() == SslMode::Require {
            return Err(Failure::Tls);
        }
        let within = self.connect_max();
        let mut failed = None;
        for place in place.addresses(Instant::now() + within, stop).map_err(Failure::Name)? {
            match self.open(place, Instant::now() + within, stop) {
                Ok(mut connection) => match connection.refuses(role)? {
                    None => return Ok(connection),
                    Some(reason) => failed = Some(Failure::Role(reason)),
                },
                Err(error) => failed = Some(Failure::Driver(error)),
            }
            if stop.is_given() {
                break;
            }
        }
        Err(failed.unwrap_or_else(|| Failure::Name(std::io::Error::other("the name has no address"))))
    }

    fn open(&self, place: Place, until: Instant, stop: &StopSignal) -> Result<Connection, postgres::Error> {
        let patience = Arc::new(Patience::new(self.answer_max, stop.clone()));
        patience.until(Some(until));
        let mut config = self.config.clone();
        config.port(place.port);
        let mut client = match &place.host {
            Host::Tcp(name) => {
                config.host(name);
                if let Some(address) = place.address {
                    config.hostaddr(address);
                }
                // What the driver takes for TLS is the guard; nothing is encrypted, and nothing is asked before.
                config.ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct);
                config.connect(Guard(patience.clone()))?
            }
            #[cfg(unix)]
            Host::Unix(path) => {
                config.host_path(path);
                config.connect(NoTls)?
            }
        };
        client.batch_execute(&sql::session(self.answer_max / SERVER_SHARE))?;
        match client.batch_execute(sql::CHECK_CLIENT) {
            // A server on a system where that is not to be had goes on working for a while after we have gone.
            Err(error) if error.as_db_error().is_none() => return Err(error),
            _ => {}
        }
        patience.until(None);
        Ok(Connection { client, patience, place, target: self.clone() })
    }

    /// Another session with a server that was reached before.
    pub(super) fn open_beside(&self, place: &Place, stop: &StopSignal) -> Result<Connection, postgres::Error> {
        self.open(place.clone(), Instant::now() + self.connect_max(), stop)
    }

    /// The longest wait for one host.
    pub(super) fn connect_max(&self) -> Duration {
        self.config.get_connect_timeout().copied().unwrap_or(CONNECT_MAX)
    }

    /// Who we are on this connection.
    pub(super) fn who(client: &mut Client) -> Result<Who, postgres::Error> {
        let row = client.query_one("SELECT session_user::text, current_database()::text", &[])?;
        Ok(Who { user: row.get(0), database: row.get(1) })
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

    /// Hosts with their ports, and the database.
    #[must_use]
    pub fn place(&self) -> String {
        let places: Vec<String> = self.places.iter().map(ToString::to_string).collect();
        format!("{}/{}", places.join(","), self.database())
    }

    /// The database's name; like PostgreSQL's own tools, the user's name if none is given.
    #[must_use]
    pub fn database(&self) -> &str {
        self.config.get_dbname().or(self.config.get_user()).unwrap_or("postgres")
    }
}

impl Connection {
    /// Why the server is not what it has to be, if it is not.
    fn refuses(&mut self, role: Role) -> Result<Option<&'static str>, postgres::Error> {
        if role == Role::Any {
            return Ok(None);
        }
        let standby = self.client.query_typed("SELECT pg_is_in_recovery()", &[])?;
        Ok(standby.first().and_then(|row| role.refuses(row.get(0))))
    }

    /// The host that was reached, and its port.
    #[must_use]
    pub fn host(&self) -> String {
        self.place.to_string()
    }

    /// The same, as a second session has to name it to come to the same server.
    pub(super) fn reached(&self) -> &Place {
        &self.place
    }

    /// A statement may now take so long, and the server may be silent meanwhile, while it is at work. Its own limit is set
    /// elsewhere.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn allow(&mut self, statement_max: Duration) -> Result<(), postgres::Error> {
        self.allow_telling(statement_max, "the statement", Arc::new(|_| ()))
    }

    /// The same; now and then `tell` hears whom the server waits for meanwhile with what the session is there for.
    pub(super) fn allow_telling(
        &mut self,
        statement_max: Duration,
        doing: &'static str,
        tell: Tell,
    ) -> Result<(), postgres::Error> {
        let pid = self.client.query_typed("SELECT pg_backend_pid()", &[])?.first().map_or(0, |row| row.get(0));
        let case = Case { target: self.target.clone(), place: self.place.clone(), pid, doing, tell };
        self.patience.allow(statement_max, Box::new(move |patience| case.open(patience)));
        Ok(())
    }

    /// From now on the server answers questions, which it does soon.
    pub(super) fn expect_answers(&self) {
        self.patience.expect_answers();
    }

    /// A last word, also where the source is to stop: it may take so long.
    pub(super) fn part(&self, within: Duration) {
        self.patience.part(Instant::now() + within);
    }

    /// Everything is over by then, whatever is asked meanwhile.
    pub fn end_by(&self, until: Instant) {
        self.patience.until(Some(until));
    }
}

impl Deref for Connection {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The driver's end waits for the answer to what was asked last: of no use to anybody.
        self.patience.until(Some(Instant::now() + CLOSE_MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_place_nor_error_shows_the_password() {
        let target = Target::new(&Settings::at("postgresql://u:secret@db.example:5433/shop")).unwrap();
        assert_eq!(target.place(), "db.example:5433/shop");
        let target = Target::of("postgresql://u:secret@a:1,b:2/shop").unwrap();
        assert_eq!(target.place(), "a:1,b:2/shop");
        for url in ["postgresql://u:secret@db.example:port/shop", "password=secret port=x", "password=secret nonsense"]
        {
            let bad = Target::new(&Settings::at(url)).err().unwrap();
            assert!(!bad.to_string().contains("secret"), "{bad}");
        }
    }

    #[test]
    fn every_wait_has_a_limit_and_the_urls_own_is_kept() {
        let target = Target::new(&Settings::at("postgresql://u@127.0.0.1/shop?connect_timeout=7")).unwrap();
        assert_eq!(target.connect_max(), Duration::from_secs(7));
        assert_eq!(Target::of("host=a").unwrap().connect_max(), CONNECT_MAX);
    }

    #[test]
    fn tls_that_is_asked_for_and_cannot_be_given_is_said() {
        let refused = Target::of("host=127.0.0.1 port=1 sslmode=require").unwrap().connect().err().unwrap();
        assert!(refused.to_string().contains("sslmode=require"), "{refused}");
    }
}
