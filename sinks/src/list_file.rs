//! Rows of lists in a file, as lines of JSON or as Parquet. The same rows give the same bytes.

use std::io::{self, Write};
use std::sync::Arc;

use dataflow::graph::shape::{Column, Kind};
use dataflow::graph::{EachList, List, each_list};
use dataflow::time::Time;
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// A row of a list. Times are in milliseconds since the epoch.
pub struct Row<'a> {
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

impl Serialize for Row<'_> {
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

impl Row<'_> {
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
    group: Group,
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
        Ok(ParquetWriter { file, group: Group::new(&all) })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn row(&mut self, row: &Row<'_>) -> Result<()> {
        self.group.push(row);
        if self.group.rank.len() == GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    /// Writes the rows that are held, and the end of the file.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn finish(mut self) -> Result<()> {
        if !self.group.rank.is_empty() {
            self.flush()?;
        }
        self.file.close().map(|_| ())
    }

    fn flush(&mut self) -> Result<()> {
        let group = &mut self.group;
        let mut out = self.file.next_row_group()?;
        column::<Int64Type>(&mut out, &group.as_of, None)?;
        column::<ByteArrayType>(&mut out, &group.list, None)?;
        column::<ByteArrayType>(&mut out, &group.id.values, Some(&group.id.levels))?;
        column::<Int32Type>(&mut out, &group.rank, None)?;
        for declared in &group.declared {
            let levels = |levels| declared.optional.then_some(levels);
            match &declared.values {
                ColumnValues::Ids(ids) => column::<ByteArrayType>(&mut out, &ids.values, levels(&ids.levels[..]))?,
                ColumnValues::Numbers(numbers) => {
                    column::<Int64Type>(&mut out, &numbers.values, levels(&numbers.levels[..]))?
                }
            }
        }
        out.close()?;
        group.clear();
        Ok(())
    }
}

/// The columns of the rows that are held.
#[derive(Default)]
struct Group {
    as_of: Vec<i64>,
    list: Vec<ByteArray>,
    id: Optional<ByteArray>,
    rank: Vec<i32>,
    declared: Vec<DeclaredColumn>,
}

/// A column that lists declare.
struct DeclaredColumn {
    column: Column,
    /// Whether some list does not have it.
    optional: bool,
    values: ColumnValues,
}

enum ColumnValues {
    Ids(Optional<ByteArray>),
    Numbers(Optional<i64>),
}

impl ColumnValues {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Id => ColumnValues::Ids(Optional::default()),
            Kind::Time | Kind::Count => ColumnValues::Numbers(Optional::default()),
        }
    }
}

impl Group {
    fn new(all: &AllColumns) -> Self {
        let declared = |(column, lists): &(Column, usize)| DeclaredColumn {
            column: *column,
            optional: *lists < all.lists,
            values: ColumnValues::new(column.kind),
        };
        Group { declared: all.columns.iter().map(declared).collect(), ..Group::default() }
    }

    fn push(&mut self, row: &Row<'_>) {
        self.as_of.push(row.as_of.cast_signed());
        self.list.push(ByteArray::from(row.list));
        self.id.push(row.id.map(ByteArray::from));
        self.rank.push(row.rank.into());
        for declared in &mut self.declared {
            let cell = row.cells.iter().find(|(column, _)| *column == declared.column).map(|(_, cell)| cell);
            match (&mut declared.values, cell) {
                (ColumnValues::Ids(ids), Some(Cell::Id(id))) => ids.push(Some(ByteArray::from(&**id))),
                (ColumnValues::Numbers(numbers), Some(Cell::Number(number))) => {
                    numbers.push(Some(number.cast_signed()))
                }
                (ColumnValues::Ids(ids), _) => ids.push(None),
                (ColumnValues::Numbers(numbers), _) => numbers.push(None),
            }
        }
    }

    fn clear(&mut self) {
        self.as_of.clear();
        self.list.clear();
        self.id = Optional::default();
        self.rank.clear();
        self.declared.iter_mut().for_each(|declared| declared.values = ColumnValues::new(declared.column.kind));
    }
}

/// The present values, and for each row whether it has a value.
struct Optional<T> {
    values: Vec<T>,
    levels: Vec<i16>,
}

impl<T> Default for Optional<T> {
    fn default() -> Self {
        Optional { values: Vec::new(), levels: Vec::new() }
    }
}

impl<T> Optional<T> {
    fn push(&mut self, value: Option<T>) {
        self.levels.push(value.is_some().into());
        self.values.extend(value);
    }
}

/// Writes the next column of the schema.
fn column<D: DataType>(
    out: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
    values: &[D::T],
    levels: Option<&[i16]>,
) -> Result<()> {
    let mut column = out.next_column()?.expect("as many columns as the schema has");
    column.typed::<D>().write_batch(values, levels, None)?;
    column.close()
}
