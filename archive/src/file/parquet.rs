//! Parquet: the schema, writing rows in groups, and reading groups back.
//!
//! ```text
//! row ─▶ columns of the open group: pages ─(zstd)─▶ finished pages ─(group is full)─▶ file
//! ```
//! Pages are made here and not by the column writers of the crate: each text is copied once, from the record into its page, and
//! one context of zstd compresses all of them. The crate writes the headers of pages and the file's own metadata.

mod columns;
mod compression;
mod deltas;
mod finished;
mod levels;
mod reading;
#[cfg(test)]
mod tests;

use std::mem::take;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{SchemaDescriptor, TypePtr};
use sources::kafka::upstream::PartitionId;

use self::columns::{NumberColumn, PagesSize, TextColumn, TwinColumns};
use self::finished::FinishedPages;
use super::{FileError, SegmentRows};
use crate::row::Row;

pub(super) use reading::{read, stated_rows};

/// The key under which a file states the number of rows that its segment had when it was written.
const SEGMENT_ROWS: &str = "vitrine.segment_rows";

/// The key under which a file states the number of rows that were erased from it.
const ERASED_ROWS: &str = "vitrine.erased_rows";

/// The most rows and bytes of records in a group: a reader holds a group in memory.
const GROUP_ROWS: u32 = 1 << 17;
const GROUP_BYTES: usize = 16 << 20;

/// A file with a full group likely has more of them: it gets room for so many. Room that is not used takes no memory, and room
/// that grows is copied.
const ROOM_GROUPS: usize = 8;

/// How many times smaller an open page is about to become: an estimate for the size of the file.
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

static COLUMNS: LazyLock<SchemaDescriptor> = LazyLock::new(|| SchemaDescriptor::new(TYPES.clone()));

static PROPERTIES: LazyLock<WriterPropertiesPtr> = LazyLock::new(|| {
    let created_by = concat!("vitrine version ", env!("CARGO_PKG_VERSION")).to_owned();
    Arc::new(WriterProperties::builder().set_created_by(created_by).set_offset_index_disabled(true).build())
});

/// Writes a file of one partition.
pub(crate) struct ParquetWriter {
    file: SerializedFileWriter<Vec<u8>>,
    id: PartitionId,
    group: Group,
}

/// The open group.
struct Group {
    rows: u32,
    /// Bytes of the records.
    bytes: usize,
    offset: NumberColumn,
    record_time: NumberColumn,
    /// The key, and the user.
    key_user_id: TwinColumns,
    product_id: TextColumn,
    event_type: TextColumn,
    event_time: NumberColumn,
    session_id: TextColumn,
    metadata: TextColumn,
    raw: TextColumn,
}

impl ParquetWriter {
    pub(super) fn new(id: &PartitionId) -> std::result::Result<ParquetWriter, FileError> {
        let file = SerializedFileWriter::new(Vec::new(), TYPES.clone(), PROPERTIES.clone()).map_err(failed)?;
        Ok(ParquetWriter { file, id: id.clone(), group: Group::new() })
    }

    pub(super) fn push(&mut self, row: &Row<'_>) -> std::result::Result<(), FileError> {
        self.group.push(row).map_err(failed)?;
        if self.group.rows == GROUP_ROWS || self.group.bytes >= GROUP_BYTES {
            let PagesSize { open, finished, .. } = self.group.size();
            let file = self.file.inner_mut();
            if file.capacity() - file.len() < open + finished {
                file.reserve((open / COMPRESSION + finished) * ROOM_GROUPS);
            }
            self.write_group().map_err(failed)?;
        }
        Ok(())
    }

    pub(super) fn size(&self) -> usize {
        let PagesSize { open, finished, .. } = self.group.size();
        self.file.bytes_written() + finished + open / COMPRESSION
    }

    pub(super) fn memory(&self) -> usize {
        self.file.bytes_written() + self.group.size().memory
    }

