//! The rows of a step as a Parquet file, the same to the byte for the same rows.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::rows::Row;

/// The columns, in the order in which they are written.
const SCHEMA: &str = "
    message lists {
        REQUIRED INT64 as_of (TIMESTAMP(MILLIS, true));
        REQUIRED BYTE_ARRAY list (STRING);
        OPTIONAL BYTE_ARRAY id (STRING);
        REQUIRED INT32 rank;
        REQUIRED BYTE_ARRAY product (STRING);
        OPTIONAL INT64 viewed_at (TIMESTAMP(MILLIS, true));
        OPTIONAL INT64 buyers;
    }";

/// Rows that are written together; they are held until then.
const GROUP_ROWS: usize = 1 << 17;

/// Writes rows into a file.
pub(super) struct Columns<W: Write + Send> {
    file: SerializedFileWriter<W>,
    group: Group,
}

impl<W: Write + Send> Columns<W> {
    pub(super) fn new(out: W) -> Result<Self> {
        let schema = parse_message_type(SCHEMA)?;
        let properties = WriterProperties::builder()
            .set_created_by(concat!("vitrine version ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let file = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?;
        Ok(Columns { file, group: Group::default() })
    }

    pub(super) fn row(&mut self, row: &Row<'_>) -> Result<()> {
        self.group.push(row);
        if self.group.rank.len() == GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    /// Writes what is held and the end of the file.
    pub(super) fn finish(mut self) -> Result<()> {
        if !self.group.rank.is_empty() {
            self.flush()?;
        }
        self.file.close().map(|_| ())
    }

    fn flush(&mut self) -> Result<()> {
        let group = std::mem::take(&mut self.group);
        let mut out = self.file.next_row_group()?;
        column::<Int64Type>(&mut out, &group.as_of, None)?;
        column::<ByteArrayType>(&mut out, &group.list, None)?;
        optional::<ByteArrayType>(&mut out, &group.id)?;
        column::<Int32Type>(&mut out, &group.rank, None)?;
        column::<ByteArrayType>(&mut out, &group.product, None)?;
        optional::<Int64Type>(&mut out, &group.viewed_at)?;
        optional::<Int64Type>(&mut out, &group.buyers)?;
        out.close().map(|_| ())
    }
}

/// The columns of the rows that are held.
#[derive(Default)]
struct Group {
    as_of: Vec<i64>,
    list: Vec<ByteArray>,
    id: Optional<ByteArray>,
    rank: Vec<i32>,
    product: Vec<ByteArray>,
    viewed_at: Optional<i64>,
    buyers: Optional<i64>,
}

impl Group {
    fn push(&mut self, row: &Row<'_>) {
        self.as_of.push(row.as_of.cast_signed());
        self.list.push(ByteArray::from(row.list));
        self.id.push(row.id.map(ByteArray::from));
        self.rank.push(row.rank.into());
        self.product.push(ByteArray::from(row.product));
        self.viewed_at.push(row.viewed_at.map(u64::cast_signed));
        self.buyers.push(row.buyers.map(u64::cast_signed));
    }
}

/// The values that are there, and for each row whether one is.
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

fn optional<D: DataType>(
    out: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
    column: &Optional<D::T>,
) -> Result<()> {
    self::column::<D>(out, &column.values, Some(&column.levels))
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
