//! The worker's end: takes whole changes, each in one call and so in one tick.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use dataflow::feed::{Feed, FeedProgress, Position, StreamFingerprint, WorkerContext};
use dataflow::inputs::Inputs;
use dataflow::source_status::{Progress, SourceStatus, State};

use super::context::{Context, FeedBatch, Link};
use super::liveness::Pulse;
use super::progress::Flow;
use super::{Definitions, NAME, Resumed, STREAM, Source, reader};
use crate::side_thread::SideThread;

/// Changes that wait for the feed.
const BATCHES_MAX: usize = 256;

/// Time between two positions made known while nothing is fed.
const NOTE_EVERY: Duration = Duration::from_secs(1);

pub(super) struct TablesFeed {
    // Before the thread: it is dropped first, and that ends what the thread waits for.
    link: Option<FeedLink>,
    _thread: Option<SideThread>,
    pulse: Arc<Pulse>,
    silence_max: Duration,
    silent: bool,
    place: String,
    fed: FedState,
    noted: Noted,
}

/// What was fed, and the positions after it.
pub(super) struct FedState {
    flow: Arc<Flow>,
    status: Arc<SourceStatus>,
    stream: Arc<str>,
    fingerprint: Option<StreamFingerprint>,
    /// The definitions of the tables when they were read last.
    definitions: Definitions,
}

/// The position that was last made known.
struct Noted {
    next: Option<i64>,
    at: Instant,
}

/// The feed's ends of what leads to the reader.
struct FeedLink {
    batches: Receiver<FeedBatch>,
    taken: SyncSender<()>,
}

impl FedState {
    pub(super) fn new(flow: Arc<Flow>, status: Arc<SourceStatus>, resumed: Option<&Resumed>) -> FedState {
        let fingerprint = resumed.and_then(|rows| rows.fingerprint);
        let definitions = resumed.map(|rows| rows.definitions).unwrap_or_default();
        FedState { flow, status, stream: STREAM.into(), fingerprint, definitions }
    }

    /// Feeds one change; returns its rows.
    pub(super) fn take(&mut self, batch: FeedBatch, inputs: &mut Inputs) -> usize {
        let FeedBatch { change, next, fingerprint, reached, reading } = batch;
        let rows = change.len();
        change.give(inputs);
        self.fingerprint = fingerprint;
        if let Some(reading) = reading {
            self.definitions = reading.definitions;
        }
        // A number of readings has no end to lag behind.
        let end = fingerprint.map_or(next, |_| self.flow.end().max(next));
        self.status.accepted(rows as u64);
        self.status.partition(&self.stream, 0, Progress { next, end });
        self.flow.reach(reached);
        self.flow.feed(rows, next, reading.map(|reading| reading.spoils));
        rows
    }

    /// The positions after everything fed.
    pub(super) fn positions(&self, out: &mut Vec<Position>) {
        out.push(Position {
            stream: self.stream.clone(),
            partition: 0,
            next: self.flow.next(),
            fingerprint: self.fingerprint,
        });
        self.definitions.positions(out);
    }
}

impl TablesFeed {
    /// Starts the reader. Where no thread can be started the source stops and says so.
    pub(super) fn open(source: &Source, worker: &WorkerContext) -> TablesFeed {
        let (batches_in, batches) = sync_channel(BATCHES_MAX);
        let (taken, taken_out) = sync_channel(1);
        let pulse = Arc::new(Pulse::new());
        let resumed = source.take_resumed();
        let fed = FedState::new(source.flow.clone(), source.status.clone(), resumed.as_ref());
        let context = Context {
            settings: source.settings.clone(),
            target: source.target.clone(),
            clock: source.clock.clone(),
            status: source.status.clone(),
            letters: source.letters.clone(),
            dictionary: worker.dictionary.clone(),
            pulse: pulse.clone(),
            flow: source.flow.clone(),
            link: Link { batches: batches_in, taken: taken_out, waker: worker.waker.clone() },
        };
        let thread = SideThread::spawn("postgres", move |stop| reader::run(&context, resumed, &stop));
        if let Err(error) = &thread {
            source.status.state(0, State::Stopped(format!("the reader's thread cannot be started: {error}")));
        }
        TablesFeed {
            link: thread.is_ok().then_some(FeedLink { batches, taken }),
            _thread: thread.ok(),
            pulse,
            silence_max: source.settings.silence_max,
            silent: false,
            place: source.target.place().to_owned(),
            fed,
            noted: Noted { next: None, at: Instant::now() },
        }
    }

    /// A server that says nothing for long is as good as lost, though nothing fails.
    fn listen(&mut self) {
        let silent = self.pulse.silence() >= self.silence_max;
        if silent && !self.silent {
            let seconds = self.silence_max.as_secs();
            let reason = format!("PostgreSQL at {} has not answered for {seconds} s, still waiting", self.place);
            tracing::warn!(source = NAME, reason, "the server is silent");
            self.fed.status.state(0, State::Retrying(reason));
        }
        self.silent = silent;
    }

    /// Whether the position is to be made known though nothing was fed: at the start, when the rows are those of no place
    /// any more, and now and then while the log moves on without anything of ours.
    fn is_elsewhere(&mut self) -> bool {
        let next = Some(self.fed.flow.next());
        let moved = self.noted.next != next;
        let soon = self.noted.next.is_none() || next == Some(0);
        let elsewhere = moved && (soon || self.noted.at.elapsed() >= NOTE_EVERY);
        if elsewhere {
            self.noted = Noted { next, at: Instant::now() };
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
            waiting: self.fed.flow.rows(),
            reached: self.fed.flow.reached(),
        }
    }

    fn positions(&self, out: &mut Vec<Position>) {
        self.fed.positions(out);
    }
}
