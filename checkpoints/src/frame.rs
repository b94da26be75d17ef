//! A frame: some rows of one table as compressed columns, each with its checksum, readable without the rest of the
//! file.
//!
//! ```text
//! length of the header u32 │ its crc32c u32 │ header: table, rows, of each column raw, packed, crc32c │ columns
//! ```
//! Numbers are little-endian. A column is compressed with zstd, and its checksum covers the compressed bytes, so a
//! frame can be verified without unpacking it.

use dataflow::tables::{self, Nothing, Table, Tables};
use serde::{Deserialize, Serialize};
use zstd::bulk::{Compressor, Decompressor};

use crate::columns::{self, ColumnBytes};
use crate::error::Damage;
use crate::table::TableId;

/// Limit of rows in one frame.
pub const FRAME_ROWS_MAX: usize = 65_536;

/// A frame is closed when a column has reached this length; only ids vary in length.
pub(crate) const COLUMN_BYTES_FULL: usize = 8 << 20;

/// Limit of the length of a column that is unpacked: longer columns were never written, so no memory is requested for
/// them.
const COLUMN_BYTES_MAX: usize = 2 * COLUMN_BYTES_FULL;

/// Compression limits the speed of writing: a higher level saves a few percent of hashes and times, and takes many
/// times as long.
const LEVEL: i32 = 1;

/// The length of the prefix before the header: its length and checksum.
const PREFIX_BYTES: usize = 8;

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    table: u8,
    rows: u32,
    columns: Vec<Packed>,
}

/// One column in the frame.
#[derive(Debug, Serialize, Deserialize)]
struct Packed {
    raw_bytes: u32,
    packed_bytes: u32,
    crc32c: u32,
}

/// Makes frames from columns.
pub(crate) struct Packer(Compressor<'static>);

impl Packer {
    pub(crate) fn new() -> std::io::Result<Self> {
        Compressor::new(LEVEL).map(Packer)
    }

    /// Appends the frame of these columns to `out`, and returns the checksum of its header. The header holds the
    /// checksums of the columns, so its checksum stands for the whole frame.
    pub(crate) fn pack(&mut self, columns: &ColumnBytes, out: &mut Vec<u8>) -> std::io::Result<u32> {
        let packed = columns.bytes.iter().map(|raw| self.0.compress(raw)).collect::<Result<Vec<_>, _>>()?;
        let described = columns.bytes.iter().zip(&packed).map(|(raw, packed)| Packed {
            raw_bytes: size(raw.len()),
            packed_bytes: size(packed.len()),
            crc32c: crc32c::crc32c(packed),
        });
        let header = Header { table: columns.table.number, rows: size(columns.rows), columns: described.collect() };
        let header = bincode::serialize(&header).expect("a header of numbers can be written");
        let crc32c = crc32c::crc32c(&header);
        out.extend(size(header.len()).to_le_bytes());
        out.extend(crc32c.to_le_bytes());
        out.extend(&header);
        packed.iter().for_each(|column| out.extend(column));
        Ok(crc32c)
    }
}

/// Columns and headers are far below 4 GiB: rows and bytes limit a frame.
fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("frames are closed long before")
}

/// A frame with valid checksums.
pub(crate) struct Frame<'a> {
    pub(crate) table: TableId,
    pub(crate) rows: usize,
    /// The checksum of the header, which stands for the whole frame.
    pub(crate) crc32c: u32,
    /// The unpacked length and the packed bytes of each column.
    columns: Vec<(usize, &'a [u8])>,
}

