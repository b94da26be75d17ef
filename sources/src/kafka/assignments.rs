//! What the watcher and a worker's feed pass to each other: orders one way, places the other.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use dataflow::feed::Waker;

use super::fingerprint::Fingerprint;

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartitionId {
    /// The topic's name.
    pub topic: Arc<str>,
    /// Its number in the topic.
    pub partition: i32,
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// Where the reading of one partition is, from one start to the next: a start brings a place of its own, so that what
/// an earlier reading still says cannot be taken for the later one's.
pub(super) struct PartitionProgress {
    next: AtomicI64,
    end: AtomicI64,
    failed: Mutex<Option<String>>,
    /// Whether it waits with a refused record that nobody has taken yet.
    held: AtomicBool,
    known: Mutex<Known>,
    /// How often another record was proven.
    proofs: AtomicU64,
}

/// Records that a partition is known by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The last one of the first turn: until a look has taken another one, this is the one that is read again.
    pub(super) first: Option<Fingerprint>,
    /// The one that was read last.
    pub(super) last: Option<Fingerprint>,
    /// One that was read before the partition was last seen to be the one it was. Records that were read later may be
    /// those of another topic, which the watcher has not found out yet.
    pub(super) proven: Option<Fingerprint>,
}

impl PartitionProgress {
    pub(super) fn new(next: i64, end: i64) -> Self {
        PartitionProgress {
            next: AtomicI64::new(next),
            end: AtomicI64::new(end),
            failed: Mutex::default(),
            held: AtomicBool::new(false),
            known: Mutex::default(),
            proofs: AtomicU64::new(0),
        }
    }

    /// The offset that is read next, as last noted.
    pub(super) fn next(&self) -> i64 {
        self.next.load(Ordering::Acquire)
    }

    /// For the feed, once a turn: where it is, and the record it read last in this turn.
    pub(super) fn note(&self, next: i64, last: Option<Fingerprint>) {
        if last.is_some() {
            let mut known = lock(&self.known);
            known.first = known.first.or(last);
            known.last = last;
        }
        self.next.store(next, Ordering::Release);
    }

    /// The records it is known by.
    pub(super) fn known(&self) -> Known {
        *lock(&self.known)
    }

    /// For the watcher: see [`Known::proven`].
    pub(super) fn prove(&self, record: Fingerprint) {
        if lock(&self.known).proven.replace(record) != Some(record) {
            self.proofs.fetch_add(1, Ordering::Release);
        }
    }

    /// How often another record was proven.
    pub(super) fn proofs(&self) -> u64 {
        self.proofs.load(Ordering::Acquire)
    }

    /// The offset after the last record known upstream.
    pub(super) fn end(&self) -> i64 {
        self.end.load(Ordering::Relaxed)
    }

    pub(super) fn set_end(&self, end: i64) {
        self.end.store(end, Ordering::Relaxed);
    }

    /// For the feed: whether it waits with a refused record that nobody has taken yet.
    pub(super) fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Release);
    }

    /// See [`PartitionProgress::hold`].
    pub(super) fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// For the feed: reading the partition fails, the watcher is to judge it.
    pub(super) fn fail(&self, reason: String) {
        *lock(&self.failed) = Some(reason);
    }

    /// Why reading has failed, if it has since this was last asked.
    pub(super) fn take_failure(&self) -> Option<String> {
        lock(&self.failed).take()
    }
}

/// What a feed is told about one partition.
#[derive(Clone)]
pub(super) enum Command {
    /// Read it from `next` on, whatever was read before.
    Start {
        /// Where it is reported to.
        place: Arc<PartitionProgress>,
        /// The offset to start at.
        next: i64,
        /// The end as it was when this was ordered: what lies before is caught up with.
        goal: i64,
    },
    /// Stop reading it.
    Drop,
}

/// What is on a desk.
#[derive(Default)]
pub(super) struct Commands {
    /// At most one a partition: a later order makes an earlier one void.
    pub(super) by_partition: BTreeMap<PartitionId, Command>,
    /// The brokers have said what there is, and everything that is to be read on has been ordered. Until then nothing is
    /// known of the time that was reached.
    pub(super) looked: bool,
    /// Ticks are not to wait for what is to be caught up with: it does not come, and nobody was answered with it.
    pub(super) passed_over: bool,
    /// Every topic has been found and everything of it that was there has been ordered.
    pub(super) complete: bool,
}

