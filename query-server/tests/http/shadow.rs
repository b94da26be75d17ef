//! The shadow over HTTP: its lists are those of the second numbers and rules, and the report says how they differ.

use dataflow::freshness::InputKind;
use dataflow::rules::{Rules, Shadow};
use dataflow::source_status::{EventObserver, ReadEvent, Signal, State};
use serde_json::{Value, json};

use crate::client::Connection;
use crate::shop::{Shop, bought, eventually, now_ms, patient, product, viewed};

/// Products of two categories with 4, 3, 2 and 1 buyers: tea, mug, oolong, cup. Lists of the shadow have two products.
fn open(workers: usize) -> Shop {
    let shadow = Shadow { enabled: true, list_size: 2, ..Shadow::OFF };
    let shop = Shop::with_rules(patient(), Rules { list_size: 3, shadow, ..Rules::default() }, workers);
    let categories = [("tea", "leaves"), ("oolong", "leaves"), ("mug", "cups"), ("cup", "cups")];
    shop.happened(categories.map(|(of, category)| product(of, category)));
    shop.happened(bought("tea", 4).chain(bought("mug", 3)).chain(bought("oolong", 2)).chain(bought("cup", 1)));
    shop
}

fn sellers(connection: &mut Connection, target: &str) -> Vec<String> {
    let products = connection.get(target).json()["products"].as_array().unwrap().clone();
    products.iter().map(|row| row["product"].as_str().unwrap().to_owned()).collect()
}

