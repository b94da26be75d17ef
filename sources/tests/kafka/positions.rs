//! Kept positions: where reading goes on after a restart, and when records are read again.

use std::sync::Arc;
use std::time::Duration;

use dataflow::feed::{Position, StreamFingerprint};
use harness::wait_for;
use rdkafka::Timestamp;
use rdkafka::producer::{BaseRecord, Producer};
use sources::kafka;
use sources::kafka::upstream;

use crate::queries::products;
use crate::shop::{SOON, Shop};
use crate::{BROKER, views};

#[test]
fn a_kept_position_is_read_on_from_and_expired_records_are_passed_over() {
    let topic = "resumed";
    BROKER.create_topic(topic, 3);
    let appended_at = 1_750_000_000_000;
    let payloads = |partition| views("ann", products(&format!("p{partition}"), 9));
    let known = payloads(0);
    BROKER.produce_at(topic, Some(0), appended_at, &known);
    (1..3).for_each(|partition| BROKER.produce(topic, Some(partition), payloads(partition)));
    BROKER.truncate(topic, 1, 8);
    let (payload, time) = (Some(known[6].as_bytes()), Timestamp::CreateTime(appended_at));
    let fingerprint = upstream::fingerprint(&upstream::Record { offset: 6, timestamp: time, key: None, payload });
    // One within the ends, one before the first record, one beyond the end.
    let resume = Arc::new(move |topic: &str, partition: i32| {
        let position = Position::new(topic, partition, [7, 2, 50][partition as usize]);
        Some(Position { fingerprint: (partition == 0).then_some(fingerprint), ..position })
    });
    let shop = Shop::resume(&BROKER, &[topic], 100, resume);
    let expected = ["p0-7", "p0-8", "p1-8"].map(String::from).into_iter().chain(products("p2", 9));
    shop.wait_viewed("ann", expected);
    shop.wait_live();
    assert_eq!(shop.source_view().ignored["partition_restarted"], 2);
    shop.engine.stop().unwrap();
}

#[test]
fn soon_after_a_first_start_a_position_can_be_gone_on_from() {
    let topic = "proven-soon";
    BROKER.create_topic(topic, 2);
    (0..2).for_each(|partition| BROKER.produce(topic, Some(partition), views("ann", products("p", 5))));
    // Nobody would look at the topic again during this test.
    let settings = || kafka::Settings::new(BROKER.bootstrap(), [topic], Duration::from_secs(3600));
    let shop = Shop::start(settings(), 100, Arc::new(|_, _| None));
    shop.wait_viewed("ann", products("p", 5));
    let proven =
        |position: &Position| position.fingerprint.is_some_and(|fingerprint| fingerprint.at == position.next - 1);
    let positions = wait_for(SOON, "both positions are proven", || {
        let positions = shop.positions();
        (positions.len() == 2 && positions.iter().all(proven)).then_some(positions)
    });
    shop.engine.stop().unwrap();
    let kept = move |_: &str, partition| positions.iter().find(|position| position.partition == partition).cloned();
    let shop = Shop::start(settings(), 100, Arc::new(kept));
    shop.wait_live();
    assert_eq!(shop.source_view().accepted, 0, "nothing is read again");
    shop.engine.stop().unwrap();
}

#[test]
fn what_was_read_since_the_last_look_is_not_read_again() {
    let topic = "between-looks";
    BROKER.create_topic(topic, 1);
    BROKER.produce(topic, None, views("ann", products("early", 5)));
    // Nobody would look at the topic again during this test.
    let settings = || kafka::Settings::new(BROKER.bootstrap(), [topic], Duration::from_secs(3600));
    let shop = Shop::start(settings(), 100, Arc::new(|_, _| None));
    shop.wait_viewed("ann", products("early", 5));
    shop.wait_position(topic, 0, 5);
    let early = wait_for(SOON, "a record confirms the topic", || shop.positions().pop()?.fingerprint);
    BROKER.produce(topic, None, views("ben", products("late", 3)));
    shop.wait_viewed("ben", products("late", 3));
    shop.wait_position(topic, 0, 8);
    let position = shop.positions().pop().unwrap();
    shop.engine.stop().unwrap();
    assert!(position.last.is_some_and(|last| last.at == 7));
    // As if no look had come since the first records.
    let position = Position { fingerprint: Some(early), ..position };
    // First the topic is as it was. Then its end was written again: another record is at the last offset.
    let kept = position.clone();
    let shop = Shop::start(settings(), 100, Arc::new(move |_, _| Some(kept.clone())));
    shop.wait_live();
    assert_eq!(shop.source_view().accepted, 0);
    let again = wait_for(SOON, "the position is known", || shop.positions().pop());
    assert_eq!((again.next, again.last), (position.next, position.last));
    shop.engine.stop().unwrap();
    let changed = position.last.map(|last| StreamFingerprint { hash: last.hash ^ 1, ..last });
    let kept = Position { last: changed, ..position.clone() };
    let read_again = position.next - early.at - 1;
    let shop = Shop::start(settings(), 100, Arc::new(move |_, _| Some(kept.clone())));
    shop.wait_live();
    wait_for(SOON, "the rest is read again", || (shop.source_view().accepted == read_again as u64).then_some(()));
    shop.engine.stop().unwrap();
}

/// Behind the kept proof nothing may ever be written: an end of the partition is an answer too.
#[test]
fn a_topic_made_anew_that_shows_nothing_behind_the_proof_is_read() {
    let topic = "nothing-behind";
    BROKER.create_topic(topic, 2);
    let producer = BROKER.producer(&[("transactional.id", "nothing-behind")]);
    producer.init_transactions(SOON).unwrap();
    BROKER.produce(topic, Some(0), views("ann", products("new", 2)));
    producer.begin_transaction().unwrap();
    for view in views("ben", products("p", 6)) {
        producer.send(BaseRecord::<(), _>::to(topic).partition(0).payload(&view)).unwrap();
    }
    producer.flush(SOON).unwrap();
    producer.abort_transaction(SOON).unwrap();
    let kept = |topic: &str, partition: i32| {
        let position = Position::new(topic, partition, 5);
        (partition == 0).then_some(Position { fingerprint: Some(StreamFingerprint { at: 4, hash: 7 }), ..position })
    };
    let shop = Shop::resume(&BROKER, &[topic], 100, Arc::new(kept));
    shop.wait_viewed("ann", products("new", 2));
    shop.wait_live();
    assert_eq!(shop.source_view().ignored["partition_restarted"], 1);
    shop.engine.stop().unwrap();
}
