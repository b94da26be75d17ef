//! The Kafka source against a real broker: the records it reads, and its behaviour when topics and brokers come and go.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers included")]

#[path = "kafka/erasures.rs"]
mod erasures;
#[path = "kafka/positions.rs"]
mod positions;
#[path = "kafka/queries.rs"]
mod queries;
#[path = "kafka/rules.rs"]
mod rules;
#[path = "kafka/shop.rs"]
mod shop;
#[path = "kafka/unusual.rs"]
mod unusual;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use dataflow::source_status::State;
use harness::kafka::Broker;
use harness::{wait_for, wait_until};
use rdkafka::producer::{BaseRecord, Producer};

use queries::{products, view};
use shop::{SOON, Shop};

/// For the tests that leave it alone. Ended by its watchdog.
static BROKER: LazyLock<Broker> = LazyLock::new(Broker::start);

fn views(user: &str, products: impl Iterator<Item = String>) -> Vec<String> {
    products.map(|product| view(user, &product)).collect()
}

#[test]
fn records_of_every_partition_are_shown() {
    let topic = "every-partition";
    BROKER.create_topic(topic, 5);
    for partition in 0..3 {
        BROKER.produce(topic, Some(partition), views("ann", products(&format!("p{partition}"), 10)));
    }
    let shop = Shop::open(&BROKER, &[topic]);
    shop.wait_viewed("ann", (0..3).flat_map(|partition| products(&format!("p{partition}"), 10)));
    shop.wait_live();
    for partition in 0..3 {
        shop.wait_position(topic, partition, 10);
    }
    BROKER.produce(topic, Some(4), views("ben", products("late", 1)));
    shop.wait_viewed("ben", products("late", 1));
    wait_until(SOON, "the board knows places and ends", || {
        let progress = shop.source_view();
        let places: Vec<(i64, i64)> = progress.partitions.values().map(|at| (at.next, at.end)).collect();
        places == [(10, 10), (10, 10), (10, 10), (0, 0), (1, 1)] && progress.accepted == 31
    });
    shop.engine.stop().unwrap();
}

