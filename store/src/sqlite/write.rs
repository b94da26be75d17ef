//! Writes inside the writer's transaction: conditions, rules between rows, and answers that are kept for a day.

use rusqlite::{Connection, OptionalExtension, params};

use super::saver::Saver;
use super::{rows, unavailable};
use crate::Millis;
use crate::bounds::Bounds;
use crate::error::{Fault, Refusal, StoreError};
use crate::home::{Action, Condition, Repeatable, Stored, Write, WriteRequest, Written, Wrote};
use crate::kind::Kind;
use crate::row::{Row, Status};
use crate::settings::{Settings, UnknownIds};

/// The most ancestors of a category.
const DEPTH_MAX: usize = 32;

/// How long an answer is kept for a repeated request.
const ANSWER_MS: Millis = 86_400_000;

/// Changes that are kept. A source that is further behind reads all rows.
const CHANGES_MAX: i64 = 1_000_000;

/// Old changes are removed in pieces of this size.
const CHANGES_PIECE: i64 = 10_000;

enum Failure {
    Refused(usize, Refusal),
    KeyReused,
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::Sqlite(error)
    }
}

/// Does all the writes of a request, or none.
pub(super) fn request(
    connection: &Connection,
    request: &WriteRequest,
    settings: &Settings,
) -> Result<Written, StoreError> {
    let fail = |error: rusqlite::Error| unavailable(&error);
    connection.execute_batch("SAVEPOINT request").map_err(fail)?;
    let done = all(connection, request, settings);
    let end = if done.is_ok() { "RELEASE request" } else { "ROLLBACK TO request; RELEASE request" };
    // After some failures, such as a full disk, SQLite has rolled back everything already.
    let ended = if connection.is_autocommit() { Ok(()) } else { connection.execute_batch(end) };
    match done {
        Ok(written) => ended.map(|()| written).map_err(fail),
        Err(Failure::Refused(index, refusal)) => Err(StoreError::Refused { index, refusal }),
        Err(Failure::KeyReused) => Err(StoreError::KeyReused),
        Err(Failure::Sqlite(error)) => Err(fail(error)),
    }
}

fn all(connection: &Connection, request: &WriteRequest, settings: &Settings) -> Result<Written, Failure> {
    if let Some(repeatable) = &request.repeatable
        && let Some(written) = answered(connection, repeatable, request.now)?
    {
        return Ok(written);
    }
    let bounds = Bounds { price_digits: settings.price_digits, now: request.now };
    let mut written = Vec::with_capacity(request.writes.len());
    for (index, write) in request.writes.iter().enumerate() {
        let wrote = one(connection, write, &bounds, settings)?;
        written.push(wrote.map_err(|refusal| Failure::Refused(index, refusal))?);
    }
    let written = Written { change: last_change(connection)?, rows: written, replayed: false };
    if let Some(repeatable) = &request.repeatable {
        keep_answer(connection, repeatable, &written, request.now)?;
    }
    Ok(written)
}

