//! One worker's share of the topics: the partitions it owns, polled between two steps of the graph.

use std::sync::Arc;

use dataflow::feed::{Feed, FeedProgress, Position, Waker};
use dataflow::inputs::Inputs;
use dataflow::source_status::{SourceStatus, State};
use dataflow::time::{Millis, ServiceClock, Time};
use events::{DeadLetterSender, TimeBounds};

use super::assignments::{Assignments, Command, PartitionId};
use super::notify::Notify;
use super::reader::Reader;
use super::record::RecordApplier;
use super::upstream::Fetch;

/// Records read from one partition before the next has its turn.
const TURN_MAX: usize = 1024;

/// What all feeds of a source share.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) clock: Arc<dyn ServiceClock>,
    pub(super) status: Arc<SourceStatus>,
    pub(super) dead_letters: DeadLetterSender,
    pub(super) notify: Arc<Notify>,
    pub(super) future_max_ms: Millis,
    pub(super) past_max_ms: Millis,
}

/// Reads the partitions that its desk orders, and says how far it has come.
pub(super) struct KafkaFeed<F: Fetch> {
    readers: Vec<Reader<F::Tail>>,
    // After the readers, whose tails are parts of it.
    fetch: F,
    assignments: Arc<Assignments>,
    waker: Waker,
    common: Common,
    /// The reader whose turn it is.
    turn: usize,
    /// Whether the watcher has tried to see what there is.
    looked: bool,
    /// Whether ticks do not wait for what is to be caught up with.
    passed_over: bool,
    /// Whether everything there was at the start has been ordered.
    complete: bool,
    caught_up: bool,
}

impl<F: Fetch> KafkaFeed<F> {
    pub(super) fn new(fetch: F, assignments: Arc<Assignments>, waker: Waker, common: Common) -> Self {
        common.status.state(assignments.index(), State::CatchingUp);
        KafkaFeed {
            readers: Vec::new(),
            fetch,
            assignments,
            waker,
            common,
            turn: 0,
            looked: false,
            passed_over: false,
            complete: false,
            caught_up: false,
        }
    }

    fn obey(&mut self) {
        let Some(orders) = self.assignments.take() else { return };
        self.looked = orders.looked;
        self.passed_over = orders.passed_over;
        self.complete = orders.complete;
        for (id, order) in orders.by_partition {
            self.stop(&id);
            if let Command::Start { place, next, goal } = order {
                match self.fetch.start(&id, next, &self.waker) {
                    Ok(tail) => self.readers.push(Reader::new(tail, id, place, next, goal)),
                    Err(error) => {
                        // Ordered again, and then complete again.
                        self.complete = false;
                        place.fail(error.to_string());
                        self.common.notify.ring();
                    }
                }
            }
        }
    }

    fn stop(&mut self, id: &PartitionId) {
        if let Some(at) = self.readers.iter().position(|reader| reader.id() == id) {
            self.readers.swap_remove(at).stop();
        }
    }

    /// Goes round the partitions until the budget is spent or nothing more has arrived.
    fn read(&mut self, inputs: &mut Inputs, budget: usize) -> usize {
        let Common { clock, status, dead_letters, future_max_ms, past_max_ms, .. } = &self.common;
        // Not the open tick: while catching up that lies in the past.
        let bounds = TimeBounds { now: clock.now(), future_max: *future_max_ms, past_max: *past_max_ms };
        let mut applier = RecordApplier::new(inputs, bounds, status);
        let (mut left, mut dry) = (budget, 0);
        while left > 0 && dry < self.readers.len() {
            self.turn = (self.turn + 1) % self.readers.len();
            let limit = left.min(TURN_MAX);
            let records = self.readers[self.turn].read(limit, &mut applier, dead_letters);
            dry = if records < limit { dry + 1 } else { 0 };
            left -= records;
        }
        budget - left
    }

    /// The time that all partitions have come to which still have something to catch up with.
    fn reached(&self) -> Option<Time> {
        if self.caught_up {
            return None;
        }
        if self.passed_over {
            return Some(FeedProgress::UNDATED);
        }
        if !self.looked {
            return Some(0);
        }
        self.readers.iter().filter(|reader| !reader.reached()).map(Reader::time).min()
    }

    fn report(&mut self) {
        if !self.caught_up && self.complete && self.readers.iter().all(Reader::reached) {
            self.caught_up = true;
            self.common.status.state(self.assignments.index(), State::Live);
        }
    }
}

impl<F: Fetch> Feed for KafkaFeed<F> {
    fn feed(&mut self, inputs: &mut Inputs, budget: usize) -> FeedProgress {
        self.obey();
        self.fetch.serve();
        let records = self.read(inputs, budget);
        self.report();
        // A position that can be gone on from is worth to be made known, though nothing more may come for long.
        let proven = self.readers.iter_mut().filter_map(|reader| reader.is_proven_anew().then_some(())).count();
        let records = records.max(usize::from(proven > 0));
        FeedProgress { records, waiting: self.readers.iter().map(Reader::waiting).sum(), reached: self.reached() }
    }

    fn positions(&self, out: &mut Vec<Position>) {
        out.extend(self.readers.iter().map(Reader::position));
    }
}
