//! One change of one row, in keys: what a transaction is held as until it is committed.

use dataflow::ids::{OrderKey, ProductKey, RowKey, UserKey};
use dataflow::tables::{CatalogueRow, LineRow, OrderRow};
use dataflow::time::Millis;

use super::names::Which;

/// One change of one row, in keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    Order(OrderRow),
    OrderGone(OrderKey),
    Line(LineRow),
    /// A line that was there before, under the key `from`.
    LineChanged {
        from: RowKey,
        line: LineRow,
    },
    LineGone(RowKey),
    Product(CatalogueRow),
    ProductGone(ProductKey),
    /// Some of the row's values were not sent: they are what they were.
    Partly(Box<Partly>),
    Truncate(Which),
}

/// A row of which some values are what they were under the key `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Partly {
    Order { from: OrderKey, order: OrderKey, user: Option<UserKey>, at: Option<Millis>, counts: Option<bool> },
    Line { from: RowKey, row: RowKey, order: Option<OrderKey>, product: Option<ProductKey> },
    Product { from: ProductKey, product: ProductKey },
}

impl Edit {
    pub(super) fn is_of_line(&self) -> bool {
        match self {
            Edit::Line(_) | Edit::LineChanged { .. } | Edit::LineGone(_) | Edit::Truncate(Which::OrderItems) => true,
            Edit::Partly(partly) => matches!(**partly, Partly::Line { .. }),
            _ => false,
        }
    }
}
