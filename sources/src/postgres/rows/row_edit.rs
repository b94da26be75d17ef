//! One change of one row, in keys. A transaction is held as such edits until it is committed.

use dataflow::ids::{OrderKey, ProductKey, RowKey, UserKey};
use dataflow::tables::{LineRow, OrderRow};
use dataflow::time::Millis;

use crate::postgres::names::SourceTable;
use crate::postgres::rows::category_sets::RowCategories;

/// One change of one row, in keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowEdit {
    /// An order that is new, at least under its key.
    Order(OrderRow),
    /// An order that was there before, under the same key.
    OrderUpdated(OrderRow),
    /// An order that cannot be used.
    OrderRefused {
        order: OrderKey,
        is_new: bool,
    },
    OrderDeleted(OrderKey),
    Line(LineRow),
    /// A line that was there before, under the key `from`.
    LineUpdated {
        from: RowKey,
        line: LineRow,
    },
    /// A line that was returned or cannot be used; `from`: its key before, if it was there before.
    LineUnusable {
        from: Option<RowKey>,
        row: RowKey,
    },
    LineDeleted(RowKey),
    Product {
        product: ProductKey,
        categories: RowCategories,
    },
    ProductDeleted(ProductKey),
    /// Some of the row's values were not sent: they are unchanged.
    PartialRow(Box<PartialRow>),
    Truncate(SourceTable),
}

/// A row of which some values are those under the key `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartialRow {
    Order { from: OrderKey, order: OrderKey, user: Option<UserKey>, at: Option<Millis>, counts: Option<bool> },
    Line { from: RowKey, row: RowKey, order: Option<OrderKey>, product: Option<ProductKey> },
    Product { from: ProductKey, product: ProductKey, available: bool },
}

impl RowEdit {
    pub(crate) fn is_of_line(&self) -> bool {
        match self {
            RowEdit::Line(_)
            | RowEdit::LineUpdated { .. }
            | RowEdit::LineUnusable { .. }
            | RowEdit::LineDeleted(_)
            | RowEdit::Truncate(SourceTable::OrderItems) => true,
            RowEdit::PartialRow(partly) => matches!(**partly, PartialRow::Line { .. }),
            _ => false,
        }
    }
}
