//! An engine in this process, fed by hand: what the graph costs without Kafka, HTTP or PostgreSQL.
//!
//! ```text
//! give(worker, rows) ─▶ Stall (a Feed) ─▶ Inputs ─▶ the real graph ─▶ IndexReader ─▶ settle, sight
//! ```

mod lab_clock;
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
use dataflow::tick_scheduler::TickPolicy;

pub(crate) use lab_clock::LabClock;
pub(crate) use stall::Row;
use stall::{Rows, STREAM, Stall};

/// The product's default of idle merging.
const IDLE_MERGE_EFFORT: usize = 1000;

/// Longer than any load takes, so that a benchmark that hangs ends.
const SETTLE_MAX: Duration = Duration::from_secs(300);

/// A running engine and the ways into it.
pub(crate) struct Lab {
    engine: Engine,
    lab_clock: Arc<LabClock>,
    dictionary: Arc<Dictionary>,
    inputs: Vec<WorkerInput>,
}

/// The channel to one worker's feed.
struct WorkerInput {
    rows: Sender<Rows>,
    waker: Waker,
    given: i64,
}

impl Lab {
    /// Starts an engine on a clock.
    pub(crate) fn start(workers: usize, lab_clock: LabClock) -> Lab {
        Lab::start_with(workers, lab_clock, Rules::default())
    }

    /// Starts an engine on a clock, by these rules.
    pub(crate) fn start_with(workers: usize, lab_clock: LabClock, rules: Rules) -> Lab {
        let lab_clock = Arc::new(lab_clock);
        let dictionary = Arc::new(Dictionary::new(Ids::new([1; 16])));
        let (announce, announced) = mpsc::channel();
        let announce = Mutex::new(announce);
        let open_feeds = move |seat: WorkerContext| {
            let (rows, arrivals) = mpsc::channel();
            let input = (seat.index, WorkerInput { rows, waker: seat.waker, given: 0 });
            announce
                .lock()
                .expect("no holder of this lock can panic")
                .send(input)
                .expect("the lab waits for its inputs");
            vec![Box::new(Stall::new(seat.index, arrivals)) as Box<dyn Feed>]
        };
        let engine = Engine::start(Settings {
            workers,
            rules,
            ticks: lab_clock.ticks(TickPolicy::default()),
            ..Settings::new(dictionary.clone(), lab_clock.clone(), Arc::new(open_feeds), IDLE_MERGE_EFFORT)
        });
        let mut inputs: Vec<(usize, WorkerInput)> = announced.iter().take(workers).collect();
        inputs.sort_by_key(|(index, _)| *index);
        let inputs = inputs.into_iter().map(|(_, input)| input).collect();
        Lab { engine: engine.expect("threads can be started"), lab_clock, dictionary, inputs }
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
    pub(crate) fn lab_clock(&self) -> &LabClock {
        &self.lab_clock
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
        let input = &mut self.inputs[worker];
        assert!(rows.len() > 0, "nothing to wait for");
        input.given += 1;
        input.rows.send(Box::new(rows)).expect("the worker runs");
        input.waker.wake();
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
        while !snapshots.wait_until(self.lab_clock.patience(), || self.shows()) {
            assert!(Instant::now() < deadline, "what was given does not show");
            self.lab_clock.forward(1);
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
        let now = self.lab_clock.forward(ms);
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
        let given = |(worker, input): (usize, &WorkerInput)| Position::new(stream.clone(), worker as i32, input.given);
        let mut inputs = self.inputs.iter().enumerate().filter(|(_, input)| input.given > 0);
        inputs.all(|input| self.reader().snapshots().covers(&given(input)))
    }

    fn wake(&self) {
        self.inputs.iter().for_each(|input| input.waker.wake());
    }

    /// Ends the workers.
    pub(crate) fn stop(self) {
        self.engine.stop().expect("no worker has panicked");
    }
}
