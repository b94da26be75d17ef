//! A reading of all three tables: rows come one by one, and the difference to the rows held before is one change. A reading
//! that is dropped before its end changes nothing.

use std::collections::HashSet;

use dataflow::ids::{CategoryKey, OrderKey, ProductKey, RowKey, UserKey};
use dataflow::source_status::SourceStatus;
use dataflow::tables::{LineRow, OrderRow, Placed};
use dataflow::time::{Diff, Millis};

use crate::postgres::rows::order_window::OrderWindow;

use super::{ChangeSet, TableCache, products};
use crate::postgres::names::{OrderTime, SourceTable, Tables};
use crate::postgres::rows::category_sets::{CategorySet, CategorySets};
use crate::postgres::rows::first_seen::FirstSeen;
use crate::postgres::rows::held_lines;
use crate::postgres::rows::orphan_lines::OrphanLines;
use crate::postgres::rows::table_scan::{CopiedRow, RowIssue, RowSink};
use crate::postgres::rows::unheld_rows::UnusableRows;
use crate::postgres::schema::layout::Layout;
use crate::refusals::Refusals;
use crate::row_store::{Difference, Refresh};

/// Takes the rows of one reading.
pub(crate) struct TableReading<'a> {
    // None of a table that is left out: its rows stay as they are.
    orders: Option<Refresh<'a, OrderKey, (UserKey, Placed)>>,
    lines: Option<held_lines::LinesReading<'a>>,
    catalogue: Option<Refresh<'a, ProductKey, CategorySet>>,
    category_sets: &'a mut CategorySets,
    first_seen: &'a mut FirstSeen,
    unusable: UnusableRows,
    /// Orders have no time of their own.
    timeless: bool,
    span: OrderWindow,
    /// Lines that came, and those among them without an order.
    held: u64,
    alone: u64,
}

/// What differs from the rows held before.
pub(crate) struct ReadDifferences {
    orders: Vec<Difference<OrderKey, (UserKey, Placed)>>,
    lines: Vec<(LineRow, Diff)>,
    catalogue: Option<Vec<Difference<ProductKey, CategorySet>>>,
    unusable: UnusableRows,
    span: OrderWindow,
    held: u64,
    alone: u64,
}

impl TableCache {
    /// Begins a reading, without the tables of `without`. What it reports to is borrowed beside it.
    pub(crate) fn begin(
        &mut self,
        tables: &Tables,
        layout: &Layout,
        without: [bool; 3],
        span: OrderWindow,
    ) -> (TableReading<'_>, &mut Refusals, &mut OrphanLines) {
        let [reads_products, reads_orders, reads_lines] = SourceTable::ALL.map(|which| !without[which as usize]);
        let TableCache { orders, lines, catalogue, category_sets, first_seen, refusals, orphan_lines, .. } = self;
        if reads_orders && !layout.orders_keyed {
            orders.keep_by_row();
        }
        if reads_products && !layout.products_keyed {
            catalogue.keep_by_row();
        }
        first_seen.begin();
        let is_for_log = lines.is_by_key();
        let unusable = UnusableRows {
            orders: (reads_orders && is_for_log).then(Vec::new),
            lines: (reads_lines && is_for_log).then(HashSet::default),
            is_partial: false,
        };
        let reading = TableReading {
            orders: reads_orders.then(|| orders.begin()),
            lines: reads_lines.then(|| lines.begin()),
            catalogue: reads_products.then(|| catalogue.begin()),
            category_sets,
            first_seen,
            unusable,
            timeless: tables.orders.time == OrderTime::FirstSeen,
            span,
            held: 0,
            alone: 0,
        };
        (reading, refusals, orphan_lines)
    }

    /// What a reading comes to, with the rows that an earlier process has left.
    pub(crate) fn take(&mut self, read: ReadDifferences, status: &SourceStatus) -> ChangeSet {
        let ReadDifferences { orders, lines, catalogue, unusable, span, held, alone } = read;
        self.unheld.read(unusable, span.now);
        let mut change = std::mem::take(&mut self.strays);
        change.orders.extend(orders.into_iter().map(order_row));
        change.lines.extend(lines);
        if let Some(catalogue) = catalogue {
            {
                let mut out = products(&self.category_sets, &mut change);
                catalogue.into_iter().for_each(|((product, set), diff)| out(product, set, diff));
            }
            self.forget_category_sets();
            self.settle(&mut change.catalogue);
            self.forget_deleted(span, &mut change.catalogue);
        }
        self.first_seen.finish();
        self.refusals.end_reading();
        if self.lines.is_by_key() {
            self.count_lines();
        } else {
            self.orphan_lines.read(held, alone);
        }
        self.orphan_lines.show(status);
        change
    }
}

impl TableReading<'_> {
    /// Every row has come.
    pub(crate) fn finish(self) -> ReadDifferences {
        ReadDifferences {
            orders: self.orders.map(Refresh::finish).unwrap_or_default(),
            lines: self.lines.map(held_lines::LinesReading::finish).unwrap_or_default(),
            catalogue: self.catalogue.map(Refresh::finish),
            unusable: self.unusable,
            span: self.span,
            held: self.held,
            alone: self.alone,
        }
    }
}

impl RowSink for TableReading<'_> {
    fn product(&mut self, product: ProductKey, categories: &[CategoryKey], _is_usable: bool) {
        if let Some(catalogue) = &mut self.catalogue {
            catalogue.seen(product, self.category_sets.number(categories));
        }
    }

    fn order<'c>(&mut self, row: &CopiedRow<'_, 'c>) -> Result<(), RowIssue<'c>> {
        let order = row.order()?;
        let taken = self.take_order(order, row);
        if matches!(taken, Err(RowIssue::Refused(_))) {
            self.unusable.order(order);
        }
        taken
    }

    fn line(&mut self, line: LineRow) {
        self.held += 1;
        // Where orders have a time the query has left the other lines out.
        let seen = if self.timeless { self.first_seen.of(line.order) } else { Some(Millis::MAX) };
        self.alone += u64::from(seen.is_none());
        if seen.is_some_and(|at| at > self.span.cutoff())
            && let Some(lines) = &mut self.lines
        {
            lines.seen(line);
        }
    }

    fn unusable_line(&mut self, row: RowKey) {
        self.unusable.line(row);
    }
}

impl TableReading<'_> {
    fn take_order<'c>(&mut self, order: OrderKey, row: &CopiedRow<'_, 'c>) -> Result<(), RowIssue<'c>> {
        let user = row.user()?;
        let at = match row.created_at()? {
            Some(at) => at,
            None => self.first_seen.seen(order, self.span.now),
        };
        // An order whose time is known from here alone is held as long as the table has it, for the next process too.
        if (self.timeless || at > self.span.cutoff())
            && let Some(orders) = &mut self.orders
        {
            orders.seen(order, (user, Placed::new(at, row.counts()?)));
        }
        if at > self.span.latest() { Err(RowIssue::Future) } else { Ok(()) }
    }
}

fn order_row(((order, (user, placed)), diff): Difference<OrderKey, (UserKey, Placed)>) -> (OrderRow, Diff) {
    (OrderRow { order, user, placed }, diff)
}
