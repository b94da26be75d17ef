//! The queries. Every id is read as text and every time as whole milliseconds since the epoch, rounded down.

use std::time::Duration;

use dataflow::time::Millis;

use super::layout::{Layout, TimeKind};
use super::names::{OrderTime, Tables, column, table};

/// Numbers below this are seconds, all others milliseconds: the same bound as for events.
const LEAST_MILLIS: u64 = 100_000_000_000;

/// Stands for a time beyond all bounds, such as `infinity`.
const FAR: i64 = i64::MAX;

/// Limits for the transaction that is open, and values written as the log writes them. The server refuses a query whose
/// rows a policy would choose from.
pub(super) fn limits(statement_timeout: Duration) -> String {
    format!(
        "SET LOCAL statement_timeout = {}; SET LOCAL datestyle = 'ISO'; SET LOCAL timezone = 'UTC'; SET LOCAL \
         intervalstyle = 'postgres'; SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; \
         SET LOCAL row_security = off",
        statement_timeout.as_millis().min(i32::MAX as u128)
    )
}

/// Limits for every statement of a connection. A server that can (from 14 on) looks whether we are still there while it
/// is at work, so that nothing goes on waiting for a lock when we have gone.
pub(super) fn session(statement_timeout: Duration) -> String {
    format!(
        "SET statement_timeout = {}; SELECT set_config(name, '5s', false) FROM pg_settings WHERE name = \
         'client_connection_check_interval'",
        statement_timeout.as_millis().min(i32::MAX as u128)
    )
}

/// Lets the transaction that is open, and has not read yet, see what an exported snapshot shows.
pub(super) fn join(snapshot: &str) -> String {
    format!("SET TRANSACTION SNAPSHOT '{}'", snapshot.replace('\'', "''"))
}

/// Product, category. Products without a category are in no shelf of their own.
pub(super) fn products(tables: &Tables) -> String {
    let products = &tables.products;
    let (product, category) = (column(&products.product_id), column(&products.category_id));
    copy(&format!(
        "SELECT {product}::text, {category}::text FROM {} WHERE {category} IS NOT NULL",
        table(&products.name)
    ))
}

/// Order, user and, where orders have a time, the time: orders created after `cutoff` or without a time.
pub(super) fn orders(tables: &Tables, layout: &Layout, cutoff: Millis) -> String {
    let orders = &tables.orders;
    let (order, user, name) = (column(&orders.order_id), column(&orders.user_id), table(&orders.name));
    let keys = format!("{order}::text, {user}::text");
    copy(&match time(tables, layout) {
        Some((at, kind)) => {
            let recent = recent(&at, kind, cutoff);
            format!("SELECT {keys}, {} FROM {name} AS o WHERE {recent} OR {at} IS NULL", millis(&at, kind))
        }
        None => format!("SELECT {keys} FROM {name}"),
    })
}

/// Order, product and, where the log is to be followed, the values of the row's `key`: the lines of the orders that are
/// read. The log will not repeat a line, so that there those without an order are read too: it may come.
pub(super) fn lines(tables: &Tables, layout: &Layout, cutoff: Millis, key: Option<&[String]>) -> String {
    let (orders, items) = (&tables.orders, &tables.order_items);
    let (of_line, of_order) = (column(&items.order_id), column(&orders.order_id));
    let values = key.unwrap_or_default().iter().map(|name| format!(", i.{}::text", column(name)));
    let lines = format!(
        "SELECT i.{of_line}::text, i.{}::text{} FROM {} AS i",
        column(&items.product_id),
        values.collect::<String>(),
        table(&items.name)
    );
    let Some((at, kind)) = time(tables, layout) else { return copy(&lines) };
    // Compared as they are where that works, so that an index can serve.
    let cast = if layout.order_ids_alike { "" } else { "::text" };
    if key.is_some() {
        return copy(&format!(
            "{lines} WHERE NOT EXISTS (SELECT FROM {} AS o WHERE o.{of_order}{cast} = i.{of_line}{cast} AND NOT ({}))",
            table(&orders.name),
            recent(&at, kind, cutoff)
        ));
    }
    let mut query = format!(
        "{lines} WHERE EXISTS (SELECT FROM {} AS o WHERE o.{of_order}{cast} = i.{of_line}{cast} AND {})",
        table(&orders.name),
        recent(&at, kind, cutoff)
    );
    if layout.line_order_nullable {
        // Refused by name instead of passed over in silence.
        query += &format!(" UNION ALL {lines} WHERE i.{of_line} IS NULL");
    }
    copy(&query)
}

