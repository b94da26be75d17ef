//! What is known of rows that the tables have and that are not held, while the log is followed.
//!
//! A row of the tables is not held because its order is older than what is kept, or because the row cannot be used: an order
//! or a line was refused, or a line was returned. Rows of old orders are many, and are not remembered. Rows that cannot be
//! used are remembered here, for as long as lines wait for an order. So a line that can be used again waits for its order
//! as a new line does, and a line of an order that has left stays away.
//!
//! Nothing of this is in a checkpoint. After a start from one, a changed line that is not held may be of either kind: its
//! order is remembered. If that order comes, the tables are read again.

use std::collections::{HashMap, HashSet};

use dataflow::ids::{OrderKey, RowKey};
use dataflow::time::Millis;
use foldhash::fast::RandomState;

/// The most orders of each kind that are remembered, at about 30 bytes each. Beyond them the tables are read again more often.
const ORDERS_MAX: usize = 1 << 20;

/// The same for lines.
const LINES_MAX: usize = 1 << 21;

/// A row that is needed, whose values only the table has. Why, in words for the log.
pub(crate) type MissingRow = &'static str;

const OF_ORDER: MissingRow = "an order came that had been left out, or some of whose lines had been";
const OF_VALUES: MissingRow = "a row can be used now, and the log does not repeat its large values";

/// Rows that the tables have and that are not held.
#[derive(Default)]
pub(crate) struct UnheldRows {
    /// Orders that cannot be used or were too old when they were new, and since when. Their lines are held.
    refused: HashMap<OrderKey, Millis, RandomState>,
    /// Lines that were returned or refused, and since when.
    unusable: HashMap<RowKey, Millis, RandomState>,
    /// Orders that are not held and of which a line may be missing, and since when.
    incomplete: HashMap<OrderKey, Millis, RandomState>,
    /// Lines may be missing that are not remembered: the rows held are of an earlier process, the server could not read some, or
    /// they are too many.
    is_partial: bool,
    missing: Option<MissingRow>,
}

/// The rows that a reading could not use, of tables that it has read.
#[derive(Default)]
pub(crate) struct UnusableRows {
    pub(crate) orders: Option<Vec<OrderKey>>,
    pub(crate) lines: Option<HashSet<RowKey, RandomState>>,
    /// There are further lines.
    pub(crate) is_partial: bool,
}

impl UnusableRows {
    /// An order was refused.
    pub(crate) fn order(&mut self, order: OrderKey) {
        if let Some(orders) = self.orders.as_mut().filter(|orders| orders.len() < ORDERS_MAX) {
            orders.push(order);
        }
    }

    /// A line was returned or refused.
    pub(crate) fn line(&mut self, row: RowKey) {
        match &mut self.lines {
            Some(lines) if lines.len() < LINES_MAX => _ = lines.insert(row),
            Some(_) => self.is_partial = true,
            None => {}
        }
    }
}

impl UnheldRows {
    /// For rows of an earlier process.
    pub(crate) fn of_earlier_process() -> UnheldRows {
        UnheldRows { is_partial: true, ..UnheldRows::default() }
    }

    /// An order cannot be used, or is too old. `is_known`: it was held, or is new, so that its lines are held.
    pub(crate) fn refuse_order(&mut self, order: OrderKey, is_known: bool, now: Millis) {
        if is_known && self.refused.len() < ORDERS_MAX {
            self.refused.entry(order).or_insert(now);
        }
    }

    pub(crate) fn delete_order(&mut self, order: OrderKey) {
        self.refused.remove(&order);
    }

    /// An order that was not held is held now. All its lines are there if it `is_new` or was refused, unless one is known to
    /// be missing.
    pub(crate) fn order_comes(&mut self, order: OrderKey, is_new: bool) {
        let was_refused = self.refused.remove(&order).is_some();
        if self.incomplete.remove(&order).is_some() || !is_new && !was_refused {
            self.missing = Some(OF_ORDER);
        }
    }

    /// A line cannot be used since a time.
    pub(crate) fn put_line(&mut self, row: RowKey, since: Millis) {
        if self.unusable.len() < LINES_MAX || self.unusable.contains_key(&row) {
            self.unusable.entry(row).or_insert(since);
        } else {
            self.is_partial = true;
        }
    }

    /// Since when this line could not be used; it is forgotten.
    pub(crate) fn take_line(&mut self, row: RowKey) -> Option<Millis> {
        self.unusable.remove(&row)
    }

    /// A line that is not held has changed, and its order is not held. `was_unusable`: it is missing for sure.
    pub(crate) fn lacks_line(&mut self, order: OrderKey, was_unusable: bool, now: Millis) {
        if !was_unusable && !self.is_partial {
            // It has left with its order, or was never read for the order's age.
            return;
        }
        if self.incomplete.len() < ORDERS_MAX {
            self.incomplete.entry(order).or_insert(now);
        } else {
            self.missing = Some(OF_VALUES);
        }
    }

    /// A line has changed that is not held, and the log does not even have its order.
    pub(crate) fn lacks_order_of_line(&mut self, was_unusable: bool) {
        if was_unusable || self.is_partial {
            self.lacks_values();
        }
    }

    /// A row counts now, and some of its values are not in the log.
    pub(crate) fn lacks_values(&mut self) {
        self.missing = Some(OF_VALUES);
    }

    /// Why the tables must be read again, if they must.
    pub(crate) fn take_missing(&mut self) -> Option<MissingRow> {
        self.missing.take()
    }

    pub(crate) fn truncate_orders(&mut self) {
        self.refused.clear();
    }

    pub(crate) fn truncate_lines(&mut self) {
        self.unusable.clear();
        self.incomplete.clear();
    }

    /// The tables were read.
    pub(crate) fn read(&mut self, rows: UnusableRows, now: Millis) {
        if let Some(lines) = rows.lines {
            self.unusable.retain(|row, _| lines.contains(row));
            for row in lines {
                self.unusable.entry(row).or_insert(now);
            }
            self.incomplete.clear();
            self.is_partial = rows.is_partial;
        }
        if let Some(orders) = rows.orders {
            let before = std::mem::take(&mut self.refused);
            let since = |order: &OrderKey| before.get(order).copied().unwrap_or(now);
            self.refused = orders.into_iter().map(|order| (order, since(&order))).collect();
        }
    }

    /// Forgets what has been waiting since `cutoff`.
    pub(crate) fn sweep(&mut self, cutoff: Millis) {
        self.refused.retain(|_, since| *since > cutoff);
        self.unusable.retain(|_, since| *since > cutoff);
        self.incomplete.retain(|_, since| *since > cutoff);
    }
}
