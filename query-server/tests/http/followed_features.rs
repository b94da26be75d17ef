//! Features of chosen users that are sent again when they change.

use dataflow::rules::{Features, Rules};
use dataflow::tables::Interaction;
use serde_json::{Value, json};

use crate::push::Follower;
use crate::records::Record;
use crate::shop::{Shop, now_ms, patient, product, short, viewed};

fn shop(workers: usize) -> Shop {
    let rules = Rules { features: Features { enabled: true, ..Features::OFF }, ..Rules::default() };
    Shop::with_rules(short(|settings| settings.push_interval_ms = 1), rules, workers)
}

fn clicked(user: &str, product: &str) -> Record {
    Record::Did { user: user.into(), product: Some(product.into()), interaction: Interaction::Click, at: now_ms() }
}

/// The rows that one question is answered with.
fn rows(shop: &Shop, users: &[&str]) -> Vec<Value> {
    let question = json!({"users": users, "limit": 3}).to_string();
    let answer = shop.connect().ask("POST", "/v1/features", &[], question.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["rows"].as_array().unwrap().clone()
}

/// Takes events until they make the rows of these users.
fn reaches(follower: &mut Follower, shop: &Shop, users: &[&str]) {
    let rows = rows(shop, users);
    while follower.list != rows {
        follower.next().expect("the stream goes on");
    }
}

#[test]
fn the_rows_of_chosen_users_are_sent_once_and_then_those_that_change() {
    for workers in [1, 2] {
        let shop = shop(workers);
        let users = ["ada", "ben", "a,b"];
        let target = r"/v1/stream/features?users=ada,ben,a%5C,b&limit=3";
        shop.happened([product("tea", "drinks"), product("cup", "dishes"), viewed("ada", "tea", now_ms())]);
        let (mut follower, first) = Follower::open(&shop, target, &[]);
        assert_eq!((&*first.name, &first.data["reason"]), ("snapshot", &"start".into()));
        assert_eq!(follower.list, rows(&shop, &users));
        assert!(first.id.starts_with(first.data["list"]["as_of"].as_str().unwrap()));

        shop.happened([clicked("cyd", "tea"), clicked("ben", "cup")]);
        let change = follower.next().unwrap();
        let changed = change.data["rows"].as_array().unwrap();
        assert_eq!((&*change.name, changed.len(), &changed[0]["user-id"]), ("change", 1, &json!("ben")));
        assert_eq!(changed[0]["user_product_clicks"], json!({"cup": 1}));
        // A product that moves to another category moves its counts, and nobody did anything.
        shop.happened([product("tea", "gifts")]);
        for round in 0..30 {
            shop.happened([clicked(users[round % 3], &format!("p{}", round % 5)), viewed("cyd", "tea", now_ms())]);
        }
        reaches(&mut follower, &shop, &users);

        let (mut other, last) = Follower::open(&shop, target, &[]);
        let (_, resumed) = Follower::open(&shop, target, &[("last-event-id", &last.id)]);
        assert_eq!(resumed.name, "resumed");
        let (_, again) = Follower::open(&shop, target, &[("last-event-id", &first.id)]);
        assert_eq!((&*again.name, &again.data["reason"]), ("snapshot", &"changed".into()));
        shop.connect().ask("DELETE", "/v1/users/ben", &[], b"");
        reaches(&mut other, &shop, &users);
    }
}

#[test]
fn some_features_are_chosen_and_questions_have_bounds() {
    let shop = shop(1);
    let target = "/v1/stream/features?users=ada&features=user_product_clicks";
    let (mut follower, first) = Follower::open(&shop, target, &[]);
    assert_eq!(first.data["list"]["rows"], json!([{"user-id": "ada", "user_product_clicks": {}}]));
    shop.happened([viewed("ada", "tea", now_ms()), clicked("ada", "tea")]);
    assert_eq!(follower.next().unwrap().data["rows"][0]["user_product_clicks"], json!({"tea": 1}));
    let many = vec!["x"; 101].join(",");
    for (query, status) in [
        (String::new(), 400),
        ("?users=".into(), 400),
        ("?limit=3".into(), 400),
        (format!("?users={many}"), 400),
        ("?users=ada&limit=101".into(), 400),
        ("?users=ada&after=x".into(), 400),
        ("?users=ada&features=user_product_click".into(), 422),
    ] {
        assert_eq!(Follower::ask(&shop, &format!("/v1/stream/features{query}"), &[]).0.status, status, "{query}");
    }
    let off = Shop::with(patient());
    off.get("/v1/stream/features?users=ada").assert_problem(409, "features-off");
}

#[test]
fn users_of_several_processes_are_followed_together() {
    let [one, other] = Shop::pair();
    let (here, there) = (other.user_elsewhere(), one.user_elsewhere());
    one.happened([clicked(&here, "tea")]);
    let (mut follower, _) = Follower::open(&one, &format!("/v1/stream/features?users={here},{there}&limit=3"), &[]);
    other.happened([clicked(&there, "cup")]);
    reaches(&mut follower, &one, &[&here, &there]);
    assert_eq!(follower.list[1]["user_product_clicks"], json!({"cup": 1}));
}
