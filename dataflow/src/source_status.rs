//! What every source says about itself, for readiness, metrics and the status page. Plain data, any thread.

pub(crate) mod state;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::freshness::{Freshness, FreshnessTracker, InputKind};
use crate::time::Time;

pub use state::State;

/// The name under which a registry tells of the other processes of a cluster.
pub const CLUSTER: &str = "cluster";

/// One partition's place and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The offset that is read next.
    pub next: i64,
    /// The offset after the last record known upstream.
    pub end: i64,
}

impl Progress {
    /// How many records are known upstream and not read.
    #[must_use]
    pub fn lag(self) -> i64 {
        (self.end - self.next).max(0)
    }
}

/// A copy of what a source says, taken at one moment.
#[derive(Clone, Debug)]
pub struct SourceView {
    /// The source's name.
    pub name: &'static str,
    /// How it is doing.
    pub state: State,
    /// The tick that was open when it became live: what it had read by then shows in states as of this tick and later
    /// ones. Says nothing in other states.
    pub live_since: Time,
    /// While it is away: the tick up to which it was heard. Lists that are made of it are as of that time.
    pub heard_until: Option<Time>,
    /// Records that entered the graph.
    pub accepted: u64,
    /// Records that are right but change no shelf, by kind.
    pub ignored: BTreeMap<&'static str, u64>,
    /// Records that went to the dead letter, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// What is worth knowing of how it works, though nothing is wrong: how changes are found, and why so.
    pub note: Option<String>,
    /// ClusterPlace and end, by stream and partition.
    pub partitions: BTreeMap<(Arc<str>, i32), Progress>,
    /// How many order lines there are, and how many of them have no order with their id; none of a source without lines.
    pub lines: Option<Lines>,
}

/// Order lines that are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// All of them.
    pub held: u64,
    /// Those whose order is not held: they count in no list.
    pub without_order: u64,
}

#[derive(Debug)]
struct Status {
    /// By part, each with the tick that was open when it came to be so.
    states: BTreeMap<usize, (State, Time)>,
    /// What was said of all of it last.
    worst: Option<State>,
    ignored: BTreeMap<&'static str, u64>,
    rejected: BTreeMap<&'static str, u64>,
    note: Option<String>,
    partitions: BTreeMap<(Arc<str>, i32), Progress>,
    lines: Option<Lines>,
}

/// Where one source writes about itself. Several workers may read parts of one source: each has a `part` of its own,
/// and the worst state of all parts is shown.
#[derive(Debug)]
pub struct SourceStatus {
    name: &'static str,
    accepted: AtomicU64,
    open: Arc<AtomicU64>,
    said: Mutex<Status>,
    freshness: Arc<FreshnessTracker>,
}

impl SourceStatus {
    /// Declares which kinds of input this source provides.
    pub fn gives(&self, kinds: &[InputKind]) {
        self.freshness.gives(self.name, kinds);
    }

