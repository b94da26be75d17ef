//! The archiver: reads partitions into segments, and writes the segments, as calls to [`Archiver::turn`].
//!
//! ```text
//! survey ─▶ look ─▶ read ─▶ open segment ─(size, hour, age, memory)─▶ sealed segment ─▶ write: parts, closing file ─▶ durable
//!   ▲ retried for ever                                                                    ▲ retried for ever
//! ```
//! Partitions are read on while memory is left, also while segments wait to be written. So memory is bounded however long the
//! store is away: what is not read stays in the topic. A request blocks the thread: with a store that hangs, partitions are read
//! in the pauses between two requests.

mod survey;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflow::backoff::Backoff;
use dataflow::feed::Waker;
use sources::kafka::upstream::{Ends, PartitionId};

use crate::file::FileError;
use crate::log::Log;
use crate::now::Now;
use crate::partition::{Judgement, Partition};
use crate::rate::Rate;
use crate::settings::Settings;
use crate::status::{PartitionStatus, SharedStatus};
use crate::store::{Store, StoreError};

use survey::{Kept, LastRecords};

/// How often partitions are looked up.
const LOOK: Duration = Duration::from_secs(5);

/// How soon a partition that failed is looked up again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The longest rest between two turns.
const REST: Duration = Duration::from_millis(250);

/// How long files are written before partitions are read again.
const WRITING: Duration = Duration::from_secs(1);

/// The pauses before a failed request to the store is made again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// Which partitions this process archives.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    /// The number of this process, from 0.
    pub process: usize,
    /// How many processes there are.
    pub processes: usize,
}

impl Share {
    /// Everything.
    pub const ALL: Share = Share { process: 0, processes: 1 };

    fn has(self, id: &PartitionId) -> bool {
        usize::try_from(id.partition).is_ok_and(|partition| partition % self.processes.max(1) == self.process)
    }
}

/// Copies the records of one log to one object store, step by step.
pub struct Archiver<L: Log> {
    settings: Settings,
    share: Share,
    store: Arc<dyn Store>,
    log: L,
    waker: Waker,
    status: SharedStatus,
    /// Where each partition of the archive ends; none until the archive has been surveyed.
    ends: Option<BTreeMap<PartitionId, Kept>>,
    last_records: LastRecords,
    /// The partitions that there are while the archive has not been surveyed.
    unsurveyed: BTreeMap<PartitionId, Ends>,
    partitions: BTreeMap<PartitionId, Partition<L::Tail>>,
    rate: Rate,
    /// How many times partitions were read.
    reads: usize,
    backoff: Backoff,
    /// When the next request to the store may be made.
    retry_at: Duration,
    look_at: Duration,
    /// When the archiver next lists the topics that were made anew.
    release_at: Duration,
    release_backoff: Backoff,
    /// When partitions were looked up last, and first, by the wall clock.
    looked_ms: u64,
    first_ms: Option<u64>,
    /// The age at which topics delete records.
    retention: BTreeMap<Arc<str>, Duration>,
    store_trouble: Option<String>,
    log_troubles: Vec<String>,
}

impl<L: Log> Archiver<L> {
    /// An archiver of the calling thread that has done nothing yet.
    pub fn new(settings: Settings, share: Share, store: Arc<dyn Store>, log: L, status: SharedStatus) -> Archiver<L> {
        let rate = Rate::new(settings.rate_mb_max);
        Archiver {
            settings,
            share,
            store,
            log,
            waker: Waker::of_this_thread(),
            status,
            ends: None,
            last_records: LastRecords::default(),
            unsurveyed: BTreeMap::new(),
            partitions: BTreeMap::new(),
            rate,
            reads: 0,
            backoff: Backoff::new(PAUSE.0, PAUSE.1),
            retry_at: Duration::ZERO,
            look_at: Duration::ZERO,
            release_at: Duration::ZERO,
            release_backoff: Backoff::new(survey::PAUSE.0, survey::PAUSE.1),
            looked_ms: 0,
            first_ms: None,
            retention: BTreeMap::new(),
            store_trouble: None,
            log_troubles: Vec::new(),
        }
    }

