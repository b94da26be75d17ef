//! The position in a file, and reading at a position.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes that are read at once if none of them are kept.
const BLOCK: usize = 64 * 1024;

/// A byte of a file at which reading goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FilePosition {
    pub(crate) offset: u64,
    /// Within a line that is too long: everything up to the next line end is skipped.
    pub(crate) skipping: bool,
}

impl FilePosition {
    /// Skips the rest of a line that is too long, as far as it exists; whether reading can continue.
    pub(crate) fn skip(&mut self, file: &File, to: u64) -> io::Result<bool> {
        if self.skipping {
            match line_end(file, self.offset, to)? {
                Some(end) => *self = FilePosition { offset: end, skipping: false },
                None => self.offset = to.max(self.offset),
            }
        }
        Ok(!self.skipping)
    }
}

/// An offset in a file as positions and letters have it.
pub(crate) fn offset_i64(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

/// Fills `buffer` from `offset` on as far as the file reaches; returns the number of bytes.
pub(crate) fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The offset after the first line end in `from..to`.
pub(crate) fn line_end(file: &File, from: u64, to: u64) -> io::Result<Option<u64>> {
    let mut found = None;
    blocks(file, from, to, |offset, block| {
        found = block.iter().position(|byte| *byte == b'\n').map(|at| offset + at as u64 + 1);
        found.is_none()
    })?;
    Ok(found)
}

/// Shows the bytes of `from..to` block by block, as long as `show` returns true.
pub(crate) fn blocks(file: &File, from: u64, to: u64, mut show: impl FnMut(u64, &[u8]) -> bool) -> io::Result<()> {
    let mut buffer = vec![0; BLOCK];
    let mut offset = from;
    while offset < to {
        let wanted = usize::try_from(to - offset).unwrap_or(BLOCK).min(BLOCK);
        let filled = read_at(file, offset, &mut buffer[..wanted])?;
        if filled == 0 || !show(offset, &buffer[..filled]) {
            break;
        }
        offset += filled as u64;
    }
    Ok(())
}
