//! The source on the calling thread, moved step by step by the simulation.

use std::sync::Arc;
use std::time::Duration;

use dataflow::dictionary::Dictionary;
use dataflow::feed::{Feed, Waker};
use dataflow::source_status::SourceRegistry;
use dataflow::time::ServiceClock;
use events::{DeadLetterSender, TimeBounds};

use super::assignments::{AllAssignments, Assignments};
use super::erasures::ErasureReader;
use super::feed::{FeedContext, KafkaFeed};
use super::notify::Notify;
use super::upstream::{Fetch, PartitionId, Unanswered, Upstream};
use super::watch::{Watcher, WatcherParts};
use super::{NAME, Resume};
use crate::erasures::KnownErasures;

/// What a source of one worker is made from.
pub struct SourceParts<U, F> {
    /// The brokers of its watcher.
    pub upstream: U,
    /// The client of its feed.
    pub fetch: F,
    /// The topics that are read.
    pub topics: Vec<Arc<str>>,
    /// How the erasures are read that must be known before events are given; none: they need not be known.
    pub erasures: Option<ErasureParts<U, F>>,
    /// The kept positions.
    pub resume: Resume,
    /// See [`Settings`](super::Settings).
    pub answered_before: bool,
    /// The service clock.
    pub clock: Arc<dyn ServiceClock>,
    /// Where the source reports its status.
    pub status: Arc<SourceRegistry>,
    /// Where refused records go.
    pub dead_letters: DeadLetterSender,
    /// The bounds of times; the present in them is the clock's.
    pub bounds: TimeBounds,
}

/// What reads erasures.
pub struct ErasureParts<U, F> {
    /// Its brokers.
    pub upstream: U,
    /// Its client.
    pub fetch: F,
    /// The topic of removals.
    pub topic: Arc<str>,
    /// The dictionary of ids and keys.
    pub dictionary: Arc<Dictionary>,
}

/// The watcher, which looks when it is called.
pub struct WatcherDriver<U: Upstream, F: Fetch> {
    watcher: Watcher<U>,
    known: Arc<KnownErasures>,
    /// None once they have been read.
    erasures: Option<ErasureReader<U, F>>,
}

impl<U: Upstream, F: Fetch> WatcherDriver<U, F> {
    /// One look at everything; a `deep` one looks topics up and reads remembered records again.
    pub fn look(&mut self, deep: bool) {
        let absent = |id: &PartitionId, _| Err(Unanswered(format!("nothing comes from {id}")));
        if let Some(erased) = self.erasures.as_ref().and_then(|reader| reader.read(absent).ok()) {
            self.known.set(erased);
            self.erasures = None;
        }
        self.watcher.turn(deep);
    }
}

/// A source without threads: its watcher and its feed.
pub fn open<U: Upstream, F: Fetch + 'static>(parts: SourceParts<U, F>) -> (WatcherDriver<U, F>, Box<dyn Feed>) {
    let SourceParts { upstream, fetch, topics, erasures, resume, answered_before, clock, status, dead_letters, bounds } =
        parts;
    let (status, notify, waker) = (status.source(NAME), Arc::new(Notify::default()), Waker::of_this_thread());
    let (all_assignments, assignments) =
        (Arc::new(AllAssignments::default()), Arc::new(Assignments::new(0, waker.clone())));
    all_assignments.add(assignments.clone(), 1);
    let awaited = answered_before || topics.iter().any(|topic| resume(topic, 0).is_some());
    let erasures = erasures.map(|ErasureParts { upstream, fetch, topic, dictionary }| {
        let (resume, clock) = (resume.clone(), clock.clone());
        ErasureReader { upstream, fetch, topic, resume, past: None, clock, dictionary }
    });
    let known = Arc::new(KnownErasures::default());
    let gate = erasures.as_ref().map(|_| known.gate(waker.clone()));
    let context = FeedContext {
        clock,
        status: status.clone(),
        dead_letters,
        notify: notify.clone(),
        past: None,
        rules: None,
        bounds,
    };
    let discovery = Duration::MAX;
    let watcher = Watcher::new(WatcherParts {
        upstream,
        topics,
        made_here: Vec::new(),
        discovery,
        resume,
        past: None,
        erasures: erasures.as_ref().map(|_| known.clone()),
        answered_before,
        awaited,
        all_assignments,
        notify,
        status,
    });
    let feed = KafkaFeed::new(fetch, assignments, (waker, gate), context);
    (WatcherDriver { watcher, known, erasures }, Box::new(feed))
}
