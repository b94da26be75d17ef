//! The watcher: a thread that knows which partitions there are, and whether they are still the ones that we read.
//!
//! ```text
//! every second          ends of all partitions ─▶ board (lag), places (waiting), judgement by offsets
//! every `discovery`,    topics ─▶ partitions that are new, gone, back ─▶ orders to the feeds
//! and when it is rung   remembered records read again ─▶ judgement by fingerprint ─▶ orders to the feeds
//! ```
//! Its calls block, with time-outs. It is the one that says whether Kafka can be reached: a feed hears of trouble only
//! as silence, and rings.

mod brokers;
mod ends;
mod passing;
mod reread;
mod topics;
mod tracked;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflow::feed::Position;
use dataflow::source_status::{Progress, SourceStatus, State};

use super::Resume;
use super::assignment::{changes, owner};
use super::assignments::{AllAssignments, Assignments, Command, Known, PartitionId, PartitionProgress};
use super::fingerprint::{Ends, Finding, Fingerprint, Reread, Sight};
use super::notify::Notify;
use super::upstream::{Found, Unanswered, Upstream};

use passing::Passing;
use tracked::Tracked;

pub(super) use brokers::Brokers;

/// The part of the board that the watcher writes to; workers have their own numbers.
const PART: usize = usize::MAX;

/// How often the ends of partitions are asked for.
const PULSE: Duration = Duration::from_secs(1);

/// The least rest between two looks: while all is well, and while something is wrong.
const REST: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(500)];

/// What the watcher is started with.
pub(super) struct Charge<U> {
    pub(super) upstream: U,
    pub(super) topics: Vec<Arc<str>>,
    pub(super) discovery: Duration,
    pub(super) resume: Resume,
    /// Somebody was answered with all of the topics before.
    pub(super) answered_before: bool,
    /// Somebody may have been answered with something of them.
    pub(super) awaited: bool,
    pub(super) all_assignments: Arc<AllAssignments>,
    pub(super) notify: Arc<Notify>,
    pub(super) status: Arc<SourceStatus>,
}

/// What is known of partitions that are to be read on.
struct Kept {
    positions: BTreeMap<PartitionId, Position>,
    rereads: BTreeMap<PartitionId, Reread>,
    /// Their proofs could not be read again in time.
    unanswered: BTreeSet<PartitionId>,
}

/// The watcher's memory between two looks.
pub(super) struct Watch<U: Upstream> {
    charge: Charge<U>,
    tracked: BTreeMap<PartitionId, Tracked>,
    present: BTreeSet<PartitionId>,
    /// What is wrong, as found by the look at hand.
    troubles: Vec<String>,
    /// A partition that is there gives no records, as found by the look at hand.
    unreadable: bool,
    /// What is wrong with topics, as found when they were last looked up.
    topic_troubles: Vec<String>,
    /// Topics that are there and were not shown then.
    refused: Vec<Arc<str>>,
    said: State,
    passing: Passing,
}

impl<U: Upstream> Drop for Watch<U> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let reason = "the thread that watches Kafka's topics ended in a panic: restart the program";
            self.charge.status.state(PART, State::Stopped(reason.into()));
        }
    }
}

impl<U: Upstream> Watch<U> {
    pub(super) fn new(charge: Charge<U>) -> Self {
        charge.status.state(PART, State::CatchingUp);
        if !charge.awaited {
            charge.status.unmet();
        }
        Watch {
            charge,
            tracked: BTreeMap::new(),
            present: BTreeSet::new(),
            troubles: Vec::new(),
            unreadable: false,
            topic_troubles: Vec::new(),
            refused: Vec::new(),
            said: State::CatchingUp,
            passing: Passing::default(),
        }
    }

    /// Watches until the bell says stop.
    pub(super) fn run(mut self) {
        let (mut deep, mut looked) = (true, Instant::now());
        loop {
            if deep {
                looked = Instant::now();
            }
            let rest = REST[usize::from(self.turn(deep))];
            let rung = self.charge.notify.wait(rest, PULSE);
            if self.charge.notify.is_stopped() {
                return;
            }
            deep = rung || self.said != State::Live || self.is_unproven() || looked.elapsed() >= self.charge.discovery;
        }
    }