#[test]
fn removals_and_other_events_do_what_they_should() {
    let (events, removals) = ("kinds", "kinds-removals");
    BROKER.create_topic(events, 1);
    BROKER.create_topic(removals, 1);
    BROKER.produce(events, None, views("ann", products("p", 2)));
    BROKER.produce(events, None, [r#"{"event_type":"click","user_id":"ann","product_id":"p-7"}"#]);
    BROKER.produce(removals, None, [view("ann", "p-0").replace("ProductView", "ProductRemoved")]);
    let shop = Shop::open(&BROKER, &[events, removals]);
    shop.wait_viewed("ann", ["p-1".into()]);
    shop.wait_live();
    assert_eq!(shop.source_view().ignored["click"], 1);
    shop.engine.stop().unwrap();
}

#[test]
fn partitions_added_while_running_are_read() {
    let topic = "growing";
    BROKER.create_topic(topic, 1);
    let shop = Shop::open(&BROKER, &[topic]);
    shop.wait_live();
    BROKER.grow_topic(topic, 4);
    for partition in 0..4 {
        BROKER.produce(topic, Some(partition), views("ann", products(&format!("p{partition}"), 2)));
    }
    shop.wait_viewed("ann", (0..4).flat_map(|partition| products(&format!("p{partition}"), 2)));
    shop.wait_live();
    shop.engine.stop().unwrap();
}

#[test]
fn a_missing_topic_is_named_and_picked_up_when_it_is_made() {
    let (there, missing) = ("beside-missing", "missing");
    BROKER.create_topic(there, 1);
    BROKER.produce(there, None, views("ann", products("p", 1)));
    let shop = Shop::open(&BROKER, &[there, missing]);
    shop.wait_retrying("topic missing does not exist");
    shop.wait_viewed("ann", products("p", 1));
    assert_eq!(BROKER.partitions(missing), 0, "a topic that is read is not made");
    BROKER.create_topic(missing, 2);
    BROKER.produce(missing, Some(1), views("ann", products("q", 1)));
    shop.wait_viewed("ann", products("p", 1).chain(products("q", 1)));
    shop.wait_live();
    shop.engine.stop().unwrap();
}

#[test]
fn a_topic_made_anew_is_read_from_its_first_record() {
    let topic = "made-anew";
    BROKER.create_topic(topic, 2);
    BROKER.produce(topic, Some(0), views("ann", products("old", 5)));
    BROKER.produce(topic, Some(1), views("ann", products("older", 2)));
    let shop = Shop::open(&BROKER, &[topic]);
    shop.wait_viewed("ann", products("old", 5).chain(products("older", 2)));
    shop.wait_position(topic, 0, 5);
    wait_until(SOON, "the board knows both partitions", || shop.source_view().partitions.len() == 2);
    BROKER.delete_topic(topic);
    BROKER.create_topic(topic, 1);
    // More than there were: at the old position there is a record, and reading on there would skip the five before.
    BROKER.produce(topic, Some(0), views("ben", products("new", 8)));
    shop.wait_viewed("ben", products("new", 8));
    shop.wait_position(topic, 0, 8);
    wait_until(SOON, "the partition that is gone is forgotten", || shop.source_view().partitions.len() == 1);
    shop.wait_live();
    assert!(shop.source_view().ignored["partition_restarted"] >= 1);
    shop.engine.stop().unwrap();
}

/// The dangerous one: by the time anybody looks, the topic is there, as long as before and longer. Only its records tell.
#[test]
fn a_topic_made_anew_while_nobody_looks_is_found_out_by_its_records() {
    let (topic, distraction) = ("made-anew-unseen", "distraction");
    BROKER.create_topic(topic, 1);
    BROKER.produce(topic, None, views("ann", products("old", 5)));
    // Asked for the second topic's position, the watcher is kept waiting, and sees nothing meanwhile.
    let (asked, is_asked) = std::sync::mpsc::channel();
    let (answer, answered) = std::sync::mpsc::channel::<()>();
    let answered = std::sync::Mutex::new(answered);
    let resume = move |topic: &str, _: i32| {
        if topic == distraction {
            asked.send(()).unwrap();
            answered.lock().unwrap().recv().unwrap();
        }
        None
    };
    let shop = Shop::resume(&BROKER, &[topic, distraction], 100, Arc::new(resume));
    shop.wait_viewed("ann", products("old", 5));
    BROKER.create_topic(distraction, 1);
    is_asked.recv_timeout(SOON).unwrap();
    BROKER.delete_topic(topic);
    BROKER.create_topic(topic, 1);
    BROKER.produce(topic, None, views("ben", products("new", 8)));
    answer.send(()).unwrap();
    shop.wait_viewed("ben", products("new", 8));
    shop.wait_position(topic, 0, 8);
    shop.wait_live();
    assert_eq!(shop.source_view().ignored["partition_restarted"], 1);
    shop.engine.stop().unwrap();
}

#[test]
fn a_shorter_topic_made_anew_is_read_from_its_first_record() {
    let topic = "made-shorter";
    BROKER.create_topic(topic, 1);
    BROKER.produce(topic, None, views("ann", products("old", 5)));
    let shop = Shop::open(&BROKER, &[topic]);
    shop.wait_viewed("ann", products("old", 5));
    BROKER.delete_topic(topic);
    BROKER.create_topic(topic, 1);
    BROKER.produce(topic, None, views("ben", products("new", 2)));
    shop.wait_viewed("ben", products("new", 2));
    shop.wait_position(topic, 0, 2);
    BROKER.produce(topic, None, views("ben", products("newer", 2)));
    shop.wait_viewed("ben", products("new", 2).chain(products("newer", 2)));
    shop.engine.stop().unwrap();
}

#[test]
fn records_that_expire_ahead_of_the_reader_do_not_stop_it() {
    let topic = "expiring";
    BROKER.create_topic(topic, 1);
    BROKER.produce(topic, None, ["not an event"; 3]);
    // Nobody takes letters: the reader stands before the second of them.
    let shop = Shop::resume(&BROKER, &[topic], 1, Arc::new(|_, _| None));
    shop.wait_position(topic, 0, 1);
    BROKER.produce(topic, None, views("ann", products("p", 4)));
    BROKER.truncate(topic, 0, 5);
    shop.wait_viewed("ann", ["p-2".into(), "p-3".into()]);
    shop.wait_position(topic, 0, 7);
    shop.engine.stop().unwrap();
}

#[test]
fn refused_records_become_letters_and_the_stream_goes_on() {
    let topic = "refused";
    BROKER.create_topic(topic, 1);
    let bad = ["not json", "{}", r#"{"event":"ProductView","userid":"","properties":{"productid":"p"}}"#];
    BROKER.produce(topic, None, bad);
    BROKER.produce(topic, None, views("ann", products("p", 3)));
    // Room for one letter at a time: the reader has to wait for whoever takes them, and loses none.
    let shop = Shop::resume(&BROKER, &[topic], 1, Arc::new(|_, _| None));
    let letters: Vec<_> = bad
        .iter()
        .map(|_| wait_for(SOON, "a letter arrives", || shop.dead_letters.try_recv().ok()))
        .map(|letter| (letter.offset, letter.reason, String::from_utf8(letter.payload).unwrap()))
        .collect();
    let expected = ["not_json", "missing_field", "empty_id"].into_iter().zip(bad).enumerate();
    let expected: Vec<_> =
        expected.map(|(offset, (reason, payload))| (offset as i64, reason, payload.to_owned())).collect();
    assert_eq!(letters, expected);
    shop.wait_viewed("ann", products("p", 3));
    shop.wait_live();
    let progress = shop.source_view();
    assert_eq!((progress.accepted, progress.rejected.values().sum::<u64>()), (3, 3));
    shop.engine.stop().unwrap();
}

#[test]
fn aborted_records_are_not_shown_and_do_not_keep_it_from_catching_up() {
    let topic = "aborted";
    BROKER.create_topic(topic, 1);
    let producer = BROKER.producer(&[("transactional.id", "aborting")]);
    producer.init_transactions(SOON).unwrap();
    for (user, commit) in [("ann", true), ("ben", false)] {
        producer.begin_transaction().unwrap();
        for view in views(user, products("p", 3)) {
            producer.send(BaseRecord::<(), _>::to(topic).payload(&view)).unwrap();
        }
        producer.flush(SOON).unwrap();
        if commit { producer.commit_transaction(SOON) } else { producer.abort_transaction(SOON) }.unwrap();
    }
    let shop = Shop::open(&BROKER, &[topic]);
    shop.wait_viewed("ann", products("p", 3));
    shop.wait_live();
    assert!(shop.viewed("ben").is_empty());
    wait_until(SOON, "the position is the end, behind the aborted records and both markers", || {
        shop.source_view().partitions.values().all(|at| (at.next, at.lag()) == (8, 0))
    });
    shop.engine.stop().unwrap();
}

#[test]
fn a_killed_broker_is_told_and_nothing_is_lost() {
    let mut broker = Broker::start();
    let topic = "survivor";
    broker.create_topic(topic, 2);
    for partition in 0..2 {
        broker.produce(topic, Some(partition), views("ann", products(&format!("p{partition}"), 50)));
    }
    let shop = Shop::open(&broker, &[topic]);
    let before = || (0..2).flat_map(|partition| products(&format!("p{partition}"), 50));
    shop.wait_viewed("ann", before());
    shop.wait_live();
    broker.kill9();
    shop.wait_retrying("no answer from the brokers");
    assert_eq!(shop.viewed("ann").len(), 100, "answers go on");
    broker.restart();
    broker.produce(topic, Some(1), views("ann", products("q", 5)));
    shop.wait_viewed("ann", before().chain(products("q", 5)));
    shop.wait_live();
    assert!(!shop.source_view().ignored.contains_key("partition_restarted"), "the records are still the same");
    assert_eq!(shop.source_view().accepted, 105, "and are not read twice");

    let late = Shop::open(&broker, &[topic]);
    late.wait_viewed("ann", before().chain(products("q", 5)));
    broker.kill9();
    // Nobody to say good-bye to: the end is quick all the same.
    let stopped = std::time::Instant::now();
    shop.engine.stop().unwrap();
    late.engine.stop().unwrap();
    assert!(stopped.elapsed() < Duration::from_secs(30), "{:?}", stopped.elapsed());
}

#[test]
fn librdkafka_is_the_one_whose_faults_are_known() {
    // Of another one it is to be seen whether the program is still to be linked as src/build/link.rs says.
    assert_eq!(rdkafka::util::get_rdkafka_version().1, "2.12.1");
}

#[test]
fn brokers_that_are_not_there_at_the_start_are_waited_for() {
    let mut broker = Broker::start();
    broker.create_topic("patient", 1);
    broker.produce("patient", None, views("ann", products("p", 1)));
    broker.kill9();
    let shop = Shop::open(&broker, &["patient"]);
    shop.wait_retrying("no answer from the brokers");
    // What there is to catch up with is not known: answers do not claim to be of the present.
    let as_of = || shop.engine.reader().view_any().as_of();
    let is_complete = || shop.engine.tick_counter().has_caught_up(as_of());
    let first = as_of();
    wait_until(SOON, "ticks close", || as_of() > first);
    assert!(as_of() < 1_000_000 && !is_complete(), "{}", as_of());
    broker.restart();
    wait_until(SOON, "answers are complete", is_complete);
    assert!(as_of() > 1_000_000_000_000);
    shop.wait_viewed("ann", products("p", 1));
    wait_until(SOON, "the source is live", || shop.source_view().state == State::Live);
    shop.engine.stop().unwrap();
}
