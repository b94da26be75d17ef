//! Rows of lists in a file, as lines of JSON or as Parquet. The same rows give the same bytes.

use std::io::{self, Write};
use std::mem::take;
use std::sync::Arc;

use dataflow::graph::shape::{Column, Kind};
use dataflow::graph::{EachList, List, each_list};
use dataflow::time::Time;
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// A row of a list. Times are in milliseconds since the epoch.
pub struct ListRow<'a> {
    /// The step.
    pub as_of: Time,
    /// The list, as exports call it: `bestsellers`, `category` or `history`.
    pub list: &'static str,
    /// The category or user that the list belongs to; none for a list over everything.
    pub id: Option<&'a str>,
    /// From 1.
    pub rank: u16,
    /// The columns that the list declares, with their values.
    pub cells: &'a [(Column, Cell)],
}

/// A value of a row.
pub enum Cell {
    /// An id.
    Id(Arc<str>),
    /// A time or a count.
    Number(u64),
}

impl Cell {
    fn value(&self) -> Value<'_> {
        match self {
            Cell::Id(id) => Value::Id(id),
            Cell::Number(number) => Value::Number(*number),
        }
    }
}

impl Serialize for ListRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_map(None)?;
        row.serialize_entry("as_of", &self.as_of)?;
        row.serialize_entry("list", self.list)?;
        if let Some(id) = self.id {
            row.serialize_entry("id", id)?;
        }
        row.serialize_entry("rank", &self.rank)?;
        for (column, cell) in self.cells {
            match cell {
                Cell::Id(id) => row.serialize_entry(column.name, id)?,
                Cell::Number(number) => row.serialize_entry(column.name, number)?,
            }
        }
        row.end()
    }
}

impl ListRow<'_> {
    /// As one line of JSON.
    ///
    /// # Errors
    /// Errors of `out`.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.write_all(b"\n")
    }
}

/// The columns of all lists, each once, with the number of lists that have it.
struct AllColumns {
    lists: usize,
    columns: Vec<(Column, usize)>,
}

impl AllColumns {
    fn declared() -> Self {
        let mut all = AllColumns { lists: 0, columns: Vec::new() };
        each_list(&mut all);
        all
    }

    /// The schema of the file, in the order in which columns are written.
    fn schema(&self) -> String {
        let mut schema = "message lists {
            REQUIRED INT64 as_of (TIMESTAMP(MILLIS, true));
            REQUIRED BYTE_ARRAY list (STRING);
            OPTIONAL BYTE_ARRAY id (STRING);
            REQUIRED INT32 rank;"
            .to_owned();
        for (Column { name, kind }, lists) in &self.columns {
            let repetition = if *lists == self.lists { "REQUIRED" } else { "OPTIONAL" };
            schema += &match kind {
                Kind::Id => format!("{repetition} BYTE_ARRAY {name} (STRING);"),
                Kind::Time => format!("{repetition} INT64 {name} (TIMESTAMP(MILLIS, true));"),
                Kind::Count => format!("{repetition} INT64 {name};"),
            };
        }
        schema + "}"
    }
}

impl EachList for AllColumns {
    fn list<L: List>(&mut self) {
        self.lists += 1;
        for column in L::COLUMNS {
            match self.columns.iter_mut().find(|(known, _)| known == column) {
                Some((_, lists)) => *lists += 1,
                None => self.columns.push((*column, 1)),
            }
        }
    }
}

/// Number of rows that are written together; they are held in memory until then.
const GROUP_ROWS: usize = 1 << 17;

