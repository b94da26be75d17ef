//! The broker boots, carries records, survives being killed, and loses its topics when told to.

use std::time::Duration;

use harness::kafka::Broker;

const SOON: Duration = Duration::from_secs(120);

#[test]
fn records_survive_a_kill_and_topics_come_and_go() {
    let mut broker = Broker::start();
    broker.create_topic("views", 2);
    broker.produce_at("views", Some(1), 1_731_000_000_123, ["first"]);

    let records = broker.consume("views", 1, SOON);
    assert_eq!(records[0].payload, b"first");
    assert_eq!((records[0].partition, records[0].offset), (1, 0));
    assert_eq!(records[0].timestamp_ms, Some(1_731_000_000_123));

    let bootstrap = broker.bootstrap().to_owned();
    broker.kill9();
    broker.restart();
    assert_eq!(broker.bootstrap(), bootstrap);
    broker.produce("views", Some(1), ["second", "third"]);
    assert_eq!(broker.consume("views", 3, SOON).len(), 3);
    broker.truncate("views", 1, 2);
    assert_eq!(broker.watermarks("views", 1), (2, 3));

    broker.grow_topic("views", 3);
    assert_eq!(broker.partitions("views"), 3);
    broker.delete_topic("views");
    assert_eq!(broker.partitions("views"), 0);
}
