//! Reading a file of records: one group of rows at a time.

use std::str;

use bytes::Bytes;
use parquet::column::reader::{ColumnReader, get_typed_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::Result;
use parquet::file::reader::{FileReader as _, RowGroupReader, SerializedFileReader};

use super::{ERASED_ROWS, SEGMENT_ROWS, failed};
use crate::file::{Columns, FileError, Origin, SegmentRows, StatedRows};
use crate::row::Row;

/// A column of a group: for each row its value, or none. Without rows if it is not read.
struct Column<T>(Vec<Option<T>>);

impl Column<ByteArray> {
    fn bytes(&self, row: usize) -> Option<&[u8]> {
        self.0.get(row)?.as_ref().map(ByteArray::data)
    }

    fn text(&self, row: usize) -> std::result::Result<Option<&str>, FileError> {
        self.bytes(row).map(|bytes| str::from_utf8(bytes).map_err(failed)).transpose()
    }
}

impl<T: Copy> Column<T> {
    fn number(&self, row: usize) -> Option<T> {
        self.0.get(row).copied().flatten()
    }
}

/// See [`crate::file::read`]. Only the wanted columns are read.
pub(in crate::file) fn read<E: From<FileError>>(
    bytes: Bytes,
    wanted: Columns,
    give: &mut impl FnMut(&Row<'_>, Option<Origin<'_>>) -> std::result::Result<(), E>,
) -> std::result::Result<Option<SegmentRows>, E> {
    let file = SerializedFileReader::new(bytes).map_err(failed)?;
    let stated = segment_rows(&file);
    for index in 0..file.num_row_groups() {
        let group = file.get_row_group(index).map_err(failed)?;
        let rows = usize::try_from(group.metadata().num_rows()).map_err(failed)?;
        let texts = |name| column::<ByteArrayType>(&*group, name, rows).map_err(failed);
        let numbers = |name| column::<Int64Type>(&*group, name, rows).map_err(failed);
        let (offset, record_time) = (numbers("offset")?, numbers("record_time")?);
        let (key, raw) = (texts("key")?, texts("raw")?);
        let of_event = |name| if wanted >= Columns::Event { texts(name) } else { Ok(Column(Vec::new())) };
        let (user_id, product_id, event_type) =
            (of_event("user_id")?, of_event("product_id")?, of_event("event_type")?);
        let (session_id, metadata) = (of_event("session_id")?, of_event("metadata")?);
        let event_time = if wanted >= Columns::Event { numbers("event_time")? } else { Column(Vec::new()) };
        let is_all = wanted >= Columns::All;
        let topic = if is_all { texts("topic")? } else { Column(Vec::new()) };
        let partition =
            if is_all { column::<Int32Type>(&*group, "partition", rows).map_err(failed)? } else { Column(Vec::new()) };
        for row in 0..rows {
            let offset = offset.number(row).ok_or_else(|| FileError("a row has no offset".into()))?;
            let origin = topic.text(row)?.zip(partition.number(row));
            let row = Row {
                offset,
                record_time: record_time.number(row),
                key: key.bytes(row),
                user_id: user_id.text(row)?.map(Into::into),
                product_id: product_id.text(row)?.map(Into::into),
                event_type: event_type.text(row)?,
                event_time: event_time.number(row),
                session_id: session_id.text(row)?.map(Into::into),
                metadata: metadata.text(row)?,
                raw: raw.bytes(row),
            };
            give(&row, origin.map(|(topic, partition)| Origin { topic, partition }))?;
        }
    }
    Ok(stated)
}

/// See [`crate::file::stated_rows`].
pub(in crate::file) fn stated_rows(bytes: Bytes) -> std::result::Result<StatedRows, FileError> {
    let file = SerializedFileReader::new(bytes).map_err(failed)?;
    let rows = u64::try_from(file.metadata().file_metadata().num_rows()).map_err(failed)?;
    Ok(StatedRows { file: rows, segment: segment_rows(&file) })
}

fn segment_rows(file: &SerializedFileReader<Bytes>) -> Option<SegmentRows> {
    let pairs = file.metadata().file_metadata().key_value_metadata()?;
    let number = |key| pairs.iter().find(|pair| pair.key == key)?.value.as_ref()?.parse().ok();
    Some(SegmentRows { written: number(SEGMENT_ROWS)?, erased: number(ERASED_ROWS)? })
}

/// The column of that name.
fn column<T: DataType>(group: &dyn RowGroupReader, name: &str, rows: usize) -> Result<Column<T::T>> {
    let columns = group.metadata().schema_descr().columns();
    let found = columns.iter().position(|column| column.name() == name);
    let index = found.ok_or_else(|| parquet::errors::ParquetError::General(format!("there is no column {name}")))?;
    let type_of = columns[index].physical_type();
    if type_of != T::get_physical_type() {
        return Err(parquet::errors::ParquetError::General(format!("column {name} is of type {type_of}")));
    }
    let is_optional = columns[index].max_def_level() > 0;
    let reader: ColumnReader = group.get_column_reader(index)?;
    let mut reader = get_typed_column_reader::<T>(reader);
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    let mut read = 0;
    while read < rows {
        let (records, _, _) = reader.read_records(rows - read, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            return Err(parquet::errors::ParquetError::General(format!("column {name} ends early")));
        }
        read += records;
    }
    if !is_optional {
        return Ok(Column(values.into_iter().map(Some).collect()));
    }
    let mut values = values.into_iter();
    Ok(Column(levels.into_iter().map(|level: i16| if level > 0 { values.next() } else { None }).collect()))
}
