//! The two formats of files: writing rows, and reading them back.

mod json;
mod parquet;
mod segment_rows;

use bytes::Bytes;
use sources::kafka::upstream::PartitionId;

use crate::row::Row;
use crate::settings::Format;

pub use segment_rows::SegmentRows;
pub(crate) use segment_rows::SegmentSum;

/// A file cannot be read, or not be made. Holds the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FileError(pub(crate) String);

/// The partition that a row names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
}

/// The columns that a reader of Parquet files needs. JSON lines are read with all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Columns {
    /// Those of the record: offset, time, key and bytes.
    Record,
    /// Those of the event as well.
    Event,
    /// Those of the partition as well.
    All,
}

/// A file that is being written, in memory.
pub(crate) enum FileWriter {
    Parquet(Box<parquet::ParquetWriter>),
    Json(json::JsonWriter),
}

impl FileWriter {
    /// An empty file of one partition.
    pub(crate) fn new(format: Format, id: &PartitionId) -> Result<FileWriter, FileError> {
        Ok(match format {
            Format::Parquet => FileWriter::Parquet(Box::new(parquet::ParquetWriter::new(id)?)),
            Format::Json => FileWriter::Json(json::JsonWriter::new(id)?),
        })
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: &Row<'_>) -> Result<(), FileError> {
        match self {
            FileWriter::Parquet(writer) => writer.push(row),
            FileWriter::Json(writer) => writer.push(row),
        }
    }

    /// The size that the file would have about now.
    pub(crate) fn size(&self) -> usize {
        match self {
            FileWriter::Parquet(writer) => writer.size(),
            FileWriter::Json(writer) => writer.size(),
        }
    }

    /// The memory that the file takes about now.
    pub(crate) fn memory(&self) -> usize {
        match self {
            FileWriter::Parquet(writer) => writer.memory(),
            FileWriter::Json(writer) => writer.size(),
        }
    }

    /// The whole file, which states this about its segment.
    pub(crate) fn finish(self, stated: Option<SegmentRows>) -> Result<Bytes, FileError> {
        match self {
            FileWriter::Parquet(writer) => writer.finish(stated),
            FileWriter::Json(writer) => writer.finish(stated),
        }
    }
}

/// Gives the rows of a file in their order. Returns what the file states about its segment; none if it states nothing.
///
/// # Errors
/// When the file is damaged or is no such file, or errors of `give`.
pub fn read<E: From<FileError>>(
    format: Format,
    bytes: Bytes,
    mut give: impl FnMut(&Row<'_>) -> Result<(), E>,
) -> Result<Option<SegmentRows>, E> {
    let mut give = |row: &Row<'_>, _: Option<Origin<'_>>| give(row);
    match format {
        Format::Parquet => parquet::read(bytes, Columns::Event, &mut give),
        Format::Json => json::read(&bytes, &mut give),
    }
}

/// Gives the rows of a file as [`read`] does, and returns the same, with the partition that each row names.
pub(crate) fn read_with_origin<E: From<FileError>>(
    format: Format,
    bytes: Bytes,
    mut give: impl FnMut(&Row<'_>, Origin<'_>) -> Result<(), E>,
) -> Result<Option<SegmentRows>, E> {
    let mut give = |row: &Row<'_>, origin: Option<Origin<'_>>| {
        give(row, origin.ok_or_else(|| FileError("a row names no partition".into()))?)
    };
    match format {
        Format::Parquet => parquet::read(bytes, Columns::All, &mut give),
        Format::Json => json::read(&bytes, &mut give),
    }
}

/// What a file states at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StatedRows {
    /// Its own rows.
    pub(crate) file: u64,
    /// What it states about its segment.
    pub(crate) segment: Option<SegmentRows>,
}

/// What a file states, without reading its rows; none if it states nothing.
///
/// # Errors
/// When it is no such file.
pub(crate) fn stated_rows(format: Format, bytes: Bytes) -> Result<Option<StatedRows>, FileError> {
    match format {
        Format::Parquet => parquet::stated_rows(bytes).map(Some),
        Format::Json => Ok(json::stated_rows(&bytes)),
    }
}

