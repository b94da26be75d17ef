//! Rows as columns: each field of a table is stored apart, as fixed little-endian numbers, so that similar values lie
//! together.

use bincode::config::{FixintEncoding, WithOtherIntEncoding};
use bincode::de::read::SliceReader;
use bincode::{DefaultOptions, Deserializer, Options};
use dataflow::dictionary::Name;
use dataflow::tables::{ColumnReader, ColumnWriter, Columns as _, Pair, Rows, Table};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Damage;
use crate::table::TableId;

/// The bytes of the columns of one frame.
#[derive(Debug)]
pub(crate) struct ColumnBytes {
    pub(crate) table: TableId,
    pub(crate) rows: usize,
    pub(crate) bytes: Vec<Vec<u8>>,
}

impl ColumnBytes {
    pub(crate) fn new(table: TableId) -> Self {
        ColumnBytes { table, rows: 0, bytes: vec![Vec::new(); table.width] }
    }

    pub(crate) fn clear(&mut self) {
        self.rows = 0;
        self.bytes.iter_mut().for_each(Vec::clear);
    }

    /// The length of the longest column.
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes.iter().map(Vec::len).max().unwrap_or(0)
    }

    pub(crate) fn row<T: Table>(&mut self, (key, value): &Pair<T>, diff: &T::Diff) {
        self.rows += 1;
        let mut next = NextColumn(self.bytes.iter_mut());
        key.write(&mut next);
        value.write(&mut next);
        diff.write(&mut next);
    }

    pub(crate) fn name(&mut self, name: &Name) {
        self.rows += 1;
        NextColumn(self.bytes.iter_mut()).write(name);
    }
}

struct NextColumn<'a>(std::slice::IterMut<'a, Vec<u8>>);

impl ColumnWriter for NextColumn<'_> {
    fn write<T: Serialize>(&mut self, field: &T) {
        let column = self.0.next().expect("a row has as many fields as its table has columns");
        bincode::serialize_into(column, field).expect("memory takes every byte, and no value is without a length");
    }
}

/// Turns the columns of a table back into rows.
pub(crate) fn rows<T: Table>(rows: usize, columns: &[Vec<u8>]) -> Result<Rows<T>, Damage> {
    read_all(rows, columns, |row| Ok(((T::Key::read(row)?, T::Value::read(row)?), T::Diff::read(row)?)))
}

/// Turns the column of names back into names.
pub(crate) fn names(rows: usize, columns: &[Vec<u8>]) -> Result<Vec<Name>, Damage> {
    read_all(rows, columns, |row| row.read())
}

/// Reads every row with `read`.
fn read_all<R>(
    rows: usize,
    columns: &[Vec<u8>],
    mut read: impl FnMut(&mut RowReader<'_>) -> Result<R, Damage>,
) -> Result<Vec<R>, Damage> {
    let column = |bytes| Deserializer::from_slice(bytes, DefaultOptions::new().with_fixint_encoding());
    let mut reader = RowReader { columns: columns.iter().map(|bytes| column(bytes)).collect(), next: 0 };
    let mut all = Vec::with_capacity(rows);
    for _ in 0..rows {
        reader.next = 0;
        all.push(read(&mut reader)?);
    }
    match reader.columns.iter_mut().any(|column| u8::deserialize(column).is_ok()) {
        true => Err(Damage::Malformed("a column has bytes after its rows")),
        false => Ok(all),
    }
}

type ColumnCursor<'a> = Deserializer<SliceReader<'a>, WithOtherIntEncoding<DefaultOptions, FixintEncoding>>;

/// Reads row by row, a field from each column.
struct RowReader<'a> {
    columns: Vec<ColumnCursor<'a>>,
    next: usize,
}

impl ColumnReader for RowReader<'_> {
    type Error = Damage;

    fn read<T: DeserializeOwned>(&mut self) -> Result<T, Damage> {
        let column = self.columns.get_mut(self.next);
        let column = column.ok_or(Damage::Malformed("a frame and its table have different numbers of columns"))?;
        self.next += 1;
        T::deserialize(column).map_err(|_| Damage::Malformed("a column does not hold its rows"))
    }
}
