//! Users who were erased and came back, in topics that are read again.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dataflow::time::Millis;
use events::{erasure_json, removal_json};
use sources::kafka;

use crate::BROKER;
use crate::shop::Shop;

/// So many records that the events are read before the erasure behind them.
const REMOVALS: usize = 20_000;

fn click(product: &str, at: Millis) -> String {
    format!(r#"{{"event_type":"click","user_id":"ada","product_id":"{product}","timestamp":{at}}}"#)
}

/// The clicks of the user on a product.
fn clicks(shop: &Shop, product: &str) -> u64 {
    let reader = shop.engine.reader();
    let (user, product) = (reader.dictionary().find_user("ada"), reader.dictionary().product(product).unwrap());
    reader.view(user).features(user, None).of_product(product).activity.clicks()
}

#[test]
fn what_an_erased_user_did_later_counts_whatever_is_read_first() {
    let (events, removals) = ("erased-events", "erased-removals");
    BROKER.create_topic(events, 2);
    BROKER.create_topic(removals, 1);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    let now = Millis::try_from(now).unwrap();
    BROKER.produce(events, Some(0), [click("tea", now - 5000)]);
    BROKER.produce(events, Some(1), [click("cup", now - 2000), click("cup", now - 1000)]);
    BROKER.produce(removals, None, (0..REMOVALS).map(|n| removal_json("bo", "tea", now - 4000, &n.to_string())));
    BROKER.produce(removals, None, [erasure_json("ada", now - 3000, "erasure")]);
    let settings = kafka::Settings::new(BROKER.bootstrap(), [events, removals], Duration::from_millis(200));
    let settings = kafka::Settings { erasures: Some(removals.into()), ..settings };
    let shop = Shop::start(settings, 100, Arc::new(|_, _| None));
    shop.wait_live();
    shop.wait_position(events, 0, 1);
    shop.wait_position(events, 1, 2);
    shop.wait_position(removals, 0, REMOVALS as i64 + 1);
    assert_eq!((clicks(&shop, "tea"), clicks(&shop, "cup")), (0, 2));
    shop.engine.stop().unwrap();
}

#[test]
fn a_missing_topic_of_removals_holds_no_events_back() {
    let (events, removals) = ("without-erasures", "no-removals");
    BROKER.create_topic(events, 1);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    BROKER.produce(events, None, [click("cup", Millis::try_from(now).unwrap())]);
    let settings = kafka::Settings::new(BROKER.bootstrap(), [events], Duration::from_millis(200));
    let settings = kafka::Settings { erasures: Some(removals.into()), ..settings };
    let shop = Shop::start(settings, 100, Arc::new(|_, _| None));
    shop.wait_live();
    shop.wait_position(events, 0, 1);
    assert_eq!(clicks(&shop, "cup"), 1);
    shop.engine.stop().unwrap();
}