    /// Does what can be done now. Returns how long to rest unless the waker is called.
    pub fn turn(&mut self, now: Now) -> Duration {
        self.log.serve();
        if now.since_start >= self.retry_at {
            self.reach_store(now.since_start);
        }
        if now.since_start >= self.look_at {
            self.look(&now);
        }
        let has_read = self.read(&now);
        self.seal(now.since_start);
        self.report(now.wall_ms);
        self.rest(now.since_start, has_read)
    }

    /// Writes what was read, as far as the store takes it now. Returns whether everything is durable.
    pub fn flush(&mut self, mut goes_on: impl FnMut() -> bool) -> bool {
        for partition in self.partitions.values_mut() {
            partition.stop();
            if let Err(error) = partition.seal() {
                partition.reread(error);
            }
        }
        let written = self.write(&mut goes_on);
        self.report(self.looked_ms);
        written.is_ok() && self.partitions.values().all(|partition| partition.sealed.is_empty())
    }

    /// Surveys the archive if that has not been done, or writes what waits.
    fn reach_store(&mut self, now: Duration) {
        let begun = Instant::now();
        let reached = match self.ends {
            None => self.survey(),
            Some(_) => self.write(&mut || begun.elapsed() < WRITING).and_then(|()| self.release(now)),
        };
        match reached {
            Ok(()) => {
                if self.store_trouble.take().is_some() {
                    tracing::info!("archive: the store works again");
                }
                self.backoff.reset();
            }
            Err(error) => {
                let reason = error.to_string();
                if self.store_trouble.as_ref() != Some(&reason) {
                    tracing::warn!(reason, "archive: trying again until it works");
                }
                self.store_trouble = Some(reason);
                self.status.update(|status| status.failures += 1);
                // The request may have taken long. The pause, in which partitions are read, begins after it.
                self.retry_at = now + begun.elapsed() + self.backoff.pause();
            }
        }
    }

    /// Writes all segments that wait: of each first the parts, last the closing file.
    fn write(&mut self, goes_on: &mut dyn FnMut() -> bool) -> Result<(), StoreError> {
        for partition in self.partitions.values_mut() {
            while let Some(sealed) = partition.sealed.front_mut() {
                while let Some((name, bytes)) = sealed.files.front() {
                    if !goes_on() {
                        return Ok(());
                    }
                    self.store.put(&name.to_string(), bytes.clone())?;
                    let size = bytes.len() as u64;
                    sealed.files.pop_front();
                    self.status.update(|status| {
                        status.files += 1;
                        status.bytes += size;
                    });
                }
                let rows = partition.is_durable();
                self.status.update(|status| status.records += rows);
            }
        }
        Ok(())
    }

    /// Looks partitions up, and starts to read those that are not read, if the archive has been surveyed.
    fn look(&mut self, now: &Now) {
        self.look_at = now.since_start + LOOK;
        self.looked_ms = now.wall_ms;
        self.first_ms.get_or_insert(now.wall_ms);
        let looked = self.log.look();
        self.retention = looked.retention;
        self.log_troubles = looked.troubles.clone();
        let share = self.share;
        let Some(kept) = &self.ends else {
            self.unsurveyed = looked.ends;
            return self.unsurveyed.retain(|id, _| share.has(id));
        };
        self.unsurveyed.clear();
        for (id, partition) in &mut self.partitions {
            let is_gone = !looked.ends.contains_key(id) && looked.troubles.is_empty();
            // A topic that comes again may be another one: its reading begins with the comparison.
            if is_gone || looked.missing.contains(&id.topic) {
                partition.stop();
            }
        }
        for (id, ends) in looked.ends.into_iter().filter(|(id, _)| share.has(id)) {
            let fresh = || {
                let kept = kept.get(&id).cloned().unwrap_or(Kept { next: ends.low, last: None });
                Partition::new(id.clone(), kept.next, kept.last, ends)
            };
            let partition = self.partitions.entry(id.clone()).or_insert_with(fresh);
            match partition.judge(ends, now.wall_ms) {
                Ok(Judgement::Withheld) => continue,
                Ok(Judgement::Lost(lost)) => {
                    let (lost_from, lost_to) = (lost.start, lost.end - 1);
                    tracing::error!(
                        partition = %id, lost_from, lost_to, "archive: records were deleted before they were archived"
                    );
                    self.status.update(|status| status.lost += (lost.end - lost.start).unsigned_abs());
                }
                Ok(Judgement::Sound) => {}
                Err(error) => partition.reread(error),
            }
            if !partition.is_read() {
                let tail = self.log.start(&id, partition.begins_at(), &self.waker);
                partition.begin(tail);
            }
        }
    }

