//! One worker's share of the topics: the partitions it owns, polled between two steps of the graph.

use std::sync::Arc;

use dataflow::feed::{Feed, FeedProgress, Position, Waker};
use dataflow::inputs::Inputs;
use dataflow::source_status::{SourceStatus, State};
use dataflow::time::{ServiceClock, Time};
use events::{DeadLetterSender, TimeBounds, TopicRules};

use super::assignments::{Assignments, Command, PartitionId};
use super::notify::Notify;
use super::past::Past;
use super::reader::{Reader, Records};
use super::record::RecordApplier;
use super::upstream::Fetch;
use crate::erasures::ErasureGate;

/// Records read from one partition before the next has its turn.
const TURN_MAX: usize = 1024;

/// The context that all feeds of a source share.
#[derive(Clone)]
pub(super) struct FeedContext {
    pub(super) clock: Arc<dyn ServiceClock>,
    pub(super) status: Arc<SourceStatus>,
    pub(super) dead_letters: DeadLetterSender,
    pub(super) notify: Arc<Notify>,
    /// The archive, for records that the topics have deleted.
    pub(super) past: Option<Arc<dyn Past>>,
    /// The topic whose records are merchandising rules.
    pub(super) rules: Option<Arc<str>>,
    /// The bounds of times; the present in it is set at each turn.
    pub(super) bounds: TimeBounds,
}

/// Reads the partitions that are assigned to it, and reports its progress.
pub(super) struct KafkaFeed<F: Fetch> {
    readers: Vec<Reader<F::Tail>>,
    // After the readers, whose tails belong to it.
    fetch: F,
    assignments: Arc<Assignments>,
    waker: Waker,
    context: FeedContext,
    gate: ErasureGate,
    known_rules: TopicRules,
    /// The reader whose turn it is.
    turn: usize,
    /// Whether the watcher has listed the partitions.
    looked: bool,
    /// Whether ticks must not wait for this source.
    passed_over: bool,
    /// Whether some partition cannot be read for now.
    away: bool,
    /// Whether all partitions that there were at the start have been assigned.
    complete: bool,
    caught_up: bool,
}

impl<F: Fetch> KafkaFeed<F> {
    /// With a gate, nothing is read before it is open.
    pub(super) fn new(
        fetch: F,
        assignments: Arc<Assignments>,
        (waker, gate): (Waker, Option<ErasureGate>),
        context: FeedContext,
    ) -> Self {
        context.status.state(assignments.index(), State::CatchingUp);
        KafkaFeed {
            readers: Vec::new(),
            fetch,
            assignments,
            waker,
            context,
            gate: gate.unwrap_or_default(),
            known_rules: TopicRules::default(),
            turn: 0,
            looked: false,
            passed_over: false,
            away: false,
            complete: false,
            caught_up: false,
        }
    }

    /// Carries out the watcher's commands.
    fn follow_commands(&mut self) {
        let Some(commands) = self.assignments.take() else { return };
        self.looked = commands.looked;
        self.passed_over = commands.passed_over;
        self.away = commands.away;
        self.complete = commands.complete;
        for (id, command) in commands.by_partition {
            self.stop(&id);
            if let Command::Start { progress, next, archived_to, goal } = command {
                match self.records(&id, next, archived_to) {
                    Ok(records) => self.readers.push(Reader::new(records, id, progress, next, goal)),
                    Err(reason) => {
                        // The watcher commands it again, and then says complete again.
                        self.complete = false;
                        progress.fail(reason);
                        self.context.notify.notify();
                    }
                }
            }
        }
    }

    /// Opens the archive, or else the topic.
    fn records(&self, id: &PartitionId, next: i64, archived_to: Option<i64>) -> Result<Records<F::Tail>, String> {
        match archived_to.zip(self.context.past.as_ref()) {
            Some((until, past)) => Ok(Records::Archived { records: past.open(id, next..until, &self.waker), until }),
            None => {
                let tail = self.fetch.start(id, next, &self.waker);
                tail.map(Records::Topic).map_err(|error| error.to_string())
            }
        }
    }

    fn stop(&mut self, id: &PartitionId) {
        if let Some(at) = self.readers.iter().position(|reader| reader.id() == id) {
            self.readers.swap_remove(at).stop();
        }
    }

    /// Reads the partitions in turn until the budget is spent or no more records have arrived.
    fn read(&mut self, inputs: &mut Inputs, budget: usize) -> usize {
        let FeedContext { clock, status, dead_letters, bounds, rules, .. } = &self.context;
        // Not the open tick, which is in the past while catching up.
        let bounds = TimeBounds { now: clock.now(), ..*bounds };
        let mut applier = RecordApplier::new(inputs, bounds, rules.as_deref(), &mut self.known_rules, status);
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

    /// The time that all partitions have reached which are still catching up.
    fn reached(&self) -> Option<Time> {
        if self.caught_up {
            return None;
        }
        if self.passed_over {
            return Some(FeedProgress::UNDATED);
        }
        if !self.looked || !self.gate.is_open() {
            return Some(0);
        }
        self.readers.iter().filter(|reader| !reader.reached()).map(Reader::time).min()
    }

    /// The time that all partitions have reached of which records may be unread.
    fn behind(&self) -> Option<Time> {
        if !self.looked || !self.gate.is_open() {
            return Some(0);
        }
        let is_behind = |reader: &&Reader<F::Tail>| self.away || !reader.reached() || reader.waiting() > 0;
        self.readers.iter().filter(is_behind).map(Reader::time).min()
    }

    fn report_live(&mut self) {
        if !self.caught_up && self.complete && self.readers.iter().all(Reader::reached) {
            self.caught_up = true;
            self.context.status.state(self.assignments.index(), State::Live);
        }
    }
}

impl<F: Fetch> Feed for KafkaFeed<F> {
    fn feed(&mut self, inputs: &mut Inputs, budget: usize) -> FeedProgress {
        self.follow_commands();
        self.fetch.serve();
        let erased = self.gate.pass(inputs);
        if !self.gate.is_open() {
            inputs.hold_identities(self.behind());
            return FeedProgress { records: erased, waiting: 0, reached: self.reached() };
        }
        let records = self.read(inputs, budget);
        self.report_live();
        inputs.hold_identities(self.behind());
        // A position from which another process can resume is worth noting, even if no more records come for long.
        let confirmed = self.readers.iter_mut().filter_map(|reader| reader.is_newly_confirmed().then_some(())).count();
        let records = records.max(usize::from(confirmed > 0));
        FeedProgress { records, waiting: self.readers.iter().map(Reader::waiting).sum(), reached: self.reached() }
    }

    fn positions(&self, out: &mut Vec<Position>) {
        out.extend(self.readers.iter().map(Reader::position));
    }
}
