//! `POST /v1/recommendations`: the list after the products that a visitor viewed, and errors of its body.

use recommend::SourceName;
use serde_json::{Value, json};

use crate::client::{Answer, Connection};
use crate::plain::{PlainShop, random_records};
use crate::shop::{Shop, bought, now_ms, product, viewed};

fn ask(connection: &mut Connection, query: &str, body: &Value) -> Answer {
    let json = [("content-type", "application/json")];
    connection.ask("POST", &format!("/v1/recommendations{query}"), &json, body.to_string().as_bytes())
}

#[test]
fn a_visitor_gets_what_a_user_with_these_views_gets() {
    let shop = Shop::learning(2, |_, _| {});
    shop.happened(random_records(30));
    let plain = PlainShop::of(&shop.records());
    let mut connection = shop.connect();
    for user in plain.users() {
        let viewed = plain.history(user);
        let answer = ask(&mut connection, "", &json!({"viewed": viewed}));
        assert_eq!(answer.products(), connection.get(&format!("/v1/users/{user}/for-you")).products(), "{user}");
        let first = answer.products();
        let exclude: Vec<&str> = first.iter().take(3).map(String::as_str).collect();
        let expected = plain.chain(viewed, &exclude, 25);
        let answer = ask(&mut connection, "?explain=true", &json!({"viewed": viewed, "exclude": exclude, "limit": 25}));
        let names: Vec<&String> = expected.iter().map(|(product, _)| product).collect();
        assert_eq!(answer.products().iter().collect::<Vec<_>>(), names, "{user}");
        let sources = answer.json()["explain"].as_array().unwrap().iter().map(|row| row["source"].clone()).collect();
        assert_eq!(Value::Array(sources), expected.iter().map(|(_, source)| *source).collect::<Value>());
        of_one_category(&plain, &mut connection, viewed);
    }
}

fn of_one_category(plain: &PlainShop, connection: &mut Connection, viewed: &[String]) {
    let category = "category-1";
    let mut expected: Vec<String> = Vec::new();
    let [(_, co_views), (_, for_you), _] = plain.sources(viewed);
    let best_sellers = plain.best_sellers(Some(category)).into_iter().filter(|product| !viewed.contains(product));
    for product in co_views.into_iter().chain(for_you).chain(best_sellers) {
        if plain.is_in(&product, category) && !expected.contains(&product) {
            expected.push(product);
        }
    }
    let answer = ask(connection, "", &json!({"viewed": viewed, "category": category, "limit": 100}));
    assert_eq!(answer.products(), expected);
}

