//! Reaching the server: the hosts of the connection string in turn, with a limit on every wait.
//!
//! On a Unix socket the driver does not let the bytes pass a guard: there only the server's own limits apply, and a frozen
//! server on this machine is waited for. The end of the process does not wait for it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::config::{Host, SslMode as DriverMode};
use postgres::error::SqlState;
use postgres::{Client, Config, NoTls};
use postgres_tls::{Connector, Demand, RootsError, TlsOptions};
use thiserror::Error;

use crate::postgres::session::error_text::error_text;
use crate::postgres::session::hosts::{self, HostAddress};
use crate::postgres::session::server_role::{self, ServerRole};
use crate::postgres::session::socket_limits;
use crate::postgres::session::wait_limits::{LimitedTls, WaitLimits};
use crate::side_thread::StopSignal;

/// The longest wait for a connection, by default.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The longest silence of a server that must answer a query, by default.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// The longest wait at the end of a connection.
const CLOSE_MAX: Duration = Duration::from_millis(200);

/// The share of the longest silence after which the server itself cancels a statement: its message explains more than silence.
const SERVER_SHARE: u32 = 2;

/// While it works, the server (from 14 on) checks whether its client is still connected, so that no statement of a lost client
/// waits for a lock.
const CHECK_CLIENT: &str = "
    SELECT set_config(name, '5s', false) FROM pg_settings WHERE name = 'client_connection_check_interval'";

/// The connection string cannot be read. It is not repeated here: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the connection string of PostgreSQL cannot be read: {0}; it looks like postgresql://user@host:5432/database")]
pub struct BadUrl(String);

/// The user of a session, and its database.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) database: String,
}

/// The servers to connect to, and how.
#[derive(Clone)]
pub struct Target {
    /// The connection string without its hosts.
    config: Config,
    places: Vec<HostAddress>,
    role: ServerRole,
    tls: TlsOptions,
    answer_max: Duration,
}

/// A session with a server: a client whose calls return within their limits, whatever the server does.
pub struct Connection {
    pub(super) client: Client,
    pub(super) limits: Arc<WaitLimits>,
    pub(super) place: HostAddress,
    pub(super) is_encrypted: bool,
    pub(super) target: Target,
}

