//! `orders.csv`: each line has buyer, product and time of an order.

use dataflow::tables::OrderRow;
use dataflow::time::{Diff, Millis};
use events::time_from_text;

use super::batch::{InputChanges, Sale};
use super::rows::{RowContext, RowText, TableRows};
use crate::fault::Fault;

/// The file's name.
pub(super) const FILE: &str = "orders.csv";

/// The column with the time of the order.
const TIME: &str = "created_at";

pub(super) struct OrdersFile;

impl TableRows for OrdersFile {
    type Row = Sale;
    type Gone = ();
    const COLUMNS: &'static [&'static str] = &["order_id", "user_id", "product_id", TIME];

    fn read(text: &RowText<'_>, context: &RowContext<'_>) -> Result<Option<Sale>, Fault<'static>> {
        let (order, user, product) = (text.id(0)?, text.id(1)?, text.id(2)?);
        let time = text.get(3)?.ok_or(Fault::Missing { column: TIME })?;
        let at = time_from_text(time).map_err(|_| Fault::UnreadableTime { column: TIME })?;
        if at > context.latest {
            return Err(Fault::TimeOutOfBounds { column: TIME });
        }
        if !is_live(at, context) {
            return Ok(None);
        }
        // The lines of one order need not agree on who ordered and when: each counts for itself.
        let dictionary = context.dictionary;
        let key = dictionary.order(&format!("{order}\0{user}\0{at}"));
        let product = dictionary.product(product)?;
        Ok(Some(Sale { order: OrderRow::counting(key, dictionary.user(user), at), product }))
    }

    fn lives(sale: &Sale, context: &RowContext<'_>) -> bool {
        is_live(sale.order.placed.created_at(), context)
    }

    fn changes(rows: Vec<(Sale, Diff)>) -> InputChanges {
        InputChanges::Sales(rows)
    }
}

fn is_live(created_at: Millis, context: &RowContext<'_>) -> bool {
    created_at.saturating_add(context.kept_ms) > context.now
}