    /// Whether a partition is being read that no look has found to be the one it was yet: a position kept now would be of
    /// no use.
    fn is_unproven(&self) -> bool {
        let mut present = self.tracked.values().filter(|tracked| !tracked.absent);
        present.any(|tracked| tracked.sample.is_none() && tracked.place.known().first.is_some())
    }

    /// One look, told to the feeds and on the board; says whether anything is wrong.
    pub(super) fn turn(&mut self, deep: bool) -> bool {
        let looked = self.look(deep);
        let fails = looked.is_err() || self.unreadable;
        if let Err(Unanswered(reason)) = looked {
            self.troubles.push(reason);
        }
        let trouble = self.say();
        self.pass_over(fails);
        trouble
    }

    /// One look at everything; a `deep` one looks topics up and reads remembered records again.
    fn look(&mut self, deep: bool) -> Result<(), Unanswered> {
        self.troubles.clear();
        self.unreadable = false;
        self.charge.upstream.serve();
        if deep {
            self.look_up_topics()?;
        }
        self.troubles.extend_from_slice(&self.topic_troubles);
        let (all_assignments, peers) = self.charge.all_assignments.all();
        let desk_of = |id: &PartitionId| {
            all_assignments.iter().find(|assignments| assignments.index() == owner(id.partition, peers))
        };
        let ours: BTreeMap<PartitionId, Arc<Assignments>> =
            self.present.iter().filter_map(|id| Some((id.clone(), desk_of(id)?.clone()))).collect();
        let read = self.tracked.iter().map(|(id, tracked)| (id.clone(), tracked.absent)).collect();
        let changes = changes(&read, &ours.keys().cloned().collect());
        changes.gone.iter().for_each(|id| self.dismiss(id));

        // Positions and samples are taken before the ends and the records are asked for: what is read meanwhile can
        // then neither lie beyond an end nor come from another topic than what it is compared with.
        let nexts: BTreeMap<PartitionId, i64> =
            self.tracked.iter().map(|(id, tracked)| (id.clone(), tracked.place.next())).collect();
        let known = self.tracked.iter().map(|(id, tracked)| (id.clone(), tracked.place.known())).collect();
        let ends = self.charge.upstream.ends(&ours.keys().cloned().collect::<Vec<_>>())?;
        let rereads = if deep { self.reread(&ends, &known)? } else { BTreeMap::new() };
        let kept = self.look_up_kept(&ends)?;

        for (id, ends) in &ends {
            match nexts.get(id) {
                Some(next) => self.judge(id, *next, *ends, rereads.get(id).copied(), changes.returned.contains(id)),
                None => self.begin(id.clone(), &ours[id], *ends, &kept),
            }
        }
        if ours.keys().all(|id| self.tracked.contains_key(id)) && !self.is_kept_from_us() {
            all_assignments.iter().for_each(|assignments| assignments.looked());
        }
        if self.topic_troubles.is_empty() && ends.len() == ours.len() && kept.unanswered.is_empty() {
            all_assignments.iter().for_each(|assignments| assignments.complete());
        }
        Ok(())
    }

    /// Whether there is a topic that was read before, or answered with, and of which nothing can be read yet.
    fn is_kept_from_us(&self) -> bool {
        let is_read = |topic: &str| self.tracked.keys().any(|id| *id.topic == *topic);
        // Any topic has a first partition.
        let was_read = |topic: &str| self.charge.answered_before || (self.charge.resume)(topic, 0).is_some();
        self.refused.iter().any(|topic| !is_read(topic) && was_read(topic))
    }

    fn look_up_topics(&mut self) -> Result<(), Unanswered> {
        let (mut present, mut troubles, mut refused) = (BTreeSet::new(), Vec::new(), Vec::new());
        for topic in &self.charge.topics {
            match self.charge.upstream.look_up(topic)? {
                Found::Partitions(partitions) => {
                    present.extend(partitions.into_iter().map(|partition| PartitionId { topic: topic.clone(), partition }));
                }
                Found::Missing => troubles.push(format!(
                    "topic {topic} does not exist: create it, or name another one under [kafka]; a topic that is read is never made here"
                )),
                Found::Refused(reason) => {
                    // It is there all the same: what is read of it is not dropped.
                    present.extend(self.present.iter().filter(|id| id.topic == *topic).cloned());
                    refused.push(topic.clone());
                    troubles.push(reason);
                }
            }
        }
        (self.present, self.topic_troubles, self.refused) = (present, troubles, refused);
        Ok(())
    }

