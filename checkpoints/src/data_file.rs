//! A data file: a header, frames of rows, and an index of the frames.
//!
//! ```text
//! "VITRROWS" │ format u32 │ crc32c of both u32 ║ frame ║ … ║ index ║ its length u32 │ its crc32c u32 │ "VITREND\n"
//! ```
//! The frames lie without a gap between header and index, so a checksum covers every byte of the file. The index holds
//! the checksums of the frames and the manifest holds the checksum of the index, so no frame can be mistaken for a
//! frame of another file.

use std::path::{Path, PathBuf};

use dataflow::dictionary::Name;
use dataflow::ids::ID_BYTES_MAX;
use dataflow::tables::{Nothing, Pair, Table, Tables};
use serde::{Deserialize, Serialize};

use crate::columns::ColumnBytes;
use crate::disk::{Disk, DiskFile};
use crate::error::{Damage, Doing, Error};
use crate::frame::{COLUMN_BYTES_FULL, FRAME_ROWS_MAX, Packer};
use crate::manifest::Summary;
use crate::table::TableId;

/// The format of data files; any other format is rejected. What the columns of a table mean follows from the format of the
/// manifest.
pub(crate) const FORMAT: u32 = 1;

const MAGIC: &[u8; 8] = b"VITRROWS";
const END: &[u8; 8] = b"VITREND\n";

/// The number of the names among the tables: after the base tables.
const NAMES: usize = Tables::<Nothing>::LEN;

/// The length of the header, before the first frame.
pub(crate) const HEADER_BYTES: usize = 16;

/// The length of the trailer, after the index.
pub(crate) const TRAILER_BYTES: usize = 16;

/// The place of a frame, and its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FrameEntry {
    pub(crate) offset: u64,
    pub(crate) bytes: u32,
    pub(crate) table: u8,
    pub(crate) rows: u32,
    /// The checksum of the frame's header, which holds the checksums of its columns.
    pub(crate) crc32c: u32,
}

/// Takes the rows of a checkpoint, in any order, and writes them frame by frame.
///
/// Rows that come in the order of their keys take the least space. At most one frame of each table is in memory.
pub struct RowWriter {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    packer: Packer,
    /// By table, in the order of [`TableId::all`].
    tables: Vec<ColumnBytes>,
    summaries: Vec<Summary>,
    slots: Vec<FrameEntry>,
    buffer: Vec<u8>,
    written: u64,
    crc32c: u32,
}

/// A data file whose content is durable and whose name is not given yet.
pub(crate) struct Finished {
    pub(crate) bytes: u64,
    pub(crate) crc32c: u32,
    pub(crate) index_crc32c: u32,
    pub(crate) tables: Vec<Summary>,
}

impl RowWriter {
    pub(crate) fn create(disk: &dyn Disk, path: &Path) -> Result<Self, Error> {
        let file = disk.create(path).map_err(|source| Error::of_disk(path, Doing::Made, source))?;
        let tables = TableId::all();
        let mut writer = RowWriter {
            path: path.to_owned(),
            file,
            packer: Packer::new().map_err(|source| Error::of_disk(path, Doing::Made, source))?,
            tables: tables.iter().copied().map(ColumnBytes::new).collect(),
            summaries: tables.iter().copied().map(Summary::empty).collect(),
            slots: Vec::new(),
            buffer: Vec::new(),
            written: 0,
            crc32c: 0,
        };
        writer.buffer.extend(header());
        writer.write_out()?;
        Ok(writer)
    }

    /// Takes a row of a base table, with its difference.
    ///
    /// # Errors
    /// The disk does not accept the collected rows.
    pub fn row<T: Table>(&mut self, row: &Pair<T>, diff: &T::Diff) -> Result<(), Error> {
        self.tables[T::INDEX].row::<T>(row, diff);
        self.close_if_full(T::INDEX)
    }

    /// Takes the id behind a key.
    ///
    /// # Errors
    /// See [`RowWriter::row`]; or the id is longer than allowed.
    pub fn name(&mut self, name: &Name) -> Result<(), Error> {
        let (Name::Product(_, id) | Name::Category(_, id) | Name::User(_, id)) = name;
        if id.len() > ID_BYTES_MAX {
            return Err(Error::IdTooLong { bytes: id.len() });
        }
        self.tables[NAMES].name(name);
        self.close_if_full(NAMES)
    }

