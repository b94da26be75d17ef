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
        if !is_live(at, context) {
            return Ok(None);
        }
        // The lines of one order need not agree on who ordered and when: those that do count together.
        let dictionary = context.dictionary;
        let facts = dictionary.row([user.as_bytes(), &at.to_le_bytes()]);
        let key = dictionary.order(order).of_lines(facts);
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::file_position::FilePosition;
    use crate::files::records::CsvRecords;
    use crate::files::rows::{CsvColumns, TableLine};
    use dataflow::dictionary::Dictionary;
    use dataflow::ids::Ids;

    fn sales(text: &str, dictionary: &Dictionary) -> Vec<Sale> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let reading = RowContext { dictionary, now: 0, kept_ms: Millis::MAX };
        let mut records = CsvRecords::new(&file, FilePosition::default(), text.len() as u64, true);
        records.next().unwrap();
        let columns = CsvColumns::<OrdersFile>::find(records.fields()).unwrap();
        let mut sales = Vec::new();
        loop {
            match columns.next(&mut records, &reading).unwrap() {
                TableLine::Row(row) => sales.extend(row),
                TableLine::Refused { fault, .. } => panic!("{fault}"),
                TableLine::Last { .. } => return sales,
            }
        }
    }

    #[test]
    fn lines_of_an_order_count_together_if_they_agree_and_all_are_known_by_its_id() {
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        let text = "order_id,user_id,product_id,created_at\no1,ada,tea,1700000000000\no1,ada,cup,1700000000000\n\
                    o1,ben,tea,1700000000000\no1,ada,pot,1700000000001\no2,ada,tea,1700000000000\n";
        let keys: Vec<_> = sales(text, &dictionary).into_iter().map(|sale| sale.order.order).collect();
        let [tea, cup, of_ben, later, other] = keys[..] else { panic!("{keys:?}") };
        assert_eq!(tea, cup);
        assert!(tea != of_ben && tea != later && of_ben != later);
        let order = dictionary.order("o1").id_half();
        assert!([tea, of_ben, later].iter().all(|key| key.id_half() == order));
        assert_eq!(other.id_half(), dictionary.order("o2").id_half());
    }
}
