//! The queries. They return values as the log writes them, so that both are read in one way. They compute nothing from
//! values, because a value out of range would end the whole query.

use std::time::Duration;

use chrono::DateTime;
use dataflow::time::Millis;

use crate::postgres::names::{OrderTime, SourceTable, Tables, column, table};
use crate::postgres::schema::layout::Layout;
use crate::postgres::values::pg_time::TimeKind;
use crate::postgres::values::zone::Zone;

/// Numbers below this are seconds, all others milliseconds: the same bound as for events.
const LEAST_MILLIS: u64 = 100_000_000_000;

/// Sets limits for the open transaction, and writes values as the log does. The server refuses a query whose rows a policy
/// would filter.
pub(crate) fn limits(statement_timeout: Duration) -> String {
    format!(
        "SET LOCAL statement_timeout = {}; SET LOCAL datestyle = 'ISO'; SET LOCAL timezone = 'UTC'; SET LOCAL \
         intervalstyle = 'postgres'; SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL \
         lc_monetary = 'C'; SET LOCAL row_security = off",
        statement_timeout.as_millis().min(i32::MAX as u128)
    )
}

/// Lets the open transaction, which has not read yet, use the exported snapshot.
pub(crate) fn join(snapshot: &str) -> String {
    format!("SET TRANSACTION SNAPSHOT '{}'", snapshot.replace('\'', "''"))
}

/// Makes the queries.
#[derive(Clone, Copy)]
pub(crate) struct Queries<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) layout: &'a Layout,
    /// The zone of the orders' times, where they are stored without one.
    pub(crate) zone: &'a Zone,
    /// Orders created after this time count.
    pub(crate) cutoff: Millis,
}

impl Queries<'_> {
    /// Product, category and, where products have it, whether they can be bought.
    pub(crate) fn products(&self) -> String {
        let columns: Vec<String> = self.tables.columns(SourceTable::Products).into_iter().map(column).collect();
        format!("SELECT {} FROM {} AS t WHERE true", columns.join(", "), table(&self.tables.products.name))
    }

    /// Order, user, the time where orders have one, and the status where it matters: orders created after `cutoff` or
    /// without a time.
    pub(crate) fn orders(&self) -> String {
        let orders = &self.tables.orders;
        let (order, user, name) = (column(&orders.order_id), column(&orders.user_id), table(&orders.name));
        let status = orders.status.as_ref().map(|status| format!(", {}", column(&status.column))).unwrap_or_default();
        match self.time("t") {
            Some((at, kind)) => {
                let recent = self.recent(&at, kind);
                format!("SELECT {order}, {user}, {at}{status} FROM {name} AS t WHERE ({recent} OR {at} IS NULL)")
            }
            None => format!("SELECT {order}, {user}{status} FROM {name} AS t WHERE true"),
        }
    }

    /// Order, product, whether the line was returned where lines have that, and, if the log is followed afterwards, the values of the row's `key`: the lines of the orders that are
    /// read. The log does not repeat lines, so for it lines without an order are read too: the order may come later.
    pub(crate) fn lines(&self, key: Option<&[String]>) -> String {
        let items = &self.tables.order_items;
        let of_line = column(&items.order_id);
        let used = self.tables.columns(SourceTable::OrderItems).into_iter();
        let values = used.chain(key.unwrap_or_default().iter().map(String::as_str));
        let values: Vec<String> = values.map(|name| format!("t.{}", column(name))).collect();
        let lines = format!("SELECT {} FROM {} AS t WHERE", values.join(", "), table(&items.name));
        let Some((at, kind)) = self.time("o") else { return format!("{lines} true") };
        let (of_line, recent) = (format!("t.{of_line}"), self.recent(&at, kind));
        if key.is_some() {
            return format!("{lines} NOT EXISTS ({} AND NOT ({recent}))", self.orders_of(&of_line));
        }
        // A line whose order is NULL is refused by name instead of being skipped silently.
        let nameless = if self.layout.line_order_nullable { format!(" OR {of_line} IS NULL") } else { String::new() };
        format!("{lines} (EXISTS ({} AND ({recent})){nameless})", self.orders_of(&of_line))
    }

    /// The number of lines that have no order.
    pub(crate) fn lines_without_order(&self) -> String {
        let items = &self.tables.order_items;
        let of_line = format!("t.{}", column(&items.order_id));
        format!(
            "SELECT count(*) FROM {} AS t WHERE {of_line} IS NOT NULL AND NOT EXISTS ({})",
            table(&items.name),
            self.orders_of(&of_line)
        )
    }

    /// The orders with this id.
    fn orders_of(&self, of_line: &str) -> String {
        let orders = &self.tables.orders;
        let order = format!("o.{}", column(&orders.order_id));
        format!("SELECT FROM {} AS o WHERE {}", table(&orders.name), self.layout.ids.order_ids.sql(&order, of_line))
    }

    /// The time column of the orders, whose table is named `alias` in the query.
    fn time(&self, alias: &str) -> Option<(String, TimeKind)> {
        match (&self.tables.orders.time, self.layout.time) {
            (OrderTime::Column(name), Some(kind)) => Some((format!("{alias}.{}", column(name)), kind)),
            _ => None,
        }
    }

    /// Whether a time is after the cutoff. Values are compared with constants only, so that an index on the column can be used
    /// and no value is out of range.
    fn recent(&self, at: &str, kind: TimeKind) -> String {
        let (after, seconds) = (self.cutoff.saturating_add(1), |ms: u64| format!("{}.{:03}", ms / 1000, ms % 1000));
        match kind {
            TimeKind::Timestamptz => format!("{at} >= to_timestamp({})", seconds(after)),
            TimeKind::Timestamp => {
                let (ranges, rest) = self.zone.after(self.cutoff.cast_signed());
                let ranges = ranges.iter().map(|(first, last)| {
                    format!("{at} >= timestamp '{}' AND {at} < timestamp '{}' OR ", local(*first), local(last + 1))
                });
                format!("{}{at} >= timestamp '{}'", ranges.collect::<String>(), local(rest))
            }
            TimeKind::Date => format!("{at} >= date '{}'", day(self.zone.first_day_after(self.cutoff.cast_signed()))),
            // A number is seconds or milliseconds, by its size.
            TimeKind::Number => {
                let after_s = self.cutoff / 1000 + 1;
                format!("{at} >= {after_s} AND ({at} < {LEAST_MILLIS} OR {at} >= {after})")
            }
        }
    }
}

