//! Files as a replay reads them: the content of a directory when the range is pinned; each file of events is a partition.
//!
//! As when files are followed, a line counts when it has a line end, and a table's last line also without one. An event's
//! time is at most the arrival time of its line, which is the file's modification time, and a line that states no time is
//! given one, counted back from there, or from the time of a removal that was written after it. So if events state no times, a
//! copy of the file must keep the original's time.

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

use super::{FILES, NAME};
use crate::file_tail::{FileSpan, FileTail};
use crate::replay::{LetterHandler, PartitionReplay, ReplayBounds, ReplayErasures, ReplayProgress, ReplayTables};
use event_file::EventFileReplay;

/// How many of [`FILES`] hold events.
const EVENT_FILES: usize = 3;

/// The file with removals and erasures among [`FILES`].
const REMOVALS: usize = 2;

/// Why files cannot be replayed, or not to their end.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    /// A file cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// No file exists.
    #[error("{} has none of {}", dir.display(), FILES.join(", "))]
    Nothing {
        /// The directory.
        dir: PathBuf,
    },
    /// A table lacks columns.
    #[error("the first line of {} lacks the columns {}", path.display(), columns.join(", "))]
    CsvColumns {
        /// The file.
        path: PathBuf,
        /// The missing columns.
        columns: Vec<&'static str>,
    },
}

/// The files of one directory with their ends pinned.
pub struct Range {
    dir: PathBuf,
    /// For each of [`FILES`], the file if it exists.
    spans: Vec<Option<FileSpan>>,
    progress: Arc<ReplayProgress>,
    erased: Option<Arc<ReplayErasures>>,
}

impl Range {
    /// Opens the files that exist.
    ///
    /// # Errors
    /// When a file cannot be opened, or none exists.
    pub fn pin(dir: &Path) -> Result<Range, RangeError> {
        let open = |name: &&str| {
            let path = dir.join(name);
            match FileTail::new(path.clone()).open() {
                Ok(span) => Ok(Some(span)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(RangeError::Io { path, error }),
            }
        };
        let spans: Vec<Option<FileSpan>> = FILES.iter().map(open).collect::<Result<_, _>>()?;
        if spans.iter().all(Option::is_none) {
            return Err(RangeError::Nothing { dir: dir.to_owned() });
        }
        let progress = Arc::new(ReplayProgress::default());
        spans.iter().take(EVENT_FILES).flatten().for_each(|span| progress.add_total(span.to()));
        Ok(Range { dir: dir.to_owned(), spans, progress, erased: None })
    }

    /// Leaves out what these erasures cover, and the erasures among the events.
    #[must_use]
    pub fn without(self, erased: Arc<ReplayErasures>) -> Range {
        Range { erased: Some(erased), ..self }
    }

    /// How many bytes of events have been read of how many.
    #[must_use]
    pub fn progress(&self) -> &Arc<ReplayProgress> {
        &self.progress
    }

    /// Opens a worker's share of the events: file p is read by worker p modulo their number.
    ///
    /// # Errors
    /// When a file cannot be opened a second time.
    pub fn open(
        &self,
        worker: &WorkerContext,
        bounds: ReplayBounds,
        status: &SourceRegistry,
        refused: &LetterHandler,
    ) -> Result<Vec<Box<dyn ReplaySource>>, RangeError> {
        let status = status.source(NAME);
        let mine =
            self.spans.iter().take(EVENT_FILES).enumerate().filter(|(part, _)| part % worker.peers == worker.index);
        let mine = mine.filter_map(|(part, span)| Some((part, span.as_ref()?)));
        let open = |(part, span)| self.events(part, span, (bounds, status.clone(), refused.clone()), &self.progress);
        mine.map(open).collect()
    }

    /// Opens the file with removals and erasures, if there is one, to look for erasures. Its progress is not counted.
    ///
    /// # Errors
    /// See [`Range::open`].
    pub fn removals(
        &self,
        bounds: ReplayBounds,
        status: &SourceRegistry,
        refused: &LetterHandler,
    ) -> Result<Option<Box<dyn ReplaySource>>, RangeError> {
        let Some(span) = &self.spans[REMOVALS] else { return Ok(None) };
        let replay = (bounds, status.source(NAME), refused.clone());
        self.events(REMOVALS, span, replay, &Arc::default()).map(Some)
    }

    /// Opens one of the files with events.
    fn events(
        &self,
        part: usize,
        span: &FileSpan,
        (bounds, status, refused): (ReplayBounds, Arc<SourceStatus>, LetterHandler),
        progress: &Arc<ReplayProgress>,
    ) -> Result<Box<dyn ReplaySource>, RangeError> {
        let path = self.dir.join(FILES[part]);
        let file = span.file.try_clone().map_err(|error| RangeError::Io { path: path.clone(), error })?;
        let replay = PartitionReplay::new(bounds, status, refused, self.erased.clone());
        Ok(Box::new(EventFileReplay::new(FILES[part], path, file, span, replay, progress.clone())))
    }

    /// Reads orders and catalogue.
    ///
    /// # Errors
    /// When a file cannot be read or lacks columns.
    pub fn tables(
        &self,
        bounds: ReplayBounds,
        dictionary: &Dictionary,
        status: &SourceRegistry,
        refused: &LetterHandler,
    ) -> Result<ReplayTables, RangeError> {
        let status: Arc<SourceStatus> = status.source(NAME);
        tables::read(self, bounds, dictionary, &status, refused)
    }

    /// A table's path, file and end, if it exists.
    fn table(&self, name: &'static str) -> Option<(PathBuf, &File, u64)> {
        let part = FILES.iter().position(|file| *file == name)?;
        let span = self.spans[part].as_ref()?;
        Some((self.dir.join(name), &span.file, span.to()))
    }
}