/// Writes rows into a Parquet file.
pub struct ParquetWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    declared: Vec<Column>,
    /// The rows that are held, by column: `as_of`, `list`, `id`, `rank` and the declared columns.
    held: Vec<HeldColumn>,
    rows: usize,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// A file with the columns of all lists.
    ///
    /// # Errors
    /// Errors of `out`.
    pub fn new(out: W) -> Result<Self> {
        let all = AllColumns::declared();
        let schema = parse_message_type(&all.schema())?;
        let properties = WriterProperties::builder()
            .set_created_by(concat!("vitrine version ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let file = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?;
        let (ids, numbers) = (|| HeldValues::Ids(Vec::new()), || HeldValues::Numbers(Vec::new()));
        let own = [(numbers(), false), (ids(), false), (ids(), true), (HeldValues::Ranks(Vec::new()), false)];
        let declared = all.columns.iter().map(|(column, lists)| match column.kind {
            Kind::Id => (ids(), *lists < all.lists),
            Kind::Time | Kind::Count => (numbers(), *lists < all.lists),
        });
        let held = own.into_iter().chain(declared);
        let held = held.map(|(values, optional)| HeldColumn { values, levels: optional.then(Vec::new) }).collect();
        Ok(ParquetWriter { file, declared: all.columns.iter().map(|(column, _)| *column).collect(), held, rows: 0 })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn row(&mut self, row: &ListRow<'_>) -> Result<()> {
        let cell = |column: &Column| row.cells.iter().find(|(of, _)| of == column).map(|(_, cell)| cell.value());
        let (as_of, rank) = (Value::Number(row.as_of), Value::Rank(row.rank));
        let own = [Some(as_of), Some(Value::Id(row.list)), row.id.map(Value::Id), Some(rank)];
        let values = own.into_iter().chain(self.declared.iter().map(cell));
        self.held.iter_mut().zip(values).for_each(|(held, value)| held.push(value));
        self.rows += 1;
        if self.rows == GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    /// Writes the rows that are held, and the end of the file.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn finish(mut self) -> Result<()> {
        if self.rows > 0 {
            self.flush()?;
        }
        self.file.close().map(|_| ())
    }

    fn flush(&mut self) -> Result<()> {
        let mut group = self.file.next_row_group()?;
        self.held.iter_mut().try_for_each(|held| held.write(&mut group))?;
        self.rows = 0;
        group.close().map(|_| ())
    }
}

/// A value on its way into a column.
enum Value<'a> {
    Id(&'a str),
    Number(u64),
    Rank(u16),
}

/// The present values of the rows that are held, in one column.
struct HeldColumn {
    values: HeldValues,
    /// For each row whether it has a value; none for a column in which every row has one.
    levels: Option<Vec<i16>>,
}

enum HeldValues {
    Ids(Vec<ByteArray>),
    Numbers(Vec<i64>),
    Ranks(Vec<i32>),
}

impl HeldColumn {
    fn push(&mut self, value: Option<Value<'_>>) {
        if let Some(levels) = &mut self.levels {
            levels.push(value.is_some().into());
        }
        match (&mut self.values, value) {
            (HeldValues::Ids(ids), Some(Value::Id(id))) => ids.push(id.into()),
            (HeldValues::Numbers(numbers), Some(Value::Number(number))) => numbers.push(number.cast_signed()),
            (HeldValues::Ranks(ranks), Some(Value::Rank(rank))) => ranks.push(rank.into()),
            _ => {}
        }
    }

    /// Writes the values as the next column of the schema, and holds none afterwards.
    fn write(&mut self, group: &mut SerializedRowGroupWriter<'_, impl Write + Send>) -> Result<()> {
        let mut column = group.next_column()?.expect("as many columns as the schema has");
        let levels = self.levels.as_deref();
        match &mut self.values {
            HeldValues::Ids(ids) => column.typed::<ByteArrayType>().write_batch(&take(ids), levels, None)?,
            HeldValues::Numbers(numbers) => column.typed::<Int64Type>().write_batch(&take(numbers), levels, None)?,
            HeldValues::Ranks(ranks) => column.typed::<Int32Type>().write_batch(&take(ranks), levels, None)?,
        };
        self.levels.iter_mut().for_each(Vec::clear);
        column.close()
    }
}
