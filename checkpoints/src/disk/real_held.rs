//! A real file that stays open: overwriting it needs no file descriptor, and there may be none left.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::Held;

#[derive(Debug)]
pub(super) struct RealHeld {
    path: PathBuf,
    /// `None`: the file did not exist or could not be opened.
    file: Option<File>,
}

impl RealHeld {
    pub(super) fn new(path: &Path) -> RealHeld {
        // The obstacle is reported when the file must be written.
        RealHeld { path: path.to_owned(), file: open(path).ok() }
    }

    /// The file of this name now: if the open file was moved away, nobody would find the bytes written to it since.
    fn file(&mut self) -> io::Result<&File> {
        let there = std::fs::metadata(&self.path)?;
        let held = match self.file.take() {
            Some(held) if id(&held.metadata()?) == id(&there) => held,
            _ => open(&self.path)?,
        };
        Ok(self.file.insert(held))
    }
}

impl Held for RealHeld {
    fn overwrite(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let file = self.file()?;
        file.write_all_at(bytes, offset)?;
        file.sync_data()
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

fn id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_the_name_leads_to_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mark");
        let mut held = RealHeld::new(&path);
        assert_eq!(held.overwrite(0, b"a").unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::write(&path, "....").unwrap();
        held.overwrite(1, b"ab").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b".ab.");
        // Restored from elsewhere: another file with the same name.
        let other = dir.path().join("other");
        std::fs::write(&other, "----").unwrap();
        std::fs::rename(&other, &path).unwrap();
        held.overwrite(2, b"c").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"--c-");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(held.overwrite(0, b"a").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn an_open_file_is_not_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mark");
        std::fs::write(&path, "....").unwrap();
        let mut held = RealHeld::new(&path);
        held.overwrite(0, b"a").unwrap();
        let before = std::os::fd::AsRawFd::as_raw_fd(held.file.as_ref().unwrap());
        // If it were closed and opened again, this file would get its descriptor number.
        held.overwrite(1, b"b").unwrap();
        let _taken = File::open(&path).unwrap();
        held.overwrite(2, b"c").unwrap();
        assert_eq!(std::os::fd::AsRawFd::as_raw_fd(held.file.as_ref().unwrap()), before);
    }
}