fn copy(query: &str) -> String {
    format!("COPY ({query}) TO STDOUT (FORMAT binary)")
}

/// The time column of the orders, which the queries call `o`.
fn time(tables: &Tables, layout: &Layout) -> Option<(String, TimeKind)> {
    match (&tables.orders.time, layout.time) {
        (OrderTime::Column(name), Some(kind)) => Some((format!("o.{}", column(name)), kind)),
        _ => None,
    }
}

/// Whether a time is after `cutoff`, such that an index on the column can serve.
fn recent(at: &str, kind: TimeKind, cutoff: Millis) -> String {
    let edge = format!("to_timestamp({}.{:03})", cutoff / 1000, cutoff % 1000);
    match kind {
        TimeKind::Timestamptz => format!("{at} > {edge}"),
        TimeKind::Timestamp => format!("{at} > {edge} AT TIME ZONE 'UTC'"),
        TimeKind::Date => format!("{at} >= ({edge} AT TIME ZONE 'UTC')::date"),
        // A number after the cutoff is greater than its seconds, whether it is seconds or milliseconds.
        TimeKind::Number => format!("{at} >= {} AND {} > {cutoff}", cutoff / 1000, millis(at, kind)),
    }
}

/// A time in milliseconds; null stays null.
fn millis(at: &str, kind: TimeKind) -> String {
    match kind {
        // Rounded to the microsecond first: before PostgreSQL 14 seconds are floating-point numbers.
        TimeKind::Timestamptz | TimeKind::Timestamp => format!(
            "CASE WHEN isfinite({at}) THEN floor(round((extract(epoch FROM {at}) * 1000000)::numeric) / 1000)::bigint \
             WHEN {at} > 'epoch' THEN {FAR} WHEN {at} < 'epoch' THEN 0 END"
        ),
        TimeKind::Date => millis(&format!("{at}::timestamp"), TimeKind::Timestamp),
        TimeKind::Number => {
            let number = format!("{at}::numeric");
            format!(
                "floor(least(greatest(CASE WHEN {number} < {LEAST_MILLIS} THEN {number} * 1000 ELSE {number} END, -1), \
                 {FAR}))::bigint"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout {
        time: Some(TimeKind::Timestamptz),
        orders_keyed: true,
        products_keyed: true,
        line_order_nullable: false,
        order_ids_alike: true,
    };

    #[test]
    fn lines_are_those_of_recent_orders() {
        assert_eq!(
            lines(&Tables::default(), &LAYOUT, 1_731_000_000_007, None),
            "COPY (SELECT i.\"order_id\"::text, i.\"product_id\"::text FROM \"order_items\" AS i WHERE EXISTS (SELECT FROM \
             \"orders\" AS o WHERE o.\"order_id\" = i.\"order_id\" AND o.\"created_at\" > to_timestamp(1731000000.007))) TO \
             STDOUT (FORMAT binary)"
        );
        let other = Layout { order_ids_alike: false, line_order_nullable: true, ..LAYOUT };
        let query = lines(&Tables::default(), &other, 0, None);
        assert!(query.contains("o.\"order_id\"::text = i.\"order_id\"::text"), "{query}");
        assert!(query.ends_with("WHERE i.\"order_id\" IS NULL) TO STDOUT (FORMAT binary)"), "{query}");
        let query = lines(&Tables::default(), &LAYOUT, 1_731_000_000_007, Some(&["id".to_owned()]));
        assert!(query.contains("i.\"product_id\"::text, i.\"id\"::text FROM"), "{query}");
        assert!(query.contains("WHERE NOT EXISTS (SELECT FROM \"orders\" AS o WHERE"), "{query}");
        assert!(query.contains("AND NOT (o.\"created_at\" > to_timestamp(1731000000.007))"), "{query}");
    }
}
