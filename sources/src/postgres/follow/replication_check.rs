//! Checks that replication works by opening a replication session as the source would, and ending it. Creates no slot.

use postgres::GenericClient;
use postgres::types::Type;

use crate::postgres::Settings;
use crate::postgres::diagnostic::Diagnostic;
use crate::postgres::session::connection::{Connection, Target};
use crate::postgres::session::error::Error;
use crate::postgres::session::lsn::Lsn;
use crate::postgres::session::replication::{ReplicationSession, SessionRefusal};
use crate::side_thread::StopSignal;

/// How many slots the server can have, how many it has, and whether ours is one of them.
const SLOTS: &str = "
    SELECT current_setting('max_replication_slots')::int, count(*)::int,
           COALESCE(bool_or(slot_name::text = $1), false)
    FROM pg_replication_slots";

/// How many senders the server can have.
const SENDERS: &str = "SELECT current_setting('max_wal_senders')";

/// The obstacles that only an attempt shows. Call it when the server, the tables and the user have no other obstacle.
pub(crate) fn obstacles(
    client: &mut Connection,
    target: &Target,
    settings: &Settings,
    stop: &StopSignal,
) -> Result<Vec<Diagnostic>, Error> {
    let no_slot = snapshots(&mut **client, &settings.slot)?;
    let who = Target::who(client)?;
    let opened =
        ReplicationSession::open(settings, target, (&*client, &who), (Lsn(0), Lsn(0)), stop).and_then(|mut session| {
            session.identify(stop)?;
            session.is_beside(client, stop)
        });
    let no_session = opened.err().map(|error| refused(client, error)).transpose()?;
    Ok(no_slot.into_iter().chain(no_session).collect())
}

/// Why no slot can be created, if so.
pub(crate) fn snapshots(client: &mut impl GenericClient, name: &str) -> Result<Option<Diagnostic>, postgres::Error> {
    let rows = client.query_typed(SLOTS, &[(&name, Type::TEXT)])?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (max, used, ours): (i32, i32, bool) = (row.get(0), row.get(1), row.get(2));
    if ours || used < max {
        return Ok(None);
    }
    Ok(Some(Diagnostic {
        problem: format!("all replication slots of the server are in use (max_replication_slots is {max})"),
        mend: "drop a slot that nobody needs (SELECT slot_name, active FROM pg_replication_slots; SELECT \
               pg_drop_replication_slot('…');) or raise max_replication_slots, which needs a restart of the server, or set \
               [postgres] mode = \"refresh\""
            .to_owned(),
    }))
}

/// The problem with a replication session that was refused, and its solution; any other error unchanged.
pub(crate) fn refused(client: &mut Connection, error: Error) -> Result<Diagnostic, Error> {
    let refusal = SessionRefusal::of(error)?;
    let at = client.host();
    let refresh = "or set [postgres] mode = \"refresh\"";
    let mend = match &refusal {
        SessionRefusal::NoSender(_) => {
            let max: String = client.query_typed(SENDERS, &[])?.first().map(|row| row.get(0)).unwrap_or_default();
            format!(
                "end a sender that nobody needs (SELECT pid, application_name FROM pg_stat_replication;) or raise \
                 max_wal_senders ({max} now), which needs a restart of the server, {refresh}"
            )
        }
        SessionRefusal::Other(_) => format!(
            "let [postgres] url lead to one server itself, which takes this user's sessions from here (a pooler such as \
             PgBouncer passes no replication on), {refresh}"
        ),
    };
    Ok(Diagnostic { problem: format!("no replication session is taken at {at}: {refusal}"), mend })
}
