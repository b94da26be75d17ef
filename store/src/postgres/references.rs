//! What the rows of a run refer to: which of the other rows are there, and which references were dangling in the store already.
//! A file may repeat a dangling reference, also after one of its records has replaced the row.

use std::collections::{HashMap, HashSet};

use postgres::Client;
use postgres::types::Type;

use super::imported::{self, Before};
use super::reason::PgError;
use super::rows::{Parameter, ShopSql};
use super::runs::ImportRun;
use crate::import::Role;
use crate::kind::Kind;
use crate::row::Row;
use crate::write::references;

/// References of rows in the store to rows that are not there: the id of the row, the kind and the id that it names.
pub(super) type Dangling = HashSet<(String, Kind, String)>;

/// What the rows of a run may refer to: the rows of each kind that are there, and what the row in the store refers to.
pub(super) struct KnownIds {
    there: [HashSet<String>; 4],
    dangling: Dangling,
}

impl KnownIds {
    /// Whether the row with the id `owner` may refer to this row.
    pub(super) fn contains(&self, owner: &str, kind: Kind, id: &str) -> bool {
        let is_there = self.there[kind as usize].contains(id);
        let was_named = || self.dangling.contains(&(owner.to_owned(), kind, id.to_owned()));
        is_there || !self.dangling.is_empty() && was_named()
    }
}

/// Finds what the rows of a run may refer to; none if that is everything for now. `there` are its rows that are in the store,
/// `before` those that the file had before.
pub(super) fn known(
    client: &mut Client,
    sql: &ShopSql,
    run: &ImportRun,
    there: &HashSet<String>,
    before: &HashMap<String, Before>,
) -> Result<Option<KnownIds>, PgError> {
    let Some((kind, role)) = run.of else { return Ok(None) };
    // Rows that this run replaces; a row that is only written if it is absent stays.
    let replaced = there.iter().filter(|id| role != Role::IfAbsent && !before.contains_key(*id));
    let stored = stored(client, kind, &replaced.map(String::as_str).collect::<Vec<_>>())?;
    let mut named: Vec<(Kind, &str)> = stored.iter().map(|(_, kind, id)| (*kind, &**id)).collect();
    // The parent of a category may follow it in the file, and is looked for when all categories are written.
    if kind != Kind::Categories {
        let parts = run.rows.iter().flatten();
        named.extend(parts.flat_map(|(_, part)| references(part)).map(|(kind, id, _)| (kind, id)));
    }
    let mut ids = Kind::ALL.map(|_| HashSet::new());
    for of in Kind::ALL {
        let asked: Vec<&str> = named.iter().filter(|(kind, _)| *kind == of).map(|(_, id)| *id).collect();
        if !asked.is_empty() {
            ids[of as usize] = imported::present(client, sql, of, &asked)?;
        }
    }
    let is_there = |kind: Kind, id: &str| ids[kind as usize].contains(id);
    keep(client, kind, &stored.iter().filter(|(_, of, id)| !is_there(*of, id)).collect::<Vec<_>>())?;
    if kind == Kind::Categories {
        return Ok(None);
    }
    let is_doubtful = |(_, part): &(u64, Row)| references(part).iter().any(|(of, id, _)| !is_there(*of, id));
    let doubtful = run.rows.iter().filter(|parts| there.contains(parts[0].1.id()) && parts.iter().any(is_doubtful));
    let dangling = dangling(client, kind, &doubtful.map(|parts| parts[0].1.id()).collect::<Vec<_>>())?;
    Ok(Some(KnownIds { there: ids, dangling }))
}

/// The dangling references that these rows had before the import.
pub(super) fn dangling(client: &mut Client, kind: Kind, ids: &[&str]) -> Result<Dangling, PgError> {
    if ids.is_empty() {
        return Ok(Dangling::new());
    }
    let sql = "
        SELECT asked_id, named_kind, named FROM unnest($2::text[]) AS asked (asked_id)
        CROSS JOIN LATERAL (SELECT named_kind, named FROM dangling WHERE kind = $1 AND id = asked_id OFFSET 0) AS found";
    let mut dangling = Dangling::new();
    for row in client.query_typed(sql, &[(&(kind as i64), Type::INT8), (&ids, Type::TEXT_ARRAY)])? {
        let number: i64 = row.try_get(1)?;
        let (id, named) = (row.try_get(0)?, row.try_get(2)?);
        dangling.extend(Kind::ALL.into_iter().find(|kind| *kind as i64 == number).map(|kind| (id, kind, named)));
    }
    Ok(dangling)
}

/// What these rows refer to in the store.
fn stored(client: &mut Client, kind: Kind, ids: &[&str]) -> Result<Vec<(String, Kind, String)>, PgError> {
    let mut references = Vec::new();
    if ids.is_empty() {
        return Ok(references);
    }
    for (named_kind, found) in queries(kind) {
        let sql = format!(
            "SELECT asked_id, named FROM unnest($1) AS asked (asked_id) CROSS JOIN LATERAL ({found}) AS found
             WHERE named IS NOT NULL"
        );
        for row in client.query_typed(&sql, &[(&ids, Type::TEXT_ARRAY)])? {
            references.push((row.try_get(0)?, *named_kind, row.try_get(1)?));
        }
    }
    Ok(references)
}

/// The queries for what a row of this kind refers to, each with the kind of those rows. They read the index of the key: see
/// [`ShopSql::present`].
fn queries(kind: Kind) -> &'static [(Kind, &'static str)] {
    match kind {
        Kind::Products => &[(
            Kind::Categories,
            "SELECT category_id AS named FROM products WHERE product_id >= asked_id AND product_id <= asked_id
             ORDER BY product_id LIMIT 1",
        )],
        Kind::Categories => &[(
            Kind::Categories,
            "SELECT parent_id AS named FROM categories WHERE category_id >= asked_id AND category_id <= asked_id
             ORDER BY category_id LIMIT 1",
        )],
        Kind::Users => &[],
        Kind::Purchases => &[
            (
                Kind::Users,
                "SELECT user_id AS named FROM orders WHERE order_id >= asked_id AND order_id <= asked_id
                 ORDER BY order_id LIMIT 1",
            ),
            (Kind::Products, "SELECT product_id AS named FROM order_items WHERE order_id = asked_id OFFSET 0"),
        ],
    }
}

/// Remembers dangling references of rows of this kind.
fn keep(client: &mut Client, kind: Kind, references: &[&(String, Kind, String)]) -> Result<(), PgError> {
    if references.is_empty() {
        return Ok(());
    }
    let sql = "
        INSERT INTO dangling (kind, id, named_kind, named)
        SELECT $1, id, named_kind, named FROM unnest($2::text[], $3::int8[], $4::text[]) AS new (id, named_kind, named)
        ON CONFLICT DO NOTHING";
    let ids: Vec<&str> = references.iter().map(|(id, ..)| &**id).collect();
    let kinds: Vec<i64> = references.iter().map(|(_, kind, _)| *kind as i64).collect();
    let named: Vec<&str> = references.iter().map(|(.., named)| &**named).collect();
    let values: [Parameter<'_>; 4] = [
        (&(kind as i64), Type::INT8),
        (&ids, Type::TEXT_ARRAY),
        (&kinds, Type::INT8_ARRAY),
        (&named, Type::TEXT_ARRAY),
    ];
    client.execute_typed(sql, &values)?;
    Ok(())
}
