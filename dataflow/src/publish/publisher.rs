//! The worker's side of publishing: which snapshot to show, how far to compact, and which snapshots to free.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use timely::progress::Antichain;

use super::rows::values;
use super::snapshot::{IndexBatches, newest_end};
use super::{PublishedSnapshots, Snapshot};
use crate::cluster::ClusterControl;
use crate::cut::{Base, Cuts, DeltaLog, Part};
use crate::erased_users::ErasedUsers;
use crate::feed::position::Position;
use crate::graph::{self, Index, Indexes, OpenSessions, RuleBook, UserProducts};
use crate::ids::UserKey;
use crate::rules::Rules;
use crate::sessions::{Gap, Settled, Settling};
use crate::tables::{self, Activity, Table, Tables};
use crate::time::Time;
use crate::trace::arranged::{ValBatch, ValTrace};
use crate::trace::handle;

/// Handles on the published indexes that are on.
pub(crate) struct IndexTraces;

impl graph::Family for IndexTraces {
    type Of<I: Index> = Option<ValTrace<I::Key, I::Stored, I::Count>>;
}

/// The traces of one worker.
pub struct Traces {
    /// The published indexes.
    pub(crate) indexes: Indexes<IndexTraces>,
    /// The base tables, if cuts are taken.
    pub(crate) base: Option<Tables<tables::Traces>>,
    /// The business numbers.
    pub(crate) rules: Rules,
    /// The erased users that the arrangements have received.
    pub(crate) erased_users: Rc<ErasedUsers>,
    /// The users of this worker whose sessions may have to be settled.
    pub(crate) settling: Rc<RefCell<Settling>>,
}

/// A cut that was asked for and whose tick this worker has not published yet.
struct Cutting {
    cuts: Arc<Cuts>,
    tick: Time,
    delta_log: Option<DeltaLog>,
}

/// Publishes one worker's snapshots.
pub struct Publisher {
    traces: Traces,
    snapshots: Arc<PublishedSnapshots>,
    slot: usize,
    upper: Time,
    /// The ticks opened in this worker that are not published yet. Indexes may change between two ticks, at the ends of
    /// periods; readers see whole ticks only, because the window's edge moves with them.
    opened: VecDeque<Time>,
    /// Positions, by the tick in which they were fed, that are not published yet.
    fed: VecDeque<(Time, Arc<[Position]>)>,
    own: Arc<[Position]>,
    /// Positions of other processes' workers. One worker of this process receives them and publishes them beside its
    /// own.
    elsewhere: BTreeMap<usize, Vec<Position>>,
    control: Option<ClusterControl>,
    positions: Arc<[Position]>,
    cutting: Option<Cutting>,
    /// Snapshots that a reader may still hold. They are freed here, so that no reader ever frees a large batch.
    retired: Vec<Arc<Snapshot>>,
}

impl Publisher {
    /// A publisher of `traces` into slot number `slot`.
    pub(crate) fn new(
        traces: Traces,
        snapshots: Arc<PublishedSnapshots>,
        slot: usize,
        control: Option<ClusterControl>,
    ) -> Self {
        Publisher {
            traces,
            snapshots,
            slot,
            upper: 0,
            opened: VecDeque::new(),
            fed: VecDeque::new(),
            own: Arc::new([]),
            elsewhere: BTreeMap::new(),
            control,
            positions: Arc::new([]),
            cutting: None,
            retired: Vec::new(),
        }
    }

    /// Takes a tick that was opened: a time from which on the state before it may be published.
    pub(crate) fn open(&mut self, tick: Time) {
        self.opened.push_back(tick);
    }

    /// Takes the positions after all records that were fed in `tick`.
    pub fn note(&mut self, tick: Time, positions: Vec<Position>) {
        self.fed.push_back((tick, positions.into()));
    }

    /// Hands in this worker's part of the cut at `tick` when the tick is complete.
    pub(crate) fn cut(&mut self, cuts: Arc<Cuts>, tick: Time, delta_log: Option<DeltaLog>) {
        // If the previous cut is not complete by now, it is dropped.
        self.cutting = Some(Cutting { cuts, tick, delta_log });
    }

    pub(crate) fn is_cutting(&self) -> bool {
        self.cutting.is_some()
    }

    /// This worker has published all times before this one.
    #[must_use]
    pub fn upper(&self) -> Time {
        self.upper
    }

    /// All times before this one are complete in this worker's indexes, published or not.
    pub(crate) fn reached(&mut self) -> Time {
        let reached = self.traces.upper();
        self.control.as_ref().map_or(reached, |control| reached.min(control.heard()))
    }

    /// Publishes if the frontier of all indexes has passed a tick; returns whether it had.
    pub fn publish(&mut self) -> bool {
        let reached = self.reached();
        let passed = self.opened.iter().take_while(|tick| **tick <= reached).count();
        let Some(upper) = self.opened.drain(..passed).next_back() else { return false };
        self.upper = upper;
        // No time after the cut's tick has been compacted yet: this worker has not published past it.
        if let Some(cutting) = self.cutting.take_if(|cutting| cutting.tick < upper) {
            self.show_positions(cutting.tick + 1);
            let rules = &self.traces.rules;
            let base = self.traces.base.as_ref().map_or_else(Base::empty, |base| Base::of(base, cutting.tick, rules));
            let delta_log = cutting.delta_log.and_then(|log| log.without(&self.traces.erased_users));
            let erased = self.traces.erased_users.users();
            let part = Part { base, delta_log, positions: self.positions.clone(), erased };
            cutting.cuts.hand_in(cutting.tick, part);
        }
        self.show_positions(upper);
        let since = self.snapshots.closed().saturating_sub(1);
        self.traces.compact(since, upper);
        let snapshot = self.traces.snapshot(upper, since, self.positions.clone());
        let old = self.snapshots.publish(self.slot, Arc::new(snapshot));
        self.retired.push(old);
        self.retired.retain(|snapshot| Arc::strong_count(snapshot) > 1);
        true
    }

