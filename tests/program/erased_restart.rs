//! A user who was erased and came back: after a restart, which reads all files again, the later events count as before.

use harness::{http, wait_until};
use serde_json::{Value, json};
use vitrine::clock::wall_ms;

use crate::shop::{SOON, Shop};

const SETTINGS: [(&str, &str); 2] = [("features.enabled", "on"), ("features.metadata", "device")];

/// The user views or clicks a product.
#[track_caller]
fn act(shop: &Shop, kind: &str, product: &str, device: &str) {
    let event = json!({"user_id": "ada", "product_id": product, "event_type": kind, "session_id": "s",
        "metadata": {"device": device}});
    let answer = http::post(&shop.url("/v1/events"), "application/json", event.to_string());
    assert_eq!(answer.status, 202, "{}", answer.text());
}

/// All features of the user, without the time at which they are.
fn features(shop: &Shop) -> Value {
    let mut features = http::get(&shop.url("/v1/users/ada/features")).json();
    features.as_object_mut().and_then(|features| features.remove("as_of"));
    features
}

#[track_caller]
fn wait_for_clicks(shop: &Shop, clicks: &Value) {
    wait_until(SOON, "the last click counts", || features(shop)["user_product_clicks"] == *clicks);
}

#[test]
fn what_an_erased_user_did_later_counts_after_a_restart_too() {
    let shop = Shop::open(&SETTINGS, |_| {});
    act(&shop, "view", "tea", "web");
    act(&shop, "click", "tea", "web");
    wait_for_clicks(&shop, &json!({"tea": 1}));
    let receipt = http::delete(&shop.url("/v1/users/ada"));
    assert_eq!(receipt.status, 200, "{}", receipt.text());
    let erased = wall_ms();
    wait_until(SOON, "time passes", || wall_ms() > erased);
    act(&shop, "view", "cup", "app");
    act(&shop, "view", "mug", "app");
    act(&shop, "click", "cup", "app");
    wait_for_clicks(&shop, &json!({"cup": 1}));
    let before = features(&shop);
    assert_eq!(before["user_product_views"], json!({"cup": 1, "mug": 1}));

    let again = Shop::open(&SETTINGS, |dir| {
        for file in std::fs::read_dir(shop.dir()).expect("the directory is there") {
            let file = file.expect("it can be read");
            std::fs::copy(file.path(), dir.join(file.file_name())).expect("it can be copied");
        }
    });
    wait_for_clicks(&again, &json!({"cup": 1}));
    assert_eq!(features(&again), before);
}
