//! `orders.csv`: each line says who bought what and when.
//!
//! Followed, a line counts by the present ([`Orders`]). In a replay the present is another one at every step: there a line
//! of any time is read ([`PastOrders`]), unless it has left the window by the first step.

use dataflow::tables::OrderRow;
use dataflow::time::{Diff, Millis};
use events::{TimeBounds, time_from_text};

use super::batch::{Changes, Sale};
use super::rows::{Reading, Rows, Text};
use crate::fault::{Fault, id};

/// The file's name.
pub(super) const FILE: &str = "orders.csv";

/// The columns that are read, in the order of [`Rows::COLUMNS`].
const TIME: &str = "created_at";

pub(super) struct Orders;

impl Rows for Orders {
    type Row = Sale;
    type Gone = ();
    const COLUMNS: &'static [&'static str] = &["order_id", "user_id", "product_id", TIME];

    fn read(text: &Text<'_>, reading: &Reading<'_>) -> Result<Option<Sale>, Fault<'static>> {
        let sold = Sold::read(text)?;
        if sold.at > reading.now.saturating_add(TimeBounds::FUTURE_MAX_DEFAULT) {
            return Err(Fault::TimeOutOfBounds { column: TIME });
        }
        if is_live(sold.at, reading) { sold.sale(reading).map(Some) } else { Ok(None) }
    }

    fn lives(sale: &Sale, reading: &Reading<'_>) -> bool {
        is_live(sale.order.placed.created_at(), reading)
    }

    fn changes(rows: Vec<(Sale, Diff)>) -> Changes {
        Changes::Sales(rows)
    }
}

/// The same lines, with the first step as the present.
pub(super) struct PastOrders;

impl Rows for PastOrders {
    type Row = Sale;
    type Gone = ();
    const COLUMNS: &'static [&'static str] = Orders::COLUMNS;

    fn read(text: &Text<'_>, reading: &Reading<'_>) -> Result<Option<Sale>, Fault<'static>> {
        let sold = Sold::read(text)?;
        if is_live(sold.at, reading) { sold.sale(reading).map(Some) } else { Ok(None) }
    }

    fn lives(sale: &Sale, reading: &Reading<'_>) -> bool {
        Orders::lives(sale, reading)
    }

    fn changes(rows: Vec<(Sale, Diff)>) -> Changes {
        Orders::changes(rows)
    }
}

/// What a line says.
struct Sold<'a> {
    order: &'a str,
    user: &'a str,
    product: &'a str,
    at: Millis,
}

impl<'a> Sold<'a> {
    fn read(text: &Text<'a>) -> Result<Self, Fault<'static>> {
        let order = id(text.get(0)?, Orders::COLUMNS[0])?;
        let user = id(text.get(1)?, Orders::COLUMNS[1])?;
        let product = id(text.get(2)?, Orders::COLUMNS[2])?;
        let time = text.get(3)?.ok_or(Fault::Missing { column: TIME })?;
        let at = time_from_text(time).map_err(|_| Fault::UnreadableTime { column: TIME })?;
        Ok(Sold { order, user, product, at })
    }

    fn sale(&self, reading: &Reading<'_>) -> Result<Sale, Fault<'static>> {
        let Sold { order, user, product, at } = self;
        // The lines of one order need not agree on who ordered and when: each counts for itself.
        let dictionary = reading.dictionary;
        let key = dictionary.order(&format!("{order}\0{user}\0{at}"));
        let product = dictionary.product(product)?;
        Ok(Sale { order: OrderRow::counting(key, dictionary.user(user), *at), product })
    }
}

fn is_live(created_at: Millis, reading: &Reading<'_>) -> bool {
    created_at.saturating_add(reading.window_ms) > reading.now
}