    /// Reads the samples again, where their records should still be, and takes new ones.
    fn reread(
        &mut self,
        ends: &BTreeMap<PartitionId, Ends>,
        known: &BTreeMap<PartitionId, Known>,
    ) -> Result<BTreeMap<PartitionId, Reread>, Unanswered> {
        let kept = |id: &PartitionId, sample: &Fingerprint| {
            ends.get(id).is_some_and(|ends| (ends.low..ends.high).contains(&sample.offset))
        };
        let sample = |id, tracked: &Tracked| tracked.sample.or(known.get(id)?.first);
        let remembered = self.tracked.iter().filter_map(|(id, tracked)| Some((id.clone(), sample(id, tracked)?)));
        let remembered = remembered.filter(|(id, sample)| kept(id, sample)).collect();
        let rereads = self.charge.upstream.reread(&remembered)?;
        for (id, tracked) in &mut self.tracked {
            let unanswered = remembered.contains_key(id) && !rereads.contains_key(id);
            if !unanswered && let Some(last) = known.get(id).and_then(|known| known.last) {
                tracked.sample = Some(last);
            }
        }
        Ok(rereads)
    }

    /// Decides how the reading of a known partition goes on.
    fn judge(&mut self, id: &PartitionId, next: i64, ends: Ends, reread: Option<Reread>, returned: bool) {
        let tracked = self.tracked.get_mut(id).expect("whatever has a position is tracked");
        let failure = tracked.failure(next, ends);
        let failed = failure.is_some();
        if let Some(failure) = failure {
            self.troubles.push(format!("partition {id} cannot be read: {failure}"));
            self.unreadable = true;
        }
        if tracked.is_held_up() {
            self.troubles.push(format!("partition {id} waits until a refused record of it has been written away"));
        }
        let low_before = std::mem::replace(&mut tracked.low, ends.low);
        let sight = Sight { next, ends, low_before, reread: reread.unwrap_or(Reread::Unknown), failed, returned };
        let finding = sight.judge();
        if finding == Finding::Sound {
            tracked.place.set_end(ends.high);
        } else {
            let next = sight.start(&finding);
            let before = std::mem::replace(&mut tracked.place, Arc::new(PartitionProgress::new(next, ends.high)));
            if finding == Finding::Interrupted {
                let Known { first, last, proven } = before.known();
                // What no look has compared yet stays what is compared: the last one may be of another topic already.
                tracked.place.note(next, first);
                tracked.place.note(next, last);
                proven.into_iter().for_each(|record| tracked.place.prove(record));
            }
            tracked.absent = false;
            tracked.moved = (next, Instant::now());
            tracked
                .assignments
                .order(id.clone(), Command::Start { place: tracked.place.clone(), next, goal: ends.high });
        }
        match finding {
            Finding::Replaced | Finding::Expired { .. } => tracked.sample = None,
            // A record before the sample is still there, so that the sample is of the same topic.
            Finding::Sound | Finding::Interrupted if sight.reread == Reread::Same => {
                tracked.sample.into_iter().for_each(|sample| tracked.place.prove(sample));
            }
            Finding::Sound | Finding::Interrupted => {}
        }
        let progress = Progress { next: tracked.place.next(), end: ends.high.max(tracked.place.next()) };
        self.charge.status.partition(&id.topic, id.partition, progress);
        self.tell(id, &sight, &finding);
    }

