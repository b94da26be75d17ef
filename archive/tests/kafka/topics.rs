//! Topics of a real broker: aborted transactions, deleted records, growing partitions, restarts of both sides.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use archive::chain::Survey;
use archive::log::topics;
use archive::store::{Dir, Store as _};
use archive::verify::verify;
use archive::{FileError, ObjectName, Running, Settings, Share};
use harness::kafka::{Broker, Record};
use harness::wait_until;
use rdkafka::producer::{BaseRecord, Producer as _};
use sources::kafka;
use sources::kafka::upstream::PartitionId;

const DEADLINE: Duration = Duration::from_secs(120);

/// 2026-11-29T05:59:59Z, a second before the hour ends.
const BEFORE_THE_HOUR: i64 = 1_795_931_999_000;

fn start(broker: &Broker, dir: &Path) -> Running {
    let settings = Settings { age_max: Duration::from_secs(1), ..Settings::default() };
    let kafka = kafka::Settings::new(broker.bootstrap(), ["views", "removals"], Duration::from_secs(1));
    let log = topics(&kafka, vec!["removals".into()]).expect("the settings are sound");
    Running::start(settings, Share::ALL, Arc::new(Dir::new(dir)), log, || ()).expect("a thread")
}

/// Waits until the archive has everything up to these ends.
fn wait_durable(running: &Running, ends: &[(i32, i64)]) {
    wait_until(DEADLINE, "the archive has everything", || {
        let status = running.status().get();
        ends.iter().all(|(partition, end)| {
            let is_meant = |id: &PartitionId| &*id.topic == "views" && id.partition == *partition;
            let found = status.partitions.iter().find(|(id, _)| is_meant(id));
            found.is_some_and(|(_, status)| status.durable >= *end)
        })
    });
}

/// Every record of the archive, sorted by partition and offset; each only once.
fn archived(dir: &Path) -> Vec<Record> {
    let store = Dir::new(dir);
    let mut found = BTreeMap::new();
    for object in store.list("").expect("the directory can be read") {
        let name = ObjectName::parse(&object.name).expect("only names of the archive");
        let bytes = store.get(&object.name).expect("the file can be read");
        let partition = name.id.partition;
        let read = archive::read(name.format, bytes, |row| {
            let record = Record {
                partition,
                offset: row.offset,
                timestamp_ms: row.record_time,
                key: row.key.unwrap_or_default().to_vec(),
                payload: row.raw.unwrap_or_default().to_vec(),
            };
            let before = found.insert((partition, row.offset), record);
            assert!(before.is_none(), "{partition}/{} is there twice", row.offset);
            Ok::<(), FileError>(())
        });
        read.expect("the file is sound");
    }
    let survey = Survey::of(store.list("").expect("the directory can be read"));
    for (id, report) in verify(&store, &survey, |_| ()).expect("the directory can be read") {
        assert_eq!((report.problems, report.notes), (vec![], vec![]), "{id}");
    }
    found.into_values().collect()
}

