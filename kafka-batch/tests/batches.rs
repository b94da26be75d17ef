//! Batches from a real broker. Run under valgrind, these tests also show that each message is freed once and not used
//! afterwards: `valgrind --error-exitcode=1 target/debug/deps/batches-…`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use harness::kafka::Broker;
use harness::wait_until;
use kafka_batch::{BatchQueue, Record, Taken};
use rdkafka::consumer::{BaseConsumer, Consumer as _, DefaultConsumerContext};
use rdkafka::producer::{BaseRecord, Producer as _};
use rdkafka::{Offset, Timestamp, TopicPartitionList};

const SOON: Duration = Duration::from_secs(120);
const TIME: i64 = 1_700_000_000_000;

fn consumer(broker: &Broker) -> Arc<BaseConsumer> {
    let mut config = broker.client_config();
    config.set("group.id", "batches").set("enable.auto.commit", "false").set("enable.partition.eof", "true");
    config.set("isolation.level", "read_committed").set("auto.offset.reset", "error");
    Arc::new(config.create().expect("these settings are valid"))
}

fn read(consumer: &Arc<BaseConsumer>, topic: &str, from: i64) -> BatchQueue<DefaultConsumerContext> {
    let queue = BatchQueue::split(consumer, topic, 0).expect("the partition exists");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(from)).expect("an offset");
    consumer.incremental_assign(&list).expect("partitions that exist can be assigned");
    queue
}

/// What a partition gave, copied.
#[derive(Debug, PartialEq, Eq)]
enum Copied {
    Record(i64, Timestamp, Option<Vec<u8>>, Option<Vec<u8>>),
    End(i64),
}

fn copied(taken: Taken<Record<'_>>) -> Copied {
    match taken {
        Taken::Record(record) => {
            let [key, payload] = [record.key, record.payload].map(|bytes| bytes.map(<[u8]>::to_vec));
            Copied::Record(record.offset, record.timestamp, key, payload)
        }
        Taken::End(at) => Copied::End(at),
        Taken::Failed(error) => panic!("reading fails: {error}"),
    }
}

/// Takes everything up to the end of the partition, at most `limit` a call.
fn all(queue: &mut BatchQueue<DefaultConsumerContext>, limit: usize) -> Vec<Copied> {
    let mut all = Vec::new();
    wait_until(SOON, "the partition is read to its end", || {
        while queue.fill(limit) > 0 {
            let before = all.len();
            all.extend(std::iter::from_fn(|| queue.take()).map(copied));
            assert!(all.len() - before <= limit);
        }
        matches!(all.last(), Some(Copied::End(_)))
    });
    all
}

fn abort(broker: &Broker, topic: &str) {
    let producer = broker.producer(&[("transactional.id", "batches")]);
    producer.init_transactions(SOON).expect("Kafka takes the transaction");
    producer.begin_transaction().expect("Kafka takes the transaction");
    producer.send(BaseRecord::<(), _>::to(topic).partition(0).payload("aborted")).expect("Kafka takes the transaction");
    producer.flush(SOON).expect("Kafka takes the transaction");
    producer.abort_transaction(SOON).expect("Kafka takes the transaction");
    broker.wait_transactions(topic);
}

#[test]
fn records_come_whole_and_in_order_and_then_the_end() {
    let broker = Broker::start();
    broker.create_topic("views", 1);
    let producer = broker.producer(&[]);
    let record = || BaseRecord::<[u8], [u8]>::to("views").partition(0).timestamp(TIME);
    producer.send(record().key(b"ada").payload(b"one")).unwrap();
    producer.send(record().payload(b"")).unwrap();
    // A tombstone.
    producer.send(record().key(b"ada")).unwrap();
    producer.flush(SOON).unwrap();
    let many: Vec<String> = (0..5000).map(|number| format!("view {number}")).collect();
    broker.produce_at("views", Some(0), TIME, &many);
    abort(&broker, "views");

    let time = Timestamp::CreateTime(TIME);
    let bytes = |text: &str| Some(text.as_bytes().to_vec());
    let mut expected = vec![
        Copied::Record(0, time, bytes("ada"), bytes("one")),
        Copied::Record(1, time, None, bytes("")),
        Copied::Record(2, time, bytes("ada"), None),
    ];
    expected.extend(many.iter().zip(3..).map(|(view, offset)| Copied::Record(offset, time, None, bytes(view))));
    // After the aborted record and the transaction's marker.
    expected.push(Copied::End(5005));
    let consumer = consumer(&broker);
    for limit in [1, 100, usize::MAX] {
        let mut queue = read(&consumer, "views", 0);
        assert_eq!(all(&mut queue, limit), expected);
        assert!(queue.take().is_none() && queue.fill(limit) == 0);
        drop(queue);
        let mut list = TopicPartitionList::new();
        list.add_partition("views", 0);
        consumer.incremental_unassign(&list).unwrap();
    }
}

#[test]
fn a_batch_stays_until_all_of_it_was_given_and_a_queue_dropped_amid_one_frees_it() {
    let broker = Broker::start();
    broker.create_topic("views", 1);
    broker.produce("views", Some(0), (0..500).map(|number| number.to_string()));
    let consumer = consumer(&broker);
    let mut queue = read(&consumer, "views", 250);
    wait_until(SOON, "a batch arrives", || queue.fill(100) > 0);
    let filled = queue.fill(100);
    {
        // Records of one batch are there together.
        let (one, other) = (queue.take(), queue.take());
        let (Some(Taken::Record(one)), Some(Taken::Record(other))) = (one, other) else { panic!("two records") };
        assert_eq!(
            (one.offset, one.payload, other.offset, other.payload),
            (250, Some(&b"250"[..]), 251, Some(&b"251"[..]))
        );
    }
    assert_eq!(queue.fill(100), filled - 2, "nothing new before the batch was given");
    drop(queue);
    // Ends only if no message is left.
    drop(consumer);
}

#[test]
fn the_last_callback_is_called_when_something_arrives() {
    let broker = Broker::start();
    broker.create_topic("views", 1);
    let consumer = consumer(&broker);
    let mut queue = read(&consumer, "views", 0);
    let calls = Arc::new([const { AtomicUsize::new(0) }; 2]);
    for number in 0..2 {
        let calls = calls.clone();
        queue.on_nonempty(move || {
            calls[number].fetch_add(1, Ordering::SeqCst);
        });
    }
    let called = || [&calls[0], &calls[1]].map(|calls| calls.load(Ordering::SeqCst));
    // The end of the empty partition.
    wait_until(SOON, "the end arrives", || queue.fill(10) > 0);
    assert!(matches!(queue.take(), Some(Taken::End(0))));
    let [earlier, later] = called();
    broker.produce("views", Some(0), ["a view"]);
    wait_until(SOON, "the callback is called", || called()[1] > later);
    drop(queue);
    assert_eq!(called()[0], earlier, "the replaced callback is not called");
    assert_eq!(Arc::strong_count(&calls), 1, "both closures are freed");
}
