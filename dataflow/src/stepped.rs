//! The graph with one worker in the calling thread: the caller gives rows, closes ticks, and reads in between.
//!
//! For callers that need the state between any two records, such as an evaluation that asks before it learns. A
//! [`replay`](crate::replay) is faster where states are needed only at steps.

use std::sync::Arc;
use std::time::{Duration, Instant};

use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::worker::Worker;

use crate::cut::{Cut, Cuts, DeltaLog};
use crate::dictionary::Dictionary;
use crate::graph::Plan;
use crate::index_reader::IndexReader;
use crate::inputs::Inputs;
use crate::publish::PublishedSnapshots;
use crate::rules::Rules;
use crate::time::Time;
use crate::worker_graph::WorkerGraph;
use crate::workers;

/// How long a step may wait for records.
const PATIENCE: Duration = Duration::from_millis(1);

/// The graph of one worker, driven by its owner.
pub struct SteppedGraph {
    worker: Worker,
    /// `None` only while it is dropped.
    graph: Option<WorkerGraph>,
    reader: IndexReader,
}

impl SteppedGraph {
    /// Builds the graph; it is empty as of time 0.
    ///
    /// `idle_merge_effort`: see [`crate::engine::Settings::idle_merge_effort`].
    #[must_use]
    pub fn new(rules: Rules, dictionary: Arc<Dictionary>, idle_merge_effort: usize) -> Self {
        SteppedGraph::build(Plan::new(rules, dictionary), idle_merge_effort, WorkerGraph::new)
    }

    /// Builds the part of the graph that features are made from: features must be on. The other indexes stay empty.
    #[must_use]
    pub fn of_features(rules: Rules, dictionary: Arc<Dictionary>, idle_merge_effort: usize) -> Self {
        SteppedGraph::build(Plan::new(rules, dictionary), idle_merge_effort, WorkerGraph::of_features)
    }

    /// Builds the graph of a plan; it is empty as of time 0.
    pub fn of(plan: Plan, idle_merge_effort: usize) -> Self {
        SteppedGraph::build(plan, idle_merge_effort, WorkerGraph::new)
    }

    fn build(
        plan: Plan,
        idle_merge_effort: usize,
        graph: impl FnOnce(&mut Worker, &Plan, &Arc<PublishedSnapshots>) -> WorkerGraph,
    ) -> Self {
        let config = workers::config(1, idle_merge_effort).worker;
        let mut worker = Worker::new(config, Allocator::Thread(Thread::default()), Some(Instant::now()));
        let snapshots = Arc::new(PublishedSnapshots::new(1));
        let graph = graph(&mut worker, &plan, &snapshots);
        let reader = IndexReader::new(snapshots, plan.dictionary, plan.rules, plan.late_lines);
        SteppedGraph { worker, graph: Some(graph), reader }
    }

    /// The graph in its worker.
    pub fn graph(&mut self) -> &mut WorkerGraph {
        self.graph.as_mut().expect("it is there until it is dropped")
    }

    /// The inputs for rows and events, which count from the open tick on.
    pub fn inputs(&mut self) -> &mut Inputs {
        self.graph().inputs()
    }

    /// The open tick.
    #[must_use]
    pub fn tick(&self) -> Time {
        self.graph.as_ref().map_or(0, WorkerGraph::tick)
    }

    /// Starts to log the rows that are given, at most `max` between two calls of [`SteppedGraph::take_log`].
    pub fn keep_log(&mut self, max: usize) {
        self.graph().keep_delta_log(max);
    }

    /// The rows given since the last call; `None` if they were more than the log holds.
    pub fn take_log(&mut self) -> Option<DeltaLog> {
        let tick = self.tick();
        self.inputs().cut(tick)
    }

    /// Closes the open tick for a cut, opens `tick`, and shows what was given. The plan must take cuts.
    ///
    /// # Panics
    /// When the cut was not handed in: another caller waits for cuts, too.
    pub fn cut(&mut self, cuts: &Arc<Cuts>, tick: Time) -> Cut {
        self.advance_to(tick);
        self.graph().cut(cuts, tick - 1);
        self.settle();
        cuts.wait(Duration::ZERO).expect("the only worker has handed in its part")
    }

    /// Lets the graph take what was given so far, so that a large tick needs less memory. With `may_wait`, the thread rests
    /// for a moment, or until its [`Waker`](crate::feed::Waker) is called.
    pub fn step(&mut self, may_wait: bool) {
        if may_wait {
            self.worker.step_or_park(Some(PATIENCE));
        } else {
            self.worker.step();
        }
    }

    /// Closes the open tick and opens `tick`, which must be later. The closed tick is visible after
    /// [`SteppedGraph::settle`].
    pub fn advance_to(&mut self, tick: Time) {
        self.graph().advance_to(tick);
    }

    /// Begins `tick`, which must be later, within the open tick: see [`WorkerGraph::begin_tick`]. Once the open tick is closed,
    /// a view can be as of each of the ticks in it. Only for a graph of features ([`SteppedGraph::of_features`]).
    pub(crate) fn begin_tick(&mut self, tick: Time) {
        self.graph().begin_tick(tick);
    }

    /// Closes the ticks that were begun. The last one stays open.
    pub(crate) fn close_begun(&mut self) {
        let tick = self.tick();
        self.graph().advance_to(tick);
    }

    /// Computes until all closed ticks are visible: the reader then shows the time before the open tick. The ticks closed
    /// since the previous call are published together: each of them can still be read ([`IndexReader::view_as_of`]).
    pub fn settle(&mut self) {
        let tick = self.tick();
        while self.graph().reached() < tick {
            self.worker.step();
        }
        self.graph().publish();
    }

    /// The read side.
    #[must_use]
    pub fn reader(&self) -> &IndexReader {
        &self.reader
    }
}

impl Drop for SteppedGraph {
    fn drop(&mut self) {
        if let Some(graph) = self.graph.take() {
            graph.close(&mut self.worker);
        }
    }
}
