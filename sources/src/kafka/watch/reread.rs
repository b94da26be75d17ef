//! Reading remembered records again, one of each partition, to see whether they are still what they were.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaResult;
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::kafka::bell::Bell;
use crate::kafka::client::Consumer;
use crate::kafka::desk::PartitionId;
use crate::kafka::fingerprint::{Fingerprint, Reread};

/// How often a stop is looked for while records are awaited.
const POLL: Duration = Duration::from_millis(100);

/// Fetches the record at each remembered offset and compares. What is not answered in time is left out.
pub(super) fn reread(
    consumer: &Consumer,
    remembered: &BTreeMap<PartitionId, Fingerprint>,
    timeout: Duration,
    bell: &Bell,
) -> KafkaResult<BTreeMap<PartitionId, Reread>> {
    let mut answers = BTreeMap::new();
    if remembered.is_empty() {
        return Ok(answers);
    }
    let mut list = TopicPartitionList::with_capacity(remembered.len());
    for (id, record) in remembered {
        list.add_partition_offset(&id.topic, id.partition, Offset::Offset(record.offset))?;
    }
    consumer.assign(&list)?;
    let start = Instant::now();
    while answers.len() < remembered.len() && start.elapsed() < timeout && !bell.is_stopped() {
        let Some(Ok(message)) = consumer.poll(POLL) else { continue };
        let id = PartitionId { topic: message.topic().into(), partition: message.partition() };
        if let Some(record) = remembered.get(&id) {
            answers.entry(id).or_insert_with(|| Reread::compare(record, &Fingerprint::of(&message)));
        }
    }
    consumer.unassign()?;
    Ok(answers)
}
