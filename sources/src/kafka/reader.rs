//! One partition, read in turns by its worker.

use std::sync::Arc;
use std::sync::mpsc::TrySendError;

use dataflow::feed::{Position, StreamFingerprint};
use dataflow::time::Time;
use events::{DeadLetter, DeadLetterSender, Decoder};

use super::assignments::{KnownRecords, PartitionId, PartitionProgress};
use super::fingerprint::fingerprint;
use super::past::{PastRecords, PastTaken};
use super::record::RecordApplier;
use super::upstream::{Lend as _, Record, Tail, Taken};

/// Where the records come from.
pub(super) enum Records<T> {
    /// The topic.
    Topic(T),
    /// The archive, up to an offset. Then the partition waits for the next command of the watcher.
    Archived {
        /// The records.
        records: Box<dyn PastRecords>,
        /// The offset after the last one to read.
        until: i64,
    },
}

/// Reads one partition: a blocked partition blocks no other.
pub(super) struct Reader<T> {
    records: Records<T>,
    place: Place,
}

/// How far a partition has been read.
struct Place {
    id: PartitionId,
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
    pub(super) fn new(
        records: Records<T>,
        id: PartitionId,
        progress: Arc<PartitionProgress>,
        next: i64,
        goal: i64,
    ) -> Self {
        let place = Place {
            id,
            decoder: Decoder::default(),
            progress,
            next,
            goal,
            reached: next >= goal,
            confirmations: 0,
            last: None,
            time: 0,
            unsent: None,
            failed: false,
        };
        Reader { records, place }
    }

    pub(super) fn id(&self) -> &PartitionId {
        &self.place.id
    }

    /// Whether everything that was there at the start has been read.
    pub(super) fn reached(&self) -> bool {
        self.place.reached
    }

    /// The time its records have reached.
    pub(super) fn time(&self) -> Time {
        self.place.time
    }

    /// Records known to be unread.
    pub(super) fn waiting(&self) -> usize {
        usize::try_from(self.place.progress.end() - self.place.next).unwrap_or(0)
    }

    pub(super) fn position(&self) -> Position {
        let Place { id, progress, next, .. } = &self.place;
        // Not the record read last alone: if a topic was recreated and read on at the old offset, that record is of the new
        // topic and would hide the records that were missed.
        let KnownRecords { first, last, confirmed } = progress.known();
        let fingerprint = confirmed.or(first);
        Position { stream: id.topic.clone(), partition: id.partition, next: *next, fingerprint, last }
    }

    /// Whether another record has been confirmed since the last call.
    pub(super) fn is_newly_confirmed(&mut self) -> bool {
        let confirmations = self.place.progress.confirmations();
        std::mem::replace(&mut self.place.confirmations, confirmations) != confirmations
    }

    /// Reads up to `limit` records that have arrived. Fewer: there are no more, a dead letter could not be sent, or reading has
    /// failed.
    pub(super) fn read(
        &mut self,
        limit: usize,
        applier: &mut RecordApplier<'_>,
        dead_letters: &DeadLetterSender,
    ) -> usize {
        let Reader { records, place } = self;
        if place.failed || !place.release(dead_letters) {
            return 0;
        }
        match records {
            Records::Topic(tail) => place.read_topic(tail, limit, applier, dead_letters),
            Records::Archived { records, until } => {
                place.read_archive(&mut **records, *until, limit, applier, dead_letters)
            }
        }
    }

    /// Stops reading. Records that were fetched and not read are dropped.
    pub(super) fn stop(self) {
        if let Records::Topic(tail) = self.records {
            tail.stop();
        }
    }
}

impl Place {
    fn read_topic(
        &mut self,
        tail: &mut impl Tail,
        limit: usize,
        applier: &mut RecordApplier<'_>,
        dead_letters: &DeadLetterSender,
    ) -> usize {
        let before = self.next;
        let (mut records, mut last, mut earliest) = (0, None, None);
        tail.fill(limit);
        while records < limit {
            match tail.take() {
                None => break,
                Some(Taken::Record(taken)) => {
                    records += 1;
                    if !self.take(&taken.lend(), &mut earliest, applier, dead_letters) {
                        break;
                    }
                    last = Some(taken);
                }
                Some(Taken::End(end)) => {
                    self.next = self.next.max(end);
                    self.reached = true;
                }
                Some(Taken::Failed(error)) => {
                    self.fail(error.to_string());
                    break;
                }
            }
        }
        if let Some(last) = last.filter(|_| self.next != before) {
            self.last = Some(fingerprint(&last.lend()));
        }
        self.report(before, earliest);
        records
    }

    /// As from the topic. But no record is remembered: the archive has times in milliseconds, whatever the unit in the topic.
    fn read_archive(
        &mut self,
        archived: &mut dyn PastRecords,
        until: i64,
        limit: usize,
        applier: &mut RecordApplier<'_>,
        dead_letters: &DeadLetterSender,
    ) -> usize {
        let before = self.next;
        let (mut records, mut earliest, mut failure) = (0, None, None);
        while records < limit && self.next < until {
            match archived.take() {
                None => break,
                Some(PastTaken::Record(record)) if record.offset < until => {
                    records += 1;
                    if !self.take(&record, &mut earliest, applier, dead_letters) {
                        break;
                    }
                }
                Some(PastTaken::Record(_) | PastTaken::End) => self.next = until,
                Some(PastTaken::Failed(reason)) => {
                    failure = Some(reason);
                    break;
                }
            }
        }
        self.report(before, earliest);
        // After its position: the watcher goes on there.
        failure.into_iter().for_each(|reason| self.fail(reason));
        records
    }

    /// Applies a record. Returns whether the next one can be taken: not while a dead letter waits.
    fn take(
        &mut self,
        record: &Record<'_>,
        earliest: &mut Option<Time>,
        applier: &mut RecordApplier<'_>,
        dead_letters: &DeadLetterSender,
    ) -> bool {
        self.next = record.offset + 1;
        *earliest = earliest.iter().copied().chain(applier.time_of(record)).min();
        if let Err(letter) = applier.apply(&self.id, record, &mut self.decoder) {
            self.unsent = Some(letter);
            if !send(&mut self.unsent, dead_letters) {
                self.progress.set_blocked(true);
                self.next = record.offset;
                return false;
            }
        }
        true
    }

    /// Reports the position if it has moved on from `before`. `earliest` is the time of the earliest record of the turn.
    fn report(&mut self, before: i64, earliest: Option<Time>) {
        self.reached |= self.next >= self.goal;
        if self.next != before {
            self.time = self.time.max(earliest.unwrap_or(0));
            self.progress.report(self.next, self.last);
        }
    }

    fn fail(&mut self, reason: String) {
        tracing::debug!(partition = %self.id, reason, "reading fails");
        self.progress.fail(reason);
        self.failed = true;
    }

    /// Sends the letter that waits, if one does; whether none waits any more.
    fn release(&mut self, dead_letters: &DeadLetterSender) -> bool {
        let Some(offset) = self.unsent.as_ref().map(|letter| letter.offset) else { return true };
        let released = send(&mut self.unsent, dead_letters);
        if released {
            self.next = offset + 1;
            self.progress.set_blocked(false);
            self.progress.report(self.next, None);
        }
        released
    }
}

/// Sends a letter, if there is one; keeps it if it is not taken.
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