/// Commands for one worker's feed.
pub(super) struct Assignments {
    index: usize,
    waker: Waker,
    fresh: AtomicBool,
    orders: Mutex<Commands>,
}

impl Assignments {
    pub(super) fn new(index: usize, waker: Waker) -> Self {
        Assignments { index, waker, fresh: AtomicBool::new(false), orders: Mutex::default() }
    }

    /// The worker's number.
    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// For the watcher.
    pub(super) fn order(&self, id: PartitionId, order: Command) {
        lock(&self.orders).by_partition.insert(id, order);
        self.tell();
    }

    /// For the watcher: it knows what there is, and has ordered what was read before.
    pub(super) fn looked(&self) {
        if !std::mem::replace(&mut lock(&self.orders).looked, true) {
            self.tell();
        }
    }

    /// For the watcher: whether ticks are not to wait for what is to be caught up with.
    pub(super) fn pass_over(&self, passed_over: bool) {
        if std::mem::replace(&mut lock(&self.orders).passed_over, passed_over) != passed_over {
            self.tell();
        }
    }

    /// For the watcher: all that was there has been ordered.
    pub(super) fn complete(&self) {
        if !std::mem::replace(&mut lock(&self.orders).complete, true) {
            self.tell();
        }
    }

    /// For the feed: what came since it asked last, if anything.
    pub(super) fn take(&self) -> Option<Commands> {
        if !self.fresh.swap(false, Ordering::Acquire) {
            return None;
        }
        let mut orders = lock(&self.orders);
        let Commands { looked, passed_over, complete, .. } = *orders;
        Some(Commands { by_partition: std::mem::take(&mut orders.by_partition), looked, passed_over, complete })
    }

    fn tell(&self) {
        self.fresh.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// The desks of this process' workers, and how many workers there are in all processes.
#[derive(Default)]
pub(super) struct AllAssignments(Mutex<(Vec<Arc<Assignments>>, usize)>);

impl AllAssignments {
    pub(super) fn add(&self, assignments: Arc<Assignments>, peers: usize) {
        let mut all_assignments = lock(&self.0);
        all_assignments.0.push(assignments);
        all_assignments.1 = peers;
    }

    /// The desks, and the number of workers in all processes.
    pub(super) fn all(&self) -> (Vec<Arc<Assignments>>, usize) {
        lock(&self.0).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of these locks can panic")
}

#[cfg(test)]
mod tests {
    use dataflow::feed::StreamFingerprint;

    use super::*;

    #[test]
    fn a_later_order_makes_an_earlier_one_void() {
        let assignments = Assignments::new(0, Waker::of_this_thread());
        assert!(assignments.take().is_none());
        let id = PartitionId { topic: "views".into(), partition: 3 };
        let place = Arc::new(PartitionProgress::new(7, 9));
        assignments.order(id.clone(), Command::Start { place, next: 7, goal: 9 });
        assignments.order(id.clone(), Command::Drop);
        let orders = assignments.take().unwrap();
        assert!(matches!(orders.by_partition[&id], Command::Drop));
        assert!(!orders.complete);
        assert!(assignments.take().is_none());
        assignments.complete();
        assert!(assignments.take().unwrap().complete);
    }

    #[test]
    fn a_place_remembers_the_last_record_while_its_position_moves_on() {
        let place = PartitionProgress::new(3, 9);
        assert_eq!((place.next(), place.end(), place.known()), (3, 9, Known::default()));
        place.note(5, None);
        assert_eq!((place.next(), place.known()), (5, Known::default()));
        let [one, other] = [4, 6].map(|at| Some(Fingerprint::from(StreamFingerprint { at, hash: 7 })));
        place.note(5, one);
        place.note(7, other);
        place.note(9, None);
        assert_eq!(place.known(), Known { first: one, last: other, proven: None });
        (0..2).for_each(|_| place.prove(other.unwrap()));
        assert_eq!((place.known().proven, place.proofs()), (other, 1), "nothing new was proven");
        place.fail("broken".into());
        assert_eq!((place.take_failure(), place.take_failure()), (Some("broken".into()), None));
    }
}
