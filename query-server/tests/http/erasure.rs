//! Erasures are durable and visible before they are answered, with a receipt of what was held and where copies remain.

use dataflow::rules::{BuyAgain, Features, Rules};
use dataflow::tables::Interaction;
use serde_json::json;

use crate::records::{Record, bought};
use crate::shop::{Mood, Shop, eventually, now_ms, patient, product, short, viewed};

const ADA: &str = "/v1/users/ada";

fn shop(workers: usize) -> Shop {
    let rules = Rules {
        features: Features { enabled: true, ..Features::OFF },
        buy_again: BuyAgain { enabled: true },
        ..Rules::default()
    };
    Shop::with_rules(patient(), rules, workers)
}

fn ordered(order: &str, user: &str, product: &str) -> Record {
    Record::Order { order: order.into(), user: user.into(), product: product.into(), at: now_ms() }
}

#[test]
fn an_erased_user_is_in_no_list_and_begins_anew() {
    for workers in [1, 2] {
        let shop = shop(workers);
        shop.happened([product("tea", "drinks"), product("cup", "dishes")]);
        shop.happened([
            viewed("ada", "tea", now_ms()),
            viewed("ada", "cup", now_ms()),
            viewed("ben", "tea", now_ms()),
            ordered("o-1", "ada", "tea"),
            ordered("o-1", "ada", "cup"),
            ordered("o-2", "ada", "tea"),
            Record::Did {
                user: "ada".into(),
                product: Some("pan".into()),
                interaction: Interaction::Other,
                at: now_ms(),
            },
        ]);
        shop.happened(bought("tea", 10));
        let mut connection = shop.connect();
        let answer = connection.ask("DELETE", ADA, &[], b"");
        assert_eq!(answer.status, 200, "{}", answer.text());
        let receipt = answer.json();
        let held = json!({
            "views": 2, "features": 2, "orders_hidden": 2, "lists_changed": ["history", "bestsellers", "buy-again"]
        });
        assert_eq!((&receipt["user-id"], &receipt["held"]), (&json!("ada"), &held), "nothing is counted of the pan");
        assert_eq!(
            (&receipt["deleted_rows"], &receipt["remains"][0]["place"]),
            (&json!(null), &json!("the topic views"))
        );
        let Some(Record::Erasure { user, .. }) = shop.records().pop() else { panic!("the erasure is written") };
        assert_eq!(&*user, "ada");

        assert!(connection.get("/v1/users/ada/history").products().is_empty());
        assert_eq!(connection.get("/v1/users/ben/history").products(), ["tea"]);
        assert!(connection.get("/v1/users/ada/buy-again").products().is_empty());
        let best = connection.get("/v1/bestsellers").json();
        assert_eq!(best["products"].as_array().map(Vec::len), Some(1), "{best}");
        assert_eq!(best["products"][0]["buyers"], 10);
        let features = connection.get("/v1/users/ada/features").json();
        assert!(!features.to_string().contains("tea"), "{features}");

        let again = connection.ask("DELETE", ADA, &[], b"").json();
        let nothing = json!({"views": 0, "features": 0, "orders_hidden": 0, "lists_changed": []});
        assert_eq!(again["held"], nothing, "the first erasure has hidden the orders");
        let Some(Record::Erasure { at, .. }) = shop.records().pop() else { panic!("the erasure is written") };

        // What is read later and was before does not count; what is after it does.
        eventually(|| now_ms() > at);
        shop.happened([viewed("ada", "tea", at), viewed("ada", "tea", at - 5), viewed("ada", "cup", now_ms())]);
        assert_eq!(connection.get("/v1/users/ada/history").products(), ["cup"]);
        let features = connection.get("/v1/users/ada/features/cup").json();
        assert!(features.to_string().contains("\"user_product_views\":1"), "{features}");
        assert!(!connection.get("/v1/users/ada/features").json().to_string().contains("tea"));
    }
}

