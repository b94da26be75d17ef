//! [`Spool`]: cells of rows that are found in another order than they are written, in an unnamed temporary file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use dataflow::features::FeatureCell;

/// Cells by the number of their row. Takes 16 bytes of memory for each row; the cells are on the disk.
pub struct Spool {
    file: BufWriter<File>,
    /// Where the cells of each row begin, and how many bytes they take; 0 bytes if there are none yet.
    places: Vec<(u64, u32)>,
    end: u64,
}

impl Spool {
    /// Room for the cells of so many rows, in a file in `dir`.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn new(dir: &Path, rows: usize) -> io::Result<Spool> {
        let file = BufWriter::with_capacity(1 << 20, tempfile::tempfile_in(dir)?);
        Ok(Spool { file, places: vec![(0, 0); rows], end: 0 })
    }

    /// Keeps the cells of a row.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn put(&mut self, row: usize, cells: &[FeatureCell]) -> io::Result<()> {
        let bytes = bincode::serialize(cells).map_err(io::Error::other)?;
        self.file.write_all(&bytes)?;
        self.places[row] = (self.end, u32::try_from(bytes.len()).map_err(io::Error::other)?);
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// The cells by row.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(self) -> io::Result<SpooledCells> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(SpooledCells { file, places: self.places })
    }
}

/// What a [`Spool`] holds.
pub struct SpooledCells {
    file: File,
    places: Vec<(u64, u32)>,
}

impl SpooledCells {
    /// The cells of a row; `None` if there are none.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn get(&self, row: usize) -> io::Result<Option<Vec<FeatureCell>>> {
        let Some((start, bytes)) = self.places.get(row).copied().filter(|(_, bytes)| *bytes > 0) else {
            return Ok(None);
        };
        let mut text = vec![0; bytes as usize];
        self.file.read_exact_at(&mut text, start)?;
        bincode::deserialize(&text).map(Some).map_err(io::Error::other)
    }
}
