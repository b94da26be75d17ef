//! JSON lines, one record a line, compressed with zstd.
//!
//! ```text
//! frame: the lines │ frame that readers skip: magic number, length, "vitrine2", rows of the segment when it was written,
//!                                               rows erased from the file, rows of the file
//! ```

use std::borrow::Cow;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::str;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sources::kafka::upstream::PartitionId;
use zstd::stream::{read, write};

use super::{FileError, Origin, SegmentRows, StatedRows};
use crate::row::Row;

/// Compression that takes little time.
const LEVEL: i32 = 1;

/// Text that is compressed together. A call for every name and value would take longer than the compression.
const BUFFER_BYTES: usize = 1 << 16;

/// The beginning of the frame with the numbers of rows: a magic number of frames that hold no content and are skipped (RFC 8878,
/// 3.1.2), the length of the rest, and whose frame it is. Three numbers of 8 bytes follow, the lowest byte first.
const STATED: [u8; 16] = *b"\x57\x2a\x4d\x18\x20\0\0\0vitrine2";

/// A line. Bytes that are no UTF-8 are in the second member of a pair, as base64.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    partition: i32,
    offset: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_time: Option<i64>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    key: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    key_base64: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    user_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    product_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    event_type: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event_time: Option<i64>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    session_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    raw: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    raw_base64: Option<Cow<'a, str>>,
}

/// Writes a file of one partition.
pub(crate) struct JsonWriter {
    id: PartitionId,
    rows: u64,
    out: BufWriter<write::Encoder<'static, Vec<u8>>>,
}

impl JsonWriter {
    pub(super) fn new(id: &PartitionId) -> Result<JsonWriter, FileError> {
        let mut out = write::Encoder::new(Vec::new(), LEVEL).map_err(failed)?;
        out.include_checksum(true).map_err(failed)?;
        Ok(JsonWriter { id: id.clone(), rows: 0, out: BufWriter::with_capacity(BUFFER_BYTES, out) })
    }

    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<(), FileError> {
        let (key, key_base64) = text(row.key);
        let (raw, raw_base64) = text(row.raw);
        let line = Line {
            topic: Cow::Borrowed(&self.id.topic),
            partition: self.id.partition,
            offset: row.offset,
            record_time: row.record_time,
            key,
            key_base64,
            user_id: row.user_id.as_deref().map(Cow::Borrowed),
            product_id: row.product_id.as_deref().map(Cow::Borrowed),
            event_type: row.event_type.map(Cow::Borrowed),
            event_time: row.event_time,
            session_id: row.session_id.as_deref().map(Cow::Borrowed),
            metadata: row.metadata.map(Cow::Borrowed),
            raw,
            raw_base64,
        };
        self.rows += 1;
        serde_json::to_writer(&mut self.out, &line).map_err(failed)?;
        self.out.write_all(b"\n").map_err(failed)
    }

    pub(super) fn size(&self) -> usize {
        self.out.get_ref().get_ref().len()
    }

    pub(super) fn finish(self, stated: Option<SegmentRows>) -> Result<Bytes, FileError> {
        let out = self.out.into_inner().map_err(failed)?;
        let mut file = out.finish().map_err(failed)?;
        if let Some(SegmentRows { written, erased }) = stated {
            file.extend_from_slice(&STATED);
            for number in [written, erased, self.rows] {
                file.extend_from_slice(&number.to_le_bytes());
            }
        }
        // It may wait for long until the store takes it, and its memory is counted by its length.
        file.shrink_to_fit();
        Ok(file.into())
    }
}

/// Bytes as text, or else as base64.
fn text(bytes: Option<&[u8]>) -> (Option<Cow<'_, str>>, Option<Cow<'_, str>>) {
    match bytes.map(|bytes| (bytes, str::from_utf8(bytes))) {
        None => (None, None),
        Some((_, Ok(text))) => (Some(Cow::Borrowed(text)), None),
        Some((bytes, Err(_))) => (None, Some(BASE64_STANDARD.encode(bytes).into())),
    }
}