#[test]
fn an_order_that_does_not_count_was_in_no_list() {
    let shop = shop(1);
    let cancelled =
        Record::CancelledOrder { order: "o-1".into(), user: "ada".into(), product: "tea".into(), at: now_ms() };
    shop.happened([cancelled, ordered("o-2", "ben", "tea")]);
    let held = |user: &str| {
        let receipt = shop.connect().ask("DELETE", &format!("/v1/users/{user}"), &[], b"").json();
        (receipt["held"]["orders_hidden"].clone(), receipt["held"]["lists_changed"].clone())
    };
    assert_eq!(held("ada"), (json!(0), json!([])));
    assert_eq!(held("ben"), (json!(1), json!(["bestsellers", "buy-again"])));
}

#[test]
fn an_unknown_user_is_erased_too_because_events_may_come_late() {
    let shop = Shop::open();
    let answer = shop.connect().ask("DELETE", ADA, &[], b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["held"], json!({"views": 0, "features": null, "orders_hidden": 0, "lists_changed": []}));
    let Some(Record::Erasure { at, .. }) = shop.records().pop() else { panic!("the erasure is written") };
    shop.happened([viewed("ada", "tea", at)]);
    assert!(shop.get("/v1/users/ada/history").products().is_empty());
}

#[test]
fn an_event_from_the_future_is_erased_too() {
    let shop = Shop::open();
    let ahead = now_ms() + 60_000;
    shop.happened([viewed("ada", "tea", ahead)]);
    assert_eq!(shop.connect().ask("DELETE", ADA, &[], b"").status, 200);
    assert!(shop.get("/v1/users/ada/history").products().is_empty());
    assert!(matches!(shop.records().last(), Some(Record::Erasure { at, .. }) if *at == ahead));
}

#[test]
fn a_removal_and_an_order_from_the_future_are_erased_too() {
    let ahead = now_ms() + 60_000;
    let removal = Record::Removal { user: "ada".into(), product: "tea".into(), at: ahead };
    let order = Record::Order { order: "o-1".into(), user: "ada".into(), product: "tea".into(), at: ahead };
    let rules = Rules { buy_again: BuyAgain { enabled: true }, ..Rules::default() };
    for event in [removal, order] {
        let shop = Shop::with_rules(patient(), rules, 1);
        shop.happened([product("tea", "drinks"), event]);
        assert_eq!(shop.connect().ask("DELETE", ADA, &[], b"").status, 200);
        assert!(matches!(shop.records().last(), Some(Record::Erasure { at, .. }) if *at == ahead));
    }
}

#[test]
fn an_erasure_that_is_not_durable_or_not_visible_is_no_success() {
    let shop = Shop::with(short(|_| {}));
    shop.happened([viewed("ada", "tea", now_ms())]);
    shop.writer.set(Mood::Off);
    shop.connect().ask("DELETE", ADA, &[], b"").assert_problem(409, "intake-off");
    for (mood, slug) in [
        (Mood::Down, "intake-unavailable"),
        (Mood::Unsure, "intake-unavailable"),
        (Mood::Lost, "erasure-not-visible-yet"),
    ] {
        shop.writer.set(mood);
        shop.connect().ask("DELETE", ADA, &[], b"").assert_problem(503, slug);
    }
    shop.writer.set(Mood::Well);
    assert_eq!(shop.get("/v1/users/ada/history").products(), ["tea"]);
}

#[test]
fn views_of_many_users_stay_where_one_is_erased() {
    let shop = shop(2);
    let did = |user: &str| Record::Did {
        user: user.into(),
        product: Some("tea".into()),
        interaction: Interaction::Click,
        at: now_ms(),
    };
    shop.happened((0..20).flat_map(|n| [viewed(&format!("user-{n}"), "tea", now_ms()), did(&format!("user-{n}"))]));
    assert_eq!(shop.connect().ask("DELETE", "/v1/users/user-7", &[], b"").status, 200);
    for n in 0..20 {
        let products = shop.get(&format!("/v1/users/user-{n}/history")).products();
        assert_eq!(products.is_empty(), n == 7, "user-{n}");
    }
}
