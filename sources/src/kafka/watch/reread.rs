//! Reading remembered records again, one of each partition, to see whether they are still what they were.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use crate::kafka::bell::Bell;
use crate::kafka::client::Consumer;
use crate::kafka::desk::PartitionId;
use crate::kafka::fingerprint::{Fingerprint, Reread};

/// How often a stop is looked for while a record is awaited.
const POLL: Duration = Duration::from_millis(100);

/// Fetches the record at each remembered offset and compares. What is not answered in time is left out.
pub(super) fn reread(
    consumer: &Arc<Consumer>,
    remembered: &BTreeMap<PartitionId, Fingerprint>,
    timeout: Duration,
    bell: &Bell,
) -> KafkaResult<BTreeMap<PartitionId, Reread>> {
    let mut answers = BTreeMap::new();
    if remembered.is_empty() {
        return Ok(answers);
    }
    // A queue each: of what is fetched only the first record is taken, and the rest, often a whole batch, is left.
    let mut list = TopicPartitionList::with_capacity(remembered.len());
    let mut queues = Vec::with_capacity(remembered.len());
    for (id, record) in remembered {
        queues.extend(consumer.split_partition_queue(&id.topic, id.partition).map(|queue| (id, record, queue)));
        list.add_partition_offset(&id.topic, id.partition, Offset::Offset(record.offset))?;
    }
    consumer.assign(&list)?;
    let start = Instant::now();
    for (id, record, queue) in queues {
        while start.elapsed() < timeout && !bell.is_stopped() {
            if let Some(Ok(found)) = queue.poll(POLL) {
                answers.insert(id.clone(), Reread::compare(record, &Fingerprint::of(&found)));
                break;
            }
        }
    }
    consumer.unassign()?;
    Ok(answers)
}
