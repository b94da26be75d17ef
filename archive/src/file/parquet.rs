//! Parquet: the schema, writing rows in groups, and reading groups back.

mod reading;

use std::mem::take;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, TypePtr};
use sources::kafka::upstream::PartitionId;

use super::FileError;
use crate::row::Row;

pub(super) use reading::read;

/// The key under which a file states the number of rows of its segment.
const SEGMENT_ROWS: &str = "vitrine.segment_rows";

/// The most rows and bytes of a group: they are held in memory until it is written.
const GROUP_ROWS: usize = 1 << 17;
const GROUP_BYTES: usize = 16 << 20;

/// How many times smaller a group is about to become: an estimate for the size of the file.
const COMPRESSION: usize = 4;

/// The columns, in their order.
const SCHEMA: &str = "message records {
    REQUIRED BYTE_ARRAY topic (STRING);
    REQUIRED INT32 partition;
    REQUIRED INT64 offset;
    OPTIONAL INT64 record_time (TIMESTAMP(MILLIS, true));
    OPTIONAL BYTE_ARRAY key;
    OPTIONAL BYTE_ARRAY user_id (STRING);
    OPTIONAL BYTE_ARRAY product_id (STRING);
    OPTIONAL BYTE_ARRAY event_type (STRING);
    OPTIONAL INT64 event_time (TIMESTAMP(MILLIS, true));
    OPTIONAL BYTE_ARRAY session_id (STRING);
    OPTIONAL BYTE_ARRAY metadata (STRING);
    OPTIONAL BYTE_ARRAY raw;
}";

static TYPES: LazyLock<TypePtr> =
    LazyLock::new(|| Arc::new(parse_message_type(SCHEMA).expect("the schema is constant and sound")));

static PROPERTIES: LazyLock<WriterPropertiesPtr> = LazyLock::new(|| {
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("vitrine version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk);
    for rising in ["offset", "record_time", "event_time"] {
        let column = ColumnPath::from(rising);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    // Bytes that hardly repeat: a dictionary and bounds would cost time and save nothing.
    for bytes in ["raw", "metadata", "key"] {
        let column = ColumnPath::from(bytes);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_statistics_enabled(column, EnabledStatistics::None);
    }
    Arc::new(properties.build())
});

/// Writes a file of one partition.
pub(crate) struct ParquetWriter {
    file: SerializedFileWriter<Vec<u8>>,
    topic: ByteArray,
    partition: i32,
    group: Group,
}

/// The rows that are held.
#[derive(Default)]
struct Group {
    offset: Vec<i64>,
    record_time: Numbers,
    key: Texts,
    user_id: Texts,
    product_id: Texts,
    event_type: Texts,
    event_time: Numbers,
    session_id: Texts,
    metadata: Texts,
    raw: Texts,
    /// The bytes of all texts.
    bytes: Vec<u8>,
}

/// Numbers of which some are missing.
#[derive(Default)]
struct Numbers {
    levels: Vec<i16>,
    values: Vec<i64>,
}

/// Texts of which some are missing, as ranges of the group's bytes.
#[derive(Default)]
struct Texts {
    levels: Vec<i16>,
    ranges: Vec<(usize, usize)>,
}

impl Numbers {
    fn push(&mut self, value: Option<i64>) {
        self.levels.push(value.is_some().into());
        self.values.extend(value);
    }
}

impl Texts {
    fn push(&mut self, bytes: &mut Vec<u8>, text: Option<&[u8]>) {
        self.levels.push(text.is_some().into());
        if let Some(text) = text {
            let start = bytes.len();
            bytes.extend_from_slice(text);
            self.ranges.push((start, bytes.len()));
        }
    }
}

impl ParquetWriter {
    pub(super) fn new(id: &PartitionId) -> std::result::Result<ParquetWriter, FileError> {
        let file = SerializedFileWriter::new(Vec::new(), TYPES.clone(), PROPERTIES.clone()).map_err(failed)?;
        let topic = ByteArray::from(id.topic.as_bytes().to_vec());
        Ok(ParquetWriter { file, topic, partition: id.partition, group: Group::default() })
    }

    pub(super) fn push(&mut self, row: &Row<'_>) -> std::result::Result<(), FileError> {
        self.group.push(row);
        if self.group.offset.len() >= GROUP_ROWS || self.group.bytes.len() >= GROUP_BYTES {
            self.write_group().map_err(failed)?;
        }
        Ok(())
    }

    pub(super) fn size(&self) -> usize {
        self.file.bytes_written() + self.group.memory() / COMPRESSION
    }

    pub(super) fn memory(&self) -> usize {
        self.file.bytes_written() + self.group.memory()
    }

    pub(super) fn finish(mut self, segment_rows: u64) -> std::result::Result<Bytes, FileError> {
        let finish = || {
            if !self.group.offset.is_empty() {
                self.write_group()?;
            }
            self.file.append_key_value_metadata(KeyValue::new(SEGMENT_ROWS.to_owned(), segment_rows.to_string()));
            self.file.into_inner().map(Bytes::from)
        };
        finish().map_err(failed)
    }

    fn write_group(&mut self) -> Result<()> {
        let group = take(&mut self.group);
        let rows = group.offset.len();
        let bytes = Bytes::from(group.bytes);
        let mut out = self.file.next_row_group()?;
        write::<ByteArrayType>(&mut out, &vec![self.topic.clone(); rows], None)?;
        write::<Int32Type>(&mut out, &vec![self.partition; rows], None)?;
        write::<Int64Type>(&mut out, &group.offset, None)?;
        write::<Int64Type>(&mut out, &group.record_time.values, Some(&group.record_time.levels))?;
        for texts in [group.key, group.user_id, group.product_id, group.event_type] {
            write_texts(&mut out, &bytes, &texts)?;
        }
        write::<Int64Type>(&mut out, &group.event_time.values, Some(&group.event_time.levels))?;
        for texts in [group.session_id, group.metadata, group.raw] {
            write_texts(&mut out, &bytes, &texts)?;
        }
        out.close().map(|_| ())
    }
}

impl Group {
    fn push(&mut self, row: &Row<'_>) {
        let bytes = &mut self.bytes;
        self.offset.push(row.offset);
        self.record_time.push(row.record_time);
        self.key.push(bytes, row.key);
        self.user_id.push(bytes, row.user_id.as_deref().map(str::as_bytes));
        self.product_id.push(bytes, row.product_id.as_deref().map(str::as_bytes));
        self.event_type.push(bytes, row.event_type.map(str::as_bytes));
        self.event_time.push(row.event_time);
        self.session_id.push(bytes, row.session_id.as_deref().map(str::as_bytes));
        self.metadata.push(bytes, row.metadata.map(str::as_bytes));
        self.raw.push(bytes, row.raw);
    }

    /// The bytes of the texts, and about what the other columns take of each row.
    fn memory(&self) -> usize {
        self.bytes.len() + self.offset.len() * 120
    }
}

fn write<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<()> {
    let mut column = group.next_column()?.expect("as many columns as the schema has");
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

fn write_texts(group: &mut SerializedRowGroupWriter<'_, Vec<u8>>, bytes: &Bytes, texts: &Texts) -> Result<()> {
    let values: Vec<ByteArray> =
        texts.ranges.iter().map(|(start, end)| ByteArray::from(bytes.slice(*start..*end))).collect();
    write::<ByteArrayType>(group, &values, Some(&texts.levels))
}

fn failed(error: impl std::fmt::Display) -> FileError {
    FileError(error.to_string())
}
