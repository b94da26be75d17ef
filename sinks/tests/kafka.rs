//! The log on a real broker: positions that readers can trust, outages that are told in time and end by themselves,
//! topics that nobody has to make by hand.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers included")]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use dataflow::feed::Position;
use dataflow::source_status::State;
use harness::kafka::Broker;
use harness::{free_port, wait_until};
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use sinks::kafka_log::{KafkaLog, Topics};
use sinks::log::{AppendError, Bound, EventLog, Record, Refused, Stream, Unavailable};

const SOON: Duration = Duration::from_secs(120);
/// The time limit of an append that may succeed, in milliseconds: none that a busy machine misses.
const PATIENT_MS: &str = "60000";
/// The time limit of an append that is to fail.
const IMPATIENT_MS: &str = "10000";
/// How long an append may take to fail: that limit, librdkafka's looking once a second, and a busy machine.
const FAILS_WITHIN: Duration = Duration::from_secs(60);

/// For all tests that do not stop it.
static BROKER: LazyLock<Broker> = LazyLock::new(Broker::start);

type Reports = Arc<Mutex<Vec<State>>>;

/// A log with topics of its own, named after the test.
fn log_on(bootstrap: &str, name: &str) -> (KafkaLog, Reports) {
    log_within(bootstrap, name, PATIENT_MS)
}

/// As [`log_on`], with a time limit of appends.
fn log_within(bootstrap: &str, name: &str, append_ms: &str) -> (KafkaLog, Reports) {
    let mut base = ClientConfig::new();
    base.set("bootstrap.servers", bootstrap).set("message.timeout.ms", append_ms).set("group.id", "for consumers only");
    let topics = Topics {
        views: format!("{name}-views"),
        removals: format!("{name}-removals"),
        dead_letters: format!("{name}-dead-letters"),
        partitions: 3,
    };
    let reports = Reports::default();
    let told = reports.clone();
    let report = Arc::new(move |state| told.lock().unwrap().push(state));
    (KafkaLog::open(&base, topics, Bound::default(), report).unwrap(), reports)
}

fn wait_live(reports: &Reports) {
    wait_until(SOON, "our topics are there", || reports.lock().unwrap().last() == Some(&State::Live));
}

fn record(key: &str, payload: &str) -> Record {
    Record { key: key.into(), payload: payload.into() }
}

fn append(log: &KafkaLog, stream: Stream, records: Vec<Record>) -> Result<Vec<Position>, AppendError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(log.append(stream, records))
}

/// Appends until it works, which it must soon.
fn append_at_last(log: &KafkaLog, stream: Stream, payload: &str) -> Vec<Position> {
    let mut done = Vec::new();
    wait_until(SOON, "the append works", || match append(log, stream, vec![record("u", payload)]) {
        Ok(positions) => {
            done = positions;
            true
        }
        Err(AppendError::Unavailable(_)) => false,
        Err(refused) => panic!("{refused}"),
    });
    done
}

#[test]
fn positions_are_where_a_reader_finds_the_records() {
    let (log, _) = log_on(BROKER.bootstrap(), "positions");
    BROKER.create_topic("positions-views", 4);
    let mut expected = Vec::new();
    let mut nexts: BTreeMap<i32, i64> = BTreeMap::new();
    for round in 0..20 {
        let records: Vec<Record> =
            (0..50).map(|user| record(&format!("user-{user}"), &format!("{user} {round}"))).collect();
        expected.extend(records.iter().map(|record| record.payload.clone()));
        for position in append(&log, Stream::Views, records).unwrap() {
            assert_eq!(&*position.stream, "positions-views");
            let before = nexts.insert(position.partition, position.next).unwrap_or(0);
            assert!(before < position.next, "a position moves on with every append to its partition");
        }
    }
    let read = BROKER.consume("positions-views", expected.len(), SOON);
    for (partition, next) in &nexts {
        let last = read.iter().rfind(|record| record.partition == *partition).unwrap();
        assert_eq!(last.offset + 1, *next, "the last position of partition {partition}");
    }
    assert_eq!(nexts.len(), 4, "fifty users are in all partitions");
    for user in 0..50 {
        let key = format!("user-{user}");
        let of_user: Vec<_> = read.iter().filter(|record| record.key == key.as_bytes()).collect();
        assert!(of_user.iter().all(|record| record.partition == of_user[0].partition), "one user, one partition");
        let rounds: Vec<String> = (0..20).map(|round| format!("{user} {round}")).collect();
        let payloads: Vec<String> =
            of_user.iter().map(|record| String::from_utf8(record.payload.clone()).unwrap()).collect();
        assert_eq!(payloads, rounds, "one user's records are in order, each once");
    }
}

#[test]
fn our_topics_are_made_and_made_again_and_the_shops_are_not() {
    let (log, reports) = log_within(BROKER.bootstrap(), "topics", IMPATIENT_MS);
    wait_live(&reports);
    wait_until(SOON, "our topics have three partitions each", || {
        ["topics-removals", "topics-dead-letters"].map(|topic| BROKER.partitions(topic)) == [3, 3]
    });
    let positions = append_at_last(&log, Stream::Removals, "removal");
    assert_eq!((&*positions[0].stream, positions[0].next), ("topics-removals", 1));

    let missing: Result<Vec<Position>, AppendError> = Err(Unavailable::NoTopic { topic: "topics-views".into() }.into());
    wait_until(SOON, "the missing topic is named", || {
        append(&log, Stream::Views, vec![record("u", "view")]) == missing
    });
    assert_eq!(BROKER.partitions("topics-views"), 0, "a missing topic of the shop is not made");
    BROKER.create_topic("topics-views", 2);
    let positions = append_at_last(&log, Stream::Views, "view");
    assert_eq!((&*positions[0].stream, positions[0].next), ("topics-views", 1));

    BROKER.delete_topic("topics-dead-letters");
    append_at_last(&log, Stream::DeadLetters, "letter");
    assert_eq!(BROKER.partitions("topics-dead-letters"), 3);
}

