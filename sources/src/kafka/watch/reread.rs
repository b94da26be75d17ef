//! Reading remembered records again, one of each partition, to see whether they are still the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflow::feed::StreamFingerprint;
use rdkafka::consumer::Consumer as _;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset, TopicPartitionList};

use crate::kafka::assignments::PartitionId;
use crate::kafka::client::{Consumer, Context};
use crate::kafka::fingerprint::{Reread, fingerprint};
use crate::kafka::notify::Notify;
use crate::kafka::upstream;

/// How long one partition is waited for before all are asked again.
const POLL: Duration = Duration::from_millis(10);

/// Fetches the record at each remembered offset and compares. Partitions that do not answer in time are left out.
///
/// The end of a partition is an answer: a record may never be written at or after the remembered offset, and waiting for
/// one could last for ever.
pub(super) fn reread(
    consumer: &Arc<Consumer>,
    remembered: &BTreeMap<PartitionId, StreamFingerprint>,
    timeout: Duration,
    notify: &Notify,
) -> KafkaResult<BTreeMap<PartitionId, Reread>> {
    let mut answers = BTreeMap::new();
    if remembered.is_empty() {
        return Ok(answers);
    }
    // A queue each: only the first record that is fetched is taken, and the rest, often a whole batch, is left.
    let mut list = TopicPartitionList::with_capacity(remembered.len());
    let mut waiting = Vec::with_capacity(remembered.len());
    for (id, record) in remembered {
        waiting.extend(consumer.split_partition_queue(&id.topic, id.partition).map(|queue| (id, record, queue)));
        list.add_partition_offset(&id.topic, id.partition, Offset::Offset(record.at))?;
    }
    consumer.assign(&list)?;
    let start = Instant::now();
    while !waiting.is_empty() && start.elapsed() < timeout && !notify.is_stopped() {
        let before = answers.len();
        waiting.retain(|(id, record, queue)| match answer(queue, record, Duration::ZERO) {
            Some(reread) => {
                answers.insert((*id).clone(), reread);
                false
            }
            None => true,
        });
        // Only while no partition has anything, so that a slow one keeps no other waiting.
        if answers.len() == before
            && let Some((id, record, queue)) = waiting.first()
            && let Some(reread) = answer(queue, record, POLL)
        {
            answers.insert((*id).clone(), reread);
            waiting.swap_remove(0);
        }
    }
    consumer.unassign()?;
    Ok(answers)
}

/// What one partition has given, if that says anything about the record.
fn answer(queue: &PartitionQueue<Context>, remembered: &StreamFingerprint, wait: Duration) -> Option<Reread> {
    match queue.poll(wait)? {
        Ok(found) => Some(Reread::compare(remembered, Some(&fingerprint(&upstream::record(&found))))),
        // It was read from the remembered offset on.
        Err(KafkaError::PartitionEOF(_)) => Some(Reread::compare(remembered, None)),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use harness::kafka::Broker;
    use rdkafka::Timestamp;
    use rdkafka::producer::{BaseRecord, Producer as _};

    use super::*;
    use crate::kafka::client;
    use crate::kafka::config::{self, Settings};

    const SOON: Duration = Duration::from_secs(120);

    /// Three records of an aborted transaction, which no reader is shown.
    fn abort(broker: &Broker, partition: i32) {
        let producer = broker.producer(&[("transactional.id", "reread")]);
        producer.init_transactions(SOON).unwrap();
        producer.begin_transaction().unwrap();
        for payload in ["a", "b", "c"] {
            producer.send(BaseRecord::<(), _>::to("views").partition(partition).payload(payload)).unwrap();
        }
        producer.flush(SOON).unwrap();
        producer.abort_transaction(SOON).unwrap();
    }

    /// A record of any partition at offset 1, as it would be remembered.
    fn record(payload: &str, timestamp: i64) -> StreamFingerprint {
        let (timestamp, payload) = (Timestamp::CreateTime(timestamp), Some(payload.as_bytes()));
        fingerprint(&upstream::Record { offset: 1, timestamp, key: None, payload })
    }

    #[test]
    fn a_record_is_recognised_and_another_in_its_place_is_not() {
        let broker = Broker::start();
        broker.create_topic("views", 5);
        abort(&broker, 3);
        abort(&broker, 4);
        broker.wait_transactions("views");
        broker.produce_at("views", Some(4), 1_700_000_000_000, ["d"]);
        for partition in 0..3 {
            broker.produce_at("views", Some(partition), 1_700_000_000_000, ["a", "b", "c"]);
        }
        let notify = Arc::new(Notify::default());
        let reader = config::reader(&Settings::new(broker.bootstrap(), ["views"], SOON), "reread").unwrap();
        let consumer = Arc::new(client::consumer(&config::watcher(&reader), notify.clone()).unwrap());
        let id = |partition| PartitionId { topic: "views".into(), partition };
        let remembered = BTreeMap::from([
            (id(0), record("b", 1_700_000_000_000)),
            (id(1), record("x", 1_700_000_000_000)),
            (id(2), record("b", 1_700_000_000_001)),
            // No record is shown at its offset or after it, and then one is shown after it.
            (id(3), record("b", 1_700_000_000_000)),
            (id(4), record("b", 1_700_000_000_000)),
        ]);
        let different = (1..5).map(|partition| (id(partition), Reread::Different));
        let expected: BTreeMap<_, _> = different.chain([(id(0), Reread::Same)]).collect();
        // Twice: nothing of the first time is in the way of the second.
        for _ in 0..2 {
            assert_eq!(reread(&consumer, &remembered, SOON, &notify).unwrap(), expected);
        }
    }
}
