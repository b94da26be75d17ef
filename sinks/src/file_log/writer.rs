//! The thread of one file: all waiting appends are written at once and synchronised once (group commit).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use dataflow::feed::Position;
use sources::files::places::PresentPlaces;
use tokio::sync::oneshot;

use crate::line_file::{Appended, LineFile};
use crate::log::{Permit, Unavailable};

/// Appends that may wait; the log's bound limits their records, too.
const QUEUE: usize = 4096;
/// How many bytes are written before a synchronisation, unless a single append has more.
const GROUP_BYTES_MAX: usize = 4 << 20;

/// The answer to a request.
pub(crate) type AppendAnswer = Result<Position, Unavailable>;

/// One append.
pub(crate) struct AppendRequest {
    /// Whole lines.
    pub(crate) lines: Vec<u8>,
    pub(crate) reply: oneshot::Sender<AppendAnswer>,
    pub(crate) _permit: Permit,
}

/// The thread that writes one file; dropping it waits until everything is written.
pub(crate) struct LogFileWriter {
    queue: Option<SyncSender<AppendRequest>>,
    thread: Option<JoinHandle<()>>,
}

impl LogFileWriter {
    /// A writer of this file. Its lines get the present places in the files of events of the directory `places_of`, if there is one.
    pub(crate) fn start(path: PathBuf, places_of: Option<&Path>) -> io::Result<LogFileWriter> {
        let (queue, requests) = sync_channel(QUEUE);
        let file = LineFile::new(path);
        let places_of = places_of.map(Path::to_owned);
        let mut state = WriterState { stream: file.name().into(), file, places_of, failing: false };
        let thread = std::thread::Builder::new().name("log-writer".into()).spawn(move || state.run(&requests))?;
        Ok(LogFileWriter { queue: Some(queue), thread: Some(thread) })
    }

    pub(crate) fn send(&self, request: AppendRequest) -> Result<(), Unavailable> {
        let queue = self.queue.as_ref().ok_or(Unavailable::Closed)?;
        queue.try_send(request).map_err(|error| match error {
            TrySendError::Full(_) => Unavailable::Busy,
            TrySendError::Disconnected(_) => Unavailable::Closed,
        })
    }
}

impl Drop for LogFileWriter {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // The thread has logged a panic itself, and nothing waits for it any more.
            let _ = thread.join();
        }
    }
}

struct WriterState {
    file: LineFile,
    stream: Arc<str>,
    /// The directory whose files of events have places in the lines.
    places_of: Option<PathBuf>,
    failing: bool,
}

impl WriterState {
    fn run(&mut self, requests: &Receiver<AppendRequest>) {
        while let Ok(first) = requests.recv() {
            self.commit(group(first, requests));
        }
    }

    /// Writes and synchronises a group and answers each of its requests: requests that are completely in the file are
    /// durable even if the disk was too full for the rest.
    fn commit(&mut self, mut group: Vec<AppendRequest>) {
        if let Some(directory) = &self.places_of {
            let places = PresentPlaces::of(directory);
            for request in &mut group {
                request.lines = places.add_to(&request.lines);
            }
        }
        let lines: Vec<u8> = group.iter().flat_map(|request| &request.lines).copied().collect();
        let Appended { mut whole, end, mut error } = self.file.append(&lines);
        if whole > 0
            && let Err(failed) = self.file.sync()
        {
            whole = 0;
            error = Some(failed);
        }
        self.log_change(error.as_ref());
        let reason = error.map(|error| error.to_string()).unwrap_or_default();
        let mut upto = 0;
        for request in group {
            upto += request.lines.len();
            let answer = if upto <= whole {
                Ok(Position::new(self.stream.clone(), 0, end as i64 - (whole - upto) as i64))
            } else {
                Err(Unavailable::Disk { file: self.stream.to_string(), reason: reason.clone() })
            };
            // The caller may have gone; the lines are written anyway.
            let _ = request.reply.send(answer);
        }
    }

    /// Logs the beginning and the end of a failure, not every refused append.
    fn log_change(&mut self, error: Option<&io::Error>) {
        match error {
            Some(error) if !self.failing => tracing::error!(file = %self.stream, %error, "the log cannot be written"),
            None if self.failing => tracing::info!(file = %self.stream, "the log is written again"),
            _ => {}
        }
        self.failing = error.is_some();
    }
}

/// The request and those that wait behind it, up to the size that is written at once.
fn group(first: AppendRequest, waiting: &Receiver<AppendRequest>) -> Vec<AppendRequest> {
    let mut bytes = first.lines.len();
    let mut group = vec![first];
    while bytes < GROUP_BYTES_MAX
        && let Ok(next) = waiting.try_recv()
    {
        bytes += next.lines.len();
        group.push(next);
    }
    group
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Bound, Room};

    fn request(bytes: usize) -> AppendRequest {
        let permit = Room::new(Bound::default()).take(&[]).unwrap();
        AppendRequest { lines: vec![b'\n'; bytes], reply: oneshot::channel().0, _permit: permit }
    }

    #[test]
    fn waiting_requests_are_one_group_up_to_its_bound() {
        let (queue, waiting) = sync_channel(QUEUE);
        (0..1000).for_each(|_| queue.send(request(10)).unwrap());
        assert_eq!(group(request(10), &waiting).len(), 1001);
        (0..3).for_each(|_| queue.send(request(GROUP_BYTES_MAX / 2)).unwrap());
        assert_eq!(group(request(10), &waiting).len(), 3);
        assert_eq!(group(request(GROUP_BYTES_MAX), &waiting).len(), 1);
    }
}