#[test]
fn a_record_that_is_too_large_is_refused_for_good_with_all_of_its_append() {
    let (log, _) = log_on(BROKER.bootstrap(), "large");
    BROKER.create_topic_with("large-views", 1, &[("max.message.bytes", "2000")]);
    let (bytes, bytes_max) = (log.record_bytes_max() + 1, log.record_bytes_max());
    let records = vec![record("u", "small"), record("u", &"x".repeat(bytes_max))];
    let refused = append(&log, Stream::Views, records);
    assert_eq!(refused, Err(Refused::TooLarge { index: 1, bytes, bytes_max }.into()));
    let refused = append(&log, Stream::Views, vec![record("u", &"x".repeat(3000))]);
    assert!(matches!(&refused, Err(AppendError::Refused(Refused::ByBroker { .. }))), "{refused:?}");
    assert_eq!(append_at_last(&log, Stream::Views, "small")[0].next, 1, "nothing of it was written");
}

#[test]
fn the_longest_event_is_written_where_the_topic_takes_it_and_refused_by_its_place_where_not() {
    let (log, reports) = log_on(BROKER.bootstrap(), "longest");
    wait_live(&reports);
    let longest = record(&"u".repeat(256), &"x".repeat(1 << 20));
    let positions = append(&log, Stream::Removals, vec![record("u", "small"), longest.clone()]).unwrap();
    assert_eq!(positions.iter().map(|position| position.next).sum::<i64>(), 2);
    // Brokers take a little less unless they are told otherwise.
    BROKER.create_topic("longest-views", 1);
    let refused = append(&log, Stream::Views, vec![record("u", "small"), longest]);
    assert!(matches!(refused, Err(AppendError::Refused(Refused::ByBroker { index: Some(1), .. }))), "{refused:?}");
    assert_eq!(append_at_last(&log, Stream::Views, "small")[0].next, 2, "what was not at fault was written");
}

#[test]
fn a_broker_that_is_not_there_is_told_in_time_and_found_when_it_is_back() {
    let mut broker = Broker::start();
    broker.create_topic("outage-views", 1);
    let (log, reports) = log_within(broker.bootstrap(), "outage", IMPATIENT_MS);
    wait_live(&reports);
    assert_eq!(append_at_last(&log, Stream::Views, "before")[0].next, 1);

    let fails = |log: &KafkaLog| {
        let start = Instant::now();
        let failed = append(log, Stream::Views, vec![record("u", "lost")]);
        assert!(matches!(&failed, Err(AppendError::Unavailable(Unavailable::Broker { .. }))), "{failed:?}");
        assert!(start.elapsed() < FAILS_WITHIN, "told after {:?}", start.elapsed());
    };
    broker.kill9();
    fails(&log);
    broker.restart();
    let next = append_at_last(&log, Stream::Views, "between")[0].next;
    assert_eq!(next, 2, "what was given up is not sent behind the caller's back");

    // Connections stay open and nothing answers: what was sent may arrive later, but the caller is told in time.
    broker.freeze();
    fails(&log);
    broker.thaw();
    append_at_last(&log, Stream::Views, "after");
}

#[test]
fn an_append_waits_for_no_broker_and_our_topics_are_made_as_soon_as_there_is_one() {
    let nobody = format!("127.0.0.1:{}", free_port());
    let (log, reports) = log_within(&nobody, "nobody", IMPATIENT_MS);
    let failed = append(&log, Stream::Removals, vec![record("u", "removal")]);
    assert!(matches!(&failed, Err(AppendError::Unavailable(Unavailable::Broker { .. }))), "{failed:?}");
    wait_until(
        SOON,
        "the failure is reported by the topic's name",
        || matches!(reports.lock().unwrap().last(), Some(State::Retrying(reason)) if reason.contains("nobody-removals")),
    );
}

#[test]
fn settings_that_make_no_client_are_told_at_once() {
    let mut base = ClientConfig::new();
    base.set("bootstrap.servers", "127.0.0.1:1").set("max.in.flight.requests.per.connection", "6");
    let topics = Topics { views: "v".into(), removals: "r".into(), dead_letters: "d".into(), partitions: 1 };
    let refused = KafkaLog::open(&base, topics, Bound::default(), Arc::new(|_| ())).err();
    assert!(refused.unwrap().to_string().contains("max.in.flight"));
}

#[test]
fn a_client_that_has_failed_for_good_is_replaced() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("fatal-views", 1, 1).unwrap();
    // librdkafka gives an idempotent producer up for ever when the cluster once forbids it.
    cluster.request_errors(
        RDKafkaApiKey::InitProducerId,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED],
    );
    let (log, _) = log_on(&cluster.bootstrap_servers(), "fatal");
    let failed = append(&log, Stream::Views, vec![record("u", "lost")]);
    assert!(matches!(&failed, Err(AppendError::Unavailable(Unavailable::Broker { .. }))), "{failed:?}");
    assert_eq!(append_at_last(&log, Stream::Views, "view")[0].next, 1);
}