    /// Of the partitions that are not read yet: the positions kept for them, and what is found where their proofs were
    /// taken. Nothing is found where that record has been deleted since.
    fn look_up_kept(&self, ends: &BTreeMap<PartitionId, Ends>) -> Result<Kept, Unanswered> {
        let new = ends.keys().filter(|id| !self.tracked.contains_key(id));
        let positions: BTreeMap<PartitionId, Position> =
            new.filter_map(|id| Some((id.clone(), (self.charge.resume)(&id.topic, id.partition)?))).collect();
        let proofs = positions.iter().filter_map(|(id, kept)| Some((id.clone(), Fingerprint::from(kept.fingerprint?))));
        let proofs =
            proofs.filter(|(id, fingerprint)| (ends[id].low..ends[id].high).contains(&fingerprint.offset)).collect();
        let rereads = self.charge.upstream.reread(&proofs)?;
        Ok(Kept { unanswered: proofs.into_keys().filter(|id| !rereads.contains_key(id)).collect(), positions, rereads })
    }

    /// Has a partition read that was never read before, from the position kept for it or else from its first record.
    fn begin(&mut self, id: PartitionId, assignments: &Arc<Assignments>, ends: Ends, kept: &Kept) {
        if kept.unanswered.contains(&id) {
            // Whether it is still the topic it was decides where it is read from.
            self.troubles.push(format!("partition {id} does not give the record that was read last"));
            return;
        }
        let next = kept.positions.get(&id).map_or(ends.low, |kept| kept.next);
        let fingerprint = kept.positions.get(&id).and_then(|kept| kept.fingerprint).map(Fingerprint::from);
        let reread = kept.rereads.get(&id).copied().unwrap_or(Reread::Unknown);
        let sight = Sight { next, ends, low_before: 0, reread, failed: false, returned: false };
        let finding = sight.judge();
        let next = sight.resume(&finding, fingerprint);
        self.tell(&id, &sight, &finding);
        tracing::info!(topic = %id.topic, partition = id.partition, next, end = ends.high, worker = assignments.index(), "reading");
        self.charge.status.partition(&id.topic, id.partition, Progress { next, end: ends.high });
        let place = Arc::new(PartitionProgress::new(next, ends.high));
        if finding == Finding::Sound {
            // Until another record is read this one is what the partition is known by.
            place.note(next, fingerprint);
            fingerprint.filter(|_| reread == Reread::Same).into_iter().for_each(|record| place.prove(record));
        }
        assignments.order(id.clone(), Command::Start { place: place.clone(), next, goal: ends.high });
        let moved = (next, Instant::now());
        let low = ends.low;
        self.tracked
            .insert(id, Tracked { assignments: assignments.clone(), place, sample: None, absent: false, low, moved });
    }

    /// Has a partition dropped that is not there any more. It is remembered, in case it comes back.
    fn dismiss(&mut self, id: &PartitionId) {
        let tracked = self.tracked.get_mut(id).expect("only what is tracked can be gone");
        tracing::warn!(topic = %id.topic, partition = id.partition, next = tracked.place.next(), "the partition is gone");
        tracked.absent = true;
        tracked.assignments.order(id.clone(), Command::Drop);
        self.charge.status.forget_partition(&id.topic, id.partition);
    }

    fn tell(&self, id: &PartitionId, sight: &Sight, finding: &Finding) {
        let (topic, partition, next, Ends { low, high }) = (&*id.topic, id.partition, sight.next, sight.ends);
        match finding {
            Finding::Sound => return,
            Finding::Interrupted => tracing::info!(topic, partition, next, "reading starts again where it was"),
            Finding::Replaced => tracing::warn!(
                topic,
                partition,
                next,
                low,
                high,
                "the topic was made anew, or its end was cut off: the partition is read again from its first record"
            ),
            Finding::Expired { lost } => tracing::warn!(
                topic,
                partition,
                lost_from = lost.start,
                lost_to = lost.end,
                "records were deleted before they were read: reading goes on at the first one that is left"
            ),
        }
        if *finding != Finding::Interrupted {
            self.charge.status.ignored("partition_restarted");
        }
    }

    /// Puts on the board what the last look found; says whether anything is wrong.
    fn say(&mut self) -> bool {
        let found = match self.troubles.is_empty() {
            true => State::Live,
            false => State::Retrying(self.troubles.join("; ")),
        };
        if found != self.said {
            match &found {
                State::Retrying(reason) => tracing::warn!(reason, "kafka: trying again until it works"),
                _ => tracing::info!("kafka: all topics can be read"),
            }
            self.charge.status.state(PART, found.clone());
            self.said = found;
        }
        self.said != State::Live
    }
}
