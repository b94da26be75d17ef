//! Batches that a source's thread reads before the feed takes them.
//!
//! ```text
//! thread ─(a bounded queue)─▶ ReadAhead ─▶ feed ─▶ inputs
//! ```

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use dataflow::source_status::{SourceStatus, State};

use crate::side_thread::{SideThread, Stop};

/// How many batches the thread may be ahead of the feed.
const BATCHES_MAX: usize = 4;

/// The feed's end of the queue; it owns the thread.
pub(crate) struct ReadAhead<B> {
    /// `None` after the thread has ended. Before the thread: dropping this first ends its waiting.
    batches: Option<Receiver<B>>,
    _thread: Option<SideThread>,
    /// The thread's name.
    name: &'static str,
    status: Arc<SourceStatus>,
}

impl<B> ReadAhead<B> {
    /// Runs what `reader` makes of the thread's end of the queue, in a thread of that name (at most 15 bytes are shown by the
    /// system). If the thread cannot be started, the source is stopped.
    pub(crate) fn start<R: FnOnce(Stop) + Send + 'static>(
        name: &'static str,
        status: &Arc<SourceStatus>,
        reader: impl FnOnce(SyncSender<B>) -> R,
    ) -> ReadAhead<B> {
        let (batches_in, batches) = sync_channel(BATCHES_MAX);
        let thread = SideThread::spawn(name, reader(batches_in));
        if let Err(error) = &thread {
            status.state(0, State::Stopped(format!("the reading thread cannot be started: {error}")));
        }
        ReadAhead { batches: thread.is_ok().then_some(batches), _thread: thread.ok(), name, status: status.clone() }
    }

    /// The next batch, if it has been read. If the thread has ended by itself, the source is stopped.
    pub(crate) fn take(&mut self) -> Option<B> {
        match self.batches.as_ref()?.try_recv() {
            Ok(batch) => Some(batch),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                let reason = "the reading thread ended unexpectedly, please restart".to_owned();
                tracing::error!(thread = self.name, reason, "the source is not read any more");
                self.status.state(0, State::Stopped(reason));
                self.batches = None;
                None
            }
        }
    }

    /// Whether more batches may come.
    pub(crate) fn is_running(&self) -> bool {
        self.batches.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dataflow::source_status::SourceRegistry;

    use super::*;

    #[test]
    fn a_thread_that_ends_by_itself_stops_the_source_after_its_last_batch() {
        let registry = SourceRegistry::default();
        let (ended, end) = sync_channel::<()>(0);
        let mut batches = ReadAhead::start("test", &registry.source("test"), |batches| {
            move |_| {
                batches.send(7).unwrap();
                drop(batches);
                drop(ended);
            }
        });
        end.recv_timeout(Duration::from_secs(60)).unwrap_err();
        assert_eq!(batches.take(), Some(7));
        assert!(batches.is_running() && batches.take().is_none() && !batches.is_running());
        assert!(matches!(registry.snapshot()[0].state, State::Stopped(_)), "{:?}", registry.snapshot());
    }
}
