//! Records as some producers write them: no payload at all, times in another unit, bytes before the JSON text.

use std::collections::BTreeMap;

use harness::kafka::Broker;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::queries::view;
use crate::shop::{SOON, Shop};
use crate::{BROKER, products};

/// A topic that takes records of any time, and keeps them.
const ANY_TIME: [(&str, &str); 2] = [("retention.ms", "-1"), ("message.timestamp.after.max.ms", "9223372036854775807")];

/// Writes records without payloads.
fn produce_tombstones(broker: &Broker, topic: &str, keys: &[&str]) {
    let producer: BaseProducer = broker.producer(&[]);
    for key in keys {
        producer.send(BaseRecord::<str, [u8]>::to(topic).partition(0).key(*key)).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(SOON).unwrap();
}

#[test]
fn a_record_without_a_payload_is_counted_and_is_no_dead_letter() {
    let topic = "tombstones";
    BROKER.create_topic(topic, 1);
    BROKER.produce(topic, None, [view("ann", "p-0")]);
    produce_tombstones(&BROKER, topic, &["ann", "ben", "ann"]);
    BROKER.produce(topic, None, [view("ann", "p-1").as_str(), ""]);
    let shop = Shop::open(&BROKER, &[topic]);
    shop.wait_viewed("ann", products("p", 2));
    shop.wait_position(topic, 0, 6);
    shop.wait_live();
    let source_status = shop.source_view();
    assert_eq!(
        (source_status.accepted, source_status.ignored, source_status.rejected),
        (2, [("tombstone", 3)].into(), [("not_json", 1)].into())
    );
    let letter = shop.dead_letters.recv_timeout(SOON).unwrap();
    assert_eq!((letter.offset, letter.reason), (5, "not_json"), "a payload of no bytes is one");
    // The last record of a partition may be one: it is known by it, and goes on.
    produce_tombstones(&BROKER, topic, &["ann"]);
    shop.wait_position(topic, 0, 7);
    BROKER.produce(topic, None, [view("ann", "p-2")]);
    shop.wait_viewed("ann", products("p", 3));
    assert_eq!(shop.source_view().ignored["tombstone"], 4);
    shop.engine.stop().unwrap();
}

#[test]
fn times_of_records_are_read_in_the_unit_they_are_written_in() {
    let topic = "other-units";
    BROKER.create_topic_with(topic, 1, &ANY_TIME);
    let (second, millis) = (1_731_000_000_i64, 1_731_000_000_000_u64);
    let dated =
        |product: &str, timestamp: &str| view("ann", product).replace("}}", &format!("}},\"timestamp\":{timestamp}}}"));
    for (number, payload) in [
        (second, view("ann", "in-seconds")),
        // Two views of one second keep their order; one after it is cut down to it.
        (second, dated("first", "1731000000.25")),
        (second, dated("second", "1731000000.75")),
        (second, dated("fast-phone", "1731000031")),
        (second * 1000 + 123, view("ann", "in-milliseconds")),
        (second * 1_000_000 + 124_999, view("ann", "in-microseconds")),
        (second * 1_000_000_000 + 125_999_999, view("ann", "in-nanoseconds")),
        (second, dated("long-before", "1730000000")),
    ] {
        BROKER.produce_at(topic, Some(0), number, [payload]);
    }
    // No unit makes these right: the record's own time is named, and the event's only where that is wrong.
    BROKER.produce_at(topic, Some(0), 4_102_444_800, [view("ann", "of-2100")]);
    BROKER.produce_at(topic, Some(0), 1000, [dated("of-1970", "1731000000")]);
    BROKER.produce_at(topic, Some(0), second, [dated("ahead", "1731009000")]);
    let shop = Shop::open(&BROKER, &[topic]);
    shop.wait_position(topic, 0, 11);
    let expected = [
        ("in-seconds", millis),
        ("first", millis + 250),
        ("second", millis + 750),
        ("fast-phone", millis + 999),
        ("in-milliseconds", millis + 123),
        ("in-microseconds", millis + 124),
        ("in-nanoseconds", millis + 125),
        ("long-before", 1_730_000_000_000),
    ];
    let expected: BTreeMap<String, u64> = expected.map(|(product, at)| (product.to_owned(), at)).into();
    assert_eq!(shop.viewed_at("ann"), expected);
    let letters = [(); 3].map(|()| shop.dead_letters.recv_timeout(SOON).unwrap());
    let found = letters.each_ref().map(|letter| (letter.offset, letter.reason));
    assert_eq!(
        found,
        [(8, "record_time_out_of_bounds"), (9, "record_time_out_of_bounds"), (10, "time_out_of_bounds")],
        "{letters:?}"
    );
    assert!(letters[0].detail.contains("the record's own time") && letters[2].detail.contains("`timestamp`"));
    shop.engine.stop().unwrap();
}

#[test]
fn a_byte_order_mark_before_a_payload_is_passed_over() {
    let topic = "marked";
    BROKER.create_topic(topic, 1);
    let escaped = view("ann", "p-1").replace("}}", r#"},"title":"\ud83d"}"#);
    BROKER.produce(topic, None, [format!("\u{feff}{}", view("ann", "p-0")), format!("\u{feff}{escaped}")]);
    let shop = Shop::open(&BROKER, &[topic]);
    shop.wait_viewed("ann", products("p", 2));
    assert_eq!((shop.source_view().accepted, shop.source_view().rejected), (2, BTreeMap::new()));
    shop.engine.stop().unwrap();
}
