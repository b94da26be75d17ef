//! Reading partitions from brokers: each through its own queue, many records a call.

use std::sync::Arc;

use dataflow::feed::Waker;
use kafka_batch::BatchQueue;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset, TopicPartitionList};

use super::assignments::PartitionId;
use super::client::{self, Consumer, Context};
use super::upstream::{Fetch, Record, Tail, Taken};

/// A worker's consumer.
pub(super) struct BrokerFetch(Arc<Consumer>);

impl BrokerFetch {
    pub(super) fn new(consumer: Consumer) -> Self {
        BrokerFetch(Arc::new(consumer))
    }
}

impl Fetch for BrokerFetch {
    type Tail = Queue;

    fn start(&self, id: &PartitionId, next: i64, waker: &Waker) -> KafkaResult<Queue> {
        Queue::start(&self.0, id, next, waker)
    }

    fn serve(&self) {
        client::serve(&self.0);
    }
}

/// One partition's records. They need no look-up of their topic, and a blocked partition blocks no other.
pub(super) struct Queue {
    queue: BatchQueue<Context>,
    consumer: Arc<Consumer>,
    id: PartitionId,
}

impl Queue {
    fn start(consumer: &Arc<Consumer>, id: &PartitionId, next: i64, waker: &Waker) -> KafkaResult<Queue> {
        // Split before it is assigned, so that all records come through the queue.
        let mut queue = BatchQueue::split(consumer, &id.topic, id.partition)
            .ok_or_else(|| KafkaError::Subscription("no queue for the partition".into()))?;
        let waker = waker.clone();
        queue.on_nonempty(move || waker.wake());
        consumer.incremental_assign(&list(id, Offset::Offset(next))?)?;
        Ok(Queue { queue, consumer: consumer.clone(), id: id.clone() })
    }
}

impl Tail for Queue {
    type Record<'a> = Record<'a>;

    fn fill(&mut self, limit: usize) {
        self.queue.fill(limit);
    }

    fn take(&self) -> Option<Taken<Record<'_>>> {
        self.queue.take()
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