    pub(super) fn finish(mut self, stated: Option<SegmentRows>) -> std::result::Result<Bytes, FileError> {
        let finish = || {
            if self.group.rows > 0 {
                self.write_group()?;
            }
            if let Some(SegmentRows { written, erased }) = stated {
                for (key, number) in [(SEGMENT_ROWS, written), (ERASED_ROWS, erased)] {
                    self.file.append_key_value_metadata(KeyValue::new(key.to_owned(), number.to_string()));
                }
            }
            self.file.into_inner().map(|mut file| {
                // It may wait for long until the store takes it, and its memory is counted by its length.
                file.shrink_to_fit();
                Bytes::from(file)
            })
        };
        finish().map_err(failed)
    }

    fn write_group(&mut self) -> Result<()> {
        let group = &mut self.group;
        let (rows, topic) = (take(&mut group.rows), self.id.topic.as_bytes());
        group.bytes = 0;
        let topic = [&i32::try_from(topic.len())?.to_le_bytes(), topic].concat();
        let partition = self.id.partition.to_le_bytes();
        let mut out = self.file.next_row_group()?;
        let mut columns = COLUMNS.columns().iter().cloned();
        let mut next = || columns.next().expect("as many columns as the schema has");
        for same in [&topic[..], &partition] {
            FinishedPages::of_same(same, rows)?.move_into(&mut out, next(), Encoding::RLE_DICTIONARY, None)?;
        }
        group.offset.move_into(&mut out, next())?;
        group.record_time.move_into(&mut out, next())?;
        group.key_user_id.end_group()?;
        let TwinColumns { one: key, other: user_id } = &mut group.key_user_id;
        for texts in [key, user_id, &mut group.product_id, &mut group.event_type] {
            texts.move_into(&mut out, next())?;
        }
        group.event_time.move_into(&mut out, next())?;
        for texts in [&mut group.session_id, &mut group.metadata, &mut group.raw] {
            texts.move_into(&mut out, next())?;
        }
        out.close().map(|_| ())
    }
}

impl Group {
    fn new() -> Group {
        Group {
            rows: 0,
            bytes: 0,
            offset: NumberColumn::required(),
            record_time: NumberColumn::optional(),
            key_user_id: TwinColumns::default(),
            product_id: TextColumn::default(),
            event_type: TextColumn::default(),
            event_time: NumberColumn::optional(),
            session_id: TextColumn::default(),
            metadata: TextColumn::default(),
            raw: TextColumn::default(),
        }
    }

    fn push(&mut self, row: &Row<'_>) -> Result<()> {
        self.offset.push(Some(row.offset))?;
        self.record_time.push(row.record_time)?;
        self.key_user_id.push(row.key, row.user_id.as_deref().map(str::as_bytes))?;
        self.product_id.push(row.product_id.as_deref().map(str::as_bytes))?;
        self.event_type.push(row.event_type.map(str::as_bytes))?;
        self.event_time.push(row.event_time)?;
        self.session_id.push(row.session_id.as_deref().map(str::as_bytes))?;
        self.metadata.push(row.metadata.map(str::as_bytes))?;
        self.raw.push(row.raw)?;
        self.rows += 1;
        self.bytes += row.raw.map_or(0, <[u8]>::len) + row.key.map_or(0, <[u8]>::len);
        Ok(())
    }

    fn size(&self) -> PagesSize {
        let numbers = [&self.offset, &self.record_time, &self.event_time];
        let TwinColumns { one: key, other: user_id } = &self.key_user_id;
        let ids = [key, user_id, &self.product_id, &self.event_type];
        let texts = [&self.session_id, &self.metadata, &self.raw].into_iter().chain(ids);
        let all = numbers.map(NumberColumn::size).into_iter().chain(texts.map(TextColumn::size));
        all.fold(PagesSize::default(), PagesSize::plus)
    }
}

fn failed(error: impl std::fmt::Display) -> FileError {
    FileError(error.to_string())
}