#[test]
fn unknown_and_repeated_products_are_passed_over() {
    let shop = Shop::learning(1, |_, _| {});
    shop.happened([viewed("ada", "tea", now_ms() - 9), viewed("ada", "mug", now_ms() - 8)]);
    shop.happened(bought("pan", 2));
    let mut connection = shop.connect();
    let answer = ask(&mut connection, "", &json!({"viewed": ["unheard", "tea", "tea", "", "x".repeat(300)]}));
    assert_eq!(answer.products(), ["mug", "pan"]);
    let (as_of, id) = (answer.json()["as_of"].clone(), answer.json()["answer_id"].clone());
    let text = format!(r#"{{"products":["mug","pan"],"type":"personalized","as_of":{as_of},"answer_id":{id}}}"#);
    assert_eq!(answer.text(), text);
    for nothing_viewed in [json!({}), json!({"viewed": []}), json!({"viewed": ["unheard"], "category": null})] {
        let answer = ask(&mut connection, "", &nothing_viewed);
        assert_eq!((answer.products(), &answer.json()["type"]), (vec!["pan".into()], &json!("non-personalized")));
    }
    let answer = ask(&mut connection, "", &json!({"viewed": ["tea"], "exclude": ["mug", "unheard"]}));
    assert_eq!(answer.products(), ["pan"]);
}

#[test]
fn a_whole_number_is_the_same_id_as_its_text() {
    let shop = Shop::learning(1, |_, _| {});
    shop.happened([
        viewed("ada", "1", now_ms() - 9),
        viewed("ada", "2", now_ms() - 8),
        viewed("ada", "-3", now_ms() - 7),
    ]);
    shop.happened([product("4", "18446744073709551615")]);
    shop.happened(bought("4", 2));
    let mut connection = shop.connect();
    for (text, number) in [
        (json!({"viewed": ["1"]}), json!({"viewed": [1]})),
        (json!({"viewed": ["1", "2"], "exclude": ["-3"]}), json!({"viewed": [1, 2], "exclude": [-3]})),
        (json!({"category": "18446744073709551615"}), json!({"category": u64::MAX})),
    ] {
        let products = ask(&mut connection, "", &text).products();
        assert!(!products.is_empty(), "{text}");
        assert_eq!(ask(&mut connection, "", &number).products(), products, "{number}");
    }
    ask(&mut connection, "", &json!({"category": 5})).assert_problem(404, "unknown-category");
}

#[test]
fn the_context_chooses_the_sources() {
    let shop = Shop::learning(1, |_, settings| settings.basket = vec![SourceName::BestSellers]);
    shop.happened([product("pan", "pots"), viewed("ada", "tea", now_ms() - 9), viewed("ada", "mug", now_ms() - 8)]);
    shop.happened(bought("pan", 2));
    let mut connection = shop.connect();
    for (context, products) in [("home", &["mug", "pan"][..]), ("product", &["mug", "pan"]), ("basket", &["pan"])] {
        let answer = ask(&mut connection, "", &json!({"viewed": ["tea"], "context": context}));
        assert_eq!(answer.products(), products, "{context}");
    }
    let answer = ask(&mut connection, "", &json!({"category": "unheard"}));
    answer.assert_problem(404, "unknown-category");
    // A category that was named once, by a product that it has no more, would be unknown too; one with products is not.
    assert_eq!(ask(&mut connection, "", &json!({"category": "pots"})).products(), ["pan"]);
}

#[test]
fn a_wrong_body_is_named_by_its_field_and_never_repeated() {
    let shop = Shop::learning(1, |_, settings| (settings.viewed_max, settings.exclude_max) = (200, 3));
    let mut connection = shop.connect();
    let many: Vec<String> = (0..201).map(|number| format!("secret-{number}")).collect();
    assert_eq!(ask(&mut connection, "", &json!({"viewed": many[..200], "exclude": many[..3]})).status, 200);
    for (field, body) in [
        ("viewed", json!({"viewed": many})),
        ("viewed", json!({"viewed": vec!["secret"; 100_000]})),
        ("viewed", json!({"viewed": "secret"})),
        ("viewed", json!({"viewed": ["tea", 7.5]})),
        ("viewed", json!({"viewed": [true]})),
        ("viewed", json!({"viewed": null})),
        ("exclude", json!({"exclude": many[..4]})),
        ("exclude", json!({"exclude": [[1]]})),
        ("category", json!({"category": ["secret"]})),
        ("category", json!({"category": 1.5})),
        ("context", json!({"context": "secret"})),
        ("context", json!({"context": 1})),
        ("limit", json!({"limit": 0})),
        ("limit", json!({"limit": 101})),
        ("limit", json!({"limit": -1})),
        ("limit", json!({"limit": 1.5})),
        ("limit", json!({"limit": "secret"})),
    ] {
        let answer = ask(&mut connection, "", &body);
        answer.assert_problem(422, "invalid-body");
        assert_eq!(answer.json()["field"], field);
        assert!(!answer.text().contains("secret"), "{}", answer.text());
    }
    let beyond = ask(&mut connection, "", &json!({"viewed": many}));
    assert!(beyond.text().contains("at most 200 "), "{}", beyond.text());
    for body in [json!([]), json!("secret"), json!({"secret": 1}), json!({"viewed": [], "Limit": 1})] {
        let answer = ask(&mut connection, "", &body);
        answer.assert_problem(422, "invalid-body");
        assert!(!answer.text().contains("secret"), "{}", answer.text());
    }
    for body in ["", "{", "{\"viewed\":[\"secret\"]", "\u{fffd}"] {
        connection.ask("POST", "/v1/recommendations", &[], body.as_bytes()).assert_problem(422, "invalid-body");
    }
}

#[test]
fn other_faults_of_the_request_are_those_of_every_endpoint() {
    let shop = Shop::learning(1, |_, _| {});
    // An answer that comes before the body was read may end its connection.
    let lines = [("content-type", "application/x-ndjson")];
    let answer = shop.connect().ask("POST", "/v1/recommendations", &lines, b"{}");
    answer.assert_problem(415, "unsupported-media-type");
    ask(&mut shop.connect(), "?limit=3", &json!({})).assert_problem(400, "unknown-parameter");
    ask(&mut shop.connect(), "?explain=yes", &json!({})).assert_problem(400, "bad-parameter");
    let mut connection = shop.connect();
    let refused = connection.get("/v1/recommendations");
    assert_eq!((refused.status, refused.header("allow")), (405, Some("POST")));
    let event = br#"{"userid":"ada","productid":"tea"}"#;
    let token = connection.ask("POST", "/v1/events", &[], event).json()["token"].as_str().unwrap().to_owned();
    assert_eq!(ask(&mut connection, &format!("?after={token}&max_staleness_ms=60000"), &json!({})).status, 200);
    shop.writer.set(crate::shop::Mood::Lost);
    let token = connection.ask("POST", "/v1/events", &[], event).json()["token"].as_str().unwrap().to_owned();
    let late = ask(&mut connection, &format!("?after={token}&wait_ms=1"), &json!({}));
    late.assert_problem(503, "not-visible-yet");
}