    /// The number of bytes written so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.written
    }

    fn close_if_full(&mut self, table: usize) -> Result<(), Error> {
        let columns = &self.tables[table];
        // Ids are the only values of variable length, and theirs the only column that can be full before the frame has
        // all its rows.
        let full = columns.rows >= FRAME_ROWS_MAX || columns.bytes_max() >= COLUMN_BYTES_FULL;
        if full { self.close(table) } else { Ok(()) }
    }

    fn close(&mut self, table: usize) -> Result<(), Error> {
        let columns = &mut self.tables[table];
        if columns.rows == 0 {
            return Ok(());
        }
        let packed = self.packer.pack(columns, &mut self.buffer);
        let crc32c = packed.map_err(|source| Error::of_disk(&self.path, Doing::Written, source))?;
        let (bytes, rows) = (self.buffer.len() as u32, columns.rows as u32);
        self.slots.push(FrameEntry { offset: self.written, bytes, table: columns.table.number, rows, crc32c });
        let summary = &mut self.summaries[table];
        summary.rows += u64::from(rows);
        summary.frames += 1;
        summary.bytes += u64::from(bytes);
        columns.clear();
        self.write_out()
    }

    fn write_out(&mut self) -> Result<(), Error> {
        let written = self.file.write_all(&self.buffer);
        written.map_err(|source| Error::of_disk(&self.path, Doing::Written, source))?;
        self.crc32c = crc32c::crc32c_append(self.crc32c, &self.buffer);
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the collected rows and the index, and makes the content durable.
    pub(crate) fn finish(mut self) -> Result<Finished, Error> {
        (0..self.tables.len()).try_for_each(|table| self.close(table))?;
        let index = bincode::serialize(&self.slots).expect("an index of numbers can be written");
        self.buffer.extend(&index);
        self.buffer.extend((index.len() as u32).to_le_bytes());
        let index_crc32c = crc32c::crc32c(&index);
        self.buffer.extend(index_crc32c.to_le_bytes());
        self.buffer.extend(END);
        self.write_out()?;
        self.file.sync().map_err(|source| Error::of_disk(&self.path, Doing::Synchronised, source))?;
        let tables = self.summaries.into_iter().filter(|summary| summary.rows > 0).collect();
        Ok(Finished { bytes: self.written, crc32c: self.crc32c, index_crc32c, tables })
    }
}

fn header() -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend(FORMAT.to_le_bytes());
    header.extend(crc32c::crc32c(&header).to_le_bytes());
    header
}

/// The result of reading a header.
pub(crate) enum FileOpening {
    /// A file of this format.
    Ours,
    /// A file of this other format.
    OtherFormat(u32),
}

/// Reads a header.
pub(crate) fn opening(header: &[u8]) -> Result<FileOpening, Damage> {
    let malformed = Damage::Malformed("it does not begin like a data file");
    let (magic, rest) = header.split_first_chunk::<8>().ok_or(malformed.clone())?;
    let (format, rest) = rest.split_first_chunk::<4>().ok_or(malformed.clone())?;
    if magic != MAGIC {
        return Err(malformed);
    }
    if rest != crc32c::crc32c(&header[..12]).to_le_bytes() {
        return Err(Damage::Checksum("the header"));
    }
    match u32::from_le_bytes(*format) {
        FORMAT => Ok(FileOpening::Ours),
        other => Ok(FileOpening::OtherFormat(other)),
    }
}

/// Reads the trailer: the index's length and checksum.
pub(crate) fn trailer(trailer: &[u8]) -> Result<(usize, u32), Damage> {
    let malformed = Damage::Malformed("it does not end like a data file");
    let (bytes, rest) = trailer.split_first_chunk::<4>().ok_or(malformed.clone())?;
    let (crc32c, end) = rest.split_first_chunk::<4>().ok_or(malformed.clone())?;
    if end != END {
        return Err(malformed);
    }
    Ok((u32::from_le_bytes(*bytes) as usize, u32::from_le_bytes(*crc32c)))
}

/// Reads the index of a file of `length` bytes: the frames lie without a gap between header and index.
pub(crate) fn index(index: &[u8], crc32c: u32, length: u64) -> Result<Vec<(TableId, FrameEntry)>, Damage> {
    if crc32c::crc32c(index) != crc32c {
        return Err(Damage::Checksum("the index"));
    }
    let slots: Vec<FrameEntry> =
        bincode::deserialize(index).map_err(|_| Damage::Malformed("the index has an unknown form"))?;
    let mut next = HEADER_BYTES as u64;
    let mut frames = Vec::with_capacity(slots.len());
    for slot in slots {
        let table = TableId::of_number(slot.table).filter(|_| slot.offset == next);
        frames.push((table.ok_or(Damage::Malformed("the index has a gap, or an unknown table"))?, slot));
        next += u64::from(slot.bytes);
    }
    if next + (index.len() + TRAILER_BYTES) as u64 == length {
        Ok(frames)
    } else {
        Err(Damage::Malformed("the index does not cover the file"))
    }
}