/// A local time, in milliseconds, as SQL writes it.
fn local(ms: i64) -> String {
    let at = DateTime::from_timestamp_millis(ms).unwrap_or_default();
    at.format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

fn day(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).unwrap_or_default().format("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::schema::column_types::IdJoin;

    fn layout(time: TimeKind) -> Layout {
        Layout { time: Some(time), orders_keyed: true, products_keyed: true, ..Layout::default() }
    }

    fn queries<'a>(tables: &'a Tables, layout: &'a Layout, zone: &'a Zone) -> Queries<'a> {
        Queries { tables, layout, zone, cutoff: 1_731_000_000_007 }
    }

    #[test]
    fn lines_are_those_of_recent_orders() {
        let (tables, zone, mut layout) = (Tables::default(), Zone::default(), layout(TimeKind::Timestamptz));
        assert_eq!(
            queries(&tables, &layout, &zone).lines(None),
            "SELECT t.\"order_id\", t.\"product_id\" FROM \"order_items\" AS t WHERE (EXISTS (SELECT FROM \"orders\" AS o \
             WHERE o.\"order_id\" = t.\"order_id\" AND (o.\"created_at\" >= to_timestamp(1731000000.008))))"
        );
        let query = queries(&tables, &layout, &zone).lines(Some(&["id".to_owned()]));
        assert!(query.contains("t.\"product_id\", t.\"id\" FROM"), "{query}");
        assert!(query.contains("WHERE NOT EXISTS (SELECT FROM \"orders\" AS o WHERE"), "{query}");
        assert!(query.contains("AND NOT (o.\"created_at\" >= to_timestamp(1731000000.008))"), "{query}");
        (layout.ids.order_ids, layout.line_order_nullable) = (IdJoin::Text, true);
        let query = queries(&tables, &layout, &zone).lines(None);
        assert!(query.contains("o.\"order_id\"::text = t.\"order_id\"::text"), "{query}");
        assert!(query.ends_with("OR t.\"order_id\" IS NULL)"), "{query}");
    }

    #[test]
    fn times_are_compared_with_constants() {
        let (tables, zone) = (Tables::default(), Zone::default());
        let orders = |time| queries(&tables, &layout(time), &zone).orders();
        let query = orders(TimeKind::Timestamp);
        assert!(query.contains("(t.\"created_at\" >= timestamp '2024-11-07 17:20:00.008' OR"), "{query}");
        assert!(orders(TimeKind::Date).contains("t.\"created_at\" >= date '2024-11-08'"));
        let query = orders(TimeKind::Number);
        let number = "t.\"created_at\" >= 1731000001 AND (t.\"created_at\" < 100000000000 OR t.\"created_at\" >= \
                      1731000000008)";
        assert!(query.contains(number), "{query}");
    }
}
