//! Labels as Parquet: every column is copied as it is, nested ones too, with the columns of the features behind.

use std::borrow::Cow;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use dataflow::features::Feature;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as PhysicalType};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::{ParquetError, Result as Read};
use parquet::file::reader::{FileReader as _, RowGroupReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

use super::super::GROUP_ROWS;
use super::super::parquet_columns::{properties, schema};
use super::{
    CellsOf, FeatureColumns, Label, LabelError, PRODUCT, Place, ROWS_MAX, RowFault, Scanned, TIME, USER, bounded, id,
    time_of_number, time_of_text,
};

/// An open file, and which of its columns are read.
pub(super) struct ParquetLabels {
    path: PathBuf,
    file: SerializedFileReader<File>,
    /// The numbers of the columns.
    user: usize,
    product: Option<usize>,
    time: usize,
    time_kind: TimeKind,
}

/// How times are read from a column.
#[derive(Clone, Copy)]
enum TimeKind {
    /// A timestamp; holds how many of its units are a millisecond.
    Stamp(i64),
    /// Whole milliseconds without a type of their own.
    Number,
    Text,
}

/// The values of a column in some rows.
enum Values {
    Texts(Vec<Option<ByteArray>>),
    Wholes(Vec<Option<i64>>),
}

/// The readers of a group's columns that are read.
struct Cursor {
    user: ColumnReader,
    product: Option<ColumnReader>,
    time: ColumnReader,
}

impl ParquetLabels {
    pub(super) fn open(path: &Path, file: File) -> Result<ParquetLabels, LabelError> {
        let at = |error| LabelError::Parquet { path: path.to_owned(), error };
        let file = SerializedFileReader::new(file).map_err(at)?;
        let schema = file.metadata().file_metadata().schema_descr_ptr();
        let missing = |column| LabelError::NoColumn { path: path.to_owned(), column };
        let wrong = |column, descriptor: &ColumnDescriptor, needed| LabelError::ColumnType {
            path: path.to_owned(),
            column,
            found: kind_of(descriptor),
            needed,
        };
        let id_column = |name| {
            let Some(index) = leaf(&schema, name) else { return Ok(None) };
            match schema.column(index).physical_type() {
                PhysicalType::BYTE_ARRAY | PhysicalType::INT32 | PhysicalType::INT64 => Ok(Some(index)),
                _ => Err(wrong(name, &schema.column(index), "text or a whole number")),
            }
        };
        let user = id_column(USER)?.ok_or_else(|| missing(USER))?;
        let product = id_column(PRODUCT)?;
        let time = leaf(&schema, TIME).ok_or_else(|| missing(TIME))?;
        let time_kind = time_kind(&schema.column(time)).ok_or_else(|| {
            wrong(TIME, &schema.column(time), "a timestamp, whole milliseconds since the epoch, or RFC 3339 text")
        })?;
        Ok(ParquetLabels { path: path.to_owned(), file, user, product, time, time_kind })
    }

    fn fail(&self, error: ParquetError) -> LabelError {
        LabelError::Parquet { path: self.path.clone(), error }
    }

    /// See [`super::LabelFile::scan`].
    pub(super) fn scan(
        &self,
        features: &[&'static Feature],
        take: &mut impl FnMut(Label<'_>),
    ) -> Result<Scanned, LabelError> {
        let own = self.file.metadata().file_metadata().schema().get_fields();
        let clash = features.iter().find(|feature| own.iter().any(|field| field.name() == feature.name));
        if let Some(feature) = clash {
            return Err(LabelError::ColumnClash { path: self.path.clone(), column: feature.name });
        }
        let mut rows = 0;
        for group in 0..self.file.num_row_groups() {
            let group = self.file.get_row_group(group).map_err(|error| self.fail(error))?;
            let all = rows_of(&*group);
            if rows + all > ROWS_MAX {
                return Err(LabelError::TooMany(self.path.clone()));
            }
            let mut cursor = self.cursor(&*group).map_err(|error| self.fail(error))?;
            let mut left = all;
            while left > 0 {
                let some = left.min(GROUP_ROWS);
                self.scan_rows(&mut cursor, (rows, some), take)?;
                rows += some;
                left -= some;
            }
        }
        Ok(Scanned { rows, has_products: self.product.is_some() })
    }

    fn cursor(&self, group: &dyn RowGroupReader) -> Read<Cursor> {
        let product = self.product.map(|column| group.get_column_reader(column)).transpose()?;
        let (user, time) = (group.get_column_reader(self.user)?, group.get_column_reader(self.time)?);
        Ok(Cursor { user, product, time })
    }

    /// Reads the next rows, of which the first has this number.
    fn scan_rows(
        &self,
        cursor: &mut Cursor,
        (first, rows): (usize, usize),
        take: &mut impl FnMut(Label<'_>),
    ) -> Result<(), LabelError> {
        let fail = |error| self.fail(error);
        let users = values(&mut cursor.user, rows).map_err(fail)?;
        let products = cursor.product.as_mut().map(|reader| values(reader, rows)).transpose().map_err(fail)?;
        let times = values(&mut cursor.time, rows).map_err(fail)?;
        for row in 0..rows {
            let label = || {
                let user = users.id(row, USER)?.ok_or(RowFault::Missing(USER))?;
                let product = products.as_ref().map_or(Ok(None), |products| products.id(row, PRODUCT))?;
                Ok(Label { user, product, at: times.time(row, self.time_kind)? })
            };
            let place = Place::Row((first + row + 1) as u64);
            take(label().map_err(|fault| LabelError::Row { path: self.path.clone(), place, fault })?);
        }
        Ok(())
    }

    /// See [`super::LabelFile::join`].
    pub(super) fn join(
        &self,
        out: &mut (impl Write + Send),
        columns: &FeatureColumns,
        cells: &mut CellsOf<'_>,
    ) -> Result<(), LabelError> {
        let own = self.file.metadata().file_metadata().schema().get_fields();
        let mut next = 0;
        let write = || {
            let mut file = SerializedFileWriter::new(out, schema(own.to_vec(), columns)?, properties())?;
            for group in 0..self.file.num_row_groups() {
                let group = self.file.get_row_group(group)?;
                let readers = (0..group.num_columns()).map(|column| group.get_column_reader(column));
                let mut readers = readers.collect::<Read<Vec<ColumnReader>>>()?;
                let mut left = rows_of(&*group);
                while left > 0 {
                    let some = left.min(GROUP_ROWS);
                    let rows = (next..next + some).map(|row| cells(row).map_err(failed)?.ok_or_else(too_short));
                    let rows = rows.collect::<Read<Vec<_>>>()?;
                    let mut to = file.next_row_group()?;
                    readers.iter_mut().try_for_each(|reader| copy(reader, &mut to, some))?;
                    columns.write_parquet(&mut to, &rows)?;
                    to.close()?;
                    (next, left) = (next + some, left - some);
                }
            }
            file.close()
        };
        write().map_err(|error| self.fail(error))?;
        Ok(())
    }
}

fn failed(error: std::io::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

fn too_short() -> ParquetError {
    ParquetError::General("it has more rows than before".into())
}

fn rows_of(group: &dyn RowGroupReader) -> usize {
    usize::try_from(group.metadata().num_rows()).unwrap_or(0)
}

/// The column of that name that is not part of another one.
fn leaf(schema: &SchemaDescriptor, name: &str) -> Option<usize> {
    schema.columns().iter().position(|column| column.path().parts() == [name] && column.max_rep_level() == 0)
}

/// The type of a column, in words.
fn kind_of(column: &ColumnDescriptor) -> String {
    match column.converted_type() {
        ConvertedType::NONE => column.physical_type().to_string(),
        converted => format!("{} ({converted})", column.physical_type()),
    }
}

/// How times are read from a column; `None` if they cannot be.
fn time_kind(column: &ColumnDescriptor) -> Option<TimeKind> {
    match (column.physical_type(), column.logical_type_ref(), column.converted_type()) {
        (PhysicalType::INT64, Some(LogicalType::Timestamp(stamp)), _) => Some(TimeKind::Stamp(match stamp.unit {
            TimeUnit::MILLIS => 1,
            TimeUnit::MICROS => 1000,
            TimeUnit::NANOS => 1_000_000,
        })),
        (PhysicalType::INT64, _, ConvertedType::TIMESTAMP_MILLIS) => Some(TimeKind::Stamp(1)),
        (PhysicalType::INT64, _, ConvertedType::TIMESTAMP_MICROS) => Some(TimeKind::Stamp(1000)),
        (PhysicalType::INT64, _, ConvertedType::NONE | ConvertedType::INT_64 | ConvertedType::UINT_64) => {
            Some(TimeKind::Number)
        }
        (PhysicalType::BYTE_ARRAY, ..) => Some(TimeKind::Text),
        _ => None,
    }
}

/// Reads the next rows of a column of texts or whole numbers.
fn values(reader: &mut ColumnReader, rows: usize) -> Read<Values> {
    match reader {
        ColumnReader::ByteArrayColumnReader(reader) => optional::<ByteArrayType>(reader, rows).map(Values::Texts),
        ColumnReader::Int64ColumnReader(reader) => optional::<Int64Type>(reader, rows).map(Values::Wholes),
        ColumnReader::Int32ColumnReader(reader) => {
            let numbers = optional::<Int32Type>(reader, rows)?;
            Ok(Values::Wholes(numbers.into_iter().map(|number| number.map(i64::from)).collect()))
        }
        _ => Err(ParquetError::General("a column has another type than the schema says".into())),
    }
}

fn optional<T: DataType>(reader: &mut ColumnReaderImpl<T>, rows: usize) -> Read<Vec<Option<T::T>>> {
    let Chunk { present, values, .. } = read(reader, rows)?;
    if present.is_empty() {
        return Ok(values.into_iter().map(Some).collect());
    }
    let mut values = values.into_iter();
    Ok(present.into_iter().map(|level| if level > 0 { values.next() } else { None }).collect())
}

impl Values {
    fn id(&self, row: usize, field: &'static str) -> Result<Option<Cow<'_, str>>, RowFault> {
        match self {
            Values::Texts(texts) => {
                let text = texts[row].as_ref().map(|text| std::str::from_utf8(text.data()));
                let text = text.transpose().map_err(|_| RowFault::NotUtf8)?;
                text.map(|text| id(text.into(), field)).transpose()
            }
            Values::Wholes(numbers) => Ok(numbers[row].map(|number| number.to_string().into())),
        }
    }

    fn time(&self, row: usize, kind: TimeKind) -> Result<u64, RowFault> {
        match (self, kind) {
            (Values::Texts(texts), _) => {
                let text = texts[row].as_ref().ok_or(RowFault::Missing(TIME))?;
                time_of_text(std::str::from_utf8(text.data()).map_err(|_| RowFault::NotUtf8)?)
            }
            (Values::Wholes(numbers), kind) => {
                let number = numbers[row].ok_or(RowFault::Missing(TIME))?;
                match kind {
                    TimeKind::Stamp(per_milli) => bounded(number.div_euclid(per_milli)),
                    TimeKind::Number | TimeKind::Text => {
                        time_of_number(u64::try_from(number).map_err(|_| RowFault::Time)?)
                    }
                }
            }
        }
    }
}

/// Some rows of a column, as the file stores them.
struct Chunk<T> {
    present: Vec<i16>,
    again: Vec<i16>,
    values: Vec<T>,
}

/// Reads the next rows of a column.
fn read<T: DataType>(reader: &mut ColumnReaderImpl<T>, rows: usize) -> Read<Chunk<T::T>> {
    let mut chunk = Chunk { present: Vec::new(), again: Vec::new(), values: Vec::new() };
    let mut done = 0;
    while done < rows {
        let Chunk { present, again, values } = &mut chunk;
        let (records, ..) = reader.read_records(rows - done, Some(present), Some(again), values)?;
        if records == 0 {
            return Err(ParquetError::General("a column ends before the others".into()));
        }
        done += records;
    }
    Ok(chunk)
}

/// Copies the next rows of a column into the next column of a group.
fn copy(reader: &mut ColumnReader, to: &mut SerializedRowGroupWriter<'_, impl Write + Send>, rows: usize) -> Read<()> {
    fn typed<T: DataType>(
        reader: &mut ColumnReaderImpl<T>,
        to: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
        rows: usize,
    ) -> Read<()> {
        let Chunk { present, again, values } = read(reader, rows)?;
        let some = |levels: Vec<i16>| Some(levels).filter(|levels| !levels.is_empty());
        let (present, again) = (some(present), some(again));
        super::super::parquet_columns::write::<T>(to, &values, present.as_deref(), again.as_deref())
    }
    match reader {
        ColumnReader::BoolColumnReader(reader) => typed(reader, to, rows),
        ColumnReader::Int32ColumnReader(reader) => typed(reader, to, rows),
        ColumnReader::Int64ColumnReader(reader) => typed(reader, to, rows),
        ColumnReader::Int96ColumnReader(reader) => typed(reader, to, rows),
        ColumnReader::FloatColumnReader(reader) => typed(reader, to, rows),
        ColumnReader::DoubleColumnReader(reader) => typed(reader, to, rows),
        ColumnReader::ByteArrayColumnReader(reader) => typed(reader, to, rows),
        ColumnReader::FixedLenByteArrayColumnReader(reader) => typed(reader, to, rows),
    }
}
