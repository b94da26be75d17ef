//! One transaction for all requests that wait, and the tables inside it.

use postgres::Client;
use postgres::types::Type;

use super::opening::{LOCK, TableAccess};
use super::reason::PgError;
use super::rows::{Parameter, ShopSql};
use super::save::{self, Present};
use super::session::PgSession;
use crate::Millis;
use crate::error::StoreError;
use crate::home::{WriteRequest, Written};
use crate::kind::Kind;
use crate::row::Row;
use crate::settings::Settings;
use crate::write::{self, KeptAnswer, WriteFailure, WriteTransaction};

/// How often a transaction, or a request in it, is tried when others are in its way.
const ATTEMPTS_MAX: usize = 3;

/// Where the log is durable up to, after a commit.
const DURABLE_LSN: &str = "SELECT (pg_current_wal_flush_lsn() - '0/0')::int8";

type Answers = Vec<Result<Written, StoreError>>;

/// Why a transaction was not done.
enum TransactionFailure {
    /// Nothing was written, and the same may succeed now.
    Passing(StoreError),
    /// A constraint that is checked at the commit does not hold. Nothing was written.
    Constraint(StoreError),
    Lasting(StoreError),
}

impl From<TransactionFailure> for StoreError {
    fn from(failure: TransactionFailure) -> Self {
        match failure {
            TransactionFailure::Passing(error)
            | TransactionFailure::Constraint(error)
            | TransactionFailure::Lasting(error) => error,
        }
    }
}

/// Does the requests in one transaction. A request that is refused leaves the others as they are.
pub(super) fn group(
    session: &mut PgSession,
    requests: &[WriteRequest],
    settings: &Settings,
) -> Result<Answers, StoreError> {
    match together(session, requests, settings) {
        // The commit does not say whose rows break the constraint, so each request gets a transaction of its own.
        Err(TransactionFailure::Constraint(_)) if requests.len() > 1 => Ok(requests
            .iter()
            .map(|request| together(session, std::slice::from_ref(request), settings)?.remove(0))
            .collect()),
        done => Ok(done?),
    }
}

fn together(
    session: &mut PgSession,
    requests: &[WriteRequest],
    settings: &Settings,
) -> Result<Answers, TransactionFailure> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let (client, sql, access) = session.get().map_err(TransactionFailure::Lasting)?;
        if let TableAccess::Reads(reason) | TableAccess::Nothing(reason) = access {
            return Err(TransactionFailure::Lasting(StoreError::Elsewhere(reason)));
        }
        match transact(client, sql, requests, settings) {
            Err(TransactionFailure::Passing(_)) if attempts < ATTEMPTS_MAX => {}
            done => return done,
        }
    }
}

fn transact(
    client: &mut Client,
    sql: &ShopSql,
    requests: &[WriteRequest],
    settings: &Settings,
) -> Result<Answers, TransactionFailure> {
    let begun = client
        .batch_execute(&format!("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({LOCK}); {WAIT}"));
    let answers = begun.map_err(PgError::from).and_then(|()| {
        requests.iter().map(|request| in_savepoint(client, sql, request, settings)).collect::<Result<Answers, _>>()
    });
    let answers = match answers {
        Ok(answers) => answers,
        Err(error) => {
            // A connection that is lost has rolled back already.
            let rolled_back = client.batch_execute("ROLLBACK").is_ok();
            let passes = error.is_passing() && rolled_back || client.is_closed();
            return Err(if passes {
                TransactionFailure::Passing(error.into())
            } else {
                TransactionFailure::Lasting(error.into())
            });
        }
    };
    let committed = client.batch_execute("COMMIT").map_err(PgError::from).map_err(|error| {
        if error.is_passing() {
            TransactionFailure::Passing(error.into())
        } else if error.is_of_constraint() {
            TransactionFailure::Constraint(error.into())
        } else {
            TransactionFailure::Lasting(StoreError::Unsure(error.to_string()))
        }
    });
    committed?;
    let durable = client.query_typed_one(DURABLE_LSN, &[]).and_then(|row| row.try_get::<_, i64>(0));
    let durable =
        durable.map_err(|error| TransactionFailure::Lasting(StoreError::Unsure(PgError::from(error).to_string())))?;
    let numbered =
        |answer: Result<Written, StoreError>| answer.map(|written| Written { change: durable - 1, ..written });
    Ok(answers.into_iter().map(numbered).collect())
}

/// How long a statement waits for a lock that the transaction of another tool holds.
const WAIT: &str = "SET LOCAL lock_timeout = '2s'";

/// How long the others of a group wait after one has waited in vain: together they would take minutes.
const WAIT_NO_MORE: &str = "SET LOCAL lock_timeout = '50ms'";

/// The number of a change, after its commit.
pub(super) fn durable_change(client: &mut Client) -> Result<i64, StoreError> {
    let lsn = client.query_typed_one(DURABLE_LSN, &[]).and_then(|row| row.try_get::<_, i64>(0));
    lsn.map(|lsn| lsn - 1).map_err(|error| StoreError::Unsure(PgError::from(error).to_string()))
}

