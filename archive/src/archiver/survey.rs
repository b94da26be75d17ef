//! What the archiver learns from the list of the archive: where partitions end, what is superfluous, and what is foreign.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sources::kafka::upstream::PartitionId;

use super::Archiver;
use crate::chain::{Chain, Survey};
use crate::log::Log;
use crate::name::ObjectName;
use crate::partition::LastRecord;
use crate::store::{Object, StoreError};

/// The shortest and the longest pause between two lists of a topic that was made anew. A list shows whether its old files are gone.
pub(super) const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// The most foreign files that are named in the log.
const NAMED_MAX: usize = 20;

/// Where a partition of the archive ends.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// The offset after its last one.
    pub(super) next: i64,
    /// Its last record, if it could be read.
    pub(super) last: Option<LastRecord>,
}

/// The last records that were read, by the name of the closing file of the last segment. A survey that fails goes on with them.
#[derive(Default)]
pub(super) struct LastRecords(BTreeMap<PartitionId, (ObjectName, Option<LastRecord>)>);

impl<L: Log> Archiver<L> {
    /// Finds where each partition ends, and removes what is superfluous.
    pub(super) fn survey(&mut self) -> Result<(), StoreError> {
        let mut ends = BTreeMap::new();
        let topics: BTreeSet<Arc<str>> = self.log.topics().into_iter().collect();
        let survey = Survey::of(self.list_all(&topics)?);
        let share = self.share;
        let is_ours = |id: &PartitionId| topics.contains(&id.topic) && share.has(id);
        for (id, chain) in survey.chains.into_iter().filter(|(id, _)| is_ours(id)) {
            self.settle(&id, &chain)?;
            if let Some(next) = chain.next() {
                let last = self.last_record(&id, &chain)?;
                ends.insert(id, Kept { next, last });
            }
        }
        for name in survey.foreign.iter().take(NAMED_MAX) {
            tracing::warn!(name, "archive: a file that is not of the archive is left alone");
        }
        if let Some(more) = survey.foreign.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
            tracing::warn!(more, "archive: more files that are not of the archive: `vitrine archive ls` names them");
        }
        self.status.update(|status| status.foreign = survey.foreign.len() as u64);
        self.last_records = LastRecords::default();
        self.ends = Some(ends);
        self.look_at = Duration::ZERO;
        Ok(())
    }

    /// Everything in the archive. If the whole cannot be listed, as with a directory of somebody else in it, its topics are.
    fn list_all(&self, topics: &BTreeSet<Arc<str>>) -> Result<Vec<Object>, StoreError> {
        let whole = match self.store.list("") {
            Ok(objects) => return Ok(objects),
            Err(error) => error,
        };
        let mut objects = Vec::new();
        for topic in topics {
            objects.extend(self.store.list(&format!("{topic}/"))?);
        }
        let reason = whole.to_string();
        tracing::warn!(reason, "archive: only the directories of the topics are searched for files of others");
        Ok(objects)
    }

    /// Removes what is superfluous of a partition, and names what is wrong.
    fn settle(&self, id: &PartitionId, chain: &Chain) -> Result<(), StoreError> {
        self.superfluous(id, chain)?;
        for range in chain.missing() {
            tracing::warn!(partition = %id, from = range.start(), to = range.end(), "archive: offsets are missing");
        }
        for range in chain.overlaps() {
            let (from, to) = range.into_inner();
            tracing::warn!(partition = %id, from, to, "archive: offsets are in several files: two archivers wrote here");
        }
        Ok(())
    }

    /// Removes what is superfluous of a partition. A list is not made at one moment: a merging that goes on meanwhile may make files
    /// seem superfluous, so a second list must have them too.
    fn superfluous(&self, id: &PartitionId, chain: &Chain) -> Result<(), StoreError> {
        let found = chain.superfluous();
        if found.is_empty() {
            return Ok(());
        }
        let again = Survey::of(self.store.list(&format!("{}/", id.topic))?);
        let still = again.chains.get(id).map(Chain::superfluous).unwrap_or_default();
        for name in found.iter().filter(|name| still.contains(name)) {
            tracing::info!(name, "archive: removing an unfinished file");
            self.store.remove(name)?;
        }
        Ok(())
    }

    fn last_record(&mut self, id: &PartitionId, chain: &Chain) -> Result<Option<LastRecord>, StoreError> {
        let closing = chain.last_segment().and_then(|segment| segment.files.last());
        let Some(closing) = closing else { return Ok(None) };
        if let Some((_, last)) = self.last_records.0.get(id).filter(|(name, _)| *name == closing.name) {
            return Ok(last.clone());
        }
        let last = LastRecord::of(&*self.store, chain)?;
        self.last_records.0.insert(id.clone(), (closing.name.clone(), last.clone()));
        Ok(last)
    }

    /// Lists the topics that were made anew, from time to time. Those whose old files were moved away are read from their first
    /// record.
    pub(super) fn release(&mut self, now: Duration) -> Result<(), StoreError> {
        let withheld = self.partitions.iter().filter(|(_, partition)| partition.is_withheld());
        let topics: BTreeSet<Arc<str>> = withheld.map(|(id, _)| id.topic.clone()).collect();
        if topics.is_empty() {
            self.release_backoff.reset();
            return Ok(());
        }
        if now < self.release_at {
            return Ok(());
        }
        self.release_at = now + self.release_backoff.pause();
        for topic in topics {
            // Files that are merged while the list is made may be missing in it. They are in the next one.
            let (first, again) = (self.moved_away(&topic)?, self.moved_away(&topic)?);
            let gone: Vec<PartitionId> = first.intersection(&again).cloned().collect();
            let is_released = |id: &PartitionId| {
                let partition = self.partitions.get(id);
                partition.is_some_and(|partition| partition.is_withheld() && partition.holds_nothing())
            };
            if !gone.iter().any(is_released) {
                continue;
            }
            tracing::info!(%topic, "archive: the old files were moved away: the topic is archived from its first record");
            // The directory is that of all partitions of the topic.
            for id in gone {
                self.partitions.remove(&id).into_iter().for_each(|mut partition| partition.stop());
                self.ends.iter_mut().for_each(|ends| drop(ends.remove(&id)));
            }
            self.look_at = Duration::ZERO;
        }
        Ok(())
    }

    /// The partitions of a topic of which the archive has no file.
    fn moved_away(&self, topic: &str) -> Result<BTreeSet<PartitionId>, StoreError> {
        let chains = Survey::of(self.store.list(&format!("{topic}/"))?).chains;
        let gone = self.partitions.keys().filter(|id| *id.topic == *topic && !chains.contains_key(*id));
        Ok(gone.cloned().collect())
    }
}
