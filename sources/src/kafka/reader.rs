//! One partition, read in turns by its worker.

use std::sync::Arc;
use std::sync::mpsc::TrySendError;

use dataflow::feed::{Position, StreamFingerprint};
use dataflow::time::Time;
use events::{DeadLetter, DeadLetterSender, Decoder};

use super::assignments::{PartitionId, PartitionProgress};
use super::fingerprint::fingerprint;
use super::record::RecordApplier;
use super::upstream::{Lend as _, Tail, Taken};

/// Reads one partition: a blocked partition blocks no other.
pub(super) struct Reader<T> {
    id: PartitionId,
    tail: T,
    decoder: Decoder,
    progress: Arc<PartitionProgress>,
    next: i64,
    goal: i64,
    /// Whether the goal, or the end of the partition, has been reached.
    reached: bool,
    /// Confirmations of the partition's record that were seen.
    confirmations: u64,
    /// The record read last, by this reader or the reader before it.
    last: Option<StreamFingerprint>,
    /// The time its records have reached: the latest time at or after which all records of one turn are dated. A single
    /// record dated ahead of its neighbours does not move it.
    time: Time,
    /// A dead letter that could not be sent yet. Until it is, the position stays before its record.
    unsent: Option<Box<DeadLetter>>,
    /// Reading has failed. The next record may follow records that were left out: another reader starts at this position.
    failed: bool,
}

impl<T: Tail> Reader<T> {
    /// Reads on a partition from `next`.
    pub(super) fn new(tail: T, id: PartitionId, progress: Arc<PartitionProgress>, next: i64, goal: i64) -> Self {
        let reached = next >= goal;
        Reader {
            id,
            tail,
            decoder: Decoder::default(),
            progress,
            next,
            goal,
            reached,
            confirmations: 0,
            last: None,
            time: 0,
            unsent: None,
            failed: false,
        }
    }

    pub(super) fn id(&self) -> &PartitionId {
        &self.id
    }

    /// Whether everything that was there at the start has been read.
    pub(super) fn reached(&self) -> bool {
        self.reached
    }

    /// The time its records have reached.
    pub(super) fn time(&self) -> Time {
        self.time
    }

    /// Records known to be unread.
    pub(super) fn waiting(&self) -> usize {
        usize::try_from(self.progress.end() - self.next).unwrap_or(0)
    }

    pub(super) fn position(&self) -> Position {
        // Not the record read last: if a topic was recreated and read on at the old offset, that record is of the new topic
        // and would hide the records that were missed.
        let fingerprint = self.progress.known().confirmed;
        Position { stream: self.id.topic.clone(), partition: self.id.partition, next: self.next, fingerprint }
    }

    /// Whether another record has been confirmed since the last call.
    pub(super) fn is_newly_confirmed(&mut self) -> bool {
        let confirmations = self.progress.confirmations();
        std::mem::replace(&mut self.confirmations, confirmations) != confirmations
    }

    /// Reads up to `limit` records that have arrived. Fewer: there are no more, a dead letter could not be sent, or reading has
    /// failed.
    pub(super) fn read(
        &mut self,
        limit: usize,
        applier: &mut RecordApplier<'_>,
        dead_letters: &DeadLetterSender,
    ) -> usize {
        if self.failed || !self.release(dead_letters) {
            return 0;
        }
        let before = self.next;
        let (mut records, mut last, mut earliest) = (0, None, None);
        self.tail.fill(limit);
        while records < limit {
            match self.tail.take() {
                None => break,
                Some(Taken::Record(taken)) => {
                    let record = taken.lend();
                    records += 1;
                    self.next = record.offset + 1;
                    earliest = earliest.into_iter().chain(applier.time_of(&record)).min();
                    if let Err(letter) = applier.apply(&self.id, &record, &mut self.decoder) {
                        self.unsent = Some(letter);
                        if !Self::send(&mut self.unsent, dead_letters) {
                            self.progress.set_blocked(true);
                            self.next = record.offset;
                            break;
                        }
                    }
                    last = Some(taken);
                }
                Some(Taken::End(end)) => {
                    self.next = self.next.max(end);
                    self.reached = true;
                }
                Some(Taken::Failed(error)) => {
                    tracing::debug!(partition = %self.id, %error, "reading fails");
                    self.progress.fail(error.to_string());
                    self.failed = true;
                    break;
                }
            }
        }
        self.reached |= self.next >= self.goal;
        if self.next != before {
            self.time = self.time.max(earliest.unwrap_or(0));
            if let Some(last) = &last {
                self.last = Some(fingerprint(&last.lend()));
            }
            self.progress.report(self.next, self.last);
        }
        records
    }

    /// Sends the letter that waits, if one does; whether none waits any more.
    fn release(&mut self, dead_letters: &DeadLetterSender) -> bool {
        let Some(offset) = self.unsent.as_ref().map(|letter| letter.offset) else { return true };
        let released = Self::send(&mut self.unsent, dead_letters);
        if released {
            self.next = offset + 1;
            self.progress.set_blocked(false);
            self.progress.report(self.next, None);
        }
        released
    }

    fn send(unsent: &mut Option<Box<DeadLetter>>, dead_letters: &DeadLetterSender) -> bool {
        let Some(letter) = unsent.take() else { return true };
        match dead_letters.try_send(*letter) {
            Ok(()) => true,
            Err(TrySendError::Full(letter) | TrySendError::Disconnected(letter)) => {
                *unsent = Some(Box::new(letter));
                false
            }
        }
    }

    /// Stops reading. Records that were fetched and not read are dropped.
    pub(super) fn stop(self) {
        self.tail.stop();
    }
}
