//! One partition, read in turns by its worker.

use std::sync::Arc;
use std::sync::mpsc::TrySendError;
use std::time::Duration;

use dataflow::feed::{Position, Proof, Waker};
use dataflow::time::Time;
use rdkafka::consumer::Consumer as _;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::dead_letter::DeadLetters;
use crate::decode::DeadLetter;

use super::client::{Consumer, Context};
use super::desk::{PartitionId, Place};
use super::fingerprint::Fingerprint;
use super::intake::Intake;

/// Reads one partition through a queue of its own: what arrives needs no look-up of its topic, and a partition that is
/// held up holds up no other.
pub(super) struct Reader {
    id: PartitionId,
    // Before the consumer, which the queue is a part of.
    queue: PartitionQueue<Context>,
    consumer: Arc<Consumer>,
    place: Arc<Place>,
    next: i64,
    goal: i64,
    /// Whether the goal, or the end of the partition, has been reached.
    reached: bool,
    /// The record read last, by this reader or whoever read before it.
    last: Option<Fingerprint>,
    /// The latest time of a record read.
    time: Time,
    /// A refused record that could not be handed over yet. Until it is, the position stays before it.
    held: Option<Box<DeadLetter>>,
}

impl Reader {
    /// Starts reading at `next`.
    pub(super) fn start(
        consumer: &Arc<Consumer>,
        waker: &Waker,
        id: PartitionId,
        place: Arc<Place>,
        next: i64,
        goal: i64,
    ) -> KafkaResult<Self> {
        // Split before it is assigned: from its first record on everything comes through the queue.
        let mut queue = consumer
            .split_partition_queue(&id.topic, id.partition)
            .ok_or_else(|| KafkaError::Subscription("no queue for the partition".into()))?;
        let waker = waker.clone();
        queue.set_nonempty_callback(move || waker.wake());
        consumer.incremental_assign(&list(&id, Offset::Offset(next))?)?;
        let reached = next >= goal;
        Ok(Reader { id, queue, consumer: consumer.clone(), place, next, goal, reached, last: None, time: 0, held: None })
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
        let proof = self.last.or_else(|| self.place.remembered()).map(Proof::from);
        Position { stream: self.id.topic.clone(), partition: self.id.partition, next: self.next, proof }
    }

    /// Reads up to `limit` records that have arrived. Fewer: there are no more, or one waits for the dead letters.
    pub(super) fn read(&mut self, limit: usize, intake: &mut Intake<'_>, dead_letters: &DeadLetters) -> usize {
        if !self.release(dead_letters) {
            return 0;
        }
        let before = self.next;
        let (mut records, mut last) = (0, None);
        while records < limit {
            match self.queue.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => {
                    records += 1;
                    self.next = message.offset() + 1;
                    if let Err(letter) = intake.take(&self.id, &message) {
                        self.held = Some(letter);
                        if !Self::hand_over(&mut self.held, dead_letters) {
                            self.next = message.offset();
                            break;
                        }
                    }
                    last = Some(message);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    self.next = self.next.max(self.consumer.context().take_end().unwrap_or(0));
                    self.reached = true;
                }
                Some(Err(error)) => {
                    tracing::debug!(partition = %self.id, %error, "reading fails");
                    self.place.fail(error.to_string());
                }
            }
        }
        self.reached |= self.next >= self.goal;
        if self.next != before {
            if let Some(last) = &last {
                let time = last.timestamp().to_millis().and_then(|time| Time::try_from(time).ok());
                self.time = self.time.max(time.unwrap_or(0));
                self.last = Some(Fingerprint::of(last));
            }
            self.place.note(self.next, self.last);
        }
        records
    }

    /// Whether nothing is held, or not any more.
    fn release(&mut self, dead_letters: &DeadLetters) -> bool {
        let Some(held) = self.held.as_ref().map(|letter| letter.offset) else { return true };
        let released = Self::hand_over(&mut self.held, dead_letters);
        if released {
            self.next = held + 1;
            self.place.note(self.next, None);
        }
        released
    }

    fn hand_over(held: &mut Option<Box<DeadLetter>>, dead_letters: &DeadLetters) -> bool {
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
        let stopped = list(&self.id, Offset::Invalid).and_then(|list| self.consumer.incremental_unassign(&list));
        if let Err(error) = stopped {
            tracing::debug!(partition = %self.id, %error, "the partition was not assigned any more");
        }
    }
}

fn list(id: &PartitionId, offset: Offset) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&id.topic, id.partition, offset)?;
    Ok(list)
}
