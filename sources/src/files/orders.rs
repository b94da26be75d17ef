//! `orders.csv`: each line says who bought what and when.

use dataflow::rows::OrderRow;
use dataflow::time::{Diff, Millis};

use super::batch::{Changes, Sale};
use super::rows::{Reading, Rows, Text};
use crate::decode::{TimeBounds, time_from_text};
use crate::fault::{Fault, id};

/// The file's name.
pub(super) const FILE: &str = "orders.csv";

/// The columns that are read, in the order of [`Rows::COLUMNS`].
const TIME: &str = "created_at";

pub(super) struct Orders;

impl Rows for Orders {
    type Row = Sale;
    const COLUMNS: &'static [&'static str] = &["order_id", "user_id", "product_id", TIME];

    fn read(text: &Text<'_>, reading: &Reading<'_>) -> Result<Option<Sale>, Fault<'static>> {
        let order = id(text.get(0)?, Self::COLUMNS[0])?;
        let user = id(text.get(1)?, Self::COLUMNS[1])?;
        let product = id(text.get(2)?, Self::COLUMNS[2])?;
        let time = text.get(3)?.ok_or(Fault::Missing { column: TIME })?;
        let at = time_from_text(time).map_err(|_| Fault::UnreadableTime { column: TIME })?;
        if at > reading.now.saturating_add(TimeBounds::FUTURE_MAX_DEFAULT) {
            return Err(Fault::TimeOutOfBounds { column: TIME });
        }
        if !is_live(at, reading) {
            return Ok(None);
        }
        // The lines of one order need not agree on who ordered and when: each counts for itself.
        let dictionary = reading.dictionary;
        let key = dictionary.order(&format!("{order}\0{user}\0{at}"));
        let product = dictionary.product(product)?;
        Ok(Some(Sale { order: OrderRow { order: key, user: dictionary.user(user), created_at: at }, product }))
    }

    fn lives(sale: &Sale, reading: &Reading<'_>) -> bool {
        is_live(sale.order.created_at, reading)
    }

    fn changes(rows: Vec<(Sale, Diff)>) -> Changes {
        Changes::Sales(rows)
    }
}

fn is_live(created_at: Millis, reading: &Reading<'_>) -> bool {
    created_at.saturating_add(reading.window_ms) > reading.now
}
