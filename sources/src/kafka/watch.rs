//! The watcher: a thread that knows which partitions there are, and whether they are still the ones being read.
//!
//! ```text
//! every second               ends of all partitions ─▶ status (lag), progress (waiting), judgement by offsets
//! every `discovery`,         topics ─▶ partitions that are new, gone, back ─▶ commands to the feeds
//! and when it is notified    remembered records read again ─▶ judgement by fingerprint ─▶ commands to the feeds
//! ```
//! Its calls block, with time-outs. Only the watcher reports whether Kafka can be reached: a feed notices trouble only as
//! silence, and notifies the watcher.

mod absence;
mod archived;
mod begin;
mod beginnings;
mod brokers;
mod ends;
mod losses;
mod named;
mod read_again;
mod reread;
mod topics;
mod tracked;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflow::feed::StreamFingerprint;
use dataflow::source_status::{Progress, SourceStatus, State};

use super::Resume;
use super::assignment::{changes, owner};
use super::assignments::{AllAssignments, Assignments, Command, KnownRecords, PartitionId, PartitionProgress};
use super::fingerprint::{Ends, Evidence, Judgement, Reread};
use super::join::Joined;
use super::notify::Notify;
use super::past::Past;
use super::upstream::{Unanswered, Upstream};

use absence::Absence;
use beginnings::Beginnings;
use losses::Losses;
use read_again::ReadAgain;
use tracked::Tracked;

use crate::erasures::KnownErasures;

pub(super) use archived::PastWithGaps;
pub(super) use brokers::Brokers;

/// The part of the status that the watcher writes; workers have their own numbers.
const PART: usize = usize::MAX;

/// How often the ends of partitions are asked for.
const INTERVAL: Duration = Duration::from_secs(1);

/// The least rest between two looks: while all is well, and while something is wrong.
const REST: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(500)];

/// What the watcher is made from.
pub(super) struct WatcherParts<U> {
    pub(super) upstream: U,
    pub(super) topics: Vec<Arc<str>>,
    /// Those of them that are made elsewhere in this program if they are missing.
    pub(super) made_here: Vec<Arc<str>>,
    pub(super) discovery: Duration,
    pub(super) resume: Resume,
    /// The archive, for records that the topics have deleted.
    pub(super) past: Option<Arc<dyn Past>>,
    /// The erasures for which the feeds wait, if they do.
    pub(super) erasures: Option<Arc<KnownErasures>>,
    /// An answer was given before that depended on all of the topics.
    pub(super) answered_before: bool,
    /// An answer may have been given before that depended on some of them.
    pub(super) awaited: bool,
    pub(super) all_assignments: Arc<AllAssignments>,
    pub(super) notify: Arc<Notify>,
    pub(super) status: Arc<SourceStatus>,
}

/// The watcher's memory between two looks.
pub(super) struct Watcher<U: Upstream> {
    parts: WatcherParts<U>,
    tracked: BTreeMap<PartitionId, Tracked>,
    present: BTreeSet<PartitionId>,
    /// The faults found by the current look.
    troubles: Vec<String>,
    /// Whether the current look found a partition that gives no records.
    unreadable: bool,
    /// Whether the current look waits for a list of the archive.
    is_listing: bool,
    /// The faults of topics, found when they were last looked up.
    topic_troubles: Vec<String>,
    /// Topics that exist and could not be listed then.
    refused: Vec<Arc<str>>,
    /// Topics that were not there yet, and are about to be made.
    expected: Vec<Arc<str>>,
    /// The state that was reported last.
    state: State,
    absence: Absence,
    read_again: ReadAgain,
    beginnings: Beginnings,
    losses: Losses,
}

impl<U: Upstream> Drop for Watcher<U> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let reason = "the thread that watches Kafka's topics ended in a panic: restart the program";
            self.parts.status.state(PART, State::Stopped(reason.into()));
        }
    }
}

impl<U: Upstream> Watcher<U> {
    pub(super) fn new(parts: WatcherParts<U>) -> Self {
        parts.status.state(PART, State::CatchingUp);
        if !parts.awaited {
            parts.status.unmet();
        }
        Watcher {
            expected: parts.made_here.clone(),
            parts,
            tracked: BTreeMap::new(),
            present: BTreeSet::new(),
            troubles: Vec::new(),
            unreadable: false,
            is_listing: false,
            topic_troubles: Vec::new(),
            refused: Vec::new(),
            state: State::CatchingUp,
            absence: Absence::default(),
            read_again: ReadAgain::default(),
            beginnings: Beginnings::default(),
            losses: Losses::default(),
        }
    }

    /// Watches until it is stopped.
    pub(super) fn run(mut self) {
        let (mut deep, mut looked) = (true, Instant::now());
        loop {
            if deep {
                looked = Instant::now();
            }
            let rest = REST[usize::from(self.turn(deep))];
            let notified = self.parts.notify.wait(rest, INTERVAL);
            if self.parts.notify.is_stopped() {
                return;
            }
            let due = looked.elapsed() >= self.parts.discovery;
            deep = notified || self.state != State::Live || self.is_unconfirmed() || due;
        }
    }

