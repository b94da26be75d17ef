//! The log on files: one file of lines a stream, synchronised before an append is answered.

pub(crate) mod writer;

use std::path::Path;

use tokio::sync::oneshot;

use self::writer::{AppendRequest, LogFileWriter};
use crate::log::{AppendError, Appending, Bound, EventLog, Record, Room, Stream, Unavailable};

/// The file of events.
pub const VIEWS: &str = "views.jsonl";
/// The file of removals.
pub const REMOVALS: &str = "removals.jsonl";
/// The file of refused records.
pub const DEAD_LETTERS: &str = "dead-letters.jsonl";

/// A log of three files in one directory, which are made when they are first written to.
///
/// A position's stream is the file's name, its partition 0, its offset a byte of the file. The files are opened for
/// appending, so the shop may append to them too, whole lines at a time. Lines of removals say how long the files of events
/// are when they are written (see [`sources::files::places`]). Dropping the log waits until all records given
/// to it are written.
pub struct FileLog {
    room: std::sync::Arc<Room>,
    views: LogFileWriter,
    removals: LogFileWriter,
    dead_letters: LogFileWriter,
}

impl FileLog {
    /// A log in `directory`; nothing is touched before the first append.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn open(directory: &Path, bound: Bound) -> std::io::Result<FileLog> {
        Ok(FileLog {
            room: Room::new(bound),
            views: LogFileWriter::start(directory.join(VIEWS), None)?,
            removals: LogFileWriter::start(directory.join(REMOVALS), Some(directory))?,
            dead_letters: LogFileWriter::start(directory.join(DEAD_LETTERS), None)?,
        })
    }

    fn hand_over(
        &self,
        stream: Stream,
        records: &[Record],
    ) -> Result<oneshot::Receiver<writer::AppendAnswer>, Unavailable> {
        let permit = self.room.take(records)?;
        let (reply, answer) = oneshot::channel();
        let writer = match stream {
            Stream::Views => &self.views,
            Stream::Removals => &self.removals,
            Stream::DeadLetters => &self.dead_letters,
        };
        writer.send(AppendRequest { lines: lines(records), reply, _permit: permit })?;
        Ok(answer)
    }
}

impl EventLog for FileLog {
    fn append(&self, stream: Stream, records: Vec<Record>) -> Appending {
        if records.is_empty() {
            return Box::pin(async { Ok(Vec::new()) });
        }
        let handed_over = self.hand_over(stream, &records);
        Box::pin(async move {
            let position = handed_over?.await.map_err(|_| Unavailable::Closed)??;
            Ok::<_, AppendError>(vec![position])
        })
    }
}

/// One line a record. A line end inside a record becomes a space: in JSON it can only stand between two tokens.
fn lines(records: &[Record]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(records.iter().map(|record| record.payload.len() + 1).sum());
    for record in records {
        lines.extend(record.payload.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
        lines.push(b'\n');
    }
    lines
}

#[cfg(test)]
mod tests;
