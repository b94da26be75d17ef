//! The transactions that block a session of ours, with process, user and age, and without their statements.

use postgres::types::Type;
use postgres::{GenericClient, Row};

use crate::postgres::diagnostic::Diagnostic;

/// Transactions that are named; the others are counted.
const NAMED_MAX: usize = 3;

/// The sessions that a session waits for: process, user, state, age of the transaction in seconds, begin of its last
/// statement. Values that this role may not see are missing. Process 0 stands for prepared transactions.
const BLOCKERS: &str = "
    SELECT b.pid, a.usename::text, a.state, extract(epoch FROM clock_timestamp() - a.xact_start)::bigint,
           to_char(a.query_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')
    FROM (SELECT DISTINCT unnest(pg_blocking_pids($1)) AS pid) b
    LEFT JOIN pg_stat_activity a ON a.pid = b.pid
    ORDER BY a.xact_start NULLS LAST, b.pid";

/// The prepared transactions that it waits for: quoted name, owner and age in seconds.
const PREPARED: &str = "
    SELECT quote_literal(p.gid), COALESCE(p.owner::text, 'nobody'), extract(epoch FROM clock_timestamp() - p.prepared)::bigint
    FROM pg_prepared_xacts p
    WHERE EXISTS (
        SELECT FROM pg_locks w JOIN pg_locks h ON h.locktype = w.locktype
            AND (h.database, h.relation, h.transactionid) IS NOT DISTINCT FROM (w.database, w.relation, w.transactionid)
        JOIN pg_locks own ON own.virtualtransaction = h.virtualtransaction
        WHERE w.pid = $1 AND NOT w.granted AND h.granted AND h.pid IS NULL
          AND own.locktype = 'transactionid' AND own.transactionid = p.transaction AND own.pid IS NULL)
    ORDER BY p.prepared";

/// The activity of a session of ours; no row if there is no such session.
const ACTIVITY: &str = "SELECT COALESCE(wait_event_type, '') FROM pg_stat_activity WHERE pid = $1";

/// The activity of a session of ours, as the server reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SessionActivity {
    /// There is no such session.
    Gone,
    /// It waits for us: it has answered, or our message has not arrived.
    Idle,
    /// It works, or waits for these transactions.
    Busy(Option<Diagnostic>),
}

/// Reads the activity of the session of that process, from another session. `doing`: its purpose.
pub(crate) fn of(client: &mut impl GenericClient, pid: i32, doing: &str) -> Result<SessionActivity, postgres::Error> {
    let rows = client.query_typed(ACTIVITY, &[(&pid, Type::INT4)])?;
    let Some(row) = rows.first() else { return Ok(SessionActivity::Gone) };
    if row.get::<_, &str>(0) == "Client" {
        return Ok(SessionActivity::Idle);
    }
    Ok(SessionActivity::Busy(blocked(client, pid, doing)?))
}

/// The transactions that block that session, if any do.
pub(crate) fn blocked(
    client: &mut impl GenericClient,
    pid: i32,
    doing: &str,
) -> Result<Option<Diagnostic>, postgres::Error> {
    let rows = client.query_typed(BLOCKERS, &[(&pid, Type::INT4)])?;
    let (mut who, mut mends) = (Vec::new(), Vec::new());
    for row in &rows {
        let blocker: i32 = row.get(0);
        if blocker != 0 {
            who.push(format!("process {blocker} ({})", known(row)));
            mends.push(format!("SELECT pg_terminate_backend({blocker});"));
            continue;
        }
        let prepared = client.query_typed(PREPARED, &[(&pid, Type::INT4)])?;
        if prepared.is_empty() {
            who.push("one that is prepared".to_owned());
            mends.push("ROLLBACK PREPARED '…'; (pg_prepared_xacts names it)".to_owned());
        }
        for row in prepared {
            let (name, owner, age_s): (String, String, i64) = (row.get(0), row.get(1), row.get(2));
            who.push(format!("{name} (prepared by {owner} {age_s} s ago)"));
            mends.push(format!("ROLLBACK PREPARED {name};"));
        }
    }
    if who.is_empty() {
        return Ok(None);
    }
    let further = who.len().saturating_sub(NAMED_MAX);
    who.truncate(NAMED_MAX);
    mends.truncate(NAMED_MAX);
    if further > 0 {
        who.push(format!("{further} more"));
    }
    let problem = format!("{doing} waits for the end of the transaction of {}", who.join(", of "));
    Ok(Some(Diagnostic { problem, mend: format!("end that transaction, or: {}", mends.join(" ")) }))
}

/// The description of a session in a transaction, without its statement.
fn known(row: &Row) -> String {
    let (user, state, since): (Option<&str>, Option<&str>, Option<&str>) = (row.get(1), row.get(2), row.get(4));
    let parts = [
        user.map(|user| format!("user {user}")),
        state.map(str::to_owned),
        row.get::<_, Option<i64>>(3).map(|age_s| format!("open for {age_s} s")),
        since.map(|since| format!("last statement at {since}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Ends a replication session of ours, which would wait for ever without a reader.
pub(crate) fn end(client: &mut impl GenericClient, pid: i32) -> Result<(), postgres::Error> {
    const END: &str = "
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_type = 'walsender'";
    client.query_typed(END, &[(&pid, Type::INT4)]).map(drop)
}
