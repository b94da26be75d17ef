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

#[cfg(test)]
mod tests {
    use harness::kafka::Broker;
    use rdkafka::Timestamp;
    use rdkafka::message::OwnedMessage;

    use super::*;
    use crate::kafka::client::Context;
    use crate::kafka::config::{self, Settings};

    /// A record of partition 0 or 1 at offset 1, as it would be remembered.
    fn record(payload: &str, timestamp: i64) -> Fingerprint {
        let timestamp = Timestamp::CreateTime(timestamp);
        Fingerprint::of(&OwnedMessage::new(Some(payload.into()), None, "views".into(), timestamp, 0, 1, None))
    }

    #[test]
    fn a_record_is_known_again_and_another_in_its_place_is_not() {
        let broker = Broker::start();
        broker.create_topic("views", 3);
        for partition in 0..3 {
            broker.produce_at("views", Some(partition), 1_700_000_000_000, ["a", "b", "c"]);
        }
        let bell = Arc::new(Bell::default());
        let reader = config::reader(&Settings::new(broker.bootstrap(), ["views"]), "reread").unwrap();
        let consumer = config::watcher(&reader).create_with_context(Context::new(bell.clone())).unwrap();
        let consumer: Arc<Consumer> = Arc::new(consumer);
        let id = |partition| PartitionId { topic: "views".into(), partition };
        let remembered = BTreeMap::from([
            (id(0), record("b", 1_700_000_000_000)),
            (id(1), record("x", 1_700_000_000_000)),
            (id(2), record("b", 1_700_000_000_001)),
        ]);
        let expected = BTreeMap::from([(id(0), Reread::Same), (id(1), Reread::Different), (id(2), Reread::Different)]);
        // Twice: nothing of the first time is in the way of the second.
        for _ in 0..2 {
            assert_eq!(reread(&consumer, &remembered, Duration::from_secs(60), &bell).unwrap(), expected);
        }
    }
}
