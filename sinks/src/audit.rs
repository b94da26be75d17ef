//! The audit log on a file: lines that are synchronised before their append is answered.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::file_log::writer::{AppendRequest, LogFileWriter};
use crate::line_file::LineFile;
use crate::log::{Bound, Record, Room, Unavailable};

/// A file of lines. Other processes may append to it too. Dropping it waits until all
/// lines given to it are written.
pub struct AuditFile {
    room: Arc<Room>,
    writer: LogFileWriter,
}

impl AuditFile {
    /// Appends to the file at `path`, which is made if it is missing.
    ///
    /// # Errors
    /// When the file cannot be written, or a thread cannot be started.
    pub fn open(path: PathBuf) -> io::Result<AuditFile> {
        LineFile::new(path.clone()).append(&[]).error.map_or(Ok(()), Err)?;
        Ok(AuditFile { room: Room::new(Bound::default()), writer: LogFileWriter::start(path, None)? })
    }

    /// Appends a line, which must have its end. The call does not block; the future resolves once the line is durable.
    pub fn append(&self, line: Vec<u8>) -> impl Future<Output = Result<(), Unavailable>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let record = Record { key: Vec::new(), payload: line };
        let handed_over = self
            .room
            .take(std::slice::from_ref(&record))
            .and_then(|permit| self.writer.send(AppendRequest { lines: record.payload, reply, _permit: permit }));
        async move {
            handed_over?;
            answer.await.map_err(|_| Unavailable::Closed)?.map(drop)
        }
    }
}

/// Appends a line to the file at `path`, and returns once it is durable.
///
/// # Errors
/// When it cannot be written.
pub fn append_now(path: PathBuf, line: &[u8]) -> io::Result<()> {
    let mut file = LineFile::new(path);
    match file.append(line).error {
        Some(error) => Err(error),
        None => file.sync(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block_on::block_on;

    #[test]
    fn lines_of_several_writers_follow_each_other_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let file = AuditFile::open(path.clone()).unwrap();
        block_on(file.append(b"one\n".to_vec())).unwrap();
        append_now(path.clone(), b"two\n").unwrap();
        let [three, four] = [b"three\n", b"fourr\n"].map(|line| file.append(line.to_vec()));
        block_on(four).unwrap();
        block_on(three).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\nfourr\n");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(matches!(block_on(file.append(b"five\n".to_vec())), Err(Unavailable::Disk { .. })));
        assert!(AuditFile::open(path).is_err(), "a file that cannot be written is not opened");
    }
}
