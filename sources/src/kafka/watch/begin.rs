//! Partitions that are read for the first time: from a kept position, from the archive, or from their first record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dataflow::feed::Position;
use dataflow::source_status::Progress;

use super::tracked::Tracked;
use super::{Upstream, Watcher};
use crate::kafka::assignments::{Assignments, PartitionId, PartitionProgress};
use crate::kafka::fingerprint::{Ends, Evidence, Judgement, Reread};
use crate::kafka::join::{Joined, Kept};
use crate::kafka::upstream::Unanswered;

/// Kept positions of partitions that are not read yet, and whether they still hold.
pub(super) struct KeptPositions {
    positions: BTreeMap<PartitionId, Position>,
    rereads: BTreeMap<PartitionId, Reread>,
    /// Partitions whose records could not be read again in time.
    unanswered: BTreeSet<PartitionId>,
}

impl<U: Upstream> Watcher<U> {
    /// The positions kept for partitions that are not read yet, and the records of their fingerprints read again, except
    /// those that have been deleted since.
    pub(super) fn look_up_kept_positions(
        &self,
        ends: &BTreeMap<PartitionId, Ends>,
    ) -> Result<KeptPositions, Unanswered> {
        let new = ends.keys().filter(|id| !self.tracked.contains_key(id));
        let positions: BTreeMap<PartitionId, Position> =
            new.filter_map(|id| Some((id.clone(), (self.parts.resume)(&id.topic, id.partition)?))).collect();
        let records = positions.iter().filter_map(|(id, kept)| Some((id.clone(), kept.fingerprint?)));
        let records = records.filter(|(id, record)| (ends[id].low..ends[id].high).contains(&record.at)).collect();
        let rereads = self.parts.upstream.reread(&records)?;
        let unanswered = records.into_keys().filter(|id| !rereads.contains_key(id)).collect();
        Ok(KeptPositions { positions, rereads, unanswered })
    }

    /// Starts to read a partition that was never read before, from the position kept for it or else from its first record,
    /// which may be in the archive.
    pub(super) fn begin(&mut self, id: PartitionId, assignments: &Arc<Assignments>, ends: Ends, kept: &KeptPositions) {
        if kept.unanswered.contains(&id) {
            // It is not known yet whether it is the same topic, and so from where it must be read.
            self.troubles.push(format!("partition {id} does not give the record that was read last"));
            return;
        }
        let position = kept.positions.get(&id);
        let fingerprint = position.and_then(|kept| kept.fingerprint);
        let reread = kept.rereads.get(&id).copied().unwrap_or(Reread::Unknown);
        let next = position.map_or(ends.low, |kept| kept.next);
        let evidence = Evidence { next, ends, low_before: 0, reread, failed: false, returned: false };
        let judgement = evidence.judge();
        let judged = evidence.resume(&judgement, fingerprint);
        let kept = position.map(|kept| Kept { next: kept.next, is_confirmed: fingerprint.is_some() });
        let is_in_topic = judgement == Judgement::Replaced || (judgement == Judgement::Sound && fingerprint.is_some());
        let joined = if is_in_topic { Some(Joined::topic(judged)) } else { self.join(&id, kept, judged, ends) };
        let Some(joined) = joined else { return };
        let next = joined.first();
        match (&joined.archived, position) {
            (None, _) => self.log(&id, &evidence, &judgement),
            (Some(_), Some(position)) => self.note_losses(&id, joined.lost_after(position.next)),
            (Some(_), None) => self.note_losses(&id, joined.lacking.clone()),
        }
        let (end, worker, in_topic) = (ends.high, assignments.index(), joined.in_topic);
        tracing::info!(topic = %id.topic, partition = id.partition, next, in_topic, end, worker, "reading");
        self.parts.status.partition(&id.topic, id.partition, Progress { next, end });
        let progress = Arc::new(PartitionProgress::new(next, end));
        if judgement == Judgement::Sound {
            // Until another record is read, the partition is recognised by this one.
            progress.report(next, fingerprint);
            fingerprint.filter(|_| reread == Reread::Same).into_iter().for_each(|record| progress.confirm(record));
        }
        let mut tracked = Tracked::new(assignments.clone(), progress, ends.low, next);
        tracked.follow(&id, next, &joined, end);
        self.tracked.insert(id, tracked);
    }
}
