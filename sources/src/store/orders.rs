//! Orders and their lines, as long as orders are kept.

use std::collections::HashSet;

use dataflow::dictionary::Dictionary;
use dataflow::ids::{OrderKey, ProductKey, RowKey, UserKey};
use dataflow::tables::{LineRow, OrderRow, Placed};
use dataflow::time::{Diff, Millis};
use foldhash::fast::RandomState;
use store::TableRow;

use super::batch::TableChanges;
use crate::fault::{Fault, id};
use crate::row_store::{Refresh, RowStore};

type OrderRows = RowStore<OrderKey, (UserKey, Placed)>;
type LineRows = RowStore<RowKey, (OrderKey, ProductKey)>;

/// The orders and lines that are held.
pub(super) struct StoreOrders {
    orders: OrderRows,
    lines: LineRows,
}

impl StoreOrders {
    pub(super) fn resumed(orders: Vec<OrderRow>, lines: Vec<LineRow>) -> Self {
        let mut held = StoreOrders { orders: OrderRows::by_key(), lines: LineRows::by_key() };
        orders.into_iter().for_each(|row| held.orders.hold(row.order, (row.user, row.placed)));
        lines.into_iter().for_each(|row| held.lines.hold(row.row, (row.order, row.product)));
        held
    }

    /// Begins to read all orders that are kept.
    pub(super) fn begin(&mut self) -> OrdersReading<'_> {
        OrdersReading { orders: self.orders.begin(), lines: self.lines.begin() }
    }

    /// Takes a row that has changed. Rows made at `cutoff` or before are not held.
    pub(super) fn changed(
        &mut self,
        row: &TableRow,
        cutoff: Millis,
        dictionary: &Dictionary,
        changes: &mut TableChanges,
    ) -> Result<(), Fault<'static>> {
        match read(row, dictionary)? {
            OrderEntry::Order(order, now) => {
                let mut out = |order, row, diff| changes.orders.push((order_row(order, row), diff));
                match now.filter(|(_, placed)| placed.created_at() > cutoff) {
                    Some(row) => self.orders.put(order, row, &mut out),
                    None => self.orders.remove(&order, &mut out),
                }
            }
            OrderEntry::Line(line, now) => {
                let mut out = |line, row, diff| changes.lines.push((line_row(line, row), diff));
                match now.filter(|(created_at, _)| *created_at > cutoff) {
                    Some((_, row)) => self.lines.put(line, row, &mut out),
                    None => self.lines.remove(&line, &mut out),
                }
            }
        }
        Ok(())
    }

    /// Removes the orders made at `cutoff` or before, and their lines.
    pub(super) fn sweep(&mut self, cutoff: Millis, changes: &mut TableChanges) {
        let StoreOrders { orders, lines } = self;
        let mut gone: HashSet<OrderKey, RandomState> = HashSet::default();
        orders.keep(|_, (_, placed)| placed.created_at() > cutoff, &mut |order, row, diff| {
            gone.insert(order);
            changes.orders.push((order_row(order, row), diff));
        });
        if !gone.is_empty() {
            let out = &mut |line, row, diff| changes.lines.push((line_row(line, row), diff));
            lines.keep(|_, (order, _)| !gone.contains(order), out);
        }
    }

    /// The products that have lines.
    pub(super) fn products(&self) -> HashSet<ProductKey, RandomState> {
        let mut products = HashSet::default();
        self.lines.for_each(|_, (_, product)| {
            products.insert(*product);
        });
        products
    }
}

/// A reading of all orders that are kept. Dropped unfinished, nothing has changed.
pub(super) struct OrdersReading<'o> {
    orders: Refresh<'o, OrderKey, (UserKey, Placed)>,
    lines: Refresh<'o, RowKey, (OrderKey, ProductKey)>,
}

impl OrdersReading<'_> {
    pub(super) fn seen(&mut self, row: &TableRow, dictionary: &Dictionary) -> Result<(), Fault<'static>> {
        match read(row, dictionary)? {
            OrderEntry::Order(order, Some(row)) => self.orders.seen(order, row),
            OrderEntry::Line(line, Some((_, row))) => self.lines.seen(line, row),
            _ => {}
        }
        Ok(())
    }

    /// Adds the differences to what was held before.
    pub(super) fn finish(self, changes: &mut TableChanges) {
        let orders = self.orders.finish().into_iter().map(|((order, row), diff)| (order_row(order, row), diff));
        changes.orders.extend(orders);
        let lines = self.lines.finish().into_iter().map(|((line, row), diff): (_, Diff)| (line_row(line, row), diff));
        changes.lines.extend(lines);
    }
}

fn order_row(order: OrderKey, (user, placed): (UserKey, Placed)) -> OrderRow {
    OrderRow { order, user, placed }
}

fn line_row(row: RowKey, (order, product): (OrderKey, ProductKey)) -> LineRow {
    LineRow { order, product, row }
}

enum OrderEntry {
    /// An order, if it is there.
    Order(OrderKey, Option<(UserKey, Placed)>),
    /// A line, if it is there: when its order was made, and the row.
    Line(RowKey, Option<(Millis, (OrderKey, ProductKey))>),
}

fn read(row: &TableRow, dictionary: &Dictionary) -> Result<OrderEntry, Fault<'static>> {
    match row {
        TableRow::Order { order, now } => {
            let key = dictionary.order(id(Some(order), "order_id")?);
            let placed = |now: &store::Placed| -> Result<_, Fault<'static>> {
                let user = dictionary.user(id(Some(&now.user), "user_id")?);
                Ok((user, Placed::new(time(now.created_at)?, now.counts)))
            };
            Ok(OrderEntry::Order(key, now.as_ref().map(placed).transpose()?))
        }
        TableRow::Line { order, line, now } => {
            let key = dictionary.order(id(Some(order), "order_id")?);
            let row = dictionary.row([order.as_bytes(), &line.to_le_bytes()]);
            let now = now.as_ref().map(|(created_at, product)| -> Result<_, Fault<'static>> {
                let product = dictionary.product(id(Some(product), "product_id")?)?;
                Ok((time(*created_at)?, (key, product)))
            });
            Ok(OrderEntry::Line(row, now.transpose()?))
        }
        TableRow::Category { .. } | TableRow::Product { .. } => unreachable!("these are rows of the catalogue"),
    }
}

fn time(millis: i64) -> Result<Millis, Fault<'static>> {
    Millis::try_from(millis).map_err(|_| Fault::TimeOutOfBounds { column: "created_at" })
}
