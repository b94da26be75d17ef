//! Order lines: the products of an order. Quantities do not count.

use serde::{Deserialize, Serialize};

use super::Table;
use crate::ids::{OrderKey, ProductKey, RowKey};
use crate::time::Diff;

/// The table of order lines. Key: order. Value: a product in it, and the key of the row. Difference: the number of
/// rows.
pub struct Lines;

impl Table for Lines {
    const NAME: &'static str = "lines";
    const NUMBER: u8 = 3;
    type Key = OrderKey;
    type Value = (ProductKey, RowKey);
    type Diff = Diff;
    type Row = LineRow;

    const OF_FEATURES: bool = true;

    fn route(order: &OrderKey) -> u64 {
        order.route()
    }

    fn products(_: &OrderKey, (product, _): &Self::Value, _: &Diff) -> [Option<ProductKey>; 2] {
        [Some(*product), None]
    }
}

/// One line of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LineRow {
    /// The order the line belongs to.
    pub order: OrderKey,
    /// The product ordered.
    pub product: ProductKey,
    /// The key of the row in its table. Equal rows of a table without a key differ only in their number.
    pub row: RowKey,
}

impl From<(OrderKey, (ProductKey, RowKey))> for LineRow {
    fn from((order, (product, row)): (OrderKey, (ProductKey, RowKey))) -> Self {
        LineRow { order, product, row }
    }
}

impl From<LineRow> for (OrderKey, (ProductKey, RowKey)) {
    fn from(row: LineRow) -> Self {
        (row.order, (row.product, row.row))
    }
}
