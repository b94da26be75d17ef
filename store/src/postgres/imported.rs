//! What an import remembers of the file in a temporary table: the ids, with the number of lines of each purchase. A second one
//! is for [`super::references`].

use std::collections::{HashMap, HashSet};

use postgres::Client;
use postgres::types::Type;

use super::copy;
use super::reason::PgError;
use super::rows::{Parameter, ShopSql};
use crate::kind::Kind;

/// An import finds all rows by their keys. Without these settings the server may read whole tables instead, because its
/// statistics know nothing of the rows that the import has added. It may also compile a statement that runs for milliseconds.
/// The order of nested loops, and which index is read, depend on the statistics all the same: so the queries below have
/// subqueries with `LIMIT` or `OFFSET`, which are never joined in another order. See also [`super::statistics`].
const PREPARE: &str = r#"
    SET LOCAL jit = off;
    SET LOCAL enable_seqscan = off;
    SET LOCAL enable_bitmapscan = off;
    SET LOCAL enable_hashjoin = off;
    SET LOCAL enable_mergejoin = off;
    SET LOCAL enable_sort = off;
    CREATE TEMP TABLE imported (
        kind bigint NOT NULL, id text COLLATE "C" NOT NULL, lines bigint NOT NULL, line bigint NOT NULL,
        PRIMARY KEY (kind, id)
    ) ON COMMIT DROP;
    CREATE TEMP TABLE dangling (
        kind bigint NOT NULL, id text COLLATE "C" NOT NULL, named_kind bigint NOT NULL, named text COLLATE "C" NOT NULL,
        PRIMARY KEY (kind, id, named_kind, named)
    ) ON COMMIT DROP"#;

/// Categories of one look at the table.
const PAGE: &str = "
    SELECT line, id FROM imported WHERE kind = $1 AND (line, id) > ($2, $3) ORDER BY line, id LIMIT 1000";

/// Categories that are named at once when others need them; the report has no room for more.
const NEEDED: &str = "
    SELECT category_id FROM categories AS t
    WHERE NOT EXISTS (SELECT FROM imported WHERE kind = $1 AND id = category_id OFFSET 0)
      AND (EXISTS (SELECT FROM products AS p WHERE p.category_id = t.category_id)
           OR EXISTS (SELECT FROM categories AS child
                      WHERE child.parent_id = t.category_id
                        AND EXISTS (SELECT FROM imported WHERE kind = $1 AND id = child.category_id OFFSET 0)))
    ORDER BY category_id LIMIT 1000";

/// Makes the tables, until the transaction ends.
pub(super) fn begin(client: &mut Client) -> Result<(), PgError> {
    Ok(client.batch_execute(PREPARE)?)
}

/// Which of these rows are in the shop's tables.
pub(super) fn present(
    client: &mut Client,
    sql: &ShopSql,
    kind: Kind,
    ids: &[&str],
) -> Result<HashSet<String>, PgError> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let rows = client.query_typed(&sql.present(kind), &[(&ids, Type::TEXT_ARRAY)])?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// A purchase that the file had before.
pub(super) struct Before {
    /// Its lines so far.
    pub(super) lines: usize,
    /// The user of its first record.
    pub(super) user_id: String,
}

/// Those of these purchases that the file had before.
pub(super) fn purchases(client: &mut Client, ids: &[&str]) -> Result<HashMap<String, Before>, PgError> {
    let sql = "
        SELECT asked_id, lines, user_id FROM unnest($2::text[]) AS asked (asked_id)
        CROSS JOIN LATERAL (SELECT lines FROM imported WHERE kind = $1 AND id = asked_id OFFSET 0) AS known
        CROSS JOIN LATERAL (SELECT user_id FROM orders WHERE order_id >= asked_id AND order_id <= asked_id
                            ORDER BY order_id LIMIT 1) AS found";
    let rows = client.query_typed(sql, &[(&number(Kind::Purchases), Type::INT8), (&ids, Type::TEXT_ARRAY)])?;
    let read = |row: &postgres::Row| {
        let lines = usize::try_from(row.try_get::<_, i64>(1)?).unwrap_or(0);
        Ok((row.try_get(0)?, Before { lines, user_id: row.try_get(2)? }))
    };
    rows.iter().map(read).collect()
}

/// Remembers rows of the file: the id, its lines so far, and its line, of a row that is repeated the last one.
pub(super) fn note(client: &mut Client, kind: Kind, rows: &[(&str, i64, u64)]) -> Result<(), PgError> {
    if rows.is_empty() {
        return Ok(());
    }
    let sql = "
        INSERT INTO imported (kind, id, lines, line)
        SELECT $1, id, lines, line FROM unnest($2::text[], $3::int8[], $4::int8[]) AS new (id, lines, line)
        ON CONFLICT (kind, id) DO UPDATE SET lines = excluded.lines, line = excluded.line";
    let ids: Vec<&str> = rows.iter().map(|(id, ..)| *id).collect();
    let lines: Vec<i64> = rows.iter().map(|(_, lines, _)| *lines).collect();
    let places: Vec<i64> = rows.iter().map(|(.., line)| i64::try_from(*line).unwrap_or(i64::MAX)).collect();
    let values: [Parameter<'_>; 4] = [
        (&number(kind), Type::INT8),
        (&ids, Type::TEXT_ARRAY),
        (&lines, Type::INT8_ARRAY),
        (&places, Type::INT8_ARRAY),
    ];
    client.execute_typed(sql, &values)?;
    Ok(())
}

/// The same of rows that the file did not have before.
pub(super) fn note_first(client: &mut Client, kind: Kind, rows: &[(&str, i64, u64)]) -> Result<(), PgError> {
    if rows.is_empty() {
        return Ok(());
    }
    copy::copy(client, "imported (kind, id, lines, line)", rows.iter(), |text, (id, lines, line)| {
        text.plain(number(kind));
        text.text(id);
        text.plain(lines);
        text.plain(line);
    })
}

/// Categories of the file behind this one, in the order of their lines.
pub(super) fn categories(client: &mut Client, last: &(i64, String)) -> Result<Vec<(i64, String)>, PgError> {
    let values: [Parameter<'_>; 3] =
        [(&number(Kind::Categories), Type::INT8), (&last.0, Type::INT8), (&last.1, Type::TEXT)];
    let rows = client.query_typed(PAGE, &values)?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// The first categories that the file does not have, and that products or categories need.
pub(super) fn needed_categories(client: &mut Client) -> Result<Vec<String>, PgError> {
    let rows = client.query_typed(NEEDED, &[(&number(Kind::Categories), Type::INT8)])?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Deletes the rows that the file does not have.
pub(super) fn delete_others(client: &mut Client, sql: &ShopSql, kind: Kind) -> Result<(), PgError> {
    client.execute_typed(&sql.delete_others(kind), &[(&number(kind), Type::INT8)])?;
    Ok(())
}

/// A number for SQL.
pub(super) fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(kind: Kind) -> i64 {
    kind as i64
}