    /// Whether a partition is being read of which no look has confirmed a record yet: a position kept now would be useless.
    fn is_unconfirmed(&self) -> bool {
        let mut present = self.tracked.values().filter(|tracked| !tracked.absent);
        present.any(|tracked| tracked.sample.is_none() && tracked.progress.known().first.is_some())
    }

    /// One look, reported to the feeds and in the status; returns whether anything is wrong.
    pub(super) fn turn(&mut self, deep: bool) -> bool {
        let looked = self.look(deep);
        let has_no_erasures = self.parts.erasures.as_ref().is_some_and(|known| known.are_unreadable());
        let fails = looked.is_err() || self.unreadable || has_no_erasures;
        if let Err(Unanswered(reason)) = looked {
            self.troubles.push(reason);
        }
        let trouble = self.report_state();
        self.note_absence(fails);
        trouble
    }

    /// One look at everything; a `deep` one looks topics up and reads remembered records again.
    fn look(&mut self, deep: bool) -> Result<(), Unanswered> {
        self.troubles.clear();
        self.unreadable = false;
        self.is_listing = false;
        self.parts.upstream.serve();
        if deep {
            self.look_up_topics()?;
        }
        self.troubles.extend_from_slice(&self.topic_troubles);
        let (all_assignments, peers) = self.parts.all_assignments.all();
        let owner_of = |id: &PartitionId| {
            all_assignments.iter().find(|assignments| assignments.index() == owner(id.partition, peers))
        };
        let ours: BTreeMap<PartitionId, Arc<Assignments>> =
            self.present.iter().filter_map(|id| Some((id.clone(), owner_of(id)?.clone()))).collect();
        let read = self.tracked.iter().map(|(id, tracked)| (id.clone(), tracked.absent)).collect();
        let changes = changes(&read, &ours.keys().cloned().collect());
        changes.gone.iter().for_each(|id| self.dismiss(id));

        // Positions and samples are taken before the ends and the records are asked for. So records that are read meanwhile
        // are neither after an end nor of another topic than the records they are compared with.
        let nexts: BTreeMap<PartitionId, i64> =
            self.tracked.iter().map(|(id, tracked)| (id.clone(), tracked.progress.next())).collect();
        let known = self.tracked.iter().map(|(id, tracked)| (id.clone(), tracked.progress.known())).collect();
        let ends = self.parts.upstream.ends(&ours.keys().cloned().collect::<Vec<_>>())?;
        let rereads = if deep { self.reread(&ends, &known)? } else { BTreeMap::new() };
        let kept = self.look_up_kept_positions(&ends)?;

        for (id, ends) in &ends {
            match nexts.get(id) {
                Some(next) => self.judge(id, *next, *ends, rereads.get(id).copied(), changes.returned.contains(id)),
                None => self.begin(id.clone(), &ours[id], *ends, &kept),
            }
        }
        let all_are_read = ours.keys().all(|id| self.tracked.contains_key(id));
        if all_are_read && !self.is_withheld() {
            all_assignments.iter().for_each(|assignments| assignments.set_looked());
        }
        let are_there = self.topic_troubles.is_empty() && self.expected.is_empty();
        if are_there && ends.len() == ours.len() && all_are_read {
            all_assignments.iter().for_each(|assignments| assignments.set_complete());
        }
        Ok(())
    }

    /// Whether a topic exists that was read before, or on which answers depended, and no record of it can be read yet.
    fn is_withheld(&self) -> bool {
        let is_read = |topic: &str| self.tracked.keys().any(|id| *id.topic == *topic);
        // Any topic has a first partition.
        let was_read = |topic: &str| self.parts.answered_before || (self.parts.resume)(topic, 0).is_some();
        self.refused.iter().any(|topic| !is_read(topic) && was_read(topic))
    }

    /// Reads the samples again, where their records should still be, and takes new ones.
    fn reread(
        &mut self,
        ends: &BTreeMap<PartitionId, Ends>,
        known: &BTreeMap<PartitionId, KnownRecords>,
    ) -> Result<BTreeMap<PartitionId, Reread>, Unanswered> {
        let kept = |id: &PartitionId, sample: &StreamFingerprint| {
            ends.get(id).is_some_and(|ends| (ends.low..ends.high).contains(&sample.at))
        };
        let sample = |id, tracked: &Tracked| tracked.sample.or(known.get(id)?.first);
        let remembered = self.tracked.iter().filter_map(|(id, tracked)| Some((id.clone(), sample(id, tracked)?)));
        let remembered = remembered.filter(|(id, sample)| kept(id, sample)).collect();
        let rereads = self.parts.upstream.reread(&remembered)?;
        for (id, tracked) in &mut self.tracked {
            let unanswered = remembered.contains_key(id) && !rereads.contains_key(id);
            if !unanswered && let Some(last) = known.get(id).and_then(|known| known.last) {
                tracked.sample = Some(last);
            }
        }
        Ok(rereads)
    }

