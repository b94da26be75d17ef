//! The status that every source reports, for readiness, metrics and the status page. Plain data, readable from any
//! thread.

mod observer;
pub(crate) mod state;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::freshness::{Freshness, FreshnessTracker, InputKind};
use crate::time::Time;

use observer::ObserverPlace;

pub use observer::{EventObserver, ReadEvent, Signal};
pub use state::State;

/// The name under which a registry shows the other processes of a cluster.
pub const CLUSTER: &str = "cluster";

/// The position and the end of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The offset that is read next.
    pub next: i64,
    /// The offset after the last record known upstream.
    pub end: i64,
}

impl Progress {
    /// The number of records that are known upstream and not read yet.
    #[must_use]
    pub fn lag(self) -> i64 {
        (self.end - self.next).max(0)
    }
}

/// A copy of a source's status, taken at one moment.
#[derive(Clone, Debug)]
pub struct SourceView {
    /// The source's name.
    pub name: &'static str,
    /// The state of the source.
    pub state: State,
    /// The open tick when the source became live: the records read by then are part of states of this tick and of later
    /// ticks. Has no meaning in other states.
    pub live_since: Time,
    /// While the source is away: the tick up to which it was heard. The lists made from it are as of that time.
    pub heard_until: Option<Time>,
    /// Records that entered the graph.
    pub accepted: u64,
    /// Records that are valid but change no list, by kind.
    pub ignored: BTreeMap<&'static str, u64>,
    /// Records that went to the dead letter, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Information about how the source works while nothing is wrong: how it finds changes, and why in this way.
    pub note: Option<String>,
    /// Position and end, by stream and partition.
    pub partitions: BTreeMap<(Arc<str>, i32), Progress>,
    /// The number of order lines, and the number of lines without an order; `None` for a source without lines.
    pub lines: Option<Lines>,
}

/// The order lines that are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// All lines.
    pub held: u64,
    /// Lines whose order is not held: they count in no list.
    pub without_order: u64,
}

#[derive(Debug)]
struct Status {
    /// By part of the source, each with the open tick when its state began.
    states: BTreeMap<usize, (State, Time)>,
    /// The last reported state of the whole source.
    worst: Option<State>,
    ignored: BTreeMap<&'static str, u64>,
    rejected: BTreeMap<&'static str, u64>,
    note: Option<String>,
    partitions: BTreeMap<(Arc<str>, i32), Progress>,
    lines: Option<Lines>,
}

/// The status that one source reports. Several workers may read parts of one source: each part has its own number
/// `part`, and the worst state of all parts is shown.
#[derive(Debug)]
pub struct SourceStatus {
    name: &'static str,
    accepted: AtomicU64,
    open: Arc<AtomicU64>,
    said: Mutex<Status>,
    freshness: Arc<FreshnessTracker>,
    observer: ObserverPlace,
}

impl SourceStatus {
    /// The observer of the events that this source reads, if there is one.
    #[must_use]
    pub fn observer(&self) -> Option<&dyn EventObserver> {
        self.observer.0.as_deref()
    }

    /// Declares which kinds of input this source provides.
    pub fn gives(&self, kinds: &[InputKind]) {
        self.freshness.gives(self.name, kinds);
    }

    /// The source is away: ticks do not wait for it although it has not caught up. Its lists are as of the previous
    /// tick until it is live.
    pub fn pass_over(&self) {
        self.freshness.pass_over(self.name, self.open_tick());
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Status> {
        self.said.lock().expect("no holder of this lock can panic")
    }

    /// No process has read any record of the source yet, until [it answers](SourceStatus::meet).
    pub fn unmet(&self) {
        self.freshness.unmet(self.name);
    }

    /// The source answers, even if it was passed over before.
    pub fn meet(&self) {
        self.freshness.meet(self.name);
    }

    /// Reports the state of `part` of this source.
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

    /// The open tick: the visible state is older.
    #[must_use]
    pub fn open_tick(&self) -> Time {
        self.open.load(Ordering::Acquire)
    }

    /// Counts records that entered the graph.
    pub fn accepted(&self, records: u64) {
        self.accepted.fetch_add(records, Ordering::Relaxed);
    }

    /// Counts a record that is valid but changes no list.
    pub fn ignored(&self, kind: &'static str) {
        *self.said().ignored.entry(kind).or_default() += 1;
    }

    /// Counts a record that went to the dead letter.
    pub fn rejected(&self, reason: &'static str) {
        *self.said().rejected.entry(reason).or_default() += 1;
    }

    /// Sets the information to show while nothing is wrong.
    pub fn note(&self, note: String) {
        self.said().note = Some(note);
    }

    /// Reports the position and the end of a partition.
    pub fn partition(&self, stream: &Arc<str>, partition: i32, progress: Progress) {
        self.said().partitions.insert((stream.clone(), partition), progress);
    }

    /// Reports the number of order lines, and of lines without an order.
    pub fn lines(&self, lines: Lines) {
        self.said().lines = Some(lines);
    }

    /// Removes a partition that no longer exists.
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
    /// The worst state of all parts, which is the state of the source.
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

/// The status of all sources.
#[derive(Debug, Default)]
pub struct SourceRegistry {
    sources: Mutex<BTreeMap<&'static str, Arc<SourceStatus>>>,
    open: Arc<AtomicU64>,
    freshness: Arc<FreshnessTracker>,
    observer: ObserverPlace,
}

impl SourceRegistry {
    /// A registry of sources whose events `observer` sees.
    #[must_use]
    pub fn observed_by(observer: Arc<dyn EventObserver>) -> Self {
        SourceRegistry { observer: ObserverPlace(Some(observer)), ..SourceRegistry::default() }
    }

    /// The observer of what the sources read, if there is one.
    pub(crate) fn observer(&self) -> Option<Arc<dyn EventObserver>> {
        self.observer.0.clone()
    }

    /// The status of the source with this name, created at the first call.
    pub fn source(&self, name: &'static str) -> Arc<SourceStatus> {
        let mut sources = self.sources.lock().expect("no holder of this lock can panic");
        let fresh = || SourceStatus {
            name,
            accepted: AtomicU64::new(0),
            open: self.open.clone(),
            freshness: self.freshness.clone(),
            observer: self.observer.clone(),
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

    /// The open tick, set by the tick scheduler.
    pub(crate) fn open(&self) -> Arc<AtomicU64> {
        self.open.clone()
    }

    /// Tracks how far sources are heard, for the tick scheduler.
    pub(crate) fn freshness_tracker(&self) -> &Arc<FreshnessTracker> {
        &self.freshness
    }

    /// Declares which kinds of input a source of another process provides.
    pub fn elsewhere(&self, name: &'static str, kinds: &[InputKind]) {
        self.freshness.gives(name, kinds);
    }

    /// The age of the lists.
    #[must_use]
    pub fn freshness(&self) -> arc_swap::Guard<Arc<Freshness>> {
        self.freshness.freshness()
    }

    /// Whether all sources that this process reads are live.
    pub(crate) fn is_live(&self) -> bool {
        let sources = self.sources.lock().expect("no holder of this lock can panic");
        sources.values().filter(|source| source.name != CLUSTER).all(|source| source.is_live())
    }

    /// The status of every source now, by name.
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
