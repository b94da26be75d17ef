//! A checksum of the bytes of a file before a place. It tells whether a file with a newer time still has the same content.

use std::fs::File;
use std::io;

use crate::file_position::blocks;

/// The CRC-32 of the first bytes of a file.
#[derive(Clone, Default)]
pub(crate) struct FileSum {
    hasher: crc32fast::Hasher,
    /// How many bytes are in it.
    len: u64,
}

impl FileSum {
    /// Adds bytes that were read at `offset`, if they follow those that are in it.
    pub(crate) fn add(&mut self, offset: u64, bytes: &[u8]) {
        if offset == self.len {
            self.hasher.update(bytes);
            self.len += bytes.len() as u64;
        }
    }

    /// Goes to the place `to`, and reads the bytes up to it that were not added. If the checksum has later bytes already, it begins
    /// at the start of the file.
    pub(crate) fn go_to(&mut self, file: &File, to: u64) -> io::Result<()> {
        if to < self.len {
            *self = FileSum::default();
        }
        blocks(file, self.len, to, |offset, block| {
            self.add(offset, block);
            true
        })
    }

    /// How many bytes are in it.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }
}

impl PartialEq for FileSum {
    fn eq(&self, other: &FileSum) -> bool {
        let value = |sum: &FileSum| sum.hasher.clone().finalize();
        self.len == other.len && value(self) == value(other)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn bytes_that_were_added_and_bytes_that_are_read_give_the_same_sum() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"one\ntwo\nsix\n").unwrap();
        let mut read = FileSum::default();
        read.go_to(&file, 12).unwrap();
        let mut added = FileSum::default();
        added.add(0, b"one\n");
        added.add(8, b"not the next bytes");
        added.go_to(&file, 8).unwrap();
        assert!(added.len() == 8 && added != read);
        added.add(8, b"six\n");
        assert!(added == read);
        added.go_to(&file, 4).unwrap();
        let mut other = FileSum::default();
        other.add(0, b"one\n");
        assert!(added == other);
        other.go_to(&file, 100).unwrap();
        assert!(other == read, "no more than the file has");
    }
}