    /// Ticks do not wait for this source though it has not caught up: it is away. Its lists are as of
    /// the tick before, until it is live.
    pub fn pass_over(&self) {
        self.freshness.pass_over(self.name, self.open_tick());
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Status> {
        self.said.lock().expect("no holder of this lock can panic")
    }

    /// Nothing of the source was ever read, by any process, until [it answers](SourceStatus::meet).
    pub fn unmet(&self) {
        self.freshness.unmet(self.name);
    }

    /// The source answers, though it may have been passed over before.
    pub fn meet(&self) {
        self.freshness.meet(self.name);
    }

    /// Says how `part` of this source is doing.
    pub fn state(&self, part: usize, state: State) {
        let mut said = self.said();
        let since = match said.states.get(&part) {
            Some((before, since)) if *before == state => *since,
            _ => self.open.load(Ordering::Acquire),
        };
        said.states.insert(part, (state, since));
        let worst = said.worst();
        if worst != said.worst.as_ref() {
            let worst = worst.cloned().expect("there is a state now");
            self.freshness.hear(self.name, self.open_tick(), said.worst == Some(State::Live), &worst);
            said.worst = Some(worst);
        }
    }

    /// The tick that is open: what is shown is older.
    #[must_use]
    pub fn open_tick(&self) -> Time {
        self.open.load(Ordering::Acquire)
    }

    /// Counts records that entered the graph.
    pub fn accepted(&self, records: u64) {
        self.accepted.fetch_add(records, Ordering::Relaxed);
    }

    /// Counts a record that is right but changes no shelf.
    pub fn ignored(&self, kind: &'static str) {
        *self.said().ignored.entry(kind).or_default() += 1;
    }

    /// Counts a record that went to the dead letter.
    pub fn rejected(&self, reason: &'static str) {
        *self.said().rejected.entry(reason).or_default() += 1;
    }

    /// Says what is worth knowing while nothing is wrong.
    pub fn note(&self, note: String) {
        self.said().note = Some(note);
    }

    /// Says where a partition is and where it ends.
    pub fn partition(&self, stream: &Arc<str>, partition: i32, progress: Progress) {
        self.said().partitions.insert((stream.clone(), partition), progress);
    }

    /// Says how many order lines there are, and how many of them are without an order.
    pub fn lines(&self, lines: Lines) {
        self.said().lines = Some(lines);
    }

    /// Forgets a partition that is gone.
    pub fn forget_partition(&self, stream: &Arc<str>, partition: i32) {
        self.said().partitions.remove(&(stream.clone(), partition));
    }

    fn is_live(&self) -> bool {
        let said = self.said();
        !said.states.is_empty() && said.states.values().all(|(state, _)| *state == State::Live)
    }

    fn view(&self) -> SourceView {
        let said = self.said();
        let worst = said.worst();
        SourceView {
            name: self.name,
            state: worst.cloned().unwrap_or(State::CatchingUp),
            heard_until: self.freshness.until(self.name, self.open_tick()),
            live_since: said.states.values().map(|(_, since)| *since).max().unwrap_or(0),
            accepted: self.accepted.load(Ordering::Relaxed),
            ignored: said.ignored.clone(),
            rejected: said.rejected.clone(),
            note: said.note.clone(),
            partitions: said.partitions.clone(),
            lines: said.lines,
        }
    }
}

impl Status {
    /// The worst state of all parts, which is that of the source.
    fn worst(&self) -> Option<&State> {
        self.states.values().map(|(state, _)| state).max_by_key(|state| gravity(state))
    }
}

fn gravity(state: &State) -> u8 {
    match state {
        State::Live => 0,
        State::CatchingUp => 1,
        State::Retrying(_) => 2,
        State::Stopped(_) => 3,
    }
}

/// All sources' boards.
#[derive(Debug, Default)]
pub struct SourceRegistry {
    sources: Mutex<BTreeMap<&'static str, Arc<SourceStatus>>>,
    open: Arc<AtomicU64>,
    freshness: Arc<FreshnessTracker>,
}

impl SourceRegistry {
    /// The board of the source with this name, made when it is first asked for.
    pub fn source(&self, name: &'static str) -> Arc<SourceStatus> {
        let mut sources = self.sources.lock().expect("no holder of this lock can panic");
        let fresh = || SourceStatus {
            name,
            accepted: AtomicU64::new(0),
            open: self.open.clone(),
            freshness: self.freshness.clone(),
            said: Mutex::new(Status {
                states: BTreeMap::new(),
                worst: None,
                ignored: BTreeMap::new(),
                rejected: BTreeMap::new(),
                note: None,
                partitions: BTreeMap::new(),
                lines: None,
            }),
        };
        sources.entry(name).or_insert_with(|| Arc::new(fresh())).clone()
    }

    /// The tick that is open, for who keeps the pace of the ticks.
    pub(crate) fn open(&self) -> Arc<AtomicU64> {
        self.open.clone()
    }

    /// How far sources are heard, for who keeps the pace of the ticks.
    pub(crate) fn freshness_tracker(&self) -> &Arc<FreshnessTracker> {
        &self.freshness
    }

    /// Declares which kinds of input a source of another process provides.
    pub fn elsewhere(&self, name: &'static str, kinds: &[InputKind]) {
        self.freshness.gives(name, kinds);
    }

    /// How old lists are.
    #[must_use]
    pub fn freshness(&self) -> arc_swap::Guard<Arc<Freshness>> {
        self.freshness.freshness()
    }

    /// Whether everything that this process says of itself is live.
    pub(crate) fn is_live(&self) -> bool {
        let sources = self.sources.lock().expect("no holder of this lock can panic");
        sources.values().filter(|source| source.name != CLUSTER).all(|source| source.is_live())
    }

    /// What every source says now, by name.
    #[must_use]
    pub fn snapshot(&self) -> Vec<SourceView> {
        let sources = self.sources.lock().expect("no holder of this lock can panic");
        sources.values().map(|source| source.view()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_part_decides_the_state() {
        let registry = SourceRegistry::default();
        let source = registry.source("kafka");
        source.state(0, State::Live);
        source.state(1, State::Retrying("broker gone".into()));
        assert_eq!(registry.snapshot()[0].state, State::Retrying("broker gone".into()));
        source.state(1, State::Live);
        assert_eq!(registry.snapshot()[0].state, State::Live);
    }

    #[test]
    fn a_source_is_live_since_the_tick_that_was_open_then() {
        let registry = SourceRegistry::default();
        let source = registry.source("kafka");
        let (open, since) = (registry.open(), || registry.snapshot()[0].live_since);
        source.state(0, State::CatchingUp);
        open.store(5, Ordering::Release);
        source.state(0, State::Live);
        open.store(7, Ordering::Release);
        source.state(0, State::Live);
        assert_eq!(since(), 5, "it was live before");
        source.state(1, State::Live);
        assert_eq!(since(), 7, "the last part decides");
    }
}
