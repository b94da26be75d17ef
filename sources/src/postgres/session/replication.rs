//! One replication session with the server: a few queries first, then the log. Calls block, and end early when the source
//! stops. While a call blocks, the session sends its status to the server.

use std::pin::pin;
use std::time::Duration;

use pgwire_replication::{
    IdentifySystem, PgWireError, QueryRow, ReplicationClient, ReplicationConfig, ReplicationEvent,
};
use postgres::config::Host;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};

use crate::postgres::Settings;
use crate::postgres::session::connection::{Connection, Login, Target};
use crate::postgres::session::encrypted;
use crate::postgres::session::error::Error;
use crate::postgres::session::lsn::Lsn;
use crate::postgres::values::charset::Charset;
use crate::side_thread::{Stop, StopSignal, Stopped};

/// How often the progress is sent to the server.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// Messages between the socket and the reader.
const MESSAGES_MAX: usize = 1024;

/// Values are written as in the queries of a reading.
const OPTIONS: &str = "-c datestyle=ISO -c timezone=UTC -c intervalstyle=postgres -c extra_float_digits=1 -c bytea_output=hex -c \
     lc_monetary=C";

/// How soon a wait notices that the source stops.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The server, or a pooler before it, refuses a replication session. Holds its message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SessionRefusal {
    /// All senders of the server are in use.
    #[error("{0}")]
    NoSender(String),
    #[error("{0}")]
    Other(String),
}

impl SessionRefusal {
    /// The refusal that an error stands for; any other error unchanged.
    pub(crate) fn of(error: Error) -> Result<SessionRefusal, Error> {
        match error {
            Error::ServerMessage(text) if text.contains("53300") => Ok(SessionRefusal::NoSender(text)),
            Error::ServerMessage(text) | Error::Session(PgWireError::Auth(text)) => Ok(SessionRefusal::Other(text)),
            Error::DifferentServers => Ok(SessionRefusal::Other(Error::DifferentServers.to_string())),
            other => Err(other),
        }
    }
}

/// Distinguishes servers behind a pooler or balancer.
const STARTED: &str =
    "SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint::text, pg_backend_pid()::text";

/// The identity of a server, and the end of its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServerIdentity {
    /// The system identifier, which a server and its copies share.
    pub(crate) system: u64,
    /// How often a copy has taken over.
    pub(crate) timeline: i64,
    pub(crate) end: Lsn,
}

pub(crate) struct ReplicationSession {
    // Before the runtime: it ends tasks that live there.
    client: ReplicationClient,
    runtime: Runtime,
    connect_max: Duration,
    answer_max: Duration,
}