    /// Decides how the reading of a known partition continues.
    fn judge(&mut self, id: &PartitionId, next: i64, ends: Ends, reread: Option<Reread>, returned: bool) {
        let tracked = self.tracked.get_mut(id).expect("a partition with a position is tracked");
        if let Some(until) = tracked.archived_to {
            return self.judge_archived(id, next, until, ends, returned);
        }
        let waits = self.parts.erasures.as_ref().is_some_and(|known| known.are_awaited());
        let failure = tracked.failure(next, ends, waits);
        let failed = failure.is_some();
        if let Some(failure) = failure {
            self.troubles.push(format!("partition {id} cannot be read: {failure}"));
            self.unreadable = true;
        }
        if tracked.is_blocked() {
            self.troubles.push(format!("partition {id} waits until a refused record of it has been written away"));
        }
        let low_before = std::mem::replace(&mut tracked.low, ends.low);
        let evidence = Evidence { next, ends, low_before, reread: reread.unwrap_or(Reread::Unknown), failed, returned };
        let judgement = evidence.judge();
        if self.reads_what_expired(id, next, &judgement, ends) {
            return;
        }
        let tracked = self.tracked.get_mut(id).expect("it was tracked above");
        if judgement == Judgement::Sound {
            tracked.progress.set_end(ends.high);
        } else {
            let next = evidence.start(&judgement);
            let before = std::mem::replace(&mut tracked.progress, Arc::new(PartitionProgress::new(next, ends.high)));
            if judgement == Judgement::Interrupted {
                let KnownRecords { first, last, confirmed } = before.known();
                // The record that no look has compared yet is still compared: the last one may be of another topic already.
                tracked.progress.report(next, first);
                tracked.progress.report(next, last);
                confirmed.into_iter().for_each(|record| tracked.progress.confirm(record));
            }
            tracked.follow(id, next, &Joined::topic(next), ends.high);
        }
        match judgement {
            Judgement::Replaced | Judgement::Expired { .. } => tracked.sample = None,
            // A record before the sample is still there, so that the sample is of the same topic.
            Judgement::Sound | Judgement::Interrupted if evidence.reread == Reread::Same => {
                tracked.sample.into_iter().for_each(|sample| tracked.progress.confirm(sample));
            }
            Judgement::Sound | Judgement::Interrupted => {}
        }
        let progress = Progress { next: tracked.progress.next(), end: ends.high.max(tracked.progress.next()) };
        self.parts.status.partition(&id.topic, id.partition, progress);
        self.log(id, &evidence, &judgement);
    }

    /// Stops reading a partition that does not exist any more. It is remembered, in case it comes back.
    fn dismiss(&mut self, id: &PartitionId) {
        let tracked = self.tracked.get_mut(id).expect("only a tracked partition can be gone");
        tracing::warn!(topic = %id.topic, partition = id.partition, next = tracked.progress.next(), "the partition is gone");
        tracked.absent = true;
        tracked.assignments.give(id.clone(), Command::Drop);
        self.parts.status.forget_partition(&id.topic, id.partition);
    }

    fn log(&mut self, id: &PartitionId, evidence: &Evidence, judgement: &Judgement) {
        let (topic, partition, next, Ends { low, high }) = (&*id.topic, id.partition, evidence.next, evidence.ends);
        match judgement {
            Judgement::Sound => return,
            Judgement::Interrupted => {
                tracing::info!(topic, partition, next, "reading starts again at the same position")
            }
            Judgement::Replaced => {
                let again = self.read_again.add(id, evidence);
                tracing::warn!(
                    topic,
                    partition,
                    next,
                    low,
                    high,
                    ?again,
                    "the topic was recreated, or its end was cut off: the partition is read again from its first record"
                );
                if again.is_some() {
                    self.note();
                }
            }
            Judgement::Expired { lost } => {
                tracing::warn!(
                    topic,
                    partition,
                    lost_from = lost.start,
                    lost_to = lost.end - 1,
                    "records were deleted before they were read: reading continues at the first record that is left"
                );
                self.losses.add(id, lost.clone());
                self.note();
            }
        }
        if *judgement != Judgement::Interrupted {
            self.parts.status.ignored("partition_restarted");
        }
    }

    /// Reports in the status what is worth knowing of the records since the start.
    fn note(&self) {
        let notes =
            [self.read_again.in_words(), self.beginnings.in_words(), self.losses.in_words()].into_iter().flatten();
        self.parts.status.note(notes.collect::<Vec<_>>().join("; "));
    }

    /// Reports the result of the last look in the status; returns whether anything is wrong.
    fn report_state(&mut self) -> bool {
        let state = match self.troubles.is_empty() {
            false => State::Retrying(self.troubles.join("; ")),
            // A source that was live reads its other partitions meanwhile.
            true if self.is_listing && self.state != State::Live => State::CatchingUp,
            true if !self.expected.is_empty() => State::CatchingUp,
            true => State::Live,
        };
        if state != self.state {
            match &state {
                State::Retrying(reason) => tracing::warn!(reason, "kafka: trying again until it works"),
                State::Live => tracing::info!("kafka: all topics can be read"),
                State::CatchingUp | State::Stopped(_) => {}
            }
            self.parts.status.state(PART, state.clone());
            self.state = state;
        }
        self.state != State::Live
    }
}
