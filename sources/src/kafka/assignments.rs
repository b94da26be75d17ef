//! What the watcher and a worker's feed pass to each other: commands one way, progress the other.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use dataflow::feed::{StreamFingerprint, Waker};

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

/// The progress of reading one partition, from one start to the next. Each start brings its own, so that a late report of
/// an earlier reading cannot be taken for one of the later reading.
pub(super) struct PartitionProgress {
    next: AtomicI64,
    end: AtomicI64,
    failure: Mutex<Option<String>>,
    /// Whether it waits with a dead letter that has not been taken yet.
    blocked: AtomicBool,
    known: Mutex<KnownRecords>,
    /// How often another record was confirmed.
    confirmations: AtomicU64,
}

/// Records by which a partition is recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KnownRecords {
    /// The last record of the first turn. It is reread until a look has chosen another one.
    pub(super) first: Option<StreamFingerprint>,
    /// The record that was read last.
    pub(super) last: Option<StreamFingerprint>,
    /// A record that was read before the partition was last recognised. Records that were read later may be of another
    /// topic, which the watcher has not noticed yet.
    pub(super) confirmed: Option<StreamFingerprint>,
}

impl PartitionProgress {
    pub(super) fn new(next: i64, end: i64) -> Self {
        PartitionProgress {
            next: AtomicI64::new(next),
            end: AtomicI64::new(end),
            failure: Mutex::default(),
            blocked: AtomicBool::new(false),
            known: Mutex::default(),
            confirmations: AtomicU64::new(0),
        }
    }

    /// The offset that is read next, as last reported.
    pub(super) fn next(&self) -> i64 {
        self.next.load(Ordering::Acquire)
    }

    /// For the feed, once a turn: the position, and the record it read last in this turn.
    pub(super) fn report(&self, next: i64, last: Option<StreamFingerprint>) {
        if last.is_some() {
            let mut known = lock(&self.known);
            known.first = known.first.or(last);
            known.last = last;
        }
        self.next.store(next, Ordering::Release);
    }

    /// The records by which the partition is recognised.
    pub(super) fn known(&self) -> KnownRecords {
        *lock(&self.known)
    }

    /// For the watcher: see [`KnownRecords::confirmed`].
    pub(super) fn confirm(&self, record: StreamFingerprint) {
        if lock(&self.known).confirmed.replace(record) != Some(record) {
            self.confirmations.fetch_add(1, Ordering::Release);
        }
    }

    /// How often another record was confirmed.
    pub(super) fn confirmations(&self) -> u64 {
        self.confirmations.load(Ordering::Acquire)
    }

    /// The offset after the last record on the broker, as far as known.
    pub(super) fn end(&self) -> i64 {
        self.end.load(Ordering::Relaxed)
    }

    pub(super) fn set_end(&self, end: i64) {
        self.end.store(end, Ordering::Relaxed);
    }

    /// For the feed: whether it waits with a dead letter that has not been taken yet.
    pub(super) fn set_blocked(&self, blocked: bool) {
        self.blocked.store(blocked, Ordering::Release);
    }

    /// See [`PartitionProgress::set_blocked`].
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Acquire)
    }

    /// For the feed: reading the partition fails, and the watcher must judge it.
    pub(super) fn fail(&self, reason: String) {
        *lock(&self.failure) = Some(reason);
    }

    /// Why reading has failed, if it has since the last call.
    pub(super) fn take_failure(&self) -> Option<String> {
        lock(&self.failure).take()
    }
}

/// A command to a feed about one partition.
#[derive(Clone)]
pub(super) enum Command {
    /// Read it from `next` on, whatever was read before.
    Start {
        /// Where its progress is reported.
        progress: Arc<PartitionProgress>,
        /// The offset to start at.
        next: i64,
        /// Read it from the archive, up to this offset; then another command follows. None: read it from the topic.
        archived_to: Option<i64>,
        /// The end at the time of the command: the records before it are to be caught up with.
        goal: i64,
    },
    /// Stop reading it.
    Drop,
}

/// The commands for one feed, and the state of the watcher.
#[derive(Default)]
pub(super) struct Commands {
    /// At most one a partition: a later command replaces an earlier one.
    pub(super) by_partition: BTreeMap<PartitionId, Command>,
    /// The brokers have listed the partitions, and all that are to be read on have been commanded. Until then the time
    /// reached is unknown.
    pub(super) looked: bool,
    /// Ticks must not wait for this source: its brokers do not answer, and no earlier answer depended on them.
    pub(super) passed_over: bool,
    /// Some partition cannot be read for now: records of it may be unread that are not known yet.
    pub(super) away: bool,
    /// Every topic has been found, and all of its partitions have been commanded.
    pub(super) complete: bool,
}