/// Gives the rows of a file as [`read`] does, and returns the same, for a reader that needs the records alone: Parquet files have
/// nothing in the columns of the event then.
pub(crate) fn read_records<E: From<FileError>>(
    format: Format,
    bytes: Bytes,
    mut give: impl FnMut(&Row<'_>) -> Result<(), E>,
) -> Result<Option<SegmentRows>, E> {
    let mut give = |row: &Row<'_>, _: Option<Origin<'_>>| give(row);
    match format {
        Format::Parquet => parquet::read(bytes, Columns::Record, &mut give),
        Format::Json => json::read(&bytes, &mut give),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATED: SegmentRows = SegmentRows { written: 77, erased: 5 };

    fn id() -> PartitionId {
        PartitionId { topic: "views".into(), partition: 3 }
    }

    /// What a row says, owned.
    fn copy(row: &Row<'_>) -> String {
        format!("{row:?}")
    }

    fn rows(count: i64) -> Vec<(i64, Vec<u8>)> {
        (0..count).map(|n| (n * 3, format!("payload {n} \u{e9}\"\\").into_bytes())).collect()
    }

    fn row<'a>(n: usize, offset: i64, raw: &'a [u8]) -> Row<'a> {
        let none = n % 5 == 4;
        Row {
            offset,
            record_time: Some(1_795_929_001_000 + offset),
            key: (!n.is_multiple_of(3)).then_some(if n.is_multiple_of(2) { &b"key"[..] } else { b"\xff\x00" }),
            user_id: (!none).then(|| "120".into()),
            product_id: (n % 4 == 1).then(|| format!("product-{n}").into()),
            event_type: (!none).then_some("view"),
            event_time: n.is_multiple_of(2).then_some(offset),
            session_id: (n % 7 == 1).then(|| "s".into()),
            metadata: (n % 7 == 2).then_some("{\"a\":1}"),
            raw: if n % 11 == 10 { None } else { Some(if n % 13 == 12 { b"\xc3(" } else { raw }) },
        }
    }

    #[test]
    fn rows_are_read_as_they_were_written_in_both_formats() {
        for format in [Format::Parquet, Format::Json] {
            for count in [0, 1, 3000] {
                let rows = rows(count);
                let mut writer = FileWriter::new(format, &id()).unwrap();
                for (n, (offset, raw)) in rows.iter().enumerate() {
                    writer.push(&row(n, *offset, raw)).unwrap();
                }
                let bytes = writer.finish(Some(STATED)).unwrap();
                let mut found = Vec::new();
                let stated = read(format, bytes.clone(), |row| {
                    found.push(copy(row));
                    Ok::<(), FileError>(())
                });
                assert_eq!(stated, Ok(Some(STATED)));
                let expected: Vec<String> =
                    rows.iter().enumerate().map(|(n, (offset, raw))| copy(&row(n, *offset, raw))).collect();
                assert!(found == expected, "{format:?} {count}");
                let mut records = rows.iter().enumerate().map(|(n, (offset, raw))| row(n, *offset, raw));
                let read = read_records(format, bytes.clone(), |found| {
                    let expected = records.next().expect("as many rows as were written");
                    assert_eq!((found.offset, found.record_time), (expected.offset, expected.record_time));
                    assert_eq!((found.key, found.raw), (expected.key, expected.raw));
                    Ok::<(), FileError>(())
                });
                assert_eq!(read, Ok(Some(STATED)));
                assert!(records.next().is_none(), "{format:?} {count}");
                let expected = StatedRows { file: count.unsigned_abs(), segment: Some(STATED) };
                assert_eq!(stated_rows(format, bytes), Ok(Some(expected)));
            }
        }
    }

    #[test]
    fn a_file_that_states_nothing_is_read() {
        for format in [Format::Parquet, Format::Json] {
            let mut writer = FileWriter::new(format, &id()).unwrap();
            writer.push(&row(0, 5, b"x")).unwrap();
            let bytes = writer.finish(None).unwrap();
            let mut offsets = Vec::new();
            let stated = read(format, bytes.clone(), |row| {
                offsets.push(row.offset);
                Ok::<(), FileError>(())
            });
            assert_eq!((stated, offsets), (Ok(None), vec![5]));
            assert_eq!(stated_rows(format, bytes).map(|stated| stated.and_then(|rows| rows.segment)), Ok(None));
        }
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        for format in [Format::Parquet, Format::Json] {
            let mut writer = FileWriter::new(format, &id()).unwrap();
            (0..100).for_each(|n| writer.push(&row(n, n as i64, b"x")).unwrap());
            let bytes = writer.finish(Some(SegmentRows::new(100))).unwrap();
            for damaged in [bytes.slice(..bytes.len() / 2), bytes.slice(1..), Bytes::new()] {
                let result = read(format, damaged, |_| Ok::<(), FileError>(()));
                assert!(result.is_err(), "{format:?}");
            }
        }
    }
}
