//! What became of recommendations: counted by source and variant in the status and in the metrics, without ids.

use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::ids::Ids;
use dataflow::rules::{PurchaseSource, Rules};
use dataflow::source_status::{EventObserver as _, ReadEvent, Signal};
use dataflow::time::{Millis, ServiceClock};
use recommend::{Online, OnlineSettings, SourceName, TestSettings};
use serde_json::{Value, json};

use crate::shop::{Record, Shop, bought, now_ms, viewed};

struct Clock;

impl ServiceClock for Clock {
    fn now(&self) -> Millis {
        now_ms()
    }
}

fn online() -> Arc<Online> {
    Arc::new(Online::new(OnlineSettings { enabled: true, ..OnlineSettings::default() }, Arc::new(Clock)))
}

/// An event on a product, as a source shows it.
fn happens(online: &Online, user: &str, product: &str, signal: Signal, answer: Option<&str>) {
    let dictionary = Dictionary::new(Ids::new([7; 16]));
    let products = [dictionary.product(product).unwrap()];
    let user = dictionary.user(user);
    online.read(&ReadEvent { user, products: &products, signal, at: now_ms(), order: None, answer, device: None });
}

#[test]
fn hits_and_conversions_are_counted_by_the_source_of_the_product() {
    let online = online();
    let shop = Shop::counted(online.clone(), TestSettings::default(), |_, _| {});
    shop.happened([viewed("bea", "tea", now_ms() - 9), viewed("bea", "mug", now_ms() - 8)]);
    shop.happened(bought("pan", 1));
    shop.happened([viewed("ada", "tea", now_ms() - 7)]);
    let mut connection = shop.connect();
    let answer = connection.get("/v1/users/ada/for-you");
    assert_eq!(answer.products(), ["mug", "pan"]);
    let id = answer.json()["answer_id"].as_str().unwrap().to_owned();
    let similar = connection.get("/v1/products/tea/similar").json()["answer_id"].as_str().unwrap().to_owned();
    connection.ask("POST", "/v1/recommendations", &[], br#"{"viewed": ["tea"]}"#);
    happens(&online, "ada", "pan", Signal::Interest, None);
    happens(&online, "ada", "mug", Signal::Interest, Some(&id));
    happens(&online, "ada", "mug", Signal::Interest, Some(&id));
    happens(&online, "ada", "mug", Signal::Purchase, None);
    happens(&online, "eve", "mug", Signal::Interest, Some(&similar));
    happens(&online, "eve", "mug", Signal::Interest, Some(&id));
    let status = connection.get("/v1/status").json()["online"].clone();
    assert_eq!(status["variants"][0], json!({"variant": "a", "answers": 3, "hit": 2, "converted": 1}));
    assert_eq!(status["variants"][1], json!({"variant": "b", "answers": 0, "hit": 0, "converted": 0}));
    let row = |source: &str, [shown, hits, conversions]: [u64; 3]| {
        json!({"variant": "a", "source": source, "model_version": null, "shown": shown, "hits": hits,
               "conversions": conversions})
    };
    assert_eq!(status["sources"], json!([row("co_views", [3, 2, 1]), row("best_sellers", [2, 1, 0])]));
    assert_eq!(status["test"], Value::Null, "there are too few answers");
    let metrics = connection.get("/metrics");
    let metrics = metrics.text();
    for line in [
        "vitrine_online_answers_total{variant=\"a\"} 3",
        "vitrine_online_answers_hit_total{variant=\"a\"} 2",
        "vitrine_online_answers_converted_total{variant=\"a\"} 1",
        "vitrine_online_shown_total{source=\"co_views\",variant=\"a\",model_version=\"\"} 3",
        "vitrine_online_hits_total{source=\"co_views\",variant=\"a\",model_version=\"\"} 2",
        "vitrine_online_conversions_total{source=\"co_views\",variant=\"a\",model_version=\"\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    assert!(!["\"ada\"", "mug", "\"tea\"", &id].iter().any(|id| metrics.contains(*id)), "no id is in a metric");
}

#[test]
fn an_order_of_the_tables_is_a_conversion() {
    let order = |order: &str, user: &str, product: &str, at| Record::Order {
        order: order.into(),
        user: user.into(),
        product: product.into(),
        at,
    };
    for purchases in [PurchaseSource::Orders, PurchaseSource::Both, PurchaseSource::Events] {
        let online = online();
        let change = |rules: &mut Rules, _: &mut recommend::Settings| rules.purchases = purchases;
        let shop = Shop::counted(online.clone(), TestSettings::default(), change);
        shop.happened([viewed("bea", "tea", now_ms() - 9), viewed("bea", "mug", now_ms() - 8)]);
        shop.happened([viewed("ada", "tea", now_ms() - 7), order("o-1", "ada", "mug", now_ms() - 6)]);
        let mut connection = shop.connect();
        assert_eq!(connection.get("/v1/users/ada/for-you").products(), ["mug"]);
        let mut converted = || {
            let online = connection.get("/v1/status").json()["online"].clone();
            assert_eq!(online["variants"][0]["converted"], online["sources"][0]["conversions"]);
            online["variants"][0]["converted"].as_u64().unwrap()
        };
        assert_eq!(converted(), 0, "an order before the answer does not count");
        shop.happened([order("o-2", "ada", "tea", now_ms()), order("o-3", "eve", "mug", now_ms())]);
        assert_eq!(converted(), 0, "another product, and another user");
        shop.happened([order("o-4", "ada", "mug", now_ms())]);
        let counts = u64::from(purchases != PurchaseSource::Events);
        assert_eq!(converted(), counts, "{purchases:?}");
        shop.happened([order("o-5", "ada", "mug", now_ms())]);
        assert_eq!(converted(), counts, "a product of an answer counts once");
    }
}

#[test]
fn users_of_variant_b_get_its_chains_and_stay_in_it() {
    let online = online();
    let test =
        TestSettings { enabled: true, percent_b: 30, home: vec![SourceName::BestSellers], ..TestSettings::default() };
    let shop = Shop::counted(online.clone(), test, |_, _| {});
    shop.happened([viewed("bea", "tea", now_ms() - 9), viewed("bea", "mug", now_ms() - 8)]);
    shop.happened(bought("pan", 1));
    let users: Vec<String> = (0..60).map(|number| format!("user-{number}")).collect();
    shop.happened(users.iter().map(|user| viewed(user, "tea", now_ms() - 7)));
    let mut connection = shop.connect();
    let mut in_b = 0;
    for user in &users {
        let path = format!("/v1/users/{user}/for-you");
        let products = connection.get(&path).products();
        assert!(products == ["pan"] || products == ["mug", "pan"], "{user} {products:?}");
        assert_eq!(connection.get(&path).products(), products, "{user} stays in the variant");
        in_b += usize::from(products == ["pan"]);
    }
    assert!((6..32).contains(&in_b), "about 30 %: {in_b} of 60");
    let status = connection.get("/v1/status").json()["online"].clone();
    let answers = |variant: usize| status["variants"][variant]["answers"].as_u64().unwrap();
    assert_eq!((answers(0), answers(1)), (2 * (60 - in_b) as u64, 2 * in_b as u64));
    let visitor = connection.ask("POST", "/v1/recommendations", &[], br#"{"viewed": ["tea"]}"#);
    assert_eq!(visitor.products(), ["mug", "pan"], "a visitor who is not known is in variant A");
}