    /// The sessions of this worker's users that can be settled, as of the published state. Their rows must leave in the open
    /// tick `tick`.
    pub(crate) fn settle_sessions(&self, tick: Time) -> Vec<(UserKey, Settled)> {
        let mut settling = self.traces.settling.borrow_mut();
        let (snapshot, closed) = self.snapshots.read(self.slot);
        let (mut rows, mut all) = (Vec::new(), Vec::new());
        if closed.saturating_add(1) < tick {
            // An erasure in a tick that is not shown yet may have taken these rows out.
            return all;
        }
        for user in settling.take_due(closed, tick) {
            values(snapshot.indexes.get::<OpenSessions>(), &user, closed, &mut rows);
            let mut settled = settling.settle(user, &rows, closed);
            self.leave_out_dropped(&snapshot, user, (closed, tick), &mut settled.gaps);
            all.push((user, settled));
        }
        all
    }

    /// Leaves out gaps that are too long, and those of views that do not count any more: a session that is settled days later may
    /// have some.
    fn leave_out_dropped(&self, snapshot: &Snapshot, user: UserKey, (closed, tick): (Time, Time), gaps: &mut Vec<Gap>) {
        let features = &self.traces.rules.features;
        gaps.retain(|gap| features.has_gap(gap.at, gap.ms));
        if gaps.iter().all(|gap| features.last_until(gap.at, tick)) {
            return;
        }
        let mut interacted = Vec::new();
        values(snapshot.indexes.get::<UserProducts>(), &user, closed, &mut interacted);
        gaps.retain(|gap| {
            let found = interacted.binary_search_by_key(&gap.product, |(product, _)| *product);
            found.is_ok_and(|place| {
                let activity: Activity = interacted[place].1;
                activity.counts(gap.at) && activity.last_at().is_some_and(|last| features.last_until(last, tick))
            })
        });
    }

    /// Advances to the positions after the ticks before `upper`.
    fn show_positions(&mut self, upper: Time) {
        let mut is_news = false;
        while let Some((_, own)) = self.fed.pop_front_if(|(tick, _)| *tick < upper) {
            self.own = own;
            is_news = true;
        }
        let elsewhere = self.control.as_ref().map(|control| control.take_positions(upper)).unwrap_or_default();
        is_news |= !elsewhere.is_empty();
        self.elsewhere.extend(elsewhere);
        if is_news && self.elsewhere.is_empty() {
            self.positions = self.own.clone();
        } else if is_news {
            self.positions = self.own.iter().chain(self.elsewhere.values().flatten()).cloned().collect();
        }
    }
}

impl Traces {
    /// The least upper of all indexes, and of all base tables if cuts are taken: a cut reads them as of a published tick.
    fn upper(&mut self) -> Time {
        let mut least = LeastUpper(Time::MAX);
        self.indexes.map_mut(&mut least);
        if let Some(base) = &mut self.base {
            base.map_mut(&mut least);
        }
        least.0
    }

    fn compact(&mut self, since: Time, upper: Time) {
        let mut compact = Compact { since: Antichain::from_elem(since), upper: Antichain::from_elem(upper) };
        self.indexes.map_mut(&mut compact);
        if let Some(base) = &mut self.base {
            base.map_mut(&mut compact);
        }
    }

    fn snapshot(&self, upper: Time, since: Time, positions: Arc<[Position]>) -> Snapshot {
        let indexes = self.indexes.map_ref(&mut ShareBatches);
        let rules_version = newest_end(indexes.get::<RuleBook>());
        Snapshot { indexes, upper, since, rules_version, positions }
    }
}

struct ShareBatches;

impl graph::MapRef<IndexTraces, IndexBatches> for ShareBatches {
    fn map<I: Index>(
        &mut self,
        trace: &Option<ValTrace<I::Key, I::Stored, I::Count>>,
    ) -> Vec<ValBatch<I::Key, I::Stored, I::Count>> {
        trace.as_ref().map(handle::batches).unwrap_or_default()
    }
}

struct LeastUpper(Time);

impl graph::MapMut<IndexTraces, graph::Nothing> for LeastUpper {
    fn map<I: Index>(&mut self, trace: &mut Option<ValTrace<I::Key, I::Stored, I::Count>>) {
        self.0 = trace.as_mut().map_or(self.0, |trace| self.0.min(handle::upper(trace)));
    }
}

impl tables::MapMut<tables::Traces, tables::Nothing> for LeastUpper {
    fn map<T: Table>(&mut self, trace: &mut ValTrace<T::Key, T::Value, T::Diff>) {
        self.0 = self.0.min(handle::upper(trace));
    }
}

struct Compact {
    since: Antichain<Time>,
    upper: Antichain<Time>,
}

impl graph::MapMut<IndexTraces, graph::Nothing> for Compact {
    fn map<I: Index>(&mut self, trace: &mut Option<ValTrace<I::Key, I::Stored, I::Count>>) {
        if let Some(trace) = trace {
            handle::compact(trace, &self.since, &self.upper);
        }
    }
}

impl tables::MapMut<tables::Traces, tables::Nothing> for Compact {
    fn map<T: Table>(&mut self, trace: &mut ValTrace<T::Key, T::Value, T::Diff>) {
        handle::compact(trace, &self.since, &self.upper);
    }
}
