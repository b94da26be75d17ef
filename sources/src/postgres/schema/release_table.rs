//! Removes a table from the publication if the server refuses its changes because it is published.
//!
//! The server refuses UPDATE and DELETE of a published table when it cannot identify the row in its log: the key was dropped,
//! or the published columns do not cover a new replica identity. Following the tables must not prevent the shop from
//! changing them. A table that can be followed again returns when the publication is repaired; then all tables are read.

use postgres::GenericClient;
use postgres::error::SqlState;
use postgres::types::Type;

use crate::postgres::NAME;
use crate::postgres::diagnostic::Diagnostic;
use crate::postgres::names;
use crate::postgres::session::error_text::error_text;

/// The published tables whose rows the server cannot identify, as SQL names them.
const BLOCKED: &str = "
    SELECT c.oid::regclass::text
    FROM pg_publication p
    JOIN pg_publication_rel r ON r.prpubid = p.oid
    JOIN pg_class c ON c.oid = r.prrelid
    WHERE p.pubname::text = $1 AND (p.pubupdate OR p.pubdelete) AND c.relkind = 'r'
      AND CASE WHEN c.relreplident = 'f' THEN r.prattrs IS NOT NULL
          ELSE NOT EXISTS (
              SELECT FROM pg_index i
              WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
                AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END
                AND (r.prattrs IS NULL OR NOT EXISTS (
                    SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
                    WHERE k.place <= i.indnkeyatts AND k.attnum <> ALL (r.prattrs::int2[]))))
          END
    ORDER BY 1";

/// A long transaction may hold a lock on the table; the other tables are followed meanwhile.
const PATIENCE: &str = "SET LOCAL lock_timeout = '1s'";

/// Removes these tables from the publication; returns the problem if that is refused.
pub(crate) fn release_table(
    client: &mut postgres::Client,
    publication: &str,
) -> Result<Option<Diagnostic>, postgres::Error> {
    let Some((tables, sql)) = needed(client, publication)? else { return Ok(None) };
    let done = client.batch_execute(&format!("{PATIENCE}; {sql}"));
    let Err(error) = done else {
        tracing::warn!(
            source = NAME,
            sql,
            "the server refused changes of published tables: they have left the publication"
        );
        return Ok(None);
    };
    match error.code() {
        Some(
            &(SqlState::INSUFFICIENT_PRIVILEGE | SqlState::READ_ONLY_SQL_TRANSACTION | SqlState::LOCK_NOT_AVAILABLE),
        ) => Ok(Some(Diagnostic {
            problem: format!(
                "the server refuses UPDATE and DELETE of {tables} while the publication has it, and taking it out is \
                     refused ({})",
                error_text(&error)
            ),
            mend: format!("let the publication's owner run: {sql}"),
        })),
        _ => Err(error),
    }
}

/// The tables to remove, and the SQL that removes them.
fn needed(client: &mut impl GenericClient, publication: &str) -> Result<Option<(String, String)>, postgres::Error> {
    let rows = client.query_typed(BLOCKED, &[(&publication, Type::TEXT)])?;
    if rows.is_empty() {
        return Ok(None);
    }
    let tables: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let sql = format!("ALTER PUBLICATION {} DROP TABLE ONLY {};", names::column(publication), tables.join(", ONLY "));
    Ok(Some((tables.join(", "), sql)))
}
