//! Parquet: the schema, writing rows in groups, and reading groups back.

mod reading;

use std::mem::take;
use std::ops::Range;
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

/// Rows that are given to the encoder together: what they need stays in a core's own cache.
const BATCH_ROWS: usize = 1024;

const EVERY_COLUMN: &str = "as many columns as the schema has";

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
    // A dictionary would cost time and save nothing: users hardly repeat within a group, and a number that is always the same
    // compresses as well.
    for column in ["raw", "metadata", "key", "user_id", "session_id", "partition"] {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(column), false);
    }
    // Bounds would cost time and exclude no group: nearly every group has ids from the whole range and every type, and the
    // topic is part of the file's path.
    for bytes in ["topic", "raw", "metadata", "key", "user_id", "product_id", "event_type", "session_id"] {
        properties = properties.set_column_statistics_enabled(ColumnPath::from(bytes), EnabledStatistics::None);
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
    texts: GroupBytes,
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
    ranges: Vec<Range<u32>>,
}

/// The texts of a group, one after the other.
#[derive(Default)]
struct GroupBytes {
    bytes: Vec<u8>,
    /// The range of the latest record's own bytes.
    raw: Range<usize>,
}

impl Numbers {
    fn with_room() -> Numbers {
        Numbers { levels: Vec::with_capacity(GROUP_ROWS), values: Vec::with_capacity(GROUP_ROWS) }
    }

    fn push(&mut self, value: Option<i64>) {
        self.levels.push(value.is_some().into());
        self.values.extend(value);
    }
}

impl Texts {
    fn with_room() -> Texts {
        Texts { levels: Vec::with_capacity(GROUP_ROWS), ranges: Vec::with_capacity(GROUP_ROWS) }
    }

    fn push(&mut self, range: Option<Range<usize>>) {
        let short = |place| u32::try_from(place).expect("the bytes of a group and one more record are below 4 GiB");
        self.levels.push(range.is_some().into());
        self.ranges.extend(range.map(|range| short(range.start)..short(range.end)));
    }
}

impl GroupBytes {
    fn add(&mut self, text: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text);
        start..self.bytes.len()
    }

    /// Adds the bytes of the next record.
    fn add_raw(&mut self, raw: &[u8]) -> Range<usize> {
        self.raw = self.add(raw);
        self.raw.clone()
    }

    /// The range of a text of the latest record, whose own bytes are `raw`. A text that is a part of them is not copied again.
    fn add_text(&mut self, text: &[u8], raw: &[u8]) -> Range<usize> {
        let place = text.as_ptr().addr().checked_sub(raw.as_ptr().addr()).filter(|place| *place <= raw.len());
        let inside = place.map(|place| self.raw.start + place..self.raw.start + place + text.len());
        let inside = inside.filter(|range| range.end <= self.raw.end && self.bytes[range.clone()] == *text);
        inside.unwrap_or_else(|| self.add(text))
    }
}

impl ParquetWriter {
    pub(super) fn new(id: &PartitionId) -> std::result::Result<ParquetWriter, FileError> {
        let file = SerializedFileWriter::new(Vec::new(), TYPES.clone(), PROPERTIES.clone()).map_err(failed)?;
        let topic = ByteArray::from(id.topic.as_bytes().to_vec());
        Ok(ParquetWriter { file, topic, partition: id.partition, group: Group::default() })
    }

    pub(super) fn push(&mut self, row: &Row<'_>) -> std::result::Result<(), FileError> {
        if self.group.offset.is_empty() {
            self.group = Group::with_room();
        }
        self.group.push(row);
        if self.group.offset.len() >= GROUP_ROWS || self.group.texts.bytes.len() >= GROUP_BYTES {
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
        let bytes = Bytes::from(group.texts.bytes);
        let mut out = self.file.next_row_group()?;
        write_same::<ByteArrayType>(&mut out, &self.topic, rows)?;
        write_same::<Int32Type>(&mut out, &self.partition, rows)?;
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
    /// An empty group with room for its rows: room that is not used takes no memory, and room that grows is copied.
    fn with_room() -> Group {
        let bytes = Vec::with_capacity(GROUP_BYTES + GROUP_BYTES / 8);
        Group {
            offset: Vec::with_capacity(GROUP_ROWS),
            record_time: Numbers::with_room(),
            key: Texts::with_room(),
            user_id: Texts::with_room(),
            product_id: Texts::with_room(),
            event_type: Texts::with_room(),
            event_time: Numbers::with_room(),
            session_id: Texts::with_room(),
            metadata: Texts::with_room(),
            raw: Texts::with_room(),
            texts: GroupBytes { bytes, raw: 0..0 },
        }
    }

    fn push(&mut self, row: &Row<'_>) {
        let raw = row.raw.unwrap_or_default();
        let texts = &mut self.texts;
        self.raw.push(row.raw.map(|raw| texts.add_raw(raw)));
        let mut add = |text: Option<&[u8]>| text.map(|text| texts.add_text(text, raw));
        self.key.push(add(row.key));
        self.user_id.push(add(row.user_id.as_deref().map(str::as_bytes)));
        self.product_id.push(add(row.product_id.as_deref().map(str::as_bytes)));
        self.event_type.push(add(row.event_type.map(str::as_bytes)));
        self.session_id.push(add(row.session_id.as_deref().map(str::as_bytes)));
        self.metadata.push(add(row.metadata.map(str::as_bytes)));
        self.offset.push(row.offset);
        self.record_time.push(row.record_time);
        self.event_time.push(row.event_time);
    }

    /// The bytes of the texts, and about what the other columns take of each row.
    fn memory(&self) -> usize {
        self.texts.bytes.len() + self.offset.len() * 160
    }
}

/// Writes a column.
fn write<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<()> {
    let mut column = group.next_column()?.expect(EVERY_COLUMN);
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}

/// Writes a column that has the same value in each row.
fn write_same<T: DataType>(group: &mut SerializedRowGroupWriter<'_, Vec<u8>>, value: &T::T, rows: usize) -> Result<()> {
    let mut column = group.next_column()?.expect(EVERY_COLUMN);
    let values = vec![value.clone(); rows.min(BATCH_ROWS)];
    let mut left = rows;
    while left > 0 {
        left -= column.typed::<T>().write_batch(&values[..left.min(BATCH_ROWS)], None, None)?;
    }
    column.close()
}

fn write_texts(group: &mut SerializedRowGroupWriter<'_, Vec<u8>>, bytes: &Bytes, texts: &Texts) -> Result<()> {
    let mut column = group.next_column()?.expect(EVERY_COLUMN);
    let mut ranges = texts.ranges.iter().cloned();
    let mut values = Vec::with_capacity(BATCH_ROWS);
    for levels in texts.levels.chunks(BATCH_ROWS) {
        let present = levels.iter().filter(|level| **level > 0).count();
        values.clear();
        let wide = |range: Range<u32>| range.start as usize..range.end as usize;
        values.extend(ranges.by_ref().take(present).map(|range| ByteArray::from(bytes.slice(wide(range)))));
        column.typed::<ByteArrayType>().write_batch(&values, Some(levels), None)?;
    }
    column.close()
}

fn failed(error: impl std::fmt::Display) -> FileError {
    FileError(error.to_string())
}
