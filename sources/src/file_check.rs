//! Compares what was read of a file that grows with what the file has there now: an append leaves it as it is.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use crate::file_sum::FileSum;

/// A file of which no more than this was read is compared at once.
const AT_ONCE_BYTES: u64 = 1 << 20;

/// Bytes that one look compares with those that were read.
pub(crate) const PART_BYTES: u64 = 32 << 20;

/// The shortest time between two comparisons of a long file.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// A long file is compared again after this many times the time that it took.
const PAUSE_FACTOR: u32 = 20;

/// What is known of the bytes before the position.
#[derive(Default)]
pub(crate) struct FileCheck {
    /// The file has grown since the last comparison began.
    grown: bool,
    running: Option<Comparison>,
    /// When the next comparison may begin.
    due: Option<Instant>,
    /// A comparison found other bytes.
    differs: bool,
}

/// A comparison of what was read with what a file has there now, in parts.
pub(crate) struct Comparison {
    /// The checksum of what was read.
    read: FileSum,
    /// The checksum of the bytes that the file has there now, as far as they were compared.
    now: FileSum,
    took: Duration,
}

impl Comparison {
    /// The beginning of a comparison with what was read.
    pub(crate) fn with(read: &FileSum) -> Comparison {
        Comparison { read: read.clone(), now: FileSum::default(), took: Duration::ZERO }
    }

    /// Compares the next part; whether the file has other bytes, and none while there are further parts.
    pub(crate) fn differs(&mut self, file: &File) -> io::Result<Option<bool>> {
        let began = Instant::now();
        let to = self.read.len().min(self.now.len() + PART_BYTES);
        let compared = self.now.go_to(file, to);
        self.took += began.elapsed();
        compared?;
        let goes_on = self.now.len() == to && to < self.read.len();
        Ok((!goes_on).then(|| self.now != self.read))
    }
}

impl FileCheck {
    /// The file has become longer.
    pub(crate) fn note_growth(&mut self) {
        self.grown = true;
    }

    /// Reading begins at the start of the file again. Until it has reached the end, the file counts as another one.
    pub(crate) fn restart(&mut self) {
        (self.grown, self.running) = (false, None);
    }

    /// The file was read to its end.
    pub(crate) fn end(&mut self) {
        self.differs = false;
    }

    /// Whether a call of [`FileCheck::differs`] has something to do.
    pub(crate) fn is_due(&self) -> bool {
        self.differs || self.running.is_some() || (self.grown && self.due.is_none_or(|due| Instant::now() >= due))
    }

    /// Compares the next part, if there is something to compare; whether other bytes were found. `read`: the checksum of what
    /// was read of the file.
    pub(crate) fn differs(&mut self, file: &File, read: &FileSum) -> io::Result<bool> {
        if read.len() <= AT_ONCE_BYTES {
            if self.grown {
                self.differs |= Comparison::with(read).differs(file)? == Some(true);
                (self.grown, self.running) = (false, None);
            }
            return Ok(self.differs);
        }
        if self.differs || !self.is_due() {
            return Ok(self.differs);
        }
        let mut running = self.running.take().unwrap_or_else(|| {
            self.grown = false;
            Comparison::with(read)
        });
        let differs = running.differs(file);
        if let Ok(None) = differs {
            self.running = Some(running);
            return Ok(false);
        }
        self.due = Some(Instant::now() + PAUSE_MIN.max(running.took * PAUSE_FACTOR));
        // After an error, it is compared again.
        self.grown |= differs.is_err();
        self.differs = differs? == Some(true);
        Ok(self.differs)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    fn summed(bytes: &[u8]) -> (File, FileSum) {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        let mut sum = FileSum::default();
        sum.add(0, bytes);
        (file, sum)
    }

    #[test]
    fn a_short_file_is_compared_at_each_growth() {
        let (file, read) = summed(b"one\ntwo\n");
        let mut check = FileCheck::default();
        for _ in 0..2 {
            check.note_growth();
            assert!(!check.differs(&file, &read).unwrap());
        }
        file.write_all_at(b"six", 0).unwrap();
        assert!(!check.differs(&file, &read).unwrap(), "it has not grown");
        check.note_growth();
        assert!(check.differs(&file, &read).unwrap());
        check.restart();
        assert!(check.differs(&file, &read).unwrap() && check.is_due(), "until it is read again");
        check.end();
        assert!(!check.is_due());
    }

    #[test]
    fn a_long_file_is_compared_in_parts_and_not_again_at_once() {
        let (file, read) = summed(&vec![b'x'; PART_BYTES as usize + 1]);
        let mut check = FileCheck::default();
        assert!(!check.is_due());
        check.note_growth();
        assert!(!check.differs(&file, &read).unwrap() && check.running.is_some());
        check.note_growth();
        assert!(!check.differs(&file, &read).unwrap() && check.running.is_none());
        assert!(check.grown && !check.is_due(), "it has grown again meanwhile, and is compared later");
        file.write_all_at(b"y", 7).unwrap();
        assert!(!check.differs(&file, &read).unwrap());
        check.due = Some(Instant::now());
        assert!(!check.differs(&file, &read).unwrap());
        assert!(check.differs(&file, &read).unwrap());
    }
}
