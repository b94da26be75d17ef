//! One reading of all three tables, in one transaction: rows become keys as they stream, and what differs from the
//! reading before is the change. A reading that fails changes nothing.

use dataflow::dictionary::Dictionary;
use dataflow::ids::{CategoryKey, OrderKey, ProductKey, RowKey, UserKey};
use dataflow::rows::{CatalogueRow, LineRow, OrderRow};
use dataflow::time::{Diff, Millis};
use postgres::{Client, IsolationLevel};

use super::Settings;
use super::error::Error;
use super::finding::Finding;
use super::memory::{Change, Memory};
use super::names::{OrderTime, Which};
use super::table::{Column, Row, Scan, Skip};
use super::{layout, sql};
use crate::fault::{Fault, id};
use crate::row_store::Difference;

/// How a reading is done.
pub(super) enum How<'a> {
    /// By itself, to be done again.
    Again,
    /// To be gone on from by the log.
    Log {
        /// The name of the exported snapshot.
        snapshot: &'a str,
        /// The columns whose values tell a line.
        key: &'a [String],
        /// The tables that are left out, because they cannot be read: their rows stay as they are.
        without: [bool; 3],
    },
}

impl How<'_> {
    fn reads(&self, which: Which) -> bool {
        match self {
            How::Again => true,
            How::Log { without, .. } => !without[which as usize],
        }
    }
}

impl Memory {
    /// Reads the tables as of `now`.
    pub(super) fn read(
        &mut self,
        client: &mut Client,
        settings: &Settings,
        dictionary: &Dictionary,
        now: Millis,
        how: &How<'_>,
        scan: &mut Scan<'_>,
    ) -> Result<Change, Error> {
        let tables = &settings.tables;
        let key = match how {
            How::Again => None,
            How::Log { key, .. } => Some(*key),
        };
        let transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
        let mut transaction = transaction.start()?;
        if let How::Log { snapshot, .. } = how {
            transaction.batch_execute(&sql::join(snapshot))?;
        }
        transaction.batch_execute(&sql::limits(settings.statement_timeout))?;
        let (layout, findings) = layout::found(&mut transaction, tables)?;
        let findings: Vec<Finding> =
            findings.into_iter().filter(|(which, _)| how.reads(*which)).map(|(_, finding)| finding).collect();
        if !findings.is_empty() {
            return Err(Error::Layout(findings));
        }
        let [reads_products, reads_orders, reads_lines] = Which::ALL.map(|which| how.reads(which));
        if reads_orders && !layout.orders_keyed {
            self.orders.keep_by_row();
        }
        if reads_products && !layout.products_keyed {
            self.catalogue.keep_by_row();
        }
        let span = settings.span(now);
        let (cutoff, latest) = (span.cutoff(), span.latest());

        let mut catalogue = self.catalogue.begin();
        let (product, category) = (&*tables.products.product_id, &*tables.products.category_id);
        let columns = [Column::text(product), Column::text(category)];
        let query = sql::products(tables);
        if reads_products {
            scan.table(&mut transaction, &tables.products.name, &query, &columns, &mut self.refusals, |row| {
                let product = dictionary.product(id(row.text(0)?, product)?)?;
                catalogue.seen(product, dictionary.category(id(row.text(1)?, category)?)?);
                Ok(())
            })?;
        }

        let timeless = tables.orders.time == OrderTime::FirstSeen;
        let mut orders = self.orders.begin();
        let first_seen = &mut self.first_seen;
        first_seen.begin();
        let (order, user) = (&*tables.orders.order_id, &*tables.orders.user_id);
        let mut columns = vec![Column::text(order), Column::text(user)];
        if let OrderTime::Column(time) = &tables.orders.time {
            columns.push(Column::millis(time));
        }
        let query = sql::orders(tables, &layout, cutoff);
        if reads_orders {
            scan.table(&mut transaction, &tables.orders.name, &query, &columns, &mut self.refusals, |row| {
                let order = dictionary.order(id(row.text(0)?, order)?);
                let user = dictionary.user(id(row.text(1)?, user)?);
                let at = match &tables.orders.time {
                    OrderTime::Column(time) => created_at(row, time)?,
                    OrderTime::FirstSeen => first_seen.seen(order, now),
                };
                // An order whose time is known from here alone is held as long as the table has it, for the next process too.
                if timeless || at > cutoff {
                    orders.seen(order, (user, at));
                }
                if at > latest { Err(Skip::Future) } else { Ok(()) }
            })?;
        }

        let mut lines = self.lines.begin();
        let (order, product) = (&*tables.order_items.order_id, &*tables.order_items.product_id);
        let mut columns = vec![Column::text(order), Column::text(product)];
        columns.extend(key.unwrap_or_default().iter().map(|column| Column::text(column)));
        let query = sql::lines(tables, &layout, cutoff, key);
        if reads_lines {
            scan.table(&mut transaction, &tables.order_items.name, &query, &columns, &mut self.refusals, |row| {
                let order = dictionary.order(id(row.text(0)?, order)?);
                let product = dictionary.product(id(row.text(1)?, product)?)?;
                let row = if key.is_some() { row_key(row, columns.len(), dictionary)? } else { RowKey::NONE };
                // Where orders have a time the query has left the other lines out.
                if !timeless || first_seen.of(order).is_some_and(|at| at > cutoff) {
                    lines.seen(LineRow { order, product, row });
                }
                Ok(())
            })?;
        }

        transaction.commit()?;
        let orders = if reads_orders { orders.finish() } else { Vec::new() };
        let lines = if reads_lines { lines.finish() } else { Vec::new() };
        let catalogue = if reads_products { catalogue.finish() } else { Vec::new() };
        let change = self.difference(orders, lines, catalogue);
        self.first_seen.finish();
        self.refusals.end_reading();
        Ok(change)
    }

    /// What a reading comes to, with what an earlier process has left.
    pub(super) fn difference(
        &mut self,
        orders: Vec<Difference<OrderKey, (UserKey, Millis)>>,
        lines: Vec<(LineRow, Diff)>,
        catalogue: Vec<Difference<ProductKey, CategoryKey>>,
    ) -> Change {
        let mut change = std::mem::take(&mut self.strays);
        change.orders.extend(orders.into_iter().map(order_row));
        change.lines.extend(lines);
        change.catalogue.extend(catalogue.into_iter().map(catalogue_row));
        change
    }
}

/// The time column of an order.
fn created_at<'c>(row: &Row<'_, '_>, column: &'c str) -> Result<Millis, Skip<'c>> {
    let at = row.number(2).ok_or(Fault::Missing { column })?;
    Ok(Millis::try_from(at).map_err(|_| Fault::TimeOutOfBounds { column })?)
}

/// The key of a line, from its columns behind order and product.
fn row_key<'c>(row: &Row<'_, 'c>, columns: usize, dictionary: &Dictionary) -> Result<RowKey, Fault<'c>> {
    let value = |at| -> Result<&[u8], Fault<'c>> {
        Ok(row.text(at)?.ok_or_else(|| Fault::Missing { column: row.name(at) })?.as_bytes())
    };
    let values: Vec<&[u8]> = (2..columns).map(value).collect::<Result<_, _>>()?;
    Ok(dictionary.row(values))
}

fn order_row(((order, (user, created_at)), diff): Difference<OrderKey, (UserKey, Millis)>) -> (OrderRow, Diff) {
    (OrderRow { order, user, created_at }, diff)
}

fn catalogue_row(((product, category), diff): Difference<ProductKey, CategoryKey>) -> (CatalogueRow, Diff) {
    (CatalogueRow { product, category }, diff)
}
