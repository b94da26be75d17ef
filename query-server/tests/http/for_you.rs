//! `GET /v1/users/{user}/for-you`: contents, sources, explanations, parameters and forwarding.

use dataflow::freshness::InputKind;
use dataflow::source_status::State;
use recommend::{Fill, SourceName};
use serde_json::{Value, json};

use crate::plain::{PlainShop, random_records};
use crate::shop::{Shop, bought, eventually, now_ms, product, viewed};

fn path(user: &str) -> String {
    format!("/v1/users/{user}/for-you")
}

/// The products and sources of an explained answer.
fn explained(answer: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    answer["explain"].as_array().unwrap().iter().map(|row| (text(&row["product"]), text(&row["source"]))).collect()
}

#[test]
fn the_list_is_that_of_a_plain_recomputation() {
    let mut seen = std::collections::BTreeSet::new();
    for workers in [1, 2] {
        let shop = Shop::learning(workers, |_, _| {});
        shop.happened(random_records(10 + workers as u64));
        // Nobody else views this product, so that nothing is similar to it; others sell in its category.
        shop.happened([viewed("solo", "product-35", now_ms())]);
        let plain = PlainShop::of(&shop.records());
        let mut connection = shop.connect();
        for user in plain.users().chain([&"nobody".to_owned()]) {
            let viewed = plain.history(user);
            for size in [1, 10, 100] {
                let expected = plain.chain(viewed, &[], size);
                let answer = connection.get(&format!("{}?limit={size}&explain=true", path(user)));
                let rows = explained(&answer.json());
                let expected_rows: Vec<(String, String)> =
                    expected.iter().map(|(product, source)| (product.clone(), (*source).to_owned())).collect();
                assert_eq!(rows, expected_rows, "{user}, {size}, {workers} workers");
                assert_eq!(answer.products(), rows.into_iter().map(|(product, _)| product).collect::<Vec<_>>());
                let is_personal = expected.iter().any(|(_, source)| *source != "best_sellers");
                let kind = if is_personal { "personalized" } else { "non-personalized" };
                assert_eq!(answer.json()["type"], kind, "{user}");
                seen.extend(expected.iter().map(|(_, source)| *source));
            }
            assert_eq!(connection.get(&path(user)).products().len(), plain.chain(viewed, &[], 10).len());
            explanations_are_exact(&plain, user, &connection.get(&format!("{}?explain=true", path(user))).json());
        }
    }
    assert_eq!(seen.len(), 3, "every source is needed: {seen:?}");
}

/// The rows behind each product are those of the plain recomputation.
fn explanations_are_exact(plain: &PlainShop, user: &str, answer: &Value) {
    let viewed = plain.history(user);
    let scores = plain.scored(viewed);
    for row in answer["explain"].as_array().unwrap() {
        let product = row["product"].as_str().unwrap();
        if row["source"] != "co_views" {
            assert_eq!(row["buyers"], plain.buyers(product));
            let category = row["category"].as_str();
            let rank = row["rank"].as_u64().unwrap() as usize;
            assert_eq!(plain.best_sellers(category)[rank - 1], product, "{row}");
            assert_eq!(category.is_none(), row["source"] == "best_sellers", "{row}");
            continue;
        }
        let because: Vec<Value> = (1..=30)
            .zip(viewed)
            .filter(|(_, other)| plain.weight(product, other) > 0)
            .map(|(place, other)| {
                let (weight, viewers) = (plain.weight(product, other), plain.viewers(other));
                json!({"product": other, "place": place, "weight": weight, "viewers": viewers})
            })
            .collect();
        let score = scores.iter().find(|(known, _)| known == product).unwrap().1;
        let viewers = plain.viewers(product);
        let expected =
            json!({"product": product, "source": "co_views", "score": score, "viewers": viewers, "views": because});
        assert_eq!(*row, expected, "{user}");
    }
}

#[test]
fn sources_take_turns_if_the_setting_says_so() {
    let shop = Shop::learning(1, |_, recommendations| recommendations.fill = Fill::Interleave);
    shop.happened(random_records(20));
    let plain = PlainShop::of(&shop.records());
    let mut connection = shop.connect();
    for user in plain.users() {
        let mut lists = plain.sources(plain.history(user)).map(|(_, list)| list.into_iter());
        let mut expected: Vec<String> = Vec::new();
        // Enough rounds for every list to end.
        for _ in 0..100 {
            for list in &mut lists {
                let next = list.find(|product| !expected.contains(product));
                expected.extend(next);
            }
        }
        expected.truncate(10);
        assert_eq!(connection.get(&path(user)).products(), expected, "{user}");
    }
}

