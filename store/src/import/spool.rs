//! An upload on its way: kept in a file without a name until it is whole, so that no transaction waits for its sender.

use std::fs::File;
use std::io::{self, Seek, Write};

use thiserror::Error;

/// An upload that arrives. The file is gone when it is closed, also if the process is killed.
#[derive(Debug)]
pub struct Spool {
    file: File,
    left: u64,
    bytes_max: u64,
}

/// Why an upload is not kept.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// It is longer than this many bytes.
    #[error("the upload is longer than {0} bytes")]
    TooLong(u64),
    /// The directory for temporary files has no room, or is not there.
    /// The text leaves out the path of the file, which the error may name.
    #[error("the upload cannot be kept in the directory for temporary files: {}", .0.kind())]
    Io(#[from] io::Error),
}

impl Spool {
    /// A place for an upload of at most `bytes_max` bytes, in the directory for temporary files.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn create(bytes_max: u64) -> Result<Spool, SpoolError> {
        Ok(Spool { file: tempfile::tempfile()?, left: bytes_max, bytes_max })
    }

    /// Appends a piece.
    ///
    /// # Errors
    /// When the upload is too long, or the disk is full.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), SpoolError> {
        self.left = self.left.checked_sub(piece.len() as u64).ok_or(SpoolError::TooLong(self.bytes_max))?;
        Ok(self.file.write_all(piece)?)
    }

    /// The whole upload, from its beginning.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn finish(mut self) -> Result<File, SpoolError> {
        self.file.rewind()?;
        Ok(self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_kept_up_to_its_bound() {
        let mut spool = Spool::create(5).unwrap();
        spool.push(b"la").unwrap();
        spool.push(b"mp").unwrap();
        assert!(matches!(spool.push(b"xy"), Err(SpoolError::TooLong(5))));
        assert_eq!(io::read_to_string(spool.finish().unwrap()).unwrap(), "lamp");
    }

    #[test]
    fn an_error_names_no_path() {
        let full = io::Error::new(io::ErrorKind::StorageFull, "no room at path \"/tmp/.tmp1\"");
        let text = SpoolError::from(full).to_string();
        assert!(text.contains("no storage space") && !text.contains("/tmp"), "{text}");
    }
}