/// Why a connection to a host failed.
#[derive(Debug, Error)]
pub(crate) enum ConnectFailure {
    #[error("{}", error_text(.0))]
    Driver(#[from] postgres::Error),
    #[error("{0}")]
    Name(std::io::Error),
    #[error(transparent)]
    Roots(#[from] RootsError),
    #[error("{0}")]
    Role(&'static str),
}

/// No host accepts a connection. The text holds nothing of the connection string but hosts and ports.
#[derive(Debug, Error)]
#[error("{}", listed(.0))]
pub struct NoConnection(Vec<(HostAddress, ConnectFailure)>);

impl NoConnection {
    /// Whether the server answers and only the database is missing.
    #[must_use]
    pub fn is_no_database(&self) -> bool {
        let code = |failure: &ConnectFailure| match failure {
            ConnectFailure::Driver(error) => error.code() == Some(&SqlState::INVALID_CATALOG_NAME),
            ConnectFailure::Name(_) | ConnectFailure::Roots(_) | ConnectFailure::Role(_) => false,
        };
        self.0.last().is_some_and(|(_, failure)| code(failure))
    }
}

fn listed(failures: &[(HostAddress, ConnectFailure)]) -> String {
    match failures {
        [(_, failure)] => failure.to_string(),
        _ => failures.iter().map(|(place, failure)| format!("{place}: {failure}")).collect::<Vec<_>>().join(" | "),
    }
}

impl Target {
    /// The target of a connection string, with limits where it has none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(url: &str) -> Result<Target, BadUrl> {
        let (url, tls) = postgres_tls::split(url).map_err(|error| BadUrl(error.to_string()))?;
        let (url, role) = server_role::split(&url);
        let named: Config = url.parse().map_err(|error| BadUrl(error_text(&error)))?;
        let places = hosts::named(&named).map_err(BadUrl)?;
        Ok(Target { config: socket_limits::without_hosts(&named), places, role, tls, answer_max: ANSWER_MAX })
    }

    /// With these limits of a connection, unless the connection string has one, and of an answer.
    #[must_use]
    pub fn within(mut self, connect_max: Duration, answer_max: Duration) -> Target {
        self.answer_max = answer_max;
        if self.config.get_connect_timeout().is_none() {
            self.config.connect_timeout(connect_max);
        }
        self
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
    /// When no host can be used within the connection string's `connect_timeout` (5 s by default) for each.
    pub fn connect(&self) -> Result<Connection, NoConnection> {
        self.connect_unless(&StopSignal::default())
    }

    /// The same; ends early, and so do all calls on the connection, when the signal is given.
    pub(crate) fn connect_unless(&self, stop: &StopSignal) -> Result<Connection, NoConnection> {
        let places = hosts::in_turn(&self.places, self.config.get_load_balance_hosts());
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

    /// Connects to one host, at the first of its addresses that answers.
    fn reach(&self, place: &HostAddress, role: ServerRole, stop: &StopSignal) -> Result<Connection, ConnectFailure> {
        let within = self.connect_max();
        let mut failed = None;
        for place in place.addresses(Instant::now() + within, stop).map_err(ConnectFailure::Name)? {
            match self.open(place, Instant::now() + within, stop) {
                Ok(mut connection) => match connection.refuses(role)? {
                    None => return Ok(connection),
                    Some(reason) => failed = Some(ConnectFailure::Role(reason)),
                },
                Err(failure) => failed = Some(failure),
            }
            if stop.is_given() {
                break;
            }
        }
        Err(failed.unwrap_or_else(|| ConnectFailure::Name(std::io::Error::other("the name has no address"))))
    }

    /// Connects to one address, by one attempt after the other that `sslmode` stands for.
    fn open(&self, place: HostAddress, until: Instant, stop: &StopSignal) -> Result<Connection, ConnectFailure> {
        let demands = match &place.host {
            Host::Tcp(_) => self.tls.mode.attempts(),
            // Its bytes do not leave the machine; libpq ignores `sslmode` there, too.
            #[cfg(unix)]
            Host::Unix(_) => &[Demand::Plain],
        };
        let (last, before) = demands.split_last().expect("every mode makes an attempt");
        for demand in before {
            match self.attempt(&place, *demand, until, stop) {
                Err(ConnectFailure::Driver(error)) if postgres_tls::may_continue(&error) && !stop.is_given() => {}
                done => return done,
            }
        }
        self.attempt(&place, *last, until, stop)
    }

    fn attempt(
        &self,
        place: &HostAddress,
        demand: Demand,
        until: Instant,
        stop: &StopSignal,
    ) -> Result<Connection, ConnectFailure> {
        let limits = Arc::new(WaitLimits::new(self.answer_max, stop.clone()));
        limits.until(Some(until));
        let connector = self.tls.connector(demand)?;
        let mut config = self.config.clone();
        config.port(place.port);
        let mut client = match &place.host {
            Host::Tcp(name) => {
                config.host(name);
                if let Some(address) = place.address {
                    config.hostaddr(address);
                }
                postgres_tls::prepare(&mut config);
                config.connect(LimitedTls { limits: limits.clone(), connector: connector.clone() })?
            }
            #[cfg(unix)]
            Host::Unix(path) => {
                config.host_path(path).ssl_mode(DriverMode::Disable);
                config.connect(NoTls)?
            }
        };
        let limit_ms = (self.answer_max / SERVER_SHARE).as_millis().min(i32::MAX as u128);
        client.batch_execute(&format!("SET statement_timeout = {limit_ms}"))?;
        match client.batch_execute(CHECK_CLIENT) {
            // A server on a system without this feature continues for a while after the client has gone.
            Err(error) if error.as_db_error().is_none() => return Err(error.into()),
            _ => {}
        }
        limits.until(None);
        let is_encrypted = connector.is_encrypted();
        Ok(Connection { client, limits, place: place.clone(), is_encrypted, target: self.clone() })
    }

    /// Opens another session with the same server.
    pub(crate) fn open_beside(&self, place: &HostAddress, stop: &StopSignal) -> Result<Connection, ConnectFailure> {
        self.open(place.clone(), Instant::now() + self.connect_max(), stop)
    }

    /// The way to a further session with TLS, beside a connection that has it.
    pub(crate) fn connector(&self) -> Result<Connector, RootsError> {
        self.tls.connector(Demand::Tls)
    }

    /// What the connection string says about TLS.
    #[must_use]
    pub fn tls(&self) -> &TlsOptions {
        &self.tls
    }

    /// The longest wait for one host.
    pub(crate) fn connect_max(&self) -> Duration {
        self.config.get_connect_timeout().copied().unwrap_or(CONNECT_MAX)
    }

    /// The user and the database of this connection.
    pub(crate) fn who(client: &mut Client) -> Result<Login, postgres::Error> {
        let row = client.query_one("SELECT session_user::text, current_database()::text", &[])?;
        Ok(Login { user: row.get(0), database: row.get(1) })
    }

    pub(crate) fn password(&self) -> String {
        String::from_utf8_lossy(self.config.get_password().unwrap_or_default()).into_owned()
    }

    pub(crate) fn options(&self) -> &str {
        self.config.get_options().unwrap_or_default()
    }

    pub(crate) fn application_name(&self) -> &str {
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
    /// Why the server does not have the required role, if so.
    fn refuses(&mut self, role: ServerRole) -> Result<Option<&'static str>, postgres::Error> {
        if role == ServerRole::Any {
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

    /// The same, as a second session has to name it to reach the same server.
    pub(crate) fn reached(&self) -> &HostAddress {
        &self.place
    }

    /// Whether the connection has TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Whether its bytes stay within this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match &self.place.host {
            Host::Tcp(name) => self.place.address.or(name.parse().ok()).is_some_and(|address| address.is_loopback()),
            #[cfg(unix)]
            Host::Unix(_) => true,
        }
    }

    /// From now on the server must answer soon.
    pub(crate) fn expect_answers(&self) {
        self.limits.expect_answers();
    }

    /// A last statement, which is also sent while the source stops. It may take this long.
    pub(crate) fn part(&self, within: Duration) {
        self.limits.part(Instant::now() + within);
    }

    /// All calls end by then.
    pub fn end_by(&self, until: Instant) {
        self.limits.until(Some(until));
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
        // When it is dropped, the driver waits for a last answer that nobody needs.
        self.limits.until(Some(Instant::now() + CLOSE_MAX));
    }
}

#[cfg(test)]
mod tests;