/// Commands for one worker's feed.
pub(super) struct Assignments {
    index: usize,
    waker: Waker,
    fresh: AtomicBool,
    commands: Mutex<Commands>,
}

impl Assignments {
    pub(super) fn new(index: usize, waker: Waker) -> Self {
        Assignments { index, waker, fresh: AtomicBool::new(false), commands: Mutex::default() }
    }

    /// The worker's number.
    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// For the watcher: gives a command.
    pub(super) fn give(&self, id: PartitionId, command: Command) {
        self.change(|commands| {
            commands.by_partition.insert(id, command);
            true
        });
    }

    /// For the watcher: it knows the partitions, and has given commands for those that were read before.
    pub(super) fn set_looked(&self) {
        self.change(|commands| !std::mem::replace(&mut commands.looked, true));
    }

    /// For the watcher: whether ticks must not wait for this source.
    pub(super) fn set_passed_over(&self, passed_over: bool) {
        self.change(|commands| std::mem::replace(&mut commands.passed_over, passed_over) != passed_over);
    }

    /// For the watcher: whether some partition cannot be read for now.
    pub(super) fn set_away(&self, away: bool) {
        self.change(|commands| std::mem::replace(&mut commands.away, away) != away);
    }

    /// For the watcher: all partitions there are have been commanded.
    pub(super) fn set_complete(&self) {
        self.change(|commands| !std::mem::replace(&mut commands.complete, true));
    }

    /// For the feed: what is new since the last call, if anything.
    pub(super) fn take(&self) -> Option<Commands> {
        if !self.fresh.swap(false, Ordering::Acquire) {
            return None;
        }
        let mut commands = lock(&self.commands);
        let by_partition = std::mem::take(&mut commands.by_partition);
        let Commands { looked, passed_over, away, complete, .. } = *commands;
        Some(Commands { by_partition, looked, passed_over, away, complete })
    }

    /// Wakes the feed if `change` has changed anything.
    fn change(&self, change: impl FnOnce(&mut Commands) -> bool) {
        if change(&mut lock(&self.commands)) {
            self.fresh.store(true, Ordering::Release);
            self.waker.wake();
        }
    }
}

/// The assignments of this process' workers, and the number of workers of all processes.
#[derive(Default)]
pub(super) struct AllAssignments(Mutex<(Vec<Arc<Assignments>>, usize)>);

impl AllAssignments {
    pub(super) fn add(&self, assignments: Arc<Assignments>, peers: usize) {
        let mut all_assignments = lock(&self.0);
        all_assignments.0.push(assignments);
        all_assignments.1 = peers;
    }

    /// The assignments, and the number of workers of all processes.
    pub(super) fn all(&self) -> (Vec<Arc<Assignments>>, usize) {
        lock(&self.0).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of these locks can panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_command_replaces_an_earlier_one() {
        let assignments = Assignments::new(0, Waker::of_this_thread());
        assert!(assignments.take().is_none());
        let id = PartitionId { topic: "views".into(), partition: 3 };
        let progress = Arc::new(PartitionProgress::new(7, 9));
        assignments.give(id.clone(), Command::Start { progress, next: 7, archived_to: None, goal: 9 });
        assignments.give(id.clone(), Command::Drop);
        let commands = assignments.take().unwrap();
        assert!(matches!(commands.by_partition[&id], Command::Drop));
        assert!(!commands.complete);
        assert!(assignments.take().is_none());
        assignments.set_complete();
        assert!(assignments.take().unwrap().complete);
    }

    #[test]
    fn the_last_record_is_known_while_the_position_moves_on() {
        let progress = PartitionProgress::new(3, 9);
        assert_eq!((progress.next(), progress.end(), progress.known()), (3, 9, KnownRecords::default()));
        progress.report(5, None);
        assert_eq!((progress.next(), progress.known()), (5, KnownRecords::default()));
        let [one, other] = [4, 6].map(|at| Some(StreamFingerprint { at, hash: 7 }));
        progress.report(5, one);
        progress.report(7, other);
        progress.report(9, None);
        assert_eq!(progress.known(), KnownRecords { first: one, last: other, confirmed: None });
        (0..2).for_each(|_| progress.confirm(other.unwrap()));
        assert_eq!((progress.known().confirmed, progress.confirmations()), (other, 1), "nothing new was confirmed");
        progress.fail("broken".into());
        assert_eq!((progress.take_failure(), progress.take_failure()), (Some("broken".into()), None));
    }
}