fn one(
    connection: &Connection,
    write: &Write,
    bounds: &Bounds,
    settings: &Settings,
) -> rusqlite::Result<Result<Wrote, Refusal>> {
    let before = rows::load(connection, write.kind, &write.id)?;
    let after = match after(write, before.as_ref(), bounds) {
        Ok(after) => after,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let refusal = match &after {
        Some(row) => refusal_of(connection, row, settings)?,
        None => in_use(connection, write.kind, &write.id)?.then_some(Refusal::InUse),
    };
    if let Some(refusal) = refusal {
        return Ok(Err(refusal));
    }
    match &after {
        Some(row) if before.as_ref() != Some(row) => Saver::whole().save(connection, row)?,
        Some(_) => {}
        None => rows::delete(connection, write.kind, &write.id)?,
    }
    Ok(Ok(Wrote { created: before.is_none(), stored: after.as_ref().map(Stored::from) }))
}

/// The row after the write; none if it is removed.
fn after(write: &Write, before: Option<&Row>, bounds: &Bounds) -> Result<Option<Row>, Refusal> {
    let may_add = matches!(write.action, Action::Create(_) | Action::Put(_));
    if before.is_none() && !may_add {
        return Err(Refusal::Absent);
    }
    let holds = match &write.condition {
        Condition::Nothing => true,
        Condition::Present => before.is_some(),
        Condition::Tags(tags) => before.is_some_and(|row| tags.contains(&Stored::from(row).tag)),
    };
    if !holds {
        return Err(Refusal::Changed);
    }
    match (&write.action, before) {
        (Action::Create(_), Some(_)) => Err(Refusal::Present),
        (Action::Create(row) | Action::Put(row), _) => Ok(Some(row.clone())),
        (Action::Patch(patch), Some(row)) => row.patched(patch, bounds).map(Some).map_err(Refusal::Invalid),
        (Action::Cancel, Some(Row::Purchase(purchase))) => {
            Ok(Some(Row::Purchase(crate::Purchase { status: Status::Cancelled, ..purchase.clone() })))
        }
        (Action::Return(line), Some(Row::Purchase(purchase))) => {
            let mut purchase = purchase.clone();
            let line = line.checked_sub(1).and_then(|at| purchase.lines.get_mut(at));
            line.ok_or(Refusal::NoLine)?.returned = true;
            Ok(Some(Row::Purchase(purchase)))
        }
        (Action::Delete, Some(_)) => Ok(None),
        _ => Err(Refusal::Absent),
    }
}

/// Why the row may not stand beside the others.
pub(super) fn refusal_of(connection: &Connection, row: &Row, settings: &Settings) -> rusqlite::Result<Option<Refusal>> {
    if let Row::Category(category) = row
        && let Some(refusal) = refusal_of_parent(connection, &category.category_id, category.parent_id.as_deref())?
    {
        return Ok(Some(refusal));
    }
    if settings.unknown_ids == UnknownIds::Take {
        return Ok(None);
    }
    let mut faults = Vec::new();
    for (kind, id, field) in references(row) {
        if !rows::is_there(connection, kind, id)? {
            faults.push(Fault::new(field, format!("names a {} that is not in the store", kind.singular())));
        }
    }
    Ok((!faults.is_empty()).then_some(Refusal::Invalid(faults)))
}

/// The rows that a row refers to, each with the field that names it.
fn references(row: &Row) -> Vec<(Kind, &str, String)> {
    let category = |id, field: &str| (Kind::Categories, id, field.to_owned());
    match row {
        Row::Product(row) => row.category_id.iter().map(|id| category(id.as_str(), "category_id")).collect(),
        Row::Category(row) => row.parent_id.iter().map(|id| category(id.as_str(), "parent_id")).collect(),
        Row::User(_) => Vec::new(),
        Row::Purchase(row) => {
            let user = (Kind::Users, row.user_id.as_str(), "user_id".to_owned());
            let lines = row
                .lines
                .iter()
                .enumerate()
                .map(|(at, line)| (Kind::Products, line.product_id.as_str(), format!("lines[{at}].product_id")));
            std::iter::once(user).chain(lines).collect()
        }
    }
}

/// Why a category may not have this parent.
fn refusal_of_parent(
    connection: &Connection,
    category: &str,
    parent: Option<&str>,
) -> rusqlite::Result<Option<Refusal>> {
    let mut statement = connection.prepare_cached("SELECT parent_id FROM categories WHERE category_id = ?1")?;
    let mut ancestor = parent.map(str::to_owned);
    for _ in 0..DEPTH_MAX {
        let Some(id) = ancestor else { return Ok(None) };
        if id == category {
            return Ok(Some(Refusal::Cycle));
        }
        ancestor = statement.query_row([id], |row| row.get(0)).optional()?.flatten();
    }
    Ok(ancestor.map(|_| Refusal::TooDeep(DEPTH_MAX)))
}

fn in_use(connection: &Connection, kind: Kind, id: &str) -> rusqlite::Result<bool> {
    if kind != Kind::Categories {
        return Ok(false);
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM categories WHERE parent_id = ?1) \
               OR EXISTS (SELECT 1 FROM products WHERE category_id = ?1)";
    connection.prepare_cached(sql)?.query_row([id], |row| row.get(0))
}

/// The number of the last change, in this transaction too.
pub(super) fn last_change(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'changes'";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// Removes a piece of the changes that are not kept any more.
pub(super) fn forget_old_changes(connection: &Connection) -> rusqlite::Result<()> {
    if connection.is_autocommit() {
        return Ok(());
    }
    let first: Option<i64> =
        connection.prepare_cached("SELECT min(number) FROM changes")?.query_row([], |row| row.get(0))?;
    let Some(first) = first else { return Ok(()) };
    let kept_from = last_change(connection)? - CHANGES_MAX;
    if first + CHANGES_PIECE <= kept_from {
        let mut statement = connection.prepare_cached("DELETE FROM changes WHERE number < ?1")?;
        statement.execute([kept_from.min(first + CHANGES_PIECE * 100)])?;
    }
    Ok(())
}

fn answered(connection: &Connection, repeatable: &Repeatable, now: Millis) -> Result<Option<Written>, Failure> {
    let sql = "SELECT fingerprint, change, rows FROM answered WHERE key = ?1 AND at > ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let kept = statement.query_row(params![repeatable.key, now - ANSWER_MS], |row| {
        Ok((row.get::<_, String>(0)?, row.get(1)?, row.get::<_, String>(2)?))
    });
    let Some((fingerprint, change, rows)) = kept.optional()? else { return Ok(None) };
    if fingerprint != repeatable.fingerprint {
        return Err(Failure::KeyReused);
    }
    let rows = serde_json::from_str(&rows).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    Ok(Some(Written { change, rows, replayed: true }))
}

fn keep_answer(
    connection: &Connection,
    repeatable: &Repeatable,
    written: &Written,
    now: Millis,
) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM answered WHERE at <= ?1")?.execute([now - ANSWER_MS])?;
    let rows = serde_json::to_string(&written.rows).expect("rows are plain data");
    let sql = "INSERT INTO answered (key, fingerprint, change, rows, at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute(params![repeatable.key, repeatable.fingerprint, written.change, rows, now])?;
    Ok(())
}