    /// Reads partitions that may be read; whether anything was read. Each call begins with another partition, so that all have a
    /// share of the bytes that may be read.
    fn read(&mut self, now: &Now) -> bool {
        let mut has_read = false;
        let mut memory: usize = self.partitions.values().map(Partition::memory).sum();
        let mut partitions: Vec<_> = self.partitions.values_mut().collect();
        let first = self.reads % partitions.len().max(1);
        partitions.rotate_left(first);
        self.reads = self.reads.wrapping_add(1);
        for partition in partitions {
            let is_full = memory >= self.settings.memory_bytes_max;
            if is_full || !self.rate.is_open(now.since_start) {
                continue;
            }
            let was_read = partition.is_read();
            let before = partition.memory();
            let bytes = partition.read(&self.settings, now);
            memory = memory.saturating_sub(before) + partition.memory();
            self.rate.take(bytes);
            has_read |= bytes > 0;
            if was_read && !partition.is_read() {
                self.look_at = self.look_at.min(now.since_start + LOOK_AGAIN);
            }
        }
        has_read
    }

    /// Ends the segments that are old, and the largest one if memory is full.
    fn seal(&mut self, now: Duration) {
        for partition in self.partitions.values_mut() {
            let sealed = partition.seal_old(self.settings.age_max, now);
            sealed.unwrap_or_else(|error| partition.reread(error));
        }
        let memory: usize = self.partitions.values().map(Partition::memory).sum();
        let is_waiting = self.partitions.values().any(|partition| !partition.sealed.is_empty());
        if memory >= self.settings.memory_bytes_max
            && !is_waiting
            && let Some(largest) = self.partitions.values_mut().max_by_key(|partition| partition.open_memory())
        {
            largest.seal().unwrap_or_else(|error: FileError| largest.reread(error));
        }
    }

    fn report(&self, wall_ms: u64) {
        let memory: usize = self.partitions.values().map(Partition::memory).sum();
        let read = self.partitions.iter().map(|(id, partition)| (id.clone(), partition.status()));
        let unsurveyed = self.unsurveyed.iter().map(|(id, ends)| (id.clone(), PartitionStatus::unsurveyed(*ends)));
        let partitions: BTreeMap<_, _> = unsurveyed.chain(read).collect();
        let mut troubles: Vec<String> = self.store_trouble.iter().cloned().collect();
        troubles.extend(self.log_troubles.iter().cloned());
        troubles.extend(self.partitions.values().filter_map(Partition::failure));
        for (id, status) in &partitions {
            let warning = status.loss_warning(self.retention.get(&id.topic).copied(), wall_ms);
            troubles.extend(warning.map(|warning| format!("{id} will soon lose records: {warning}")));
        }
        troubles.extend(self.loss_before_survey(wall_ms));
        self.status.update(|status| {
            status.trouble = (!troubles.is_empty()).then(|| troubles.join("; "));
            status.partitions = partitions;
            status.memory_bytes = memory as u64;
        });
    }

    /// While the archive cannot be surveyed, nothing is known of its partitions. Records may be lost all the same.
    fn loss_before_survey(&self, wall_ms: u64) -> Option<String> {
        let age = Duration::from_millis(wall_ms.saturating_sub(self.first_ms.filter(|_| self.ends.is_none())?));
        let retention = self.retention.values().min().filter(|retention| age > **retention / 2)?;
        let (age, retention) = (age.as_secs(), retention.as_secs());
        Some(format!(
            "records will soon be lost: nothing was archived for {age} s, and a topic deletes its records after {retention} s"
        ))
    }

    /// How long there is nothing to do.
    fn rest(&self, now: Duration, has_read: bool) -> Duration {
        let waits = self.ends.is_none() || self.partitions.values().any(|partition| !partition.sealed.is_empty());
        let write = if waits { self.retry_at.saturating_sub(now) } else { REST };
        let read = if has_read { self.rate.wait() } else { REST };
        let due = self.partitions.values().filter_map(|partition| partition.due(self.settings.age_max)).min();
        let seal = due.map_or(REST, |due| due.saturating_sub(now));
        let look = self.look_at.saturating_sub(now);
        [write, read, seal, look, REST].into_iter().min().unwrap_or(REST)
    }
}
