//! The worker's end: takes whole changes, each in one call and so in one tick.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use dataflow::board::{Progress, SourceBoard, State};
use dataflow::feed::{Fed, Feed, Position, Seat};
use dataflow::inputs::Inputs;
use dataflow::rows::{CatalogueRow, OrderRow};

use super::pulse::Pulse;
use super::reader::{Link, Reader};
use super::snapshot::Change;
use super::{NAME, Source};
use crate::side_thread::SideThread;

pub(super) struct TablesFeed {
    // Before the thread: it is dropped first, and that ends what the thread waits for.
    link: Option<FeedLink>,
    _thread: Option<SideThread>,
    board: Arc<SourceBoard>,
    pulse: Arc<Pulse>,
    silence_max: Duration,
    silent: bool,
    place: String,
    stream: Arc<str>,
    next: i64,
}

/// The feed's ends of what leads to the reader.
struct FeedLink {
    changes: Receiver<Change>,
    fed: SyncSender<()>,
}

impl TablesFeed {
    /// Starts the reader. Where no thread can be started the source stops and says so.
    pub(super) fn open(source: &Source, seat: &Seat) -> TablesFeed {
        let (changes_in, changes) = sync_channel(1);
        let (fed, fed_out) = sync_channel(1);
        let pulse = Arc::new(Pulse::new());
        let reader = Reader {
            settings: source.settings.clone(),
            target: source.target.clone(),
            clock: source.clock.clone(),
            board: source.board.clone(),
            letters: source.letters.clone(),
            dictionary: seat.dictionary.clone(),
            pulse: pulse.clone(),
            link: Link { changes: changes_in, fed: fed_out, waker: seat.waker.clone() },
        };
        let thread = SideThread::spawn("postgres", move |stop| reader.run(&stop));
        if let Err(error) = &thread {
            source.board.state(0, State::Stopped(format!("the reader's thread cannot be started: {error}")));
        }
        TablesFeed {
            link: thread.is_ok().then_some(FeedLink { changes, fed }),
            _thread: thread.ok(),
            board: source.board.clone(),
            pulse,
            silence_max: source.settings.silence_max,
            silent: false,
            place: source.target.place().to_owned(),
            stream: NAME.into(),
            next: 0,
        }
    }

    /// A server that says nothing for long is as good as lost, though nothing fails.
    fn listen(&mut self) {
        let silent = self.pulse.silence() >= self.silence_max;
        if silent && !self.silent {
            let seconds = self.silence_max.as_secs();
            let reason = format!("PostgreSQL at {} has not answered for {seconds} s, still waiting", self.place);
            tracing::warn!(source = NAME, reason, "the server is silent");
            self.board.state(0, State::Retrying(reason));
        }
        self.silent = silent;
    }
}

impl Feed for TablesFeed {
    fn feed(&mut self, inputs: &mut Inputs, _budget: usize) -> Fed {
        use std::sync::mpsc::TryRecvError::{Disconnected, Empty};
        let Some(link) = &self.link else { return Fed::default() };
        let change = match link.changes.try_recv() {
            Ok(change) => change,
            Err(Empty) => {
                self.listen();
                return Fed::default();
            }
            Err(Disconnected) => {
                self.link = None;
                let reason = "the reader ended unexpectedly, please restart".to_owned();
                tracing::error!(source = NAME, reason, "the tables are not read any more");
                self.board.state(0, State::Stopped(reason));
                return Fed::default();
            }
        };
        let records = change.orders.len() + change.lines.len() + change.catalogue.len();
        for ((product, category), diff) in change.catalogue {
            inputs.catalogue(CatalogueRow { product, category }, diff);
        }
        for ((order, (user, created_at)), diff) in change.orders {
            inputs.order(OrderRow { order, user, created_at }, diff);
        }
        for ((line, ()), diff) in change.lines {
            inputs.line(line, diff);
        }
        self.next += 1;
        self.board.accepted(records as u64);
        self.board.partition(&self.stream, 0, Progress { next: self.next, end: self.next });
        // There is room: the reader takes one before it reads again.
        let _ = link.fed.try_send(());
        // A reading that changes nothing has moved the position all the same.
        Fed { records: records.max(1), waiting: 0 }
    }

    fn positions(&self, out: &mut Vec<Position>) {
        out.push(Position { stream: self.stream.clone(), partition: 0, next: self.next });
    }
}
