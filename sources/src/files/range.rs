//! Files as a past: what a directory holds when the range is pinned, each file of events as a partition of its own.
//!
//! As when files are followed, a line counts when its line end is there, a table's last line also without; an event's
//! time is at most the time its line arrived, for which the file's modification time stands, and a line that states no
//! time is given one, counted back from there. So where events state no times, a copy of the file is to keep the time of
//! the original.

mod event_file;
mod tables;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::feed::WorkerContext;
use dataflow::replay::ReplaySource;
use dataflow::source_status::{SourceRegistry, SourceStatus};

use super::tail::{Span, Tail};
use super::{FILES, NAME};
use crate::replay::{Asked, PartitionReplay, Progress, Refused, Tables};
use event_file::EventsPast;

/// How many of [`FILES`] hold events.
const EVENT_FILES: usize = 3;

/// Why files cannot be replayed, or not to their end.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    /// A file cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// There is nothing to read.
    #[error("{} has none of {}", dir.display(), FILES.join(", "))]
    Nothing {
        /// The directory.
        dir: PathBuf,
    },
    /// A table lacks columns.
    #[error("the first line of {} lacks the columns {}", path.display(), columns.join(", "))]
    Columns {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        columns: Vec<&'static str>,
    },
}

/// The files of one directory with their ends pinned.
pub struct Range {
    dir: PathBuf,
    /// For each of [`FILES`], what is there of it.
    spans: Vec<Option<Span>>,
    progress: Arc<Progress>,
}

impl Range {
    /// Opens the files that are there.
    ///
    /// # Errors
    /// When a file cannot be opened, or none is there.
    pub fn pin(dir: &Path) -> Result<Range, RangeError> {
        let open = |name: &&str| {
            let path = dir.join(name);
            match Tail::new(path.clone()).open() {
                Ok(span) => Ok(Some(span)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(RangeError::Io { path, error }),
            }
        };
        let spans: Vec<Option<Span>> = FILES.iter().map(open).collect::<Result<_, _>>()?;
        if spans.iter().all(Option::is_none) {
            return Err(RangeError::Nothing { dir: dir.to_owned() });
        }
        let progress = Arc::new(Progress::default());
        spans.iter().take(EVENT_FILES).flatten().for_each(|span| progress.more(span.to()));
        Ok(Range { dir: dir.to_owned(), spans, progress })
    }

    /// How many bytes of events have been read of how many.
    #[must_use]
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Opens a worker's share of the events: file p is read by worker p modulo their number.
    ///
    /// # Errors
    /// When a file cannot be opened a second time.
    pub fn open(
        &self,
        worker: &WorkerContext,
        asked: Asked,
        status: &SourceRegistry,
        refused: &Refused,
    ) -> Result<Vec<Box<dyn ReplaySource>>, RangeError> {
        let status = status.source(NAME);
        let mine =
            self.spans.iter().take(EVENT_FILES).enumerate().filter(|(part, _)| part % worker.peers == worker.index);
        let mut sources: Vec<Box<dyn ReplaySource>> = Vec::new();
        for (part, span) in mine.filter_map(|(part, span)| Some((part, span.as_ref()?))) {
            let path = self.dir.join(FILES[part]);
            let file = span.file.try_clone().map_err(|error| RangeError::Io { path: path.clone(), error })?;
            let lane = PartitionReplay::new(asked, status.clone(), refused.clone());
            sources.push(Box::new(EventsPast::new(FILES[part], path, file, span, lane, self.progress.clone())));
        }
        Ok(sources)
    }

    /// Reads orders and catalogue.
    ///
    /// # Errors
    /// When a file cannot be read or has not its columns.
    pub fn tables(
        &self,
        asked: Asked,
        dictionary: &Dictionary,
        status: &SourceRegistry,
        refused: &Refused,
    ) -> Result<Tables, RangeError> {
        let status: Arc<SourceStatus> = status.source(NAME);
        tables::read(self, asked, dictionary, &status, refused)
    }

    /// A table with its name and path, if it is there.
    fn table(&self, name: &'static str) -> Option<(PathBuf, &File, u64)> {
        let part = FILES.iter().position(|file| *file == name)?;
        let span = self.spans[part].as_ref()?;
        Some((self.dir.join(name), &span.file, span.to()))
    }
}