/// What a file states, if it states something.
pub(super) fn stated_rows(bytes: &[u8]) -> Option<StatedRows> {
    let (rest, file) = bytes.split_last_chunk()?;
    let (rest, erased) = rest.split_last_chunk()?;
    let (rest, written) = rest.split_last_chunk()?;
    let [written, erased, file] = [written, erased, file].map(|number| u64::from_le_bytes(*number));
    rest.ends_with(&STATED).then_some(StatedRows { file, segment: Some(SegmentRows { written, erased }) })
}

/// See [`crate::file::read`].
pub(super) fn read<E: From<FileError>>(
    bytes: &[u8],
    give: &mut impl FnMut(&Row<'_>, Option<Origin<'_>>) -> Result<(), E>,
) -> Result<Option<SegmentRows>, E> {
    if bytes.is_empty() {
        return Err(FileError("the file is empty".into()).into());
    }
    // The checksum stands behind the last line: no line is given before it has been compared.
    io::copy(&mut decoder(bytes)?, &mut io::sink()).map_err(failed)?;
    let mut lines = BufReader::new(decoder(bytes)?);
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        if lines.read_until(b'\n', &mut buffer).map_err(failed)? == 0 {
            return Ok(stated_rows(bytes).and_then(|stated| stated.segment));
        }
        let line: Line<'_> = serde_json::from_slice(&buffer).map_err(failed)?;
        let (key, raw) = (unpack(line.key, line.key_base64)?, unpack(line.raw, line.raw_base64)?);
        let origin = Origin { topic: &line.topic, partition: line.partition };
        let row = Row {
            offset: line.offset,
            record_time: line.record_time,
            key: key.as_deref(),
            user_id: line.user_id,
            product_id: line.product_id,
            event_type: line.event_type.as_deref(),
            event_time: line.event_time,
            session_id: line.session_id,
            metadata: line.metadata.as_deref(),
            raw: raw.as_deref(),
        };
        give(&row, Some(origin))?;
    }
}

fn decoder(bytes: &[u8]) -> Result<read::Decoder<'_, &[u8]>, FileError> {
    read::Decoder::with_buffer(bytes).map_err(failed)
}

fn unpack<'a>(text: Option<Cow<'a, str>>, base64: Option<Cow<'a, str>>) -> Result<Option<Cow<'a, [u8]>>, FileError> {
    match (text, base64) {
        (_, Some(base64)) => BASE64_STANDARD.decode(base64.as_bytes()).map(|bytes| Some(bytes.into())).map_err(failed),
        (Some(Cow::Borrowed(text)), None) => Ok(Some(Cow::Borrowed(text.as_bytes()))),
        (Some(Cow::Owned(text)), None) => Ok(Some(Cow::Owned(text.into_bytes()))),
        (None, None) => Ok(None),
    }
}

fn failed(error: impl std::fmt::Display) -> FileError {
    FileError(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATED_ROWS: SegmentRows = SegmentRows { written: 60, erased: 0 };

    /// The offsets and bytes of the rows of a file, and its error.
    fn given(bytes: &[u8]) -> (Vec<(i64, Vec<u8>)>, Option<FileError>) {
        let mut rows = Vec::new();
        let read = read(bytes, &mut |row, _| {
            rows.push((row.offset, row.raw.unwrap_or_default().to_vec()));
            Ok::<(), FileError>(())
        });
        (rows, read.err())
    }

    #[test]
    fn a_file_with_a_wrong_bit_gives_no_wrong_row() {
        let mut writer = JsonWriter::new(&PartitionId { topic: "views".into(), partition: 3 }).unwrap();
        for offset in 0..60_i64 {
            let raw = format!(r#"{{"user_id":{offset},"product_id":"product-{:x}"}}"#, offset.pow(5));
            writer.push(&Row { offset, raw: Some(raw.as_bytes()), ..Row::default() }).unwrap();
        }
        let sound = writer.finish(Some(STATED_ROWS)).unwrap();
        let (rows, error) = given(&sound);
        assert_eq!((rows.len(), error), (60, None));
        let mut refused = 0;
        for bit in 0..sound.len() * 8 {
            let mut damaged = sound.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            match given(&damaged) {
                (found, None) => assert!(found == rows, "bit {bit}"),
                (found, Some(_)) => {
                    assert!(found.is_empty(), "bit {bit}: rows were given before the damage was found");
                    refused += 1;
                }
            }
        }
        assert!(refused > sound.len() * 7, "only the numbers behind the lines have no checksum: {refused}");
    }
}
