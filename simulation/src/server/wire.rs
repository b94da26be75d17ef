//! The content of the server's log, in pgoutput's bytes.

use sources::postgres::simulation::{ORDER_ITEMS, ORDERS, PRODUCTS};

use crate::plant::Plant;

/// The types of text columns and of whole-number columns.
const TEXT: u32 = 25;
const INT8: u32 = 20;

/// Bugs that are planted in the log's content.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plants {
    pub(crate) no_old_key: bool,
    pub(crate) no_truncate: bool,
}

impl Plants {
    pub(crate) fn of(plant: Option<Plant>) -> Self {
        Plants {
            no_old_key: plant == Some(Plant::KeyUpdateWithoutRetraction),
            no_truncate: plant == Some(Plant::TruncateDropped),
        }
    }
}

/// A value of a row.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    /// An unchanged value that is stored out of line (TOAST): it is not sent.
    Kept,
    Text(String),
}

/// The columns of the three tables, as they are described before their first rows. A broken table has lost its last
/// column.
pub(super) fn relations(broken: [bool; 3]) -> Vec<Vec<u8>> {
    let products = [("product_id", true, TEXT), ("category_id", false, TEXT)];
    let orders = [("order_id", true, TEXT), ("user_id", false, TEXT), ("created_at", false, INT8)];
    let lines = [("line_id", true, INT8), ("order_id", false, TEXT), ("product_id", false, TEXT)];
    let columns =
        [(PRODUCTS, "products", &products[..]), (ORDERS, "orders", &orders), (ORDER_ITEMS, "order_items", &lines)];
    let relation = |(id, name, columns): (u32, &str, &[(&str, bool, u32)])| {
        let count = columns.len() - usize::from(broken[id as usize]);
        relation(id, name, &columns[..count])
    };
    columns.into_iter().map(relation).collect()
}

/// The tables that a message is about.
pub(super) fn tables(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let numbers = if bytes[0] == b'T' { &bytes[6..] } else { &bytes[1..5] };
    numbers.chunks_exact(4).map(|number| u32::from_be_bytes(number.try_into().expect("four bytes are a number")))
}

/// The message as it is sent for the published tables; `None` if it only concerns other tables.
pub(super) fn sent(bytes: &[u8], is_published: impl Fn(u32) -> bool) -> Option<Vec<u8>> {
    let kept: Vec<u32> = tables(bytes).filter(|table| is_published(*table)).collect();
    match (bytes[0], kept.is_empty()) {
        // A message without tables comes only from a planted bug.
        (b'T', _) if bytes.len() > 6 && kept.is_empty() => None,
        (b'T', _) => Some(truncate(&kept, Plants::default())),
        (_, true) => None,
        (_, false) => Some(bytes.to_vec()),
    }
}

fn relation(id: u32, name: &str, columns: &[(&str, bool, u32)]) -> Vec<u8> {
    let mut bytes = vec![b'R'];
    bytes.extend(id.to_be_bytes());
    [b"public", name.as_bytes()].into_iter().for_each(|text| text_to(&mut bytes, text));
    bytes.push(b'd');
    bytes.extend((columns.len() as u16).to_be_bytes());
    for (name, key, kind) in columns {
        bytes.push(u8::from(*key));
        text_to(&mut bytes, name.as_bytes());
        bytes.extend(kind.to_be_bytes());
        bytes.extend(u32::MAX.to_be_bytes());
    }
    bytes
}

fn text_to(bytes: &mut Vec<u8>, text: &[u8]) {
    bytes.extend(text);
    bytes.push(0);
}

pub(super) fn insert(table: u32, new: &[Value]) -> Vec<u8> {
    let mut bytes = head(b'I', table);
    tuple(&mut bytes, b'N', new);
    bytes
}

/// `old` is the previous key of the row, if the key changed.
pub(super) fn update(table: u32, old: Option<&[Value]>, new: &[Value], plants: Plants) -> Vec<u8> {
    let mut bytes = head(b'U', table);
    if let Some(old) = old.filter(|_| !plants.no_old_key) {
        tuple(&mut bytes, b'K', old);
    }
    tuple(&mut bytes, b'N', new);
    bytes
}

pub(super) fn delete(table: u32, old: &[Value]) -> Vec<u8> {
    let mut bytes = head(b'D', table);
    tuple(&mut bytes, b'K', old);
    bytes
}

pub(super) fn truncate(tables: &[u32], plants: Plants) -> Vec<u8> {
    let tables = if plants.no_truncate { &[] } else { tables };
    let mut bytes = head(b'T', tables.len() as u32);
    bytes.push(0);
    tables.iter().for_each(|table| bytes.extend(table.to_be_bytes()));
    bytes
}

fn head(tag: u8, number: u32) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend(number.to_be_bytes());
    bytes
}

fn tuple(bytes: &mut Vec<u8>, tag: u8, values: &[Value]) {
    bytes.push(tag);
    bytes.extend((values.len() as u16).to_be_bytes());
    for value in values {
        match value {
            Value::Null => bytes.push(b'n'),
            Value::Kept => bytes.push(b'u'),
            Value::Text(text) => {
                bytes.push(b't');
                bytes.extend((text.len() as u32).to_be_bytes());
                bytes.extend(text.as_bytes());
            }
        }
    }
}
