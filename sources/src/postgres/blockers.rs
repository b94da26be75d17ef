//! Whom a session of ours waits for: the transactions that hold it up, named so that a person can act, without a word of
//! what they do.

use postgres::GenericClient;
use postgres::types::Type;

use super::finding::Finding;

/// Transactions that are named; the others are counted.
const NAMED_MAX: usize = 3;

/// The sessions that a session waits for: process, user, state, age of the transaction in seconds, begin of its last
/// statement. Process 0 stands for transactions that are prepared.
const BLOCKERS: &str = "
    SELECT b.pid, COALESCE(a.usename::text, ''), COALESCE(a.state, ''),
           COALESCE(extract(epoch FROM clock_timestamp() - a.xact_start)::bigint, 0),
           COALESCE(to_char(a.query_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), '')
    FROM (SELECT DISTINCT unnest(pg_blocking_pids($1)) AS pid) b
    LEFT JOIN pg_stat_activity a ON a.pid = b.pid
    ORDER BY a.xact_start NULLS LAST, b.pid";

/// What a session of ours is at; none where there is no such session any more.
const ACTIVITY: &str = "SELECT COALESCE(wait_event_type, '') FROM pg_stat_activity WHERE pid = $1";

/// How the server has it with a session of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    /// There is no such session.
    Gone,
    /// It waits for us: it has answered, or does not hear us.
    Idle,
    /// It is at work, or waits for those.
    Busy(Option<Finding>),
}

/// Looks at the session of that process, from another one. `doing` says what it is there for.
pub(super) fn of(client: &mut impl GenericClient, pid: i32, doing: &str) -> Result<Activity, postgres::Error> {
    let rows = client.query_typed(ACTIVITY, &[(&pid, Type::INT4)])?;
    let Some(row) = rows.first() else { return Ok(Activity::Gone) };
    if row.get::<_, &str>(0) == "Client" {
        return Ok(Activity::Idle);
    }
    Ok(Activity::Busy(blocked(client, pid, doing)?))
}

/// Whom that session waits for, if it waits for somebody.
pub(super) fn blocked(
    client: &mut impl GenericClient,
    pid: i32,
    doing: &str,
) -> Result<Option<Finding>, postgres::Error> {
    let rows = client.query_typed(BLOCKERS, &[(&pid, Type::INT4)])?;
    if rows.is_empty() {
        return Ok(None);
    }
    let (mut who, mut mends) = (Vec::new(), Vec::new());
    for row in rows.iter().take(NAMED_MAX) {
        let (pid, user, state): (i32, &str, &str) = (row.get(0), row.get(1), row.get(2));
        if pid == 0 {
            who.push("a prepared transaction".to_owned());
            mends.push("ROLLBACK PREPARED '…'; (pg_prepared_xacts names them)".to_owned());
            continue;
        }
        let (age_s, since): (i64, &str) = (row.get(3), row.get(4));
        who.push(format!("process {pid} (user {user}, {state}, open for {age_s} s, last statement at {since})"));
        mends.push(format!("SELECT pg_terminate_backend({pid});"));
    }
    if rows.len() > NAMED_MAX {
        who.push(format!("{} more", rows.len() - NAMED_MAX));
    }
    let problem = format!("{doing} waits for the end of the transaction of {}", who.join(", of "));
    Ok(Some(Finding { problem, mend: format!("end that transaction, or: {}", mends.join(" ")) }))
}

/// Ends a session of ours that replicates: it would wait on, though nobody waits for it.
pub(super) fn end(client: &mut impl GenericClient, pid: i32) -> Result<(), postgres::Error> {
    const END: &str = "
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_type = 'walsender'";
    client.query_typed(END, &[(&pid, Type::INT4)]).map(drop)
}
