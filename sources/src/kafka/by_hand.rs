//! The source's parts on the calling thread, moved step by step: for the simulation.

use std::sync::Arc;
use std::time::Duration;

use dataflow::feed::{Feed, Waker};
use dataflow::source_status::SourceRegistry;
use dataflow::time::{Millis, ServiceClock};
use events::DeadLetterSender;

use super::assignments::{AllAssignments, Assignments};
use super::feed::{Common, KafkaFeed};
use super::notify::Notify;
use super::upstream::{Fetch, Upstream};
use super::watch::{Charge, Watch};
use super::{NAME, Resume};

/// What a source of one worker is made from.
pub struct Parts<U, F> {
    /// What its watcher asks.
    pub upstream: U,
    /// What its feed asks.
    pub fetch: F,
    /// The topics that are read.
    pub topics: Vec<Arc<str>>,
    /// The kept positions.
    pub resume: Resume,
    /// See [`Settings`](super::Settings).
    pub answered_before: bool,
    /// Says what time it is.
    pub clock: Arc<dyn ServiceClock>,
    /// What the source says about itself.
    pub status: Arc<SourceRegistry>,
    /// Where refused records go.
    pub dead_letters: DeadLetterSender,
    /// How far ahead of the clock a time may be.
    pub future_max_ms: Millis,
    /// How old a time may be.
    pub past_max_ms: Millis,
}

/// The watcher, which looks when it is told to.
pub struct Watching<U: Upstream>(Watch<U>);

impl<U: Upstream> Watching<U> {
    /// One look at everything; a `deep` one looks topics up and reads remembered records again.
    pub fn look(&mut self, deep: bool) {
        self.0.turn(deep);
    }
}

/// A source that no thread moves: its watcher and its feed.
pub fn open<U: Upstream, F: Fetch + 'static>(parts: Parts<U, F>) -> (Watching<U>, Box<dyn Feed>) {
    let Parts { upstream, fetch, topics, resume, answered_before, clock, .. } = parts;
    let Parts { status, dead_letters, future_max_ms, past_max_ms, .. } = parts;
    let (status, notify, all_assignments) =
        (status.source(NAME), Arc::new(Notify::default()), Arc::new(AllAssignments::default()));
    let waker = Waker::of_this_thread();
    let assignments = Arc::new(Assignments::new(0, waker.clone()));
    all_assignments.add(assignments.clone(), 1);
    let awaited = answered_before || topics.iter().any(|topic| resume(topic, 0).is_some());
    let charge = Charge {
        upstream,
        topics,
        discovery: Duration::MAX,
        resume,
        answered_before,
        awaited,
        all_assignments,
        notify: notify.clone(),
        status: status.clone(),
    };
    let common = Common { clock, status, dead_letters, notify, future_max_ms, past_max_ms };
    (Watching(Watch::new(charge)), Box::new(KafkaFeed::new(fetch, assignments, waker, common)))
}
