//! The replication slot: the place from which on the server keeps its log for us.

use postgres::GenericClient;
use postgres::types::Type;

use crate::postgres::diagnostic::Diagnostic;
use crate::postgres::session::blockers;
use crate::postgres::session::lsn::Lsn;

const SLOT: &str = "
    SELECT COALESCE(plugin::text, ''), COALESCE(database::text, ''), database::text = current_database(), active_pid,
           COALESCE((confirmed_flush_lsn - '0/0'::pg_lsn)::bigint, 0), COALESCE(wal_status = 'lost', false),
           confirmed_flush_lsn IS NULL
    FROM pg_replication_slots WHERE slot_name::text = $1";

/// The end of the server's log, by a query that a standby answers too.
const END: &str = "
    SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_flush_lsn() END
            - '0/0'::pg_lsn)::bigint";

/// Whether the slot's sender waits for us, or does not exist. At work it waits for nothing, or for a disk.
const SENDER_IDLE: &str = "
    SELECT a.pid IS NULL
        OR COALESCE(lower(a.wait_event) IN ('walsenderwaitforwal', 'walsendermain', 'walsenderwritedata'), false)
    FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
    WHERE s.slot_name::text = $1";

/// The state of the slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// There is none.
    Missing,
    /// The server has removed the log that the slot needs.
    Lost,
    /// A reader may continue from here or from any later place.
    At(Lsn),
    /// It belongs to another program or database.
    Refused(Diagnostic),
    /// Another session uses it.
    Busy(Diagnostic),
}

/// Reads the state of the slot.
pub(crate) fn look(client: &mut impl GenericClient, name: &str) -> Result<Slot, postgres::Error> {
    let rows = client.query_typed(SLOT, &[(&name, Type::TEXT)])?;
    let Some(row) = rows.first() else { return Ok(Slot::Missing) };
    let (plugin, database): (String, String) = (row.get(0), row.get(1));
    let ours: Option<bool> = row.get(2);
    let other = "set [postgres] slot to a name that is free".to_owned();
    if plugin != "pgoutput" || ours != Some(true) {
        let problem =
            format!("the replication slot {name} is another one's (database {database:?}, plugin {plugin:?})");
        return Ok(Slot::Refused(Diagnostic { problem, mend: other }));
    }
    if let Some(pid) = row.get::<_, Option<i32>>(3) {
        if row.get(6) {
            let problem =
                format!("the replication slot {name} is being made for a session of process {pid} of the server");
            let waits = blockers::blocked(client, pid, "it")?.map(|finding| format!("; {}", finding.problem));
            let mend = format!("SELECT pg_terminate_backend({pid}); if that session is nobody's any more");
            return Ok(Slot::Busy(Diagnostic { problem: problem + &waits.unwrap_or_default(), mend }));
        }
        let problem = format!("the replication slot {name} is in use by process {pid} of the server");
        let mend = format!("stop the other Vitrine, or {other}");
        return Ok(Slot::Busy(Diagnostic { problem, mend }));
    }
    Ok(if row.get(5) { Slot::Lost } else { Slot::At(Lsn(row.get(4))) })
}

/// Removes the slot.
pub(crate) fn remove(client: &mut impl GenericClient, name: &str) -> Result<(), postgres::Error> {
    client.query_typed("SELECT pg_drop_replication_slot($1)::text", &[(&name, Type::NAME)]).map(drop)
}

/// Ends the sender of that process if it follows the slot; whether it does.
pub(crate) fn end_sender(client: &mut impl GenericClient, name: &str, pid: i32) -> Result<bool, postgres::Error> {
    const END: &str = "
        SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots
        WHERE slot_name::text = $1 AND active_pid = $2";
    let ended = client.query_typed(END, &[(&name, Type::TEXT), (&pid, Type::INT4)])?;
    Ok(!ended.is_empty())
}

/// The end of the server's log.
pub(crate) fn end(client: &mut impl GenericClient) -> Result<i64, postgres::Error> {
    let rows = client.query_typed(END, &[])?;
    Ok(rows.first().and_then(|row| row.get::<_, Option<i64>>(0)).unwrap_or(0))
}

/// Whether the slot's sender has nothing to send, or waits for its reader, or is not there.
pub(crate) fn is_sender_idle(client: &mut impl GenericClient, name: &str) -> Result<bool, postgres::Error> {
    let rows = client.query_typed(SENDER_IDLE, &[(&name, Type::TEXT)])?;
    Ok(rows.first().is_none_or(|row| row.get(0)))
}
