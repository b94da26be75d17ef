//! A compacted topic of merchandising rules: the key is the id, a record without a value deletes the rule.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rdkafka::producer::{BaseRecord, Producer};
use sources::kafka;

use crate::BROKER;
use crate::queries::{products, view};
use crate::shop::{SOON, Shop};

#[test]
fn rules_of_a_topic_come_and_go_and_what_is_none_is_a_dead_letter() {
    let (events, rules) = ("beside-rules", "shelf-rules");
    BROKER.create_topic(events, 1);
    BROKER.create_topic_with(rules, 1, &[("cleanup.policy", "compact")]);
    BROKER.produce(events, None, products("p", 2).map(|product| view("ann", &product)));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let now = i64::try_from(now).unwrap() - 10;
    let producer = BROKER.producer(&[]);
    let write = |key: &str, value: Option<&str>, at: i64| {
        let record = BaseRecord::<str, str>::to(rules).key(key).timestamp(at);
        let record = if let Some(value) = value { record.payload(value) } else { record };
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(SOON).unwrap();
    };
    write("sale", Some(r#"{"rule":"hide","product":"p-0"}"#), now);
    let settings = kafka::Settings::new(BROKER.bootstrap(), [events], Duration::from_millis(200));
    let settings = kafka::Settings { rules: Some(rules.into()), ..settings };
    let shop = Shop::start(settings, 100, Arc::new(|_, _| None));
    shop.wait_viewed("ann", ["p-1".into()]);
    shop.wait_live();
    write("sale", Some(r#"{"rule":"hide"}"#), now + 1);
    write("sale", Some(r#"{"rule":"hide","product":"p-1"}"#), now + 2);
    shop.wait_viewed("ann", ["p-0".into()]);
    let letter = shop.dead_letters.recv_timeout(SOON).unwrap();
    assert_eq!((&*letter.stream, letter.offset, letter.reason), (rules, 1, "invalid_rule"));
    assert_eq!(letter.detail, "`product` is missing");
    write("sale", None, now + 3);
    shop.wait_viewed("ann", products("p", 2));
    let book = shop.engine.reader().view_any().rule_book();
    assert!(book.is_empty(), "{book:?}");
    shop.engine.stop().unwrap();
}
