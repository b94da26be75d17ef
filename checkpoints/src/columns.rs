//! Rows as columns: each field of a table stands apart, as fixed little-endian numbers, so that what is alike lies
//! together.

use bincode::{DefaultOptions, Deserializer, Options};
use dataflow::dictionary::Name;
use dataflow::ids::{CategoryKey, OrderKey, ProductKey, RowKey, UserKey};
use dataflow::rows::{CatalogueRow, LineRow, OrderRow, Placed};
use dataflow::stamp::Stamp;
use serde::{Deserialize, Serialize};

use crate::error::Damage;
use crate::table::{Rows, Table};

/// The bytes of the columns of one frame.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) table: Table,
    pub(crate) rows: usize,
    pub(crate) bytes: Vec<Vec<u8>>,
}

impl Columns {
    pub(crate) fn new(table: Table) -> Self {
        Columns { table, rows: 0, bytes: vec![Vec::new(); width(table)] }
    }

    pub(crate) fn clear(&mut self) {
        self.rows = 0;
        self.bytes.iter_mut().for_each(Vec::clear);
    }

    /// The length of the longest column.
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes.iter().map(Vec::len).max().unwrap_or(0)
    }

    pub(crate) fn stamp(&mut self, user: UserKey, product: ProductKey, stamp: Stamp) {
        let [users, products, stamps] = self.next();
        put(users, &user);
        put(products, &product);
        put(stamps, &stamp);
    }

    pub(crate) fn order(&mut self, row: &OrderRow, diff: i64) {
        let [orders, users, placed, diffs] = self.next();
        put(orders, &row.order);
        put(users, &row.user);
        put(placed, &row.placed);
        put(diffs, &diff);
    }

    pub(crate) fn line(&mut self, row: &LineRow, diff: i64) {
        let [orders, products, rows, diffs] = self.next();
        put(orders, &row.order);
        put(products, &row.product);
        put(rows, &row.row);
        put(diffs, &diff);
    }

    pub(crate) fn catalogue(&mut self, row: &CatalogueRow, diff: i64) {
        let [products, categories, diffs] = self.next();
        put(products, &row.product);
        put(categories, &row.category);
        put(diffs, &diff);
    }

    pub(crate) fn name(&mut self, name: &Name) {
        let [names] = self.next();
        put(names, name);
    }

    /// The columns, to which one row is added now.
    fn next<const N: usize>(&mut self) -> &mut [Vec<u8>; N] {
        self.rows += 1;
        self.bytes.as_mut_slice().try_into().expect("a row has as many fields as its table has columns")
    }
}

/// How many columns a table has.
pub(crate) fn width(table: Table) -> usize {
    match table {
        Table::Stamps | Table::Catalogue => 3,
        Table::Orders | Table::Lines => 4,
        Table::Names => 1,
    }
}

/// Turns columns back into rows; the caller has checked that the table has this many columns.
pub(crate) fn rows(table: Table, rows: usize, columns: &[Vec<u8>]) -> Result<Rows, Damage> {
    Ok(match (table, columns) {
        (Table::Stamps, [users, products, stamps]) => {
            let keys = column::<UserKey>(users, rows)?.into_iter().zip(column::<ProductKey>(products, rows)?);
            Rows::Stamps(keys.zip(column::<Stamp>(stamps, rows)?).collect())
        }
        (Table::Orders, [orders, users, placed, diffs]) => {
            let keys = column::<OrderKey>(orders, rows)?.into_iter().zip(column::<UserKey>(users, rows)?);
            let rest = column::<Placed>(placed, rows)?.into_iter().zip(column::<i64>(diffs, rows)?);
            let all = keys.zip(rest);
            Rows::Orders(all.map(|((order, user), (placed, diff))| (OrderRow { order, user, placed }, diff)).collect())
        }
        (Table::Lines, [orders, products, keys, diffs]) => {
            let items = column::<OrderKey>(orders, rows)?.into_iter().zip(column::<ProductKey>(products, rows)?);
            let rest = column::<RowKey>(keys, rows)?.into_iter().zip(column::<i64>(diffs, rows)?);
            let all = items.zip(rest);
            Rows::Lines(all.map(|((order, product), (row, diff))| (LineRow { order, product, row }, diff)).collect())
        }
        (Table::Catalogue, [products, categories, diffs]) => {
            let keys = column::<ProductKey>(products, rows)?.into_iter().zip(column::<CategoryKey>(categories, rows)?);
            let all = keys.zip(column::<i64>(diffs, rows)?);
            Rows::Catalogue(all.map(|((product, category), diff)| (CatalogueRow { product, category }, diff)).collect())
        }
        (Table::Names, [names]) => Rows::Names(column(names, rows)?),
        _ => return Err(Damage::Malformed("a frame has another number of columns than its table")),
    })
}

fn put<T: Serialize>(column: &mut Vec<u8>, value: &T) {
    bincode::serialize_into(column, value).expect("memory takes every byte, and no value is without a length");
}

fn column<'a, T: Deserialize<'a>>(bytes: &'a [u8], rows: usize) -> Result<Vec<T>, Damage> {
    let mut from = Deserializer::from_slice(bytes, DefaultOptions::new().with_fixint_encoding());
    let mut values = Vec::with_capacity(rows);
    for _ in 0..rows {
        let value = T::deserialize(&mut from).map_err(|_| Damage::Malformed("a column does not hold its rows"))?;
        values.push(value);
    }
    match u8::deserialize(&mut from) {
        Ok(_) => Err(Damage::Malformed("a column goes on after its rows")),
        Err(_) => Ok(values),
    }
}
