//! The records of kept positions, read again: are they still there?

use std::collections::{BTreeMap, BTreeSet};

use dataflow::feed::{Position, StreamFingerprint};

use super::assignments::PartitionId;
use super::fingerprint::{Ends, Reread};
use super::upstream::{Unanswered, Upstream};

/// What was found at the offsets of the remembered records.
#[derive(Default)]
pub(super) struct KeptRecords {
    confirming: BTreeMap<PartitionId, Reread>,
    last: BTreeMap<PartitionId, Reread>,
    /// Partitions that did not answer in time.
    unanswered: BTreeSet<PartitionId>,
}

/// What was found in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The record that confirms the stream: see [`Position::fingerprint`].
    pub(super) confirming: Reread,
    /// The record that was read last: see [`Position::last`].
    pub(super) last: Reread,
}

impl KeptRecords {
    /// Reads the records of the positions again, except those that have been deleted since.
    pub(super) fn read_again(
        upstream: &impl Upstream,
        positions: &BTreeMap<PartitionId, Position>,
        ends: &BTreeMap<PartitionId, Ends>,
    ) -> Result<KeptRecords, Unanswered> {
        let mut found = KeptRecords::default();
        let confirming = remembered(positions, ends, |kept| kept.fingerprint);
        found.confirming = upstream.reread(&confirming)?;
        // Mostly the same record twice: a partition that has been idle for a while.
        let last = remembered(positions, ends, |kept| kept.last.filter(|last| kept.fingerprint != Some(*last)));
        found.last = upstream.reread(&last)?;
        let same = positions.iter().filter(|(_, kept)| kept.last.is_some() && kept.last == kept.fingerprint);
        let same: Vec<_> = same.filter_map(|(id, _)| Some((id.clone(), *found.confirming.get(id)?))).collect();
        let unanswered = |records: BTreeMap<PartitionId, _>, answers: &BTreeMap<PartitionId, Reread>| {
            records.into_keys().filter(|id| !answers.contains_key(id)).collect::<BTreeSet<PartitionId>>()
        };
        found.unanswered = &unanswered(confirming, &found.confirming) | &unanswered(last, &found.last);
        found.last.extend(same);
        Ok(found)
    }

    /// The partitions that did not answer in time: it is not known yet whether they are the same, and so from where they must
    /// be read.
    pub(super) fn unanswered(&self) -> &BTreeSet<PartitionId> {
        &self.unanswered
    }

    /// What was found in a partition.
    pub(super) fn of(&self, id: &PartitionId) -> Found {
        let found = |answers: &BTreeMap<PartitionId, Reread>| answers.get(id).copied().unwrap_or(Reread::Unknown);
        Found { confirming: found(&self.confirming), last: found(&self.last) }
    }
}

/// The records to read again: those that are not deleted.
fn remembered(
    positions: &BTreeMap<PartitionId, Position>,
    ends: &BTreeMap<PartitionId, Ends>,
    record: impl Fn(&Position) -> Option<StreamFingerprint>,
) -> BTreeMap<PartitionId, StreamFingerprint> {
    let records = positions.iter().filter_map(|(id, kept)| Some((id.clone(), record(kept)?, ends.get(id)?)));
    let records = records.filter(|(_, record, Ends { low, high })| (*low..*high).contains(&record.at));
    records.map(|(id, record, _)| (id, record)).collect()
}