impl ReplicationSession {
    /// Connects to the host of the connection beside it, with TLS if that connection has it. Once started, the log comes from `from` on; everything before
    /// `acknowledged` is kept.
    pub(crate) fn open(
        settings: &Settings,
        target: &Target,
        (beside, who): (&Connection, &Login),
        (from, acknowledged): (Lsn, Lsn),
        stop: &StopSignal,
    ) -> Result<ReplicationSession, Error> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
        let at = beside.reached();
        let (slot, publication) = (&settings.slot, &*settings.publication);
        let (user, password, database) = (&who.user, target.password(), &who.database);
        let port = at.port;
        let config = match &at.host {
            Host::Tcp(name) if beside.is_encrypted() => {
                let opened = encrypted::open(target.connector()?, name, at);
                let local = runtime.block_on(async {
                    tokio::select! { opened = timeout(target.connect_max(), opened) => Ok(opened), end = ended(stop) => Err(end) }
                })?;
                let local = local.map_err(|_| Error::NoAnswer(target.connect_max()))??;
                let host = local.ip().to_string();
                ReplicationConfig::new(host, user, password, database, slot, publication).with_port(local.port())
            }
            Host::Tcp(name) => {
                let host = at.address.map_or_else(|| name.clone(), |address| address.to_string());
                ReplicationConfig::new(host, user, password, database, slot, publication).with_port(port)
            }
            #[cfg(unix)]
            Host::Unix(path) => {
                ReplicationConfig::unix(path.to_string_lossy(), port, user, password, database, slot, publication)
            }
        };
        let config = config
            .with_start_lsn(wire(from))
            .with_ack_lsn(wire(acknowledged))
            .with_status_interval(STATUS_EVERY)
            .with_wakeup_interval(STATUS_EVERY)
            .with_buffer_size(MESSAGES_MAX)
            .with_options([target.options(), OPTIONS].join(" ").trim())
            .with_application_name(target.application_name());
        let client = runtime.block_on(ReplicationClient::connect_gated(config))?;
        Ok(ReplicationSession { client, runtime, connect_max: target.connect_max(), answer_max: settings.answer_max })
    }

    /// The identity of the server. As the first query it also waits for the connection.
    pub(crate) fn identify(&mut self, stop: &StopSignal) -> Result<ServerIdentity, Error> {
        let asked = self.client.identify_system();
        let answer: IdentifySystem = within(&self.runtime, self.connect_max, asked, stop)?;
        let system =
            answer.system_id.parse().map_err(|_| Error::Protocol("the system identifier is no number".into()))?;
        Ok(ServerIdentity { system, timeline: i64::from(answer.timeline), end: from_wire(answer.xlogpos) })
    }

    /// From now on text arrives in the encoding of the database, if it can be converted here. To be called before a slot is
    /// created, because the next query ends its snapshot.
    pub(crate) fn receive(&mut self, charset: Charset, stop: &StopSignal) -> Result<(), Error> {
        let Some(encoding) = charset.client_encoding() else { return Ok(()) };
        let sql = format!("SET client_encoding = '{encoding}'");
        within(&self.runtime, self.answer_max, self.client.simple_query(&sql), stop)?;
        Ok(())
    }

    /// Checks that this session and `beside` are on the same server. Returns the server's process that serves this session.
    pub(crate) fn is_beside(&mut self, beside: &mut Connection, stop: &StopSignal) -> Result<i32, Error> {
        let asked = self.client.simple_query(STARTED);
        let rows: Vec<QueryRow> = within(&self.runtime, self.answer_max, asked, stop)?;
        let text = |at: usize| std::str::from_utf8(rows.first()?.get(at)?.as_ref()?).ok();
        let (Some(started), Some(Ok(pid))) = (text(0), text(1).map(str::parse)) else {
            return Err(Error::Protocol("the server does not tell its process".into()));
        };
        let known: String = beside.query_typed(STARTED, &[])?.first().map(|row| row.get(0)).unwrap_or_default();
        if known == started { Ok(pid) } else { Err(Error::DifferentServers) }
    }

    /// Creates the slot, and calls `look` at intervals until it exists. The log from its place on continues the snapshot, whose
    /// name is valid until the next command of this session or its end.
    pub(crate) fn make_slot(
        &mut self,
        name: &str,
        every: Duration,
        stop: &StopSignal,
        mut look: impl FnMut() -> Result<(), Error>,
    ) -> Result<(Lsn, String), Error> {
        let sql = format!("CREATE_REPLICATION_SLOT {name} LOGICAL pgoutput (SNAPSHOT 'export')");
        // No limit: the server waits for the end of all open transactions.
        let mut asked = pin!(self.client.simple_query(&sql));
        let rows: Vec<QueryRow> = loop {
            let answer = self.runtime.block_on(async {
                tokio::select! {
                    answer = &mut asked => Ok(Some(answer)),
                    end = ended(stop) => Err(end),
                    () = sleep(every) => Ok(None),
                }
            })?;
            match answer {
                Some(rows) => break rows?,
                None => look()?,
            }
        };
        let text = |at: usize| {
            let value = rows.first().and_then(|row| row.get(at)?.as_ref());
            value.map(|value| String::from_utf8_lossy(value).into_owned())
        };
        let place = text(1).and_then(|text| pgwire_replication::Lsn::parse(&text).ok());
        let (Some(place), Some(snapshot)) = (place, text(2)) else {
            return Err(Error::Protocol("the slot was made without a place or a snapshot".into()));
        };
        Ok((from_wire(place), snapshot))
    }

    /// Starts the log.
    pub(crate) fn start(&mut self, stop: &StopSignal) -> Result<(), Error> {
        let started = async {
            self.client.start().await?;
            self.client.wait_started().await
        };
        within(&self.runtime, self.answer_max, started, stop)
    }

    /// The next message; none if none arrived within `wait`.
    pub(crate) fn next(&mut self, wait: Duration) -> Result<Option<ReplicationEvent>, Error> {
        match self.runtime.block_on(async { timeout(wait, self.client.recv()).await }) {
            Err(_) => Ok(None),
            Ok(event) => event?.map(Some).ok_or_else(|| Error::Protocol("the server has ended the log".into())),
        }
    }

    /// Waits without reading; the session sends its status meanwhile.
    pub(crate) fn rest(&self, wait: Duration, stop: &Stop) -> Result<(), Stopped> {
        stop.check()?;
        self.runtime.block_on(async { sleep(wait).await });
        Ok(())
    }

    /// Confirms that everything before `place` is kept, so that the server may remove it. Sent within a second.
    pub(crate) fn confirm(&self, place: Lsn) {
        self.client.update_applied_lsn(wire(place));
    }
}

/// The server's answer, if it arrives within `limit`.
fn within<T>(
    runtime: &Runtime,
    limit: Duration,
    asked: impl Future<Output = Result<T, PgWireError>>,
    stop: &StopSignal,
) -> Result<T, Error> {
    let answer = runtime.block_on(async {
        tokio::select! { answer = timeout(limit, asked) => Ok(answer), end = ended(stop) => Err(end) }
    })?;
    Ok(answer.map_err(|_| Error::NoAnswer(limit))??)
}

/// Waits until the source stops.
async fn ended(stop: &StopSignal) -> Stopped {
    while !stop.is_given() {
        sleep(LOOK_EVERY).await;
    }
    Stopped
}

fn wire(place: Lsn) -> pgwire_replication::Lsn {
    pgwire_replication::Lsn::from_u64(place.0.cast_unsigned())
}

/// A place of the client library.
pub(crate) fn from_wire(place: pgwire_replication::Lsn) -> Lsn {
    Lsn(place.as_u64().cast_signed())
}

impl From<PgWireError> for Error {
    fn from(error: PgWireError) -> Self {
        match error {
            PgWireError::Server(text) => Error::ServerMessage(text),
            other => Error::Session(other),
        }
    }
}