fn write(connection: &mut Connection, id: &str, rule: &Value) {
    let path = format!("/v1/rules/{id}");
    let answer = connection.ask("PUT", &path, &[("content-type", "application/json")], rule.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn lists_of_the_shadow_have_the_shapes_of_those_of_the_shop() {
    let shop = open(2);
    shop.happened(["tea", "mug", "cup"].into_iter().zip(1..).map(|(of, ago)| viewed("ada", of, now_ms() - ago)));
    let mut connection = shop.connect();
    for (path, live, shadow) in [
        ("bestsellers", vec!["tea", "mug", "oolong"], vec!["tea", "mug"]),
        ("categories/leaves/bestsellers", vec!["tea", "oolong"], vec!["tea", "oolong"]),
    ] {
        assert_eq!(sellers(&mut connection, &format!("/v1/{path}")), live);
        assert_eq!(sellers(&mut connection, &format!("/v1/shadow/{path}?explain=true")), shadow);
    }
    assert_eq!(connection.get("/v1/users/ada/history").products(), ["tea", "mug", "cup"]);
    assert_eq!(connection.get("/v1/shadow/users/ada/history").products(), ["tea", "mug"]);
    assert_eq!(connection.get("/v1/users/ada/recommendations").products(), ["tea", "mug", "oolong"]);
    assert_eq!(connection.get("/v1/shadow/users/ada/recommendations?limit=1").products(), ["tea"]);
    connection.get("/v1/shadow/bestsellers?limit=3").assert_problem(400, "bad-parameter");
    connection.get("/v1/shadow/categories/none/bestsellers").assert_problem(404, "unknown-category");
}

#[test]
fn a_rule_is_for_both_sets_unless_it_says_otherwise() {
    let shop = open(1);
    let mut connection = shop.connect();
    let both = |connection: &mut Connection| {
        (sellers(connection, "/v1/bestsellers"), sellers(connection, "/v1/shadow/bestsellers"))
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    write(&mut connection, "a", &json!({"rule": "hide", "product": "tea"}));
    assert_eq!(both(&mut connection), (names(&["mug", "oolong", "cup"]), names(&["mug", "oolong"])));
    write(&mut connection, "a", &json!({"rule": "hide", "product": "tea", "set": "shadow"}));
    assert_eq!(both(&mut connection), (names(&["tea", "mug", "oolong"]), names(&["mug", "oolong"])));
    let entry = connection.get("/v1/rules/a").json();
    assert_eq!((&entry["set"], &entry["effective"]), (&json!("shadow"), &json!(true)));
    write(&mut connection, "a", &json!({"rule": "hide", "product": "tea", "set": "live"}));
    assert_eq!(both(&mut connection), (names(&["mug", "oolong", "cup"]), names(&["tea", "mug"])));
    let pin = json!({"rule": "pin", "product": "cup", "list": "bestsellers", "position": 1, "set": "shadow"});
    write(&mut connection, "b", &pin);
    assert_eq!(both(&mut connection), (names(&["mug", "oolong", "cup"]), names(&["cup", "tea"])));
    let explained = connection.get("/v1/shadow/bestsellers?explain=true").json();
    assert_eq!(explained["products"][0], json!({"product": "cup", "buyers": 1}));
    assert_eq!(explained["rules"][0]["rule"], "b");
    let body = json!({"rule": "hide", "product": "tea", "set": "mine"}).to_string();
    let refused = connection.ask("PUT", "/v1/rules/c", &[("content-type", "application/json")], body.as_bytes());
    refused.assert_problem(422, "invalid-rule");
    assert_eq!(refused.json()["field"], "set");
}

#[test]
fn the_report_names_what_differs_and_who_had_more_hits() {
    let shop = open(1);
    let mut connection = shop.connect();
    write(&mut connection, "a", &json!({"rule": "hide", "product": "tea", "set": "shadow"}));
    let hits = shop.hits.clone().expect("the shadow is on");
    let dictionary = shop.dictionary();
    let products = ["tea", "mug"].map(|id| dictionary.find_product(id).unwrap());
    let user = dictionary.find_user("ada");
    hits.read(&ReadEvent {
        user,
        products: &products,
        signal: Signal::Purchase,
        at: now_ms(),
        order: None,
        answer: None,
        device: None,
    });
    let report = connection.get("/v1/shadow/report").json();
    assert_eq!(report["numbers"], json!([{"setting": "list_size", "live": "3", "shadow": "2"}]));
    let lists = &report["best_sellers"];
    assert_eq!((&lists["k"], &lists["compared"], &lists["equal"]), (&json!(2), &json!(3), &json!(1)));
    let general = json!({
        "list": "bestsellers", "overlap": 0.5, "entered": [{"product": "oolong", "place": 2}],
        "left": [{"product": "tea", "place": 1}], "moved": [{"product": "mug", "live": 2, "shadow": 1}],
    });
    assert!(lists["lists"].as_array().unwrap().contains(&general), "{report:#}");
    let purchases = &report["hits"]["purchases"];
    assert_eq!(purchases["products"], 2);
    let of_shop = json!({"list": "bestsellers", "live": 2, "shadow": 1, "both": 1, "more": "live"});
    assert_eq!(purchases["lists"][0], of_shop);
    assert_eq!(report["hits"]["views"]["products"], 0);
    assert!(report["as_of"].is_string());
}

#[test]
fn the_report_is_as_old_as_the_best_sellers_and_never_behind_an_answer() {
    const REPORT: &str = "/v1/shadow/report";
    const SELLERS: &str = "/v1/bestsellers";
    const HISTORY: &str = "/v1/users/ada/history";
    let shop = open(1);
    shop.source.gives(&[InputKind::Shop]);
    let mut connection = shop.connect();
    let mut as_of = |target: &str| connection.get(target).json()["as_of"].as_str().unwrap().to_owned();
    for buyers in 5..8 {
        shop.happened(bought("cup", buyers));
        let seen = as_of(SELLERS);
        let report = as_of(REPORT);
        assert!(report >= seen, "{report} is before {seen}");
    }
    shop.source.state(0, State::Stopped("another server".into()));
    let fresh = as_of(HISTORY);
    eventually(|| as_of(HISTORY) > fresh);
    let stopped = as_of(SELLERS);
    assert_eq!(as_of(REPORT), stopped, "it lacks what the best sellers lack");
    assert_eq!(shop.connect().get(REPORT).header("vitrine-missing-sources"), Some("events"));
}

#[test]
fn without_a_shadow_its_paths_say_how_to_switch_it_on() {
    let shop = Shop::open();
    let mut connection = shop.connect();
    for path in ["bestsellers", "categories/c/bestsellers", "users/u/history", "users/u/recommendations", "report"] {
        let answer = connection.get(&format!("/v1/shadow/{path}"));
        answer.assert_problem(409, "shadow-off");
    }
    shop.happened([product("tea", "leaves")]);
    write(&mut connection, "a", &json!({"rule": "hide", "product": "tea", "set": "shadow"}));
    let entry = connection.get("/v1/rules/a").json();
    assert_eq!((&entry["effective"], &entry["reason"]), (&json!(false), &json!("the shadow is off")));
}
