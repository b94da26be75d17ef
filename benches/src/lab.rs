//! An engine in this process, fed by hand: what the graph costs without Kafka, HTTP or PostgreSQL.
//!
//! ```text
//! give(worker, rows) ─▶ Stall (a Feed) ─▶ Inputs ─▶ the real graph ─▶ IndexReader ─▶ settle, sight
//! ```

mod hands;
mod stall;

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dataflow::dictionary::Dictionary;
use dataflow::engine::{Engine, Settings};
use dataflow::feed::{Feed, Position, Waker, WorkerContext};
use dataflow::ids::{Ids, ProductKey, UserKey};
use dataflow::index_reader::IndexReader;
use dataflow::rules::Rules;
use dataflow::source_status::SourceRegistry;
use dataflow::tick_scheduler::TickPolicy;

pub(crate) use hands::Hands;
pub(crate) use stall::Row;
use stall::{Rows, STREAM, Stall};

/// The product's default of idle merging.
const IDLE_MERGE_EFFORT: usize = 1000;

/// Longer than any load takes, so that a benchmark that hangs ends.
const SETTLE_MAX: Duration = Duration::from_secs(300);

/// A running engine and the ways into it.
pub(crate) struct Lab {
    engine: Engine,
    hands: Arc<Hands>,
    dictionary: Arc<Dictionary>,
    doors: Vec<Door>,
}

/// The channel to one worker's feed.
struct Door {
    rows: Sender<Rows>,
    waker: Waker,
    given: i64,
}

impl Lab {
    /// Starts an engine on a clock.
    pub(crate) fn start(workers: usize, hands: Hands) -> Lab {
        let hands = Arc::new(hands);
        let dictionary = Arc::new(Dictionary::new(Ids::new([1; 16])));
        let (announce, announced) = mpsc::channel();
        let announce = Mutex::new(announce);
        let open_feeds = move |seat: WorkerContext| {
            let (rows, arrivals) = mpsc::channel();
            let door = (seat.index, Door { rows, waker: seat.waker, given: 0 });
            announce.lock().expect("no holder of this lock can panic").send(door).expect("the lab waits for its doors");
            vec![Box::new(Stall::new(seat.index, arrivals)) as Box<dyn Feed>]
        };
        let engine = Engine::start(Settings {
            workers,
            rules: Rules::default(),
            ticks: hands.ticks(TickPolicy::default()),
            idle_merge_effort: IDLE_MERGE_EFFORT,
            dictionary: dictionary.clone(),
            clock: hands.clone(),
            open_feeds: Arc::new(open_feeds),
            changes: None,
            restore: None,
            journal_max: None,
            lease: None,
            registry: Arc::new(SourceRegistry::default()),
        });
        let mut doors: Vec<(usize, Door)> = announced.iter().take(workers).collect();
        doors.sort_by_key(|(index, _)| *index);
        let doors = doors.into_iter().map(|(_, door)| door).collect();
        Lab { engine: engine.expect("threads can be started"), hands, dictionary, doors }
    }

    /// The keys of `user-0` and those that follow.
    pub(crate) fn users(&self, count: usize) -> Arc<[UserKey]> {
        (0..count).map(|user| self.dictionary.user(&format!("user-{user}"))).collect()
    }

    /// The keys of `product-0` and those that follow, all known by name.
    pub(crate) fn products(&self, count: usize) -> Arc<[ProductKey]> {
        let key = |product| self.dictionary.product(&format!("product-{product}"));
        (0..count).map(|product| key(product).expect("so few products do not collide")).collect()
    }

    /// From ids to keys.
    pub(crate) fn dictionary(&self) -> &Arc<Dictionary> {
        &self.dictionary
    }

    /// The clock.
    pub(crate) fn hands(&self) -> &Hands {
        &self.hands
    }

    /// The read side.
    pub(crate) fn reader(&self) -> &IndexReader {
        self.engine.reader()
    }

    /// Gives rows to a worker and returns at once.
    pub(crate) fn give<I>(&mut self, worker: usize, rows: I)
    where
        I: ExactSizeIterator<Item = Row> + Send + 'static,
    {
        let door = &mut self.doors[worker];
        assert!(rows.len() > 0, "nothing to wait for");
        door.given += 1;
        door.rows.send(Box::new(rows)).expect("the worker runs");
        door.waker.wake();
    }

    /// Gives rows to the first worker and waits until they show, without taking a core meanwhile.
    pub(crate) fn load<I>(&mut self, rows: I)
    where
        I: ExactSizeIterator<Item = Row> + Send + 'static,
    {
        self.give(0, rows);
        self.settle();
    }

    /// Waits until everything given shows, without taking a core meanwhile.
    pub(crate) fn settle(&self) {
        let deadline = Instant::now() + SETTLE_MAX;
        let snapshots = self.reader().snapshots();
        // A clock set by hand must move for ticks to close.
        while !snapshots.wait_until(self.hands.patience(), || self.shows()) {
            assert!(Instant::now() < deadline, "what was given does not show");
            self.hands.forward(1);
            self.wake();
        }
    }

    /// Gives one row to the first worker; returns the time until it is visible to a waiting thread.
    pub(crate) fn sight(&mut self, row: Row) -> Duration {
        let start = Instant::now();
        self.give(0, std::iter::once(row));
        self.watch(|lab| lab.shows());
        start.elapsed()
    }

    /// Sets the clock forward; returns the time until a waiting thread has seen that moment published.
    pub(crate) fn slide(&self, ms: u64) -> Duration {
        let start = Instant::now();
        let now = self.hands.forward(ms);
        self.wake();
        self.watch(|lab| lab.reader().snapshots().closed() >= now);
        start.elapsed()
    }

    /// Sleeps while it waits: a thread that spins would take a core from the worker on a small or busy machine.
    fn watch(&self, shown: impl Fn(&Lab) -> bool) {
        let shown = self.reader().snapshots().wait_until(SETTLE_MAX, || shown(self));
        assert!(shown, "what was given does not show");
    }

    fn shows(&self) -> bool {
        let stream: Arc<str> = STREAM.into();
        let given = |(worker, door): (usize, &Door)| Position {
            stream: stream.clone(),
            partition: worker as i32,
            next: door.given,
            fingerprint: None,
        };
        let mut doors = self.doors.iter().enumerate().filter(|(_, door)| door.given > 0);
        doors.all(|door| self.reader().snapshots().covers(&given(door)))
    }

    fn wake(&self) {
        self.doors.iter().for_each(|door| door.waker.wake());
    }

    /// Ends the workers.
    pub(crate) fn stop(self) {
        self.engine.stop().expect("no worker has panicked");
    }
}
