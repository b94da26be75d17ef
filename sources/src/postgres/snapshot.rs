//! One reading of all three tables, in one transaction: rows become keys as they stream, and what differs from the
//! reading before is the change. A reading that fails changes nothing.

use dataflow::dictionary::Dictionary;
use dataflow::ids::{CategoryKey, OrderKey, ProductKey, RowKey, UserKey};
use dataflow::tables::{CatalogueRow, LineRow, OrderRow, Placed};
use dataflow::time::{Diff, Millis};
use postgres::{Client, Transaction};

use super::Settings;
use super::damage::Damage;
use super::error::Error;
use super::names::{OrderTime, Which};
use super::opening::{Opened, Opening};
use super::pg_time::Writing;
use super::table::{Scan, Skip};
use super::table_cache::{Change, TableCache};
use crate::fault::{category_key, id};
use crate::refusals::Refusals;
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

impl TableCache {
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
        let (snapshot, key, without) = match how {
            How::Again => (None, None, [false; 3]),
            How::Log { snapshot, key, without } => (Some(*snapshot), Some(*key), *without),
        };
        let cutoff = settings.span(now).cutoff();
        let opening = Opening { settings, snapshot, without, cutoff, key };
        let (mut zones, mut damage) = (std::mem::take(&mut self.zones), std::mem::take(&mut self.damage));
        let read = opening.attempts(client, &mut zones, &mut damage, scan, |opened, damage, scan| {
            self.read_once(&opening, opened, damage, dictionary, now, how, scan)
        });
        (self.zones, self.damage) = (zones, damage);
        read
    }

    #[expect(clippy::too_many_arguments, reason = "all that a reading is made from")]
    fn read_once(
        &mut self,
        opening: &Opening<'_>,
        opened: Opened<'_>,
        damage: &mut Damage,
        dictionary: &Dictionary,
        now: Millis,
        how: &How<'_>,
        scan: &mut Scan<'_>,
    ) -> Result<Change, Error> {
        let Opened { mut transaction, layout, spelling } = opened;
        let tables = &opening.settings.tables;
        let [reads_products, reads_orders, reads_lines] = Which::ALL.map(|which| how.reads(which));
        if reads_orders && !layout.orders_keyed {
            self.orders.keep_by_row();
        }
        if reads_products && !layout.products_keyed {
            self.catalogue.keep_by_row();
        }
        let span = opening.settings.span(now);
        let (cutoff, latest) = (span.cutoff(), span.latest());
        let refusals = &mut self.refusals;
        let mut source = |which, transaction: &mut Transaction<'_>, scan: &Scan<'_>, refusals: &mut Refusals| {
            let mut source = opening.source(which, &layout, &spelling);
            scan.without_damage(transaction, damage, &mut source, refusals)?;
            Ok::<_, Error>(source)
        };

        let mut catalogue = self.catalogue.begin();
        let (product, category) = (&*tables.products.product_id, &*tables.products.category_id);
        if reads_products {
            let source = source(Which::Products, &mut transaction, scan, refusals)?;
            scan.table(&mut transaction, &source, refusals, |row| {
                let product = dictionary.product(id(row.text(0)?.as_deref(), product)?)?;
                let category = row.text(1).and_then(|text| category_key(text.as_deref(), category, dictionary));
                // The product is there, whatever is wrong with its category.
                catalogue.seen(product, category.as_ref().copied().unwrap_or(CategoryKey::NONE));
                category?;
                Ok(())
            })?;
        }

        let timeless = tables.orders.time == OrderTime::FirstSeen;
        let mut orders = self.orders.begin();
        let first_seen = &mut self.first_seen;
        first_seen.begin();
        let (order, user) = (&*tables.orders.order_id, &*tables.orders.user_id);
        let status = tables.status_at().zip(tables.orders.status.as_ref());
        if reads_orders {
            let source = source(Which::Orders, &mut transaction, scan, refusals)?;
            scan.table(&mut transaction, &source, refusals, |row| {
                let order = dictionary.order(id(row.text(0)?.as_deref(), order)?);
                let user = dictionary.user(id(row.text(1)?.as_deref(), user)?);
                let at = match layout.time {
                    Some(kind) => row.millis(2, Writing::of_column(kind), &spelling.zone)?,
                    None => first_seen.seen(order, now),
                };
                // An order whose time is known from here alone is held as long as the table has it, for the next process too.
                if timeless || at > cutoff {
                    let counts = match status {
                        Some((column, status)) => status.counts(row.text(column)?.as_deref()),
                        None => true,
                    };
                    orders.seen(order, (user, Placed::new(at, counts)));
                }
                if at > latest { Err(Skip::Future) } else { Ok(()) }
            })?;
        }

        let mut lines = self.lines.begin();
        let (order, product) = (&*tables.order_items.order_id, &*tables.order_items.product_id);
        let (mut held, mut alone) = (0, 0);
        if reads_lines {
            let source = source(Which::OrderItems, &mut transaction, scan, refusals)?;
            scan.table(&mut transaction, &source, refusals, |row| {
                let order = dictionary.order(id(row.text(0)?.as_deref(), order)?);
                let product = dictionary.product(id(row.text(1)?.as_deref(), product)?)?;
                let row = if opening.key.is_none() { RowKey::NONE } else { dictionary.row(row.behind(2)?) };
                held += 1;
                // Where orders have a time the query has left the other lines out.
                let seen = if timeless { first_seen.of(order) } else { Some(Millis::MAX) };
                alone += u64::from(seen.is_none());
                if seen.is_some_and(|at| at > cutoff) {
                    lines.seen(LineRow { order, product, row });
                }
                Ok(())
            })?;
            if !timeless && opening.key.is_none() {
                let query = opening.queries(&layout, &spelling).lines_without_order();
                self.unmatched.ask(&mut transaction, &query)?;
            }
        }

        transaction.commit()?;
        let orders = if reads_orders { orders.finish() } else { Vec::new() };
        let lines = if reads_lines { lines.finish() } else { Vec::new() };
        let catalogue = if reads_products { catalogue.finish() } else { Vec::new() };
        let mut change = self.difference(orders, lines, catalogue);
        if reads_products {
            self.settle(&mut change.catalogue);
            self.forget_deleted(span, &mut change.catalogue);
        }
        self.first_seen.finish();
        self.refusals.end_reading();
        if opening.key.is_some() {
            self.count_lines();
        } else {
            self.unmatched.read(held, alone);
        }
        self.unmatched.show(scan.status);
        Ok(change)
    }

    /// What a reading comes to, with what an earlier process has left.
    pub(super) fn difference(
        &mut self,
        orders: Vec<Difference<OrderKey, (UserKey, Placed)>>,
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

fn order_row(((order, (user, placed)), diff): Difference<OrderKey, (UserKey, Placed)>) -> (OrderRow, Diff) {
    (OrderRow { order, user, placed }, diff)
}

fn catalogue_row(((product, category), diff): Difference<ProductKey, CategoryKey>) -> (CatalogueRow, Diff) {
    (CatalogueRow { product, category }, diff)
}
