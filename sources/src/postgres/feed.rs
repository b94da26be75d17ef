//! The worker's end: takes whole changes, each in one call and so in one tick.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use dataflow::feed::{Feed, FeedProgress, Position, WorkerContext};
use dataflow::inputs::Inputs;
use dataflow::source_status::State;

use crate::postgres::context::{FeedSender, ReaderContext};
use crate::postgres::handover::{FedState, FeedBatch};
use crate::postgres::reader;
use crate::postgres::session::liveness::Liveness;
use crate::postgres::{NAME, Source};
use crate::side_thread::SideThread;

/// Changes that wait for the feed.
const BATCHES_MAX: usize = 256;

/// Time between two published positions while nothing is fed.
const NOTE_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct TablesFeed {
    // Before the thread: it is dropped first, which ends the thread's waits.
    link: Option<FeedReceiver>,
    _thread: Option<SideThread>,
    liveness: Arc<Liveness>,
    silence_max: Duration,
    silent: bool,
    place: String,
    fed: FedState,
    noted: PublishedPosition,
}

/// The position that was published last.
struct PublishedPosition {
    next: Option<i64>,
    at: Instant,
}

/// The feed's ends of the channels between it and the reader.
struct FeedReceiver {
    batches: Receiver<FeedBatch>,
    taken: SyncSender<()>,
}

impl TablesFeed {
    /// Starts the reader. If no thread can be started, the source reports that it has stopped.
    pub(crate) fn open(source: &Source, worker: &WorkerContext) -> TablesFeed {
        let (batches_in, batches) = sync_channel(BATCHES_MAX);
        let (taken, taken_out) = sync_channel(1);
        let liveness = Arc::new(Liveness::new());
        let resumed = source.take_resumed();
        let fed = FedState::new(source.progress.clone(), source.status.clone(), resumed.as_ref());
        let context = ReaderContext {
            settings: source.settings.clone(),
            target: source.target.clone(),
            clock: source.clock.clone(),
            status: source.status.clone(),
            letters: source.letters.clone(),
            dictionary: worker.dictionary.clone(),
            liveness: liveness.clone(),
            progress: source.progress.clone(),
            link: FeedSender { batches: batches_in, taken: taken_out, waker: worker.waker.clone() },
        };
        let thread = SideThread::spawn("postgres", move |stop| reader::run(&context, resumed, &stop));
        if let Err(error) = &thread {
            source.status.state(0, State::Stopped(format!("the reader's thread cannot be started: {error}")));
        }
        TablesFeed {
            link: thread.is_ok().then_some(FeedReceiver { batches, taken }),
            _thread: thread.ok(),
            liveness,
            silence_max: source.settings.silence_max,
            silent: false,
            place: source.target.place().to_owned(),
            fed,
            noted: PublishedPosition { next: None, at: Instant::now() },
        }
    }

    /// Reports a server that has been silent for too long, although no call has failed.
    fn listen(&mut self) {
        let silent = self.liveness.silence() >= self.silence_max;
        if silent && !self.silent {
            let seconds = self.silence_max.as_secs();
            let reason = format!("PostgreSQL at {} has not answered for {seconds} s, still waiting", self.place);
            tracing::warn!(source = NAME, reason, "the server is silent");
            self.fed.status.state(0, State::Retrying(reason));
        }
        self.silent = silent;
    }

    /// Whether to publish the position although nothing was fed: at the start, when the rows no longer belong to a place of
    /// the log, and at intervals while the log grows without changes of our tables.
    fn is_elsewhere(&mut self) -> bool {
        let next = Some(self.fed.progress.next());
        let moved = self.noted.next != next;
        let soon = self.noted.next.is_none() || next == Some(0);
        let elsewhere = moved && (soon || self.noted.at.elapsed() >= NOTE_EVERY);
        if elsewhere {
            self.noted = PublishedPosition { next, at: Instant::now() };
        }
        elsewhere
    }

    fn lost(&mut self) {
        self.link = None;
        let reason = "the reader ended unexpectedly, please restart".to_owned();
        tracing::error!(source = NAME, reason, "the tables are not read any more");
        self.fed.status.state(0, State::Stopped(reason));
    }
}

impl Feed for TablesFeed {
    fn feed(&mut self, inputs: &mut Inputs, budget: usize) -> FeedProgress {
        let (mut records, mut batches) = (0usize, 0usize);
        while let Some(link) = &self.link {
            match link.batches.try_recv() {
                Ok(batch) => {
                    // There is room: a reader that waits for it takes one before it reads again.
                    let _ = link.taken.try_send(());
                    batches += 1;
                    records += self.fed.take(batch, inputs);
                    if records >= budget {
                        break;
                    }
                }
                Err(TryRecvError::Empty) => {
                    self.listen();
                    break;
                }
                Err(TryRecvError::Disconnected) => self.lost(),
            }
        }
        // A reading that changes nothing has moved the position all the same.
        let moved = batches > 0 || self.is_elsewhere();
        FeedProgress {
            records: records.max(usize::from(moved)),
            waiting: self.fed.progress.rows(),
            reached: self.fed.progress.reached(),
        }
    }

    fn positions(&self, out: &mut Vec<Position>) {
        self.fed.positions(out);
    }
}
