//! One partition, read in turns by its worker.

use std::sync::Arc;
use std::sync::mpsc::TrySendError;

use dataflow::feed::{Position, StreamFingerprint};
use dataflow::time::Time;
use events::{DeadLetter, DeadLetterSender};
use rdkafka::Message;

use super::assignments::{PartitionId, PartitionProgress};
use super::fingerprint::Fingerprint;
use super::record::RecordApplier;
use super::upstream::{Polled, Tail};

/// Reads one partition: a partition that is held up holds up no other.
pub(super) struct Reader<T> {
    id: PartitionId,
    tail: T,
    place: Arc<PartitionProgress>,
    next: i64,
    goal: i64,
    /// Whether the goal, or the end of the partition, has been reached.
    reached: bool,
    /// Proofs of the place that were seen.
    proofs: u64,
    /// The record read last, by this reader or whoever read before it.
    last: Option<Fingerprint>,
    /// The time its records have come to: the latest that all records of one turn were dated at or after. A single record
    /// dated ahead of its neighbours does not move it.
    time: Time,
    /// A refused record that could not be handed over yet. Until it is, the position stays before it.
    held: Option<Box<DeadLetter>>,
    /// Reading has failed. What would come next may lie behind records that were left out: another reader begins where
    /// this one is.
    failed: bool,
}

impl<T: Tail> Reader<T> {
    /// Goes on with a partition that is read from `next` on.
    pub(super) fn new(tail: T, id: PartitionId, place: Arc<PartitionProgress>, next: i64, goal: i64) -> Self {
        let reached = next >= goal;
        Reader { id, tail, place, next, goal, reached, proofs: 0, last: None, time: 0, held: None, failed: false }
    }

    pub(super) fn id(&self) -> &PartitionId {
        &self.id
    }

    /// Whether everything that was there at the start has been read.
    pub(super) fn reached(&self) -> bool {
        self.reached
    }

    /// The time its records have come to.
    pub(super) fn time(&self) -> Time {
        self.time
    }

    /// Records known to be unread.
    pub(super) fn waiting(&self) -> usize {
        usize::try_from(self.place.end() - self.next).unwrap_or(0)
    }

    pub(super) fn position(&self) -> Position {
        // Not the record read last: where a topic was made anew and read on at the old offset, that one is of the new
        // topic, and would prove that nothing was missed.
        let fingerprint = self.place.known().proven.map(StreamFingerprint::from);
        Position { stream: self.id.topic.clone(), partition: self.id.partition, next: self.next, fingerprint }
    }

    /// Whether the proof of its position is another one than when this was last asked.
    pub(super) fn is_proven_anew(&mut self) -> bool {
        let proofs = self.place.proofs();
        std::mem::replace(&mut self.proofs, proofs) != proofs
    }

    /// Reads up to `limit` records that have arrived. Fewer: there are no more, one waits for the dead letters, or reading
    /// has failed.
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
        while records < limit {
            match self.tail.poll() {
                None => break,
                Some(Polled::Record(message)) => {
                    records += 1;
                    self.next = message.offset() + 1;
                    earliest = earliest.into_iter().chain(applier.time_of(&message)).min();
                    if let Err(letter) = applier.apply(&self.id, &message) {
                        self.held = Some(letter);
                        if !Self::hand_over(&mut self.held, dead_letters) {
                            self.place.hold(true);
                            self.next = message.offset();
                            break;
                        }
                    }
                    last = Some(message);
                }
                Some(Polled::End(end)) => {
                    self.next = self.next.max(end.unwrap_or(0));
                    self.reached = true;
                }
                Some(Polled::Failed(reason)) => {
                    tracing::debug!(partition = %self.id, reason, "reading fails");
                    self.place.fail(reason);
                    self.failed = true;
                    break;
                }
            }
        }
        self.reached |= self.next >= self.goal;
        if self.next != before {
            self.time = self.time.max(earliest.unwrap_or(0));
            if let Some(last) = &last {
                self.last = Some(Fingerprint::of(last));
            }
            self.place.note(self.next, self.last);
        }
        records
    }

    /// Whether nothing is held, or not any more.
    fn release(&mut self, dead_letters: &DeadLetterSender) -> bool {
        let Some(held) = self.held.as_ref().map(|letter| letter.offset) else { return true };
        let released = Self::hand_over(&mut self.held, dead_letters);
        if released {
            self.next = held + 1;
            self.place.hold(false);
            self.place.note(self.next, None);
        }
        released
    }

    fn hand_over(held: &mut Option<Box<DeadLetter>>, dead_letters: &DeadLetterSender) -> bool {
        let Some(letter) = held.take() else { return true };
        match dead_letters.try_send(*letter) {
            Ok(()) => true,
            Err(TrySendError::Full(letter) | TrySendError::Disconnected(letter)) => {
                *held = Some(Box::new(letter));
                false
            }
        }
    }

    /// Stops reading. What has been fetched and not been read is dropped.
    pub(super) fn stop(self) {
        self.tail.stop();
    }
}
