//! Files with events, one a line, that grow. The offset of a record is the byte at which its line begins.

use std::path::PathBuf;
use std::sync::Arc;

use dataflow::feed::Waker;
use sources::files::whole_lines::{LineGiven, WholeLines};
use sources::kafka::upstream::{Ends, PartitionId};

use super::{Given, Log, LogTail, Looked};
use crate::row::LogRecord;

/// Files of a directory. Each is a topic with one partition.
pub struct Files {
    dir: PathBuf,
    names: Vec<Arc<str>>,
}

impl Files {
    /// The files with these names. A file may be created later.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, names: impl IntoIterator<Item = impl Into<Arc<str>>>) -> Files {
        Files { dir: dir.into(), names: names.into_iter().map(Into::into).collect() }
    }
}

impl Log for Files {
    type Tail = FileLines;

    fn topics(&self) -> Vec<Arc<str>> {
        self.names.clone()
    }

    fn serve(&mut self) {}

    fn look(&mut self) -> Looked {
        let mut looked = Looked::default();
        for name in &self.names {
            let path = self.dir.join(&**name);
            match path.metadata() {
                Ok(metadata) => {
                    let high = i64::try_from(metadata.len()).unwrap_or(i64::MAX);
                    looked.ends.insert(PartitionId { topic: name.clone(), partition: 0 }, Ends { low: 0, high });
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => looked.troubles.push(format!("{}: {error}", path.display())),
            }
        }
        looked
    }

    fn start(&mut self, id: &PartitionId, next: i64, _: &Waker) -> Result<FileLines, String> {
        let path = self.dir.join(&*id.topic);
        let at = u64::try_from(next).unwrap_or(0);
        let lines = WholeLines::open(&path, at).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(FileLines { lines, path })
    }
}

/// A file that is being read.
pub struct FileLines {
    lines: WholeLines,
    path: PathBuf,
}

impl LogTail for FileLines {
    fn read(&mut self, take: &mut dyn FnMut(Given<'_>) -> bool) {
        let given = self.lines.read(&mut |LineGiven { start, end, line }| {
            let offset = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
            let record =
                LogRecord { offset: offset(start), next: offset(end), time: None, key: None, payload: Some(line) };
            take(Given::Record(record))
        });
        if let Err(error) = given {
            take(Given::Failed(format!("{}: {error}", self.path.display())));
        }
    }

    fn stop(self) {}
}
