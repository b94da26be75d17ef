//! Partitions that are read from the archive first: where they begin, and where they continue.
//!
//! ```text
//! begin ─▶ join: archive and topic meet? ─▶ read the archive ─▶ its end is reached ─▶ join again ─▶ read the topic
//!               └ no: the reason, and another try          └ it fails: its reason, and join again
//! ```
//! Joining again finds what was archived meanwhile, if the topic has deleted records by then. While the archive is being listed,
//! nothing is wrong: the next look asks it again.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use dataflow::feed::Waker;
use dataflow::source_status::Progress;

use super::tracked::Tracked;
use super::{Upstream, Watcher};
use crate::kafka::assignments::{Command, PartitionId, PartitionProgress};
use crate::kafka::fingerprint::{Ends, Judgement};
use crate::kafka::join::{JoinError, Joined, Kept, join};
use crate::kafka::past::{Past, PastError, PastOffsets, PastRecords};

impl<U: Upstream> Watcher<U> {
    /// Where reading of a partition begins; `None` if the archive does not say: it is being listed, or the reason is noted. `judged` is the offset
    /// at which reading would begin without an archive. A gap is a fault at a first start only: a running shop continues after it.
    pub(super) fn join(&mut self, id: &PartitionId, kept: Option<Kept>, judged: i64, ends: Ends) -> Option<Joined> {
        // A topic that still has its first record has all of them.
        let past = self.parts.past.as_deref().filter(|_| ends.low > 0);
        match past.map_or(Ok(Joined::topic(judged)), |past| join(Some(past), id, kept, ends)) {
            Ok(joined) => {
                if past.is_some()
                    && kept.is_none()
                    && let Some(first) = joined.warn_of_beginning(id)
                {
                    self.beginnings.add(id, first);
                    self.note();
                }
                Some(joined)
            }
            Err(JoinError::Gap { .. }) if kept.is_some() => {
                let past = past.map(PastWithGaps);
                let past = past.as_ref().map(|past| past as &dyn Past);
                Some(join(past, id, kept, ends).unwrap_or(Joined::topic(judged)))
            }
            Err(JoinError::Listing { .. }) => {
                self.is_listing = true;
                self.unreadable = true;
                None
            }
            Err(error) => {
                self.troubles.push(error.to_string());
                self.unreadable = true;
                None
            }
        }
    }

    /// Follows a partition that is read from the archive up to `until`, and whose next offset is `next`.
    pub(super) fn judge_archived(&mut self, id: &PartitionId, next: i64, until: i64, ends: Ends, returned: bool) {
        let tracked = self.tracked.get_mut(id).expect("a partition with a position is tracked");
        let is_another = returned || ends.low < std::mem::replace(&mut tracked.low, ends.low);
        tracked.progress.set_end(ends.high);
        let failure = tracked.progress.take_failure();
        // A reader that fails has read its last record before it says so.
        let (fails, next) = match failure {
            Some(_) => (true, tracked.progress.next()),
            None => (false, next),
        };
        let is_read = next >= until;
        self.parts.status.partition(&id.topic, id.partition, Progress { next, end: ends.high.max(next) });
        if let Some(reason) = tracked.archive_trouble(next, failure) {
            self.troubles.push(format!("partition {id} cannot be read from the archive: {reason}"));
            self.unreadable = true;
        }
        if !fails && !is_read && !is_another && !tracked.asks_archive {
            return;
        }
        let kept = Kept { next, is_confirmed: is_read };
        let judged = if is_read { next.max(ends.low) } else { ends.low };
        match self.join(id, Some(kept), judged, ends) {
            Some(joined) => self.go_on(id, next, &joined, ends),
            None => self.tracked.get_mut(id).expect("it was tracked above").asks_archive = true,
        }
    }

    /// Commands that a tracked partition is read where `joined` says. The offsets from `read` to the first record there are lost.
    pub(super) fn go_on(&mut self, id: &PartitionId, read: i64, joined: &Joined, ends: Ends) {
        self.note_losses(id, joined.lost_after(read));
        let tracked = self.tracked.get_mut(id).expect("only a tracked partition goes on");
        let next = joined.first();
        tracked.sample = None;
        tracked.progress = Arc::new(PartitionProgress::new(next, ends.high));
        tracked.follow(id, next, joined, ends.high);
        let in_topic = joined.in_topic;
        match &joined.archived {
            Some(archived) if tracked.archive_failure.is_some() => {
                tracing::debug!(partition = %id, next, until = archived.end, "reading the archive again");
            }
            Some(archived) => tracing::info!(partition = %id, next, until = archived.end, "reading the archive"),
            None => tracing::info!(partition = %id, next = in_topic, "reading the topic after the archive"),
        }
    }

    /// Names offsets that are neither in the archive nor in the topic.
    pub(super) fn note_losses(&mut self, id: &PartitionId, lost: Vec<Range<i64>>) {
        for lost in lost {
            let (topic, partition, lost_from, lost_to) = (&*id.topic, id.partition, lost.start, lost.end - 1);
            // Whoever begins to read the archive again after a failure comes to the same offsets.
            if !self.losses.add(id, lost) {
                continue;
            }
            tracing::warn!(
                topic,
                partition,
                lost_from,
                lost_to,
                "records were deleted before they were read, and the archive does not have them: reading goes on after them"
            );
            self.parts.status.ignored("partition_restarted");
            self.note();
        }
    }

    /// A topic has deleted records before they were read. Returns whether the archive has them and is read from now on, or
    /// may have them and is asked again.
    pub(super) fn reads_what_expired(
        &mut self,
        id: &PartitionId,
        next: i64,
        judgement: &Judgement,
        ends: Ends,
    ) -> bool {
        if self.parts.past.is_none() || !matches!(judgement, Judgement::Expired { .. }) {
            return false;
        }
        match self.join(id, Some(Kept { next, is_confirmed: true }), ends.low, ends) {
            Some(joined) if joined.archived.is_some() => self.go_on(id, next, &joined, ends),
            Some(_) => return false,
            None => {}
        }
        true
    }
}

/// An archive whose gaps are passed over.
pub(in crate::kafka) struct PastWithGaps<'p>(pub(in crate::kafka) &'p dyn Past);

impl Past for PastWithGaps<'_> {
    fn offsets(&self, id: &PartitionId, low: i64) -> Result<Option<PastOffsets>, PastError> {
        self.0.offsets(id, low)
    }

    fn allows_gaps(&self) -> bool {
        true
    }

    fn open(&self, id: &PartitionId, offsets: Range<i64>, waker: &Waker) -> Box<dyn PastRecords> {
        self.0.open(id, offsets, waker)
    }
}

impl Tracked {
    /// Commands its reading from `next` on, as its progress says.
    pub(super) fn follow(&mut self, id: &PartitionId, next: i64, joined: &Joined, goal: i64) {
        self.archived_to = joined.archived.as_ref().map(|archived| archived.end);
        self.asks_archive = false;
        self.archive_failure = self.archive_failure.take().filter(|_| self.archived_to.is_some());
        self.absent = false;
        self.moved = (next, Instant::now());
        let progress = self.progress.clone();
        let command = Command::Start { progress, next, archived_to: self.archived_to, goal };
        self.assignments.give(id.clone(), command);
    }
}
