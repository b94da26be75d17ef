//! Reading partitions from brokers: each through a queue of its own.

use std::sync::Arc;
use std::time::Duration;

use dataflow::feed::Waker;
use rdkafka::consumer::Consumer as _;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};

use super::assignments::PartitionId;
use super::client::{self, Consumer, Context};
use super::upstream::{Fetch, Polled, Tail, Unanswered};

/// A worker's consumer.
pub(super) struct Fetching(Arc<Consumer>);

impl Fetching {
    pub(super) fn new(consumer: Consumer) -> Self {
        Fetching(Arc::new(consumer))
    }
}

impl Fetch for Fetching {
    type Tail = Queue;

    fn start(&self, id: &PartitionId, next: i64, waker: &Waker) -> Result<Queue, Unanswered> {
        Queue::start(&self.0, id, next, waker).map_err(|error| Unanswered(error.to_string()))
    }

    fn serve(&self) {
        client::serve(&self.0);
    }
}

/// What arrives here needs no look-up of its topic, and a partition that is held up holds up no other.
pub(super) struct Queue {
    // Before the consumer, which the queue is a part of.
    queue: PartitionQueue<Context>,
    consumer: Arc<Consumer>,
    id: PartitionId,
}

impl Queue {
    /// Starts to fetch from `next` on.
    pub(super) fn start(consumer: &Arc<Consumer>, id: &PartitionId, next: i64, waker: &Waker) -> KafkaResult<Queue> {
        // Split before it is assigned: from its first record on everything comes through the queue.
        let mut queue = consumer
            .split_partition_queue(&id.topic, id.partition)
            .ok_or_else(|| KafkaError::Subscription("no queue for the partition".into()))?;
        let waker = waker.clone();
        queue.set_nonempty_callback(move || waker.wake());
        consumer.incremental_assign(&list(id, Offset::Offset(next))?)?;
        Ok(Queue { queue, consumer: consumer.clone(), id: id.clone() })
    }

    /// What has arrived, as librdkafka gives it.
    pub(super) fn next(&self) -> Option<KafkaResult<BorrowedMessage<'_>>> {
        self.queue.poll(Duration::ZERO)
    }

    /// Where the partition ended, if that is what came last, and if it is known.
    pub(super) fn ended_at(&self) -> Option<i64> {
        self.consumer.context().take_end()
    }
}

impl Tail for Queue {
    type Record<'a> = BorrowedMessage<'a>;

    fn poll(&self) -> Option<Polled<BorrowedMessage<'_>>> {
        Some(match self.next()? {
            Ok(message) => Polled::Record(message),
            Err(KafkaError::PartitionEOF(_)) => Polled::End(self.ended_at()),
            Err(error) => Polled::Failed(error.to_string()),
        })
    }

    fn stop(self) {
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
