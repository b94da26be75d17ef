//! Partitions that are read for the first time: from a kept position, from the archive, or from their first record.

use std::collections::BTreeMap;
use std::sync::Arc;

use dataflow::feed::Position;
use dataflow::source_status::Progress;

use super::tracked::Tracked;
use super::{Upstream, Watcher};
use crate::kafka::assignments::{Assignments, PartitionId, PartitionProgress};
use crate::kafka::fingerprint::{Ends, Evidence, Judgement, Reread};
use crate::kafka::join::{Joined, Kept};
use crate::kafka::kept::{Found, KeptRecords};
use crate::kafka::upstream::Unanswered;

/// Kept positions of partitions that are not read yet, and whether they still hold.
pub(super) struct KeptPositions {
    positions: BTreeMap<PartitionId, Position>,
    records: KeptRecords,
}

impl<U: Upstream> Watcher<U> {
    /// The positions kept for partitions that are not read yet, and their records read again.
    pub(super) fn look_up_kept_positions(
        &self,
        ends: &BTreeMap<PartitionId, Ends>,
    ) -> Result<KeptPositions, Unanswered> {
        let new = ends.keys().filter(|id| !self.tracked.contains_key(id));
        let positions: BTreeMap<PartitionId, Position> =
            new.filter_map(|id| Some((id.clone(), (self.parts.resume)(&id.topic, id.partition)?))).collect();
        let records = KeptRecords::read_again(&self.parts.upstream, &positions, ends)?;
        Ok(KeptPositions { positions, records })
    }

    /// Starts to read a partition that was never read before, from the position kept for it or else from its first record,
    /// which may be in the archive.
    pub(super) fn begin(&mut self, id: PartitionId, assignments: &Arc<Assignments>, ends: Ends, kept: &KeptPositions) {
        if kept.records.unanswered().contains(&id) {
            self.troubles.push(format!("partition {id} does not give the record that was read last"));
            return;
        }
        let position = kept.positions.get(&id);
        let fingerprint = position.and_then(|kept| kept.fingerprint);
        let Found { confirming: reread, last } = kept.records.of(&id);
        let next = position.map_or(ends.low, |kept| kept.next);
        let evidence = Evidence { next, ends, low_before: 0, reread, failed: false, returned: false };
        let judgement = evidence.judge();
        let judged = evidence.resume(&judgement, fingerprint, last);
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
            // Until another record is read, the partition is recognised by these.
            let last = position.and_then(|kept| kept.last).filter(|_| last == Reread::Same);
            progress.report(next, fingerprint);
            progress.report(next, last);
            let confirmed = last.or(fingerprint).filter(|_| reread == Reread::Same);
            confirmed.into_iter().for_each(|record| progress.confirm(record));
        }
        let mut tracked = Tracked::new(assignments.clone(), progress, ends.low, next);
        tracked.follow(&id, next, &joined, end);
        self.tracked.insert(id, tracked);
    }
}