/// Does all the writes of a request, or none.
///
/// # Errors
/// When the whole transaction must be given up.
fn in_savepoint(
    client: &mut Client,
    sql: &ShopSql,
    request: &WriteRequest,
    settings: &Settings,
) -> Result<Result<Written, StoreError>, PgError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        client.batch_execute("SAVEPOINT request")?;
        let done = write::request(&mut PgTables { client, sql }, request, settings);
        match done {
            Err(WriteFailure::Home { error, .. }) if error.is_passing() => return Err(error),
            Ok(_) => client.batch_execute("RELEASE request")?,
            Err(_) => client.batch_execute("ROLLBACK TO request; RELEASE request")?,
        }
        if matches!(&done, Err(WriteFailure::Home { error, .. }) if error.is_locked()) {
            client.batch_execute(WAIT_NO_MORE)?;
        }
        return Ok(match done {
            Ok(written) => Ok(written),
            Err(WriteFailure::Rule(error)) => Err(error),
            // The row is committed now, so that the next attempt finds it.
            Err(WriteFailure::Home { error, .. }) if error.is_overtaken() && attempts < ATTEMPTS_MAX => continue,
            Err(WriteFailure::Home { index, error }) => Err(error.of_write(index)),
        });
    }
}

/// The tables, as the connection's transaction sees them.
pub(super) struct PgTables<'c> {
    pub(super) client: &'c mut Client,
    pub(super) sql: &'c ShopSql,
}

impl WriteTransaction for PgTables<'_> {
    type Error = PgError;

    fn load(&mut self, kind: Kind, id: &str) -> Result<Option<Row>, PgError> {
        if kind == Kind::Purchases && !id.contains('\0') {
            // Before they are read: the statement that waits for a lock would still read the lines of its beginning.
            for table in ["orders", "order_items"] {
                let lock = format!("SELECT FROM {table} WHERE order_id = $1 FOR UPDATE");
                self.client.query_typed(&lock, &[(&id, Type::TEXT)])?;
            }
        }
        self.sql.load(self.client, kind, id, true)
    }

    fn is_there(&mut self, kind: Kind, id: &str) -> Result<bool, PgError> {
        // A statement that has waited for another tool, which has replaced the row by a new one, finds neither of them. The next
        // statement finds the new one.
        Ok(self.sql.is_there(self.client, kind, id)? || self.sql.is_there(self.client, kind, id)?)
    }

    fn save(&mut self, row: &Row, is_new: bool) -> Result<(), PgError> {
        save::save(self.client, &[row], if is_new { Present::Fails } else { Present::Changes(None) })?;
        let Row::Purchase(purchase) = row else { return Ok(()) };
        if !is_new {
            save::cut_lines(self.client, &[purchase])?;
        }
        save::lines(self.client, &[(purchase, 0)])
    }

    fn delete(&mut self, kind: Kind, id: &str) -> Result<(), PgError> {
        self.sql.delete(self.client, kind, id)
    }

    fn parent(&mut self, category: &str) -> Result<Option<String>, PgError> {
        let sql = "SELECT parent_id FROM categories WHERE category_id = $1";
        let row = self.client.query_typed_opt(sql, &[(&category, Type::TEXT)])?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.flatten())
    }

    fn levels_below(&mut self, category: &str, most: usize) -> Result<usize, PgError> {
        let sql = "
            WITH RECURSIVE below (id, level) AS (
                SELECT $1 COLLATE \"C\", 0::int8
                UNION ALL
                SELECT category_id, level + 1 FROM below JOIN categories ON parent_id = id WHERE level < $2)
            SELECT max(level) FROM below";
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let values: [Parameter<'_>; 2] = [(&category, Type::TEXT), (&most, Type::INT8)];
        let levels: i64 = self.client.query_typed_one(sql, &values)?.try_get(0)?;
        Ok(usize::try_from(levels).unwrap_or_default())
    }

    fn is_used(&mut self, category: &str) -> Result<bool, PgError> {
        let sql = "SELECT EXISTS (SELECT FROM categories WHERE parent_id = $1)
                       OR EXISTS (SELECT FROM products WHERE category_id = $1)";
        Ok(self.client.query_typed_one(sql, &[(&category, Type::TEXT)])?.try_get(0)?)
    }

    fn last_change(&mut self) -> Result<i64, PgError> {
        Ok(0)
    }

    fn kept_answer(&mut self, key: &str, since: Millis) -> Result<Option<KeptAnswer>, PgError> {
        let sql = "SELECT fingerprint, rows FROM vitrine_answered WHERE key = $1 AND at > $2";
        let row = self.client.query_typed_opt(sql, &[(&key, Type::TEXT), (&since, Type::INT8)])?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(KeptAnswer { fingerprint: row.try_get(0)?, change: 0, rows: row.try_get(1)? }))
    }

    fn keep_answer(&mut self, key: &str, kept: &KeptAnswer, now: Millis, until: Millis) -> Result<(), PgError> {
        self.client.execute_typed("DELETE FROM vitrine_answered WHERE at <= $1", &[(&until, Type::INT8)])?;
        let sql = "INSERT INTO vitrine_answered (key, fingerprint, rows, at) VALUES ($1, $2, $3, $4)";
        let values: [Parameter<'_>; 4] =
            [(&key, Type::TEXT), (&kept.fingerprint, Type::TEXT), (&kept.rows, Type::TEXT), (&now, Type::INT8)];
        self.client.execute_typed(sql, &values)?;
        Ok(())
    }
}