fn event(n: i64) -> String {
    format!(r#"{{"user_id":{},"product_id":{n},"event_type":"view"}}"#, n % 100)
}

/// Writes records in a transaction that is aborted: their offsets are never given.
fn abort_some(broker: &Broker) {
    let producer = broker.producer(&[("transactional.id", "archive-test")]);
    producer.init_transactions(DEADLINE).expect("the broker answers");
    producer.begin_transaction().expect("there is none yet");
    for n in 0..10 {
        let payload = event(n);
        producer.send(BaseRecord::<[u8], _>::to("views").partition(0).payload(&payload)).expect("there is room");
    }
    producer.flush(DEADLINE).expect("the broker answers");
    producer.abort_transaction(DEADLINE).expect("the broker answers");
}

#[test]
fn every_record_is_archived_once_whatever_happens() {
    let mut broker = Broker::start();
    broker.create_topic("views", 2);
    let dir = tempfile::tempdir().expect("a temporary directory");
    for partition in 0..2 {
        for second in 0..3 {
            let at = BEFORE_THE_HOUR + second * 700;
            broker.produce_at("views", Some(partition), at, (0..200).map(event));
        }
    }
    abort_some(&broker);
    broker.produce("views", Some(0), ["no event", ""]);
    let end = |broker: &Broker, partition| broker.watermarks("views", partition).1;

    let running = start(&broker, dir.path());
    // The offsets at the end that cannot be read are in no segment until a record follows them.
    wait_durable(&running, &[(0, 600), (1, 600)]);
    running.end_by(Instant::now());
    running.finish();
    assert!(archived(dir.path()).len() >= 1200);

    // Ends without a last write, at any moment.
    for round in 0..5 {
        let running = start(&broker, dir.path());
        broker.produce("views", None, (0..300).map(event));
        if round == 2 {
            broker.kill9();
            broker.restart();
        }
        wait_until(DEADLINE, "something is read", || {
            let status = running.status().get();
            status.partitions.values().any(|partition| partition.next > 600)
        });
        running.end_by(Instant::now());
        running.finish();
    }
    broker.grow_topic("views", 3);
    broker.produce("views", Some(2), (0..10).map(event));
    broker.create_topic("removals", 1);
    let running = start(&broker, dir.path());
    wait_durable(&running, &[(0, end(&broker, 0)), (1, end(&broker, 1)), (2, 10)]);
    wait_until(DEADLINE, "nothing is wrong", || running.status().get().trouble.is_none());
    running.end_by(Instant::now() + DEADLINE);
    running.finish();
    let expected = broker.consume("views", 1200 + 2 + 1500 + 10, DEADLINE);
    assert!(archived(dir.path()) == expected);

    // Records that are deleted before a start reads them are missing, and counted.
    broker.produce("views", Some(1), (0..100).map(event));
    let first_kept = end(&broker, 1) - 40;
    broker.truncate("views", 1, first_kept);
    let running = start(&broker, dir.path());
    wait_durable(&running, &[(1, end(&broker, 1))]);
    assert_eq!(running.status().get().lost, 60);
    running.end_by(Instant::now() + DEADLINE);
    running.finish();
    let survey = Survey::of(Dir::new(dir.path()).list("").expect("the directory can be read"));
    let missing: Vec<_> = survey.chains.values().flat_map(archive::chain::Chain::missing).collect();
    assert_eq!(missing, [first_kept - 60..=first_kept - 1]);
}

#[test]
fn what_the_topic_will_delete_soon_is_named_and_what_was_read_is_written_at_the_end() {
    let broker = Broker::start();
    broker.create_topic_with("views", 1, &[("retention.ms", "3600000")]);
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
    let forty_minutes_ago = i64::try_from(since_epoch.as_millis()).expect("a time") - 2_400_000;
    broker.produce_at("views", Some(0), forty_minutes_ago, (0..50).map(event));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let settings = Settings { age_max: Duration::from_secs(86_400), ..Settings::default() };
    let kafka = kafka::Settings::new(broker.bootstrap(), ["views"], Duration::from_secs(1));
    let log = topics(&kafka, vec![]).expect("the settings are sound");
    let running = Running::start(settings, Share::ALL, Arc::new(Dir::new(dir.path())), log, || ()).expect("a thread");
    wait_until(DEADLINE, "all is read", || {
        running.status().get().partitions.values().any(|partition| partition.next == 50)
    });
    assert_eq!(running.status().get().files, 0, "nothing is old or large enough");
    let trouble = || running.status().get().trouble.unwrap_or_default();
    wait_until(DEADLINE, "the loss is warned of", || {
        trouble().contains("views/0 will soon lose records: 50 are not archived")
            && trouble().contains("the topic deletes its records after 3600 s")
    });
    running.end_by(Instant::now() + DEADLINE);
    running.finish();
    assert!(archived(dir.path()) == broker.consume("views", 50, DEADLINE));
}
