//! One replication session with the server: asked a few questions first, then followed. Calls here wait, and end early
//! when the source is to end; while one waits, the session tells the server that it is alive.

use std::time::Duration;

use pgwire_replication::{
    IdentifySystem, PgWireError, QueryRow, ReplicationClient, ReplicationConfig, ReplicationEvent,
};
use postgres::config::Host;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};

use super::Settings;
use super::connection::{Target, Who};
use super::error::Error;
use super::slot::Lsn;
use crate::side_thread::{Stop, Stopped};

/// How often the server is told how far we are.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// Messages between the socket and the reader.
const MESSAGES_MAX: usize = 1024;

/// Values as the queries of a reading give them.
const OPTIONS: &str =
    "-c datestyle=ISO -c timezone=UTC -c intervalstyle=postgres -c extra_float_digits=1 -c bytea_output=hex";

/// How soon a wait notices that the source is to end.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Which server this is, and how far its log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// The number a cluster is given when it is made; its copies share it.
    pub(super) system: u64,
    /// Counts how often a copy has taken over.
    pub(super) timeline: i64,
    pub(super) end: Lsn,
}

pub(super) struct Session {
    // Before the runtime: it ends tasks that live there.
    client: ReplicationClient,
    runtime: Runtime,
    answer_max: Duration,
}

impl Session {
    /// Connects, to go on at `from` once started, with everything before `acknowledged` kept.
    pub(super) fn open(
        settings: &Settings,
        target: &Target,
        who: &Who,
        from: Lsn,
        acknowledged: Lsn,
    ) -> Result<Session, Error> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
        let (slot, publication) = (&settings.slot, &*settings.publication);
        let (user, password, database) = (&who.user, target.password(), &who.database);
        let port = target.port();
        let config = match target.host() {
            Host::Tcp(host) => {
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
        Ok(Session { client, runtime, answer_max: settings.connect_timeout })
    }

    /// Which server answers. The first question: it waits for the connection too.
    pub(super) fn identify(&mut self, stop: &Stop) -> Result<Server, Error> {
        let limit = self.answer_max;
        let asked = self.client.identify_system();
        let answer: IdentifySystem = self
            .runtime
            .block_on(async {
                tokio::select! { answer = timeout(limit, asked) => Ok(answer), end = ended(stop) => Err(end) }
            })?
            .map_err(|_| Error::NoAnswer(limit))??;
        let system =
            answer.system_id.parse().map_err(|_| Error::Protocol("the system identifier is no number".into()))?;
        Ok(Server { system, timeline: i64::from(answer.timeline), end: from_wire(answer.xlogpos) })
    }

    /// Makes the slot. From its place on the log tells what the snapshot does not have; the snapshot's name lives until
    /// this session is asked again or dropped.
    pub(super) fn make_slot(&mut self, name: &str, stop: &Stop) -> Result<(Lsn, String), Error> {
        let sql = format!("CREATE_REPLICATION_SLOT {name} LOGICAL pgoutput (SNAPSHOT 'export')");
        // No limit: it waits for the end of all transactions that are open.
        let asked = self.client.simple_query(&sql);
        let rows: Vec<QueryRow> = self.runtime.block_on(async {
            tokio::select! { answer = asked => Ok(answer), end = ended(stop) => Err(end) }
        })??;
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

    /// From now on the log comes.
    pub(super) fn start(&mut self, stop: &Stop) -> Result<(), Error> {
        let started = async {
            self.client.start().await?;
            self.client.wait_started().await
        };
        let done = self.runtime.block_on(async {
            tokio::select! { done = started => Ok(done), end = ended(stop) => Err(end) }
        })?;
        Ok(done?)
    }

    /// What comes next; none if nothing came in that time.
    pub(super) fn next(&mut self, wait: Duration) -> Result<Option<ReplicationEvent>, Error> {
        match self.runtime.block_on(async { timeout(wait, self.client.recv()).await }) {
            Err(_) => Ok(None),
            Ok(event) => event?.map(Some).ok_or_else(|| Error::Protocol("the server has ended the log".into())),
        }
    }

    /// Waits without taking anything; the server hears of us meanwhile.
    pub(super) fn rest(&self, wait: Duration, stop: &Stop) -> Result<(), Stopped> {
        stop.check()?;
        self.runtime.block_on(async { sleep(wait).await });
        Ok(())
    }

    /// Everything before `place` is kept: the server may forget it. Told within a second.
    pub(super) fn confirm(&self, place: Lsn) {
        self.client.update_applied_lsn(wire(place));
    }
}

/// Waits until the source is to end.
async fn ended(stop: &Stop) -> Stopped {
    loop {
        sleep(LOOK_EVERY).await;
        if let Err(stopped) = stop.check() {
            return stopped;
        }
    }
}

fn wire(place: Lsn) -> pgwire_replication::Lsn {
    pgwire_replication::Lsn::from_u64(place.0.cast_unsigned())
}

/// A place as the client library has it.
pub(super) fn from_wire(place: pgwire_replication::Lsn) -> Lsn {
    Lsn(place.as_u64().cast_signed())
}

impl From<PgWireError> for Error {
    fn from(error: PgWireError) -> Self {
        match error {
            PgWireError::Server(words) => Error::Said(words),
            other => Error::Session(other),
        }
    }
}