#[test]
fn each_kind_of_page_has_its_own_sources() {
    let shop = Shop::learning(1, |_, recommendations| {
        recommendations.product = vec![SourceName::CoViews];
        recommendations.basket = vec![SourceName::BestSellers];
    });
    shop.happened([product("tea", "drinks"), product("mug", "cups")]);
    shop.happened(bought("mug", 3));
    shop.happened([viewed("ada", "tea", now_ms() - 9), viewed("bea", "tea", now_ms() - 8)]);
    shop.happened([viewed("bea", "jug", now_ms() - 7)]);
    let mut connection = shop.connect();
    for (context, products) in [
        ("", &["jug", "mug"][..]),
        ("?context=home", &["jug", "mug"]),
        ("?context=product", &["jug"]),
        ("?context=basket", &["mug"]),
    ] {
        assert_eq!(connection.get(&format!("{}{context}", path("ada"))).products(), products, "{context}");
    }
    connection.get(&format!("{}?context=checkout", path("ada"))).assert_problem(400, "bad-parameter");
    for query in ["limit=0", "limit=101", "explain=1", "wait_ms=1"] {
        connection.get(&format!("{}?{query}", path("ada"))).assert_problem(400, "bad-parameter");
    }
    connection.get(&format!("{}?user=ada", path("ada"))).assert_problem(400, "unknown-parameter");
    connection.get(&path("")).assert_problem(400, "bad-path");
}

#[test]
fn the_answer_has_the_shape_of_a_list_and_an_id() {
    let shop = Shop::learning(1, |_, _| {});
    shop.happened(bought("tea", 2));
    let answer = shop.get(&path("nobody"));
    let (as_of, id) = (answer.json()["as_of"].clone(), answer.json()["answer_id"].clone());
    let (as_of, id) = (as_of.as_str().unwrap(), id.as_str().unwrap());
    assert_eq!(
        answer.text(),
        format!(
            "{{\"user-id\":\"nobody\",\"products\":[\"tea\"],\"type\":\"non-personalized\",\"as_of\":\"{as_of}\",\
             \"answer_id\":\"{id}\"}}"
        )
    );
}

#[test]
fn a_view_changes_the_list_at_once() {
    let shop = Shop::learning(2, |_, _| {});
    shop.happened([viewed("bea", "tea", now_ms() - 9), viewed("bea", "mug", now_ms() - 8)]);
    let mut connection = shop.connect();
    assert_eq!(connection.get(&path("ada")).products(), [""; 0]);
    let event = br#"{"userid":"ada","productid":"tea"}"#;
    let token = connection.ask("POST", "/v1/events", &[], event).json()["token"].as_str().unwrap().to_owned();
    assert_eq!(connection.get(&format!("{}?after={token}", path("ada"))).products(), ["mug"]);
    shop.writer.set(crate::shop::Mood::Lost);
    let token = connection.ask("POST", "/v1/events", &[], event).json()["token"].as_str().unwrap().to_owned();
    connection.get(&format!("{}?after={token}&wait_ms=1", path("ada"))).assert_problem(503, "not-visible-yet");
}

#[test]
fn a_list_too_short_to_show_is_empty() {
    let shop = Shop::learning(1, |rules, _| rules.items_min = 3);
    shop.happened(bought("tea", 1).chain(bought("mug", 1)));
    assert_eq!(shop.get(&path("ada")).products(), [""; 0]);
    shop.happened(bought("pan", 1));
    assert_eq!(shop.get(&format!("{}?limit=2", path("ada"))).products().len(), 2, "the limit is applied afterwards");
}

#[test]
fn a_source_that_is_away_is_named_and_makes_the_list_old() {
    let shop = Shop::learning(1, |_, _| {});
    shop.source.gives(&[InputKind::Shop]);
    shop.happened([product("tea", "drinks"), viewed("ada", "tea", now_ms())]);
    let mut connection = shop.connect();
    assert_eq!(connection.get(&path("ada")).header("vitrine-missing-sources"), None);
    shop.source.state(0, State::Stopped("another server".into()));
    eventually(|| connection.get(&path("ada")).header("vitrine-missing-sources") == Some("events"));
    let old = format!("{}?max_staleness_ms=100", path("ada"));
    eventually(|| connection.get(&old).status == 503);
    connection.get(&old).assert_problem(503, "too-old");
    let similar = connection.get("/v1/products/tea/similar?max_staleness_ms=60000");
    assert_eq!((similar.status, similar.header("vitrine-missing-sources")), (200, None), "it needs views only");
}

#[test]
fn the_process_that_holds_the_user_answers() {
    let [one, other] = Shop::pair();
    let user = one.user_elsewhere();
    other.happened([viewed("bea", "tea", now_ms() - 9), viewed("bea", "mug", now_ms() - 8)]);
    other.happened([viewed(&user, "tea", now_ms())]);
    assert_eq!(one.get(&path(&user)).products(), ["mug"]);
    let answer = one.get(&format!("{}?explain=true&limit=1", path(&user)));
    assert_eq!(answer.json()["explain"][0]["source"], "co_views");
    let metrics = one.get("/metrics");
    assert!(metrics.text().contains("vitrine_forwarded_requests_total 2\n"), "{}", metrics.text());
    assert!(metrics.text().contains("vitrine_http_requests_total{route=\"for_you\",status=\"200\"} 2\n"));
    assert!(!metrics.text().contains(&user));
    // Similar products and lists for visitors need no owner.
    one.get("/v1/products/tea/similar").assert_problem(404, "unknown-product");
    assert_eq!(one.connect().ask("POST", "/v1/recommendations", &[], b"{}").status, 200);
    assert!(one.get("/metrics").text().contains("vitrine_forwarded_requests_total 2\n"));
}