impl<'a> Frame<'a> {
    /// Parses a frame and verifies it.
    pub(crate) fn verified(bytes: &'a [u8]) -> Result<Self, Damage> {
        let short = Damage::Malformed("a frame ends before its header does");
        let (prefix, rest) = bytes.split_first_chunk::<PREFIX_BYTES>().ok_or(short.clone())?;
        let [a, b, c, d, e, f, g, h] = *prefix;
        let header_bytes = u32::from_le_bytes([a, b, c, d]) as usize;
        let (header, mut rest) = rest.split_at_checked(header_bytes).ok_or(short)?;
        let crc32c = u32::from_le_bytes([e, f, g, h]);
        if crc32c::crc32c(header) != crc32c {
            return Err(Damage::Checksum("a frame's header"));
        }
        let header: Header =
            bincode::deserialize(header).map_err(|_| Damage::Malformed("a frame's header has an unknown form"))?;
        let table = TableId::of_number(header.table).ok_or(Damage::Malformed("a frame belongs to an unknown table"))?;
        let rows = header.rows as usize;
        let bounded = header.columns.iter().all(|column| column.raw_bytes as usize <= COLUMN_BYTES_MAX);
        if rows > FRAME_ROWS_MAX || header.columns.len() != table.width || !bounded {
            return Err(Damage::Malformed("a frame is larger than allowed"));
        }
        let mut columns = Vec::with_capacity(header.columns.len());
        for column in &header.columns {
            let (packed, after) = rest
                .split_at_checked(column.packed_bytes as usize)
                .ok_or(Damage::Malformed("a frame ends before its columns do"))?;
            if crc32c::crc32c(packed) != column.crc32c {
                return Err(Damage::Checksum("a column"));
            }
            columns.push((column.raw_bytes as usize, packed));
            rest = after;
        }
        if rest.is_empty() {
            Ok(Frame { table, rows, crc32c, columns })
        } else {
            Err(Damage::Malformed("a frame has bytes after its columns"))
        }
    }

    /// The columns, unpacked.
    pub(crate) fn columns(&self) -> Result<Vec<Vec<u8>>, Damage> {
        let unpack = Damage::Malformed("a column cannot be unpacked");
        let mut unpacker = Decompressor::new().map_err(|_| unpack.clone())?;
        let mut raw = Vec::with_capacity(self.columns.len());
        for (raw_bytes, packed) in &self.columns {
            let column = unpacker.decompress(packed, *raw_bytes).map_err(|_| unpack.clone())?;
            if column.len() != *raw_bytes {
                return Err(unpack);
            }
            raw.push(column);
        }
        Ok(raw)
    }

    /// Reads all rows, of whatever table; returns their number.
    pub(crate) fn check_rows(&self) -> Result<usize, Damage> {
        let raw = self.columns()?;
        let mut check = CheckRows { frame: self, raw: &raw, rows: None };
        Tables::<Nothing>::make(&mut check);
        check.rows.unwrap_or_else(|| columns::names(self.rows, &raw).map(|names| names.len()))
    }
}

struct CheckRows<'a> {
    frame: &'a Frame<'a>,
    raw: &'a [Vec<u8>],
    rows: Option<Result<usize, Damage>>,
}

impl tables::Make<Nothing> for CheckRows<'_> {
    fn make<T: Table>(&mut self) {
        if TableId::of::<T>() == self.frame.table {
            self.rows = Some(columns::rows::<T>(self.frame.rows, self.raw).map(|rows| rows.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(header: &[u8], columns: &[u8]) -> Vec<u8> {
        let mut frame = (header.len() as u32).to_le_bytes().to_vec();
        frame.extend(crc32c::crc32c(header).to_le_bytes());
        frame.extend(header);
        frame.extend(columns);
        frame
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_under_right_checksums_are_rows_or_an_error(
            table in 0..7_u8,
            rows in prop_oneof![0..20_u32, any::<u32>()],
            raw in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..5),
            claimed in prop::option::of(any::<u32>()),
            compress in any::<bool>(),
        ) {
            let columns: Vec<Vec<u8>> = match compress {
                true => raw.iter().map(|raw| zstd::bulk::compress(raw, LEVEL).unwrap()).collect(),
                false => raw.clone(),
            };
            let described = raw.iter().zip(&columns).map(|(raw, packed)| Packed {
                raw_bytes: claimed.unwrap_or(raw.len() as u32),
                packed_bytes: packed.len() as u32,
                crc32c: crc32c::crc32c(packed),
            });
            let header = Header { table, rows, columns: described.collect() };
            let frame = packed(&bincode::serialize(&header).unwrap(), &columns.concat());
            if let Ok(frame) = Frame::verified(&frame)
                && let Ok(read) = frame.check_rows()
            {
                prop_assert_eq!(read, rows as usize);
            }
        }

        #[test]
        fn any_header_is_refused_or_read(
            header in prop::collection::vec(any::<u8>(), 0..80), columns in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let _ = Frame::verified(&packed(&header, &columns)).map(|frame| frame.check_rows().is_ok());
        }
    }
}
