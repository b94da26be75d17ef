//! Erasures that were in a log at the start: they are given before all events.
//!
//! ```text
//! log of removals, up to its end at the start ─▶ KnownErasures ─▶ ErasureGate of a feed ─▶ Inputs: erasures
//!                                                                        └ from the next tick on: events
//! ```
//! An erasure takes out all counts that were given up to its tick. So counts of events that an erased user did later would be
//! lost if these events were read again before the erasure. A feed therefore gives the erasures in one tick, and its first event in
//! a later one: then each event counts if it is dated later than the erasure. When the erasure is read again in its place, it
//! changes nothing.
//!
//! Each feed gives all of them, so that it needs not know how far the other feeds are, in this process or in another one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use dataflow::feed::Waker;
use dataflow::ids::UserKey;
use dataflow::inputs::Inputs;
use dataflow::time::{Millis, Time};
use events::{Event, EventKind};

/// The time up to which each user was erased at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ErasedAtStart(BTreeMap<UserKey, Millis>);

impl ErasedAtStart {
    /// Adds an event if it is an erasure. `key` returns the key of a user.
    pub(crate) fn add(&mut self, event: &Event<'_>, key: impl FnOnce(&str) -> UserKey) {
        if event.kind == EventKind::Erasure {
            let until = self.0.entry(key(&event.user)).or_default();
            *until = event.at.max(*until);
        }
    }
}

/// The erasures that were in a log at the start, for all feeds of the process.
#[derive(Default)]
pub(crate) struct KnownErasures {
    /// None until the log has been read.
    erased: OnceLock<ErasedAtStart>,
    /// The log could not be read at the last try.
    is_unreadable: AtomicBool,
    wakers: Mutex<Vec<Waker>>,
}

impl KnownErasures {
    /// They have been read.
    pub(crate) fn set(&self, erased: ErasedAtStart) {
        // Whoever was first has read at least as much as counts.
        let _ = self.erased.set(erased);
        self.is_unreadable.store(false, Ordering::Relaxed);
        self.wakers().iter().for_each(Waker::wake);
    }

    /// They could not be read; it is tried again.
    pub(crate) fn set_unreadable(&self) {
        self.is_unreadable.store(true, Ordering::Relaxed);
    }

    /// Whether the last try to read them has failed.
    pub(crate) fn are_unreadable(&self) -> bool {
        self.is_unreadable.load(Ordering::Relaxed)
    }

    /// Whether feeds wait for them.
    pub(crate) fn are_awaited(&self) -> bool {
        self.erased.get().is_none()
    }

    /// The gate of one more feed. Its worker is woken when they have been read.
    pub(crate) fn gate(self: &Arc<Self>, waker: Waker) -> ErasureGate {
        self.wakers().push(waker);
        ErasureGate::Unread(self.clone())
    }

    fn wakers(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.wakers.lock().expect("no holder of this lock can panic")
    }
}

/// Whether a feed may give events.
#[derive(Default)]
pub(crate) enum ErasureGate {
    /// It may.
    #[default]
    Open,
    /// The erasures have not been given yet.
    Unread(Arc<KnownErasures>),
    /// They were given in this tick: events come in a later one.
    Given(Time),
}

impl ErasureGate {
    /// Gives the erasures if they have been read since; returns how many.
    pub(crate) fn pass(&mut self, inputs: &mut Inputs) -> usize {
        match self {
            ErasureGate::Unread(known) => {
                let known = known.clone();
                known.erased.get().map_or(0, |erased| self.give(erased, inputs))
            }
            ErasureGate::Given(tick) if *tick < inputs.tick() => {
                *self = ErasureGate::Open;
                0
            }
            ErasureGate::Given(_) | ErasureGate::Open => 0,
        }
    }

    /// Gives these erasures; returns how many.
    pub(crate) fn give(&mut self, erased: &ErasedAtStart, inputs: &mut Inputs) -> usize {
        erased.0.iter().for_each(|(user, until)| inputs.erasure(*user, *until));
        *self = if erased.0.is_empty() { ErasureGate::Open } else { ErasureGate::Given(inputs.tick()) };
        erased.0.len()
    }

    /// Whether events may be given in the open tick, as of the last call of [`ErasureGate::pass`].
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, ErasureGate::Open)
    }
}

#[cfg(test)]
mod tests {
    use dataflow::dictionary::Dictionary;
    use dataflow::ids::Ids;
    use dataflow::rules::Rules;
    use dataflow::stepped::SteppedGraph;
    use events::{TimeBounds, decode, erasure_json, view_json};

    use super::*;

    const NOW: Time = 1_700_000_000_000;

    fn erased(dictionary: &Dictionary, lines: &[String]) -> ErasedAtStart {
        let mut erased = ErasedAtStart::default();
        for line in lines {
            let event = decode(line.as_bytes(), None, &TimeBounds::around(NOW)).expect("it is an event");
            erased.add(&event, |user| dictionary.find_user(user));
        }
        erased
    }

    #[test]
    fn of_each_user_the_latest_erasure_is_kept_and_other_events_are_none() {
        let dictionary = Dictionary::new(Ids::new([1; 16]));
        let lines = [
            erasure_json("ada", NOW - 3, "1"),
            erasure_json("ada", NOW - 5, "2"),
            view_json("bo", "lamp", NOW, "3", "web"),
        ];
        let ErasedAtStart(found) = erased(&dictionary, &lines);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [(dictionary.find_user("ada"), NOW - 3)]);
    }

    #[test]
    fn events_come_in_a_later_tick_than_the_erasures() {
        let dictionary = Arc::new(Dictionary::new(Ids::new([1; 16])));
        let mut graph = SteppedGraph::new(Rules::default(), dictionary.clone(), 300);
        let known = Arc::new(KnownErasures::default());
        let mut gate = known.gate(Waker::of_this_thread());
        graph.advance_to(NOW);
        let mut pass = |graph: &mut SteppedGraph| (gate.pass(graph.inputs()), gate.is_open());
        assert_eq!(pass(&mut graph), (0, false), "they are not read yet");
        known.set(erased(&dictionary, &[erasure_json("ada", NOW - 3, "1")]));
        assert_eq!(pass(&mut graph), (1, false));
        assert_eq!(pass(&mut graph), (0, false), "they are given once");
        graph.advance_to(NOW + 1);
        assert_eq!(pass(&mut graph), (0, true));
        let none = Arc::new(KnownErasures::default());
        none.set(ErasedAtStart::default());
        let mut gate = none.gate(Waker::of_this_thread());
        assert_eq!((gate.pass(graph.inputs()), gate.is_open()), (0, true), "there is nothing to wait for");
    }
}
