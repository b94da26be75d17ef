//! Looking at files again and again, to notice that they have changed.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;

/// The time between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// What tells that a file has changed: its device, number, length and time of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileStamp(u64, u64, u64, i64, i64);

impl FileStamp {
    /// The stamp of the file at `path`; `None` while there is none.
    pub(super) fn of(path: &Path) -> Option<FileStamp> {
        let of = |file: Metadata| FileStamp(file.dev(), file.ino(), file.len(), file.ctime(), file.ctime_nsec());
        std::fs::metadata(path).ok().map(of)
    }
}

/// A thread that looks at files until it is dropped.
pub(super) struct FileWatch {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FileWatch {
    /// Starts to call `look` twice a second, in a thread of this name.
    ///
    /// # Errors
    /// The system denies a thread.
    pub(super) fn start(name: &str, mut look: impl FnMut() + Send + 'static) -> anyhow::Result<FileWatch> {
        let (end, ending) = channel::<()>();
        let run = move || {
            while ending.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                look();
            }
        };
        let thread = std::thread::Builder::new().name(name.into()).spawn(run);
        let thread = thread.with_context(|| format!("thread `{name}` cannot be started"))?;
        Ok(FileWatch { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for FileWatch {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has ended the process.
            let _ = thread.join();
        }
    }
}
