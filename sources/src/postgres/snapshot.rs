//! One reading of all three tables, in one transaction: rows become keys as they stream, and what differs from the
//! reading before is the change. A reading that fails changes nothing.

use dataflow::dictionary::Dictionary;
use dataflow::ids::{CategoryKey, OrderKey, ProductKey, UserKey};
use dataflow::rows::LineRow;
use dataflow::time::Millis;
use postgres::{Client, IsolationLevel};

use super::Settings;
use super::error::Error;
use super::first_seen::FirstSeen;
use super::names::OrderTime;
use super::table::{Column, Row, Scan, Skip};
use super::{layout, sql};
use crate::fault::{Fault, id};
use crate::refusals::Refusals;
use crate::row_store::{Difference, RowStore};

/// All that differs from one reading to the next; it becomes visible in one tick.
pub(super) struct Change {
    pub(super) orders: Vec<Difference<OrderKey, (UserKey, Millis)>>,
    pub(super) lines: Vec<Difference<LineRow, ()>>,
    pub(super) catalogue: Vec<Difference<ProductKey, CategoryKey>>,
}

/// What is remembered of the tables from one reading to the next.
pub(super) struct Memory {
    orders: RowStore<OrderKey, (UserKey, Millis)>,
    lines: RowStore<LineRow, ()>,
    catalogue: RowStore<ProductKey, CategoryKey>,
    first_seen: FirstSeen,
    refusals: Refusals,
}

impl Memory {
    /// By key where the tables allow it, until one does not.
    pub(super) fn new() -> Self {
        Memory {
            orders: RowStore::by_key(),
            lines: RowStore::by_row(),
            catalogue: RowStore::by_key(),
            first_seen: FirstSeen::default(),
            refusals: Refusals::default(),
        }
    }

    /// Reads the tables as of `now`.
    pub(super) fn read(
        &mut self,
        client: &mut Client,
        settings: &Settings,
        dictionary: &Dictionary,
        now: Millis,
        scan: &mut Scan<'_>,
    ) -> Result<Change, Error> {
        let tables = &settings.tables;
        let transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
        let mut transaction = transaction.start()?;
        transaction.batch_execute(&sql::limits(settings.statement_timeout))?;
        let layout = layout::read(&mut transaction, tables)?.map_err(Error::Layout)?;
        if !layout.orders_keyed {
            self.orders.keep_by_row();
        }
        if !layout.products_keyed {
            self.catalogue.keep_by_row();
        }
        let cutoff = now.saturating_sub(settings.window_ms);

        let latest = now.saturating_add(settings.future_ms_max);

        let mut catalogue = self.catalogue.begin();
        let (product, category) = (&*tables.products.product_id, &*tables.products.category_id);
        let columns = [Column::text(product), Column::text(category)];
        let query = sql::products(tables);
        scan.table(&mut transaction, &tables.products.name, &query, &columns, &mut self.refusals, |row| {
            let product = dictionary.product(id(row.text(0)?, product)?)?;
            catalogue.seen(product, dictionary.category(id(row.text(1)?, category)?)?);
            Ok(())
        })?;

        let mut orders = self.orders.begin();
        let first_seen = &mut self.first_seen;
        first_seen.begin();
        let (order, user) = (&*tables.orders.order_id, &*tables.orders.user_id);
        let mut columns = vec![Column::text(order), Column::text(user)];
        if let OrderTime::Column(time) = &tables.orders.time {
            columns.push(Column::millis(time));
        }
        let query = sql::orders(tables, &layout, cutoff);
        scan.table(&mut transaction, &tables.orders.name, &query, &columns, &mut self.refusals, |row| {
            let order = dictionary.order(id(row.text(0)?, order)?);
            let user = dictionary.user(id(row.text(1)?, user)?);
            let at = match &tables.orders.time {
                OrderTime::Column(time) => created_at(row, time, latest)?,
                OrderTime::FirstSeen => first_seen.seen(order, now),
            };
            if at > cutoff {
                orders.seen(order, (user, at));
            }
            Ok(())
        })?;

        let mut lines = self.lines.begin();
        let timeless = tables.orders.time == OrderTime::FirstSeen;
        let (order, product) = (&*tables.order_items.order_id, &*tables.order_items.product_id);
        let columns = [Column::text(order), Column::text(product)];
        let query = sql::lines(tables, &layout, cutoff);
        scan.table(&mut transaction, &tables.order_items.name, &query, &columns, &mut self.refusals, |row| {
            let order = dictionary.order(id(row.text(0)?, order)?);
            let product = dictionary.product(id(row.text(1)?, product)?)?;
            // Where orders have a time the query has left the other lines out.
            if !timeless || first_seen.of(order).is_some_and(|at| at > cutoff) {
                lines.seen(LineRow { order, product }, ());
            }
            Ok(())
        })?;

        transaction.commit()?;
        let change = Change { orders: orders.finish(), lines: lines.finish(), catalogue: catalogue.finish() };
        self.first_seen.finish();
        self.refusals.end_reading();
        Ok(change)
    }
}

/// The time column of an order.
fn created_at<'c>(row: &Row<'_, '_>, column: &'c str, latest: Millis) -> Result<Millis, Skip<'c>> {
    let at = row.number(2).ok_or(Fault::Missing { column })?;
    let at = Millis::try_from(at).map_err(|_| Fault::TimeOutOfBounds { column })?;
    if at > latest {
        return Err(Skip::Future);
    }
    Ok(at)
}
