//! The list endpoints: their contents, order, shapes and parameters.

use std::time::Instant;

use dataflow::rules::Rules;
use serde_json::json;

use crate::shop::{Shop, bought, now_ms, patient, product, short, viewed};

#[test]
fn a_history_is_newest_first_each_product_once() {
    let shop = Shop::open();
    let now = now_ms();
    let views = (0..12).map(|n| viewed("user-1", &format!("product-{n}"), now - 1000 + n));
    shop.happened(views.chain([viewed("user-1", "product-5", now)]));
    let answer = shop.get("/v1/users/user-1/history");
    let expected = [5, 11, 10, 9, 8, 7, 6, 4, 3, 2].map(|n| format!("product-{n}"));
    assert_eq!(answer.products(), expected);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let as_of = answer.json()["as_of"].as_str().unwrap().to_owned();
    let list: Vec<String> = expected.iter().map(|name| format!("\"{name}\"")).collect();
    assert_eq!(
        answer.text(),
        format!(r#"{{"user-id":"user-1","products":[{}],"type":"personalized","as_of":"{as_of}"}}"#, list.join(","))
    );
    assert!(as_of.len() == 24 && as_of.ends_with('Z') && as_of.as_bytes()[19] == b'.', "{as_of}");
    assert_eq!(shop.get("/v1/users/user-1/history?limit=3").products(), expected[..3]);
}

#[test]
fn an_unknown_user_has_an_empty_history_and_the_general_best_sellers() {
    let shop = Shop::open();
    shop.happened(bought("tea", 2));
    let history = shop.get("/v1/users/nobody/history").json();
    assert_eq!((&history["products"], &history["type"]), (&json!([]), &json!("personalized")));
    let recommended = shop.get("/v1/users/nobody/recommendations").json();
    assert_eq!((&recommended["products"], &recommended["type"]), (&json!(["tea"]), &json!("non-personalized")));
}

#[test]
fn recommendations_come_from_the_categories_of_the_history() {
    let shop = Shop::open();
    shop.happened([product("oolong", "tea"), product("sencha", "tea"), product("mug", "cups"), product("pan", "pots")]);
    shop.happened(bought("oolong", 2).chain(bought("sencha", 3)).chain(bought("mug", 5)).chain(bought("pan", 9)));
    shop.happened([viewed("user-1", "sencha", now_ms() - 5), viewed("user-1", "mug", now_ms())]);
    let answer = shop.get("/v1/users/user-1/recommendations?explain=true").json();
    assert_eq!(answer["products"], json!(["mug", "sencha", "oolong"]));
    assert_eq!(answer["type"], "personalized");
    assert_eq!(
        answer["explain"],
        json!([
            {"product": "mug", "category": "cups", "buyers": 5, "rank": 1},
            {"product": "sencha", "category": "tea", "buyers": 3, "rank": 1},
            {"product": "oolong", "category": "tea", "buyers": 2, "rank": 2},
        ])
    );
    let general = shop.get("/v1/users/nobody/recommendations?explain=true&limit=1").json();
    assert_eq!(general["explain"], json!([{"product": "pan", "category": null, "buyers": 9, "rank": 1}]));
}

#[test]
fn categories_are_listed_with_their_sizes_largest_first() {
    let shop = Shop::open();
    let empty = shop.get("/v1/categories").json();
    assert_eq!((&empty["categories"], &empty["total"]), (&json!([]), &json!(0)));
    let in_two = [product("kettle", "pots"), product("kettle", "tea")];
    shop.happened(
        [product("oolong", "tea"), product("sencha", "tea"), product("oolong", "tea")].into_iter().chain(in_two),
    );
    let answer = shop.get("/v1/categories");
    let as_of = answer.json()["as_of"].as_str().unwrap().to_owned();
    assert_eq!(
        answer.text(),
        format!(
            "{{\"categories\":[{{\"category\":\"tea\",\"products\":3}},{{\"category\":\"pots\",\"products\":1}}],\
             \"total\":2,\"as_of\":\"{as_of}\"}}"
        )
    );
    assert_eq!(shop.get("/v1/categories?limit=3").status, 400);
}

#[test]
fn best_sellers_in_general_and_of_a_category() {
    let shop = Shop::open();
    shop.happened([product("oolong", "green & tea"), product("new", "empty")]);
    shop.happened(bought("oolong", 2).chain(bought("loose", 3)));
    let general = shop.get("/v1/bestsellers?explain=true");
    let as_of = general.json()["as_of"].as_str().unwrap().to_owned();
    assert_eq!(
        general.text(),
        format!(
            "{{\"products\":[{{\"product\":\"loose\",\"buyers\":3}},{{\"product\":\"oolong\",\"buyers\":2}}],\
             \"type\":\"non-personalized\",\"as_of\":\"{as_of}\",\"explain\":[{{\"product\":\"loose\",\"buyers\":3,\
             \"rank\":1}},{{\"product\":\"oolong\",\"buyers\":2,\"rank\":2}}]}}"
        )
    );
    let tea = shop.get("/v1/categories/green%20%26%20tea/bestsellers");
    assert!(
        tea.text().starts_with("{\"category\":\"green & tea\",\"products\":[{\"product\":\"oolong\",\"buyers\":2}],")
    );
    let empty = shop.get("/v1/categories/empty/bestsellers");
    assert_eq!((empty.status, &empty.json()["products"]), (200, &json!([])));
    shop.get("/v1/categories/unheard/bestsellers").assert_problem(404, "unknown-category");
    // The id of a product is not that of a category.
    shop.get("/v1/categories/oolong/bestsellers").assert_problem(404, "unknown-category");
}

#[test]
fn a_history_explains_itself() {
    let shop = Shop::open();
    shop.happened([viewed("user-1", "tea", 1_795_169_700_120), viewed("user-1", "mug", 1_795_169_700_000)]);
    let answer = shop.get("/v1/users/user-1/history?explain=true").json();
    assert_eq!(
        answer["explain"],
        json!([
            {"product": "tea", "viewed_at": "2026-11-20T10:15:00.120Z"},
            {"product": "mug", "viewed_at": "2026-11-20T10:15:00.000Z"},
        ])
    );
    assert!(shop.get("/v1/users/user-1/history?explain=false").json().get("explain").is_none());
}

#[test]
fn any_id_comes_back_as_it_was() {
    let shop = Shop::open();
    for (id, encoded) in [
        ("a/b", "a%2Fb"),
        ("a b+c", "a%20b+c"),
        ("\"\\\u{1}\n", "%22%5C%01%0a"),
        ("größe 😀", "gr%C3%B6%C3%9Fe%20%F0%9F%98%80"),
        ("100%25", "100%2525"),
        ("?#&", "%3F%23%26"),
    ] {
        shop.happened([viewed(id, id, now_ms())]);
        let answer = shop.get(&format!("/v1/users/{encoded}/history")).json();
        assert_eq!((&answer["user-id"], &answer["products"]), (&json!(id), &json!([id])));
    }
}

#[test]
fn a_list_too_short_to_show_is_empty() {
    let shop = Shop::with_rules(patient(), Rules { items_min: 2, ..Rules::default() }, 2);
    shop.happened([product("tea", "drinks"), viewed("user-1", "tea", now_ms())]);
    shop.happened(bought("tea", 1));
    let lists = [
        "/v1/users/user-1/history",
        "/v1/users/user-1/recommendations",
        "/v1/bestsellers",
        "/v1/categories/drinks/bestsellers",
    ];
    for list in lists {
        assert_eq!(shop.get(list).json()["products"], json!([]), "{list}");
    }
    shop.happened([product("mug", "drinks"), viewed("user-1", "mug", now_ms())]);
    shop.happened(bought("mug", 1));
    for list in lists {
        assert_eq!(shop.get(list).json()["products"].as_array().unwrap().len(), 2, "{list}");
        let one = shop.get(&format!("{list}?limit=1")).json();
        assert_eq!(one["products"].as_array().unwrap().len(), 1, "the limit is applied afterwards: {list}");
    }
}

#[test]
fn a_write_is_read_with_its_token() {
    let shop = Shop::with_rules(patient(), Rules::default(), 2);
    let mut connection = shop.connect();
    for n in 0..100 {
        let event = format!(r#"{{"userid":"user-1","productid":"product-{n}"}}"#);
        let token = connection.ask("POST", "/v1/events", &[], event.as_bytes()).json()["token"].clone();
        let target = format!("/v1/users/user-1/history?after={}", token.as_str().unwrap());
        let products = connection.get(&target).products();
        assert!(products.contains(&format!("product-{n}")), "{n}: {products:?}");
    }
    for list in ["users/user-1/recommendations", "bestsellers"] {
        let event = br#"{"userid":"user-1","productid":"tea"}"#;
        let token = connection.ask("POST", "/v1/events", &[], event).json()["token"].clone();
        assert_eq!(connection.get(&format!("/v1/{list}?after={}&limit=1", token.as_str().unwrap())).status, 200);
    }
}

#[test]
fn a_wait_is_bounded() {
    let shop = Shop::with(short(|settings| settings.wait_ms_max = 100));
    shop.writer.set(crate::shop::Mood::Lost);
    let event = br#"{"userid":"user-1","productid":"tea"}"#;
    let token = shop.connect().ask("POST", "/v1/events", &[], event).json()["token"].as_str().unwrap().to_owned();
    for target in [
        format!("/v1/users/user-1/history?after={token}"),
        format!("/v1/users/user-1/history?after={token}&wait_ms=0"),
        format!("/v1/users/user-1/recommendations?after={token}"),
        format!("/v1/bestsellers?wait_ms=10&after={token}"),
        format!("/v1/categories/unheard/bestsellers?after={token}"),
    ] {
        let started = Instant::now();
        shop.get(&target).assert_problem(503, "not-visible-yet");
        assert!(started.elapsed() < crate::client::PATIENCE / 2);
    }
    shop.get(&format!("/v1/bestsellers?after={token}&wait_ms=101")).assert_problem(400, "bad-parameter");
    shop.get("/v1/bestsellers?after=00").assert_problem(400, "bad-parameter");
    shop.get("/v1/bestsellers?wait_ms=10").assert_problem(400, "bad-parameter");
}

#[test]
fn as_of_never_goes_back() {
    let shop = Shop::with_rules(patient(), Rules::default(), 2);
    let mut connection = shop.connect();
    let mut last = String::new();
    for n in 0..500 {
        shop.happens([viewed(&format!("user-{}", n % 7), &format!("product-{n}"), now_ms())]);
        let target = match n % 4 {
            0 => format!("/v1/users/user-{}/history", n % 5),
            1 => format!("/v1/users/user-{}/recommendations", n % 5),
            2 => "/v1/bestsellers".into(),
            _ => "/v1/users/user-3/history?limit=1".into(),
        };
        let as_of = connection.get(&target).json()["as_of"].as_str().unwrap().to_owned();
        assert!(as_of >= last, "{as_of} after {last}");
        last = as_of;
    }
}

#[test]
fn head_is_get_without_the_body() {
    let shop = Shop::open();
    shop.happened([product("tea", "drinks"), viewed("user-1", "tea", now_ms())]);
    let mut connection = shop.connect();
    for target in [
        "/v1/users/user-1/history",
        "/v1/bestsellers",
        "/v1/categories/drinks/bestsellers",
        "/livez",
        "/v1/status",
        "/",
    ] {
        let head = connection.ask("HEAD", target, &[], b"");
        assert_eq!(head.status, 200);
        assert!(head.header("content-length").unwrap().parse::<usize>().unwrap() > 0, "{target}");
        assert!(head.header("content-type").is_some());
    }
    let missing = connection.ask("HEAD", "/v1/nothing", &[], b"");
    assert_eq!((missing.status, missing.header("content-type")), (404, Some("application/problem+json")));
    assert_eq!(connection.get("/livez").status, 200, "the connection is still in step");
}

#[test]
fn what_is_unknown_is_an_error() {
    let shop = Shop::open();
    let mut connection = shop.connect();
    for target in [
        "/v1/users/u/other",
        "/v2/bestsellers",
        "/v1/bestsellers/",
        "/api/v1/other/",
        "/favicon.ico",
        "/assets/none.js",
    ] {
        connection.get(target).assert_problem(404, "unknown-path");
    }
    for target in [
        "/v1/users//history",
        "/v1/users/%/history",
        "/v1/users/%zz/history",
        "/v1/users/%ff/history",
        "/v1/categories//bestsellers",
    ] {
        connection.get(target).assert_problem(400, "bad-path");
    }
    let long = "x".repeat(257);
    connection.get(&format!("/v1/users/{long}/history")).assert_problem(400, "bad-path");
    assert_eq!(connection.get(&format!("/v1/users/{}/history", &long[1..])).status, 200);
    for target in [
        "/v1/bestsellers?user=1",
        "/v1/bestsellers?&",
        "/v1/users/u/history?Limit=1",
        "/livez?a",
        "/v1/status?limit=1",
        "/?q=1",
        "/metrics?x=1",
    ] {
        connection.get(target).assert_problem(400, "unknown-parameter");
    }
    for target in ["/v1/bestsellers?", "/v1/users/u/history?", "/livez?"] {
        assert_eq!(connection.get(target).status, 200, "{target}: an empty query is as none");
    }
    connection.get("/v1/bestsellers?limit=1&limit=1").assert_problem(400, "repeated-parameter");
    for limit in ["0", "11", "-1", "x", "", "1e0", "%31%30%30"] {
        connection.get(&format!("/v1/bestsellers?limit={limit}")).assert_problem(400, "bad-parameter");
    }
    connection.get("/v1/bestsellers?explain=yes").assert_problem(400, "bad-parameter");
    for (method, target, allow) in [
        ("POST", "/v1/users/u/history", "GET, HEAD"),
        ("PUT", "/v1/bestsellers", "GET, HEAD"),
        ("GET", "/v1/users/u/history/p", "DELETE"),
        ("HEAD", "/v1/users/u/history/p", "DELETE"),
        ("GET", "/v1/events", "POST"),
        ("DELETE", "/v1/events", "POST"),
        ("PATCH", "/api/v1/user_nav_history_latest_products/", "GET, HEAD, DELETE"),
        ("DELETE", "/api/v1/user_history_recommendations/", "GET, HEAD"),
        ("OPTIONS", "/livez", "GET, HEAD"),
        ("BREW", "/", "GET, HEAD"),
    ] {
        let answer = connection.ask(method, target, &[], b"");
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {target}");
    }
}

#[test]
fn problems_hold_no_ids() {
    let shop = Shop::open();
    let mut connection = shop.connect();
    for (method, target) in [
        ("GET", "/v1/categories/secret/bestsellers"),
        ("DELETE", "/v1/users/secret/history/secret"),
        ("GET", "/v1/users/secret/history?secret=1"),
        ("GET", "/v1/users/secret%/history"),
        ("GET", "/secret"),
        ("GET", "/v1/users/secret/history?after=secret"),
    ] {
        let answer = connection.ask(method, target, &[], b"");
        assert!(answer.status >= 400 && !answer.text().contains("secret"), "{}", answer.text());
    }
}
