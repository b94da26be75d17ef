//! Merchandising rules over HTTP: they are durable and visible before they are answered, lists follow them, and what cannot
//! be a rule is refused.

use dataflow::merchandising::{RULES_MAX, RuleId, RuleText};
use dataflow::rules::Rules;
use serde_json::{Value, json};

use crate::client::{Answer, Connection};
use crate::shop::{Mood, Record, Shop, bought, eventually, now_ms, patient, product, short, viewed};

/// Products of two categories with 5, 4, 3 and 2 buyers: tea, mug, oolong, cup.
fn open(shop: Shop) -> Shop {
    let categories = [("tea", "leaves"), ("oolong", "leaves"), ("mug", "cups"), ("cup", "cups")];
    shop.happened(categories.map(|(of, category)| product(of, category)));
    shop.happened(bought("tea", 5).chain(bought("mug", 4)).chain(bought("oolong", 3)).chain(bought("cup", 2)));
    shop
}

fn put(connection: &mut Connection, id: &str, rule: &Value) -> Answer {
    connection.ask(
        "PUT",
        &format!("/v1/rules/{id}"),
        &[("content-type", "application/json")],
        rule.to_string().as_bytes(),
    )
}

fn write(connection: &mut Connection, id: &str, rule: Value) {
    let answer = put(connection, id, &rule);
    assert_eq!((answer.status, &answer.json()["id"]), (200, &json!(id)), "{}", answer.text());
}

fn sellers(connection: &mut Connection, target: &str) -> Vec<String> {
    let products = connection.get(target).json()["products"].as_array().unwrap().clone();
    products.iter().map(|row| row["product"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_hidden_product_is_nowhere_and_one_out_of_stock_stays_in_histories() {
    let shop = open(Shop::with_rules(patient(), Rules { list_size: 3, ..Rules::default() }, 2));
    shop.happened([viewed("ada", "tea", now_ms() - 1), viewed("ada", "mug", now_ms())]);
    let mut connection = shop.connect();
    assert_eq!(sellers(&mut connection, "/v1/bestsellers"), ["tea", "mug", "oolong"]);
    write(&mut connection, "a", json!({"rule": "hide", "product": "tea"}));
    assert_eq!(sellers(&mut connection, "/v1/bestsellers"), ["mug", "oolong", "cup"], "the next one takes the place");
    assert_eq!(sellers(&mut connection, "/v1/categories/leaves/bestsellers"), ["oolong"]);
    assert_eq!(connection.get("/v1/users/ada/history").products(), ["mug"]);
    write(&mut connection, "a", json!({"rule": "out_of_stock", "product": "tea"}));
    assert_eq!(sellers(&mut connection, "/v1/bestsellers"), ["mug", "oolong", "cup"]);
    assert_eq!(connection.get("/v1/users/ada/history").products(), ["mug", "tea"]);
    assert_eq!(connection.get("/v1/users/ada/recommendations").products(), ["mug", "oolong", "cup"]);
    assert_eq!(connection.ask("DELETE", "/v1/rules/a", &[], b"").status, 200);
    // Another connection, so perhaps another thread, sees it too.
    assert_eq!(sellers(&mut shop.connect(), "/v1/bestsellers"), ["tea", "mug", "oolong"]);
    connection.ask("DELETE", "/v1/rules/a", &[], b"").assert_problem(404, "unknown-rule");
    connection.get("/v1/rules/a").assert_problem(404, "unknown-rule");
}

#[test]
fn pins_buries_and_caps_arrange_their_list_and_explain_it() {
    let shop = open(Shop::open());
    let mut connection = shop.connect();
    write(&mut connection, "pin", json!({"rule": "pin", "product": "cup", "list": "bestsellers", "position": 1}));
    write(&mut connection, "bury", json!({"rule": "bury", "product": "mug", "list": "bestsellers"}));
    write(&mut connection, "cap", json!({"rule": "cap", "category": "leaves", "n": 1, "list": "bestsellers"}));
    let answer = connection.get("/v1/bestsellers?explain=true").json();
    let row = |product: &str, buyers: u64| json!({"product": product, "buyers": buyers});
    assert_eq!(answer["products"], json!([row("cup", 2), row("tea", 5), row("mug", 4)]));
    assert_eq!(
        answer["rules"],
        json!([
            {"rule": "bury", "does": "bury", "product": "mug"},
            {"rule": "cap", "does": "cap", "product": "oolong"},
            {"rule": "pin", "does": "pin", "product": "cup", "position": 1},
        ])
    );
    assert_eq!(sellers(&mut connection, "/v1/bestsellers?limit=2"), ["cup", "tea"]);
    assert_eq!(sellers(&mut connection, "/v1/categories/cups/bestsellers"), ["mug", "cup"], "another list");
    write(&mut connection, "top", json!({"rule": "pin", "product": "mug", "list": "recommendations", "position": 2}));
    let answer = connection.get("/v1/users/ada/recommendations?explain=true").json();
    assert_eq!(answer["products"], json!(["tea", "mug", "oolong", "cup"]));
    assert_eq!(answer["rules"], json!([{"rule": "top", "does": "pin", "product": "mug", "position": 2}]));
    let entry = connection.get("/v1/rules/top").json();
    assert_eq!(
        (&entry["list"], &entry["position"], &entry["effective"]),
        (&json!("recommendations"), &json!(2), &json!(true))
    );
}

#[test]
fn a_whole_number_is_the_same_id_as_its_text() {
    let shop = open(Shop::open());
    shop.happened([product("393", "42")]);
    shop.happened(bought("393", 9));
    let mut connection = shop.connect();
    assert_eq!(sellers(&mut connection, "/v1/bestsellers?limit=2"), ["393", "tea"]);
    write(&mut connection, "cap", json!({"rule": "cap", "category": 42, "n": 0, "list": "bestsellers"}));
    assert_eq!(sellers(&mut connection, "/v1/bestsellers?limit=2"), ["tea", "mug"]);
    assert_eq!(connection.ask("DELETE", "/v1/rules/cap", &[], b"").status, 200);
    write(&mut connection, "pin", json!({"rule": "pin", "product": 393, "list": "bestsellers", "position": 2}));
    assert_eq!(sellers(&mut connection, "/v1/bestsellers?limit=2"), ["tea", "393"]);
    assert_eq!(connection.get("/v1/rules/pin").json()["product"], "393");
}

#[test]
fn rules_are_for_the_lists_of_models_too() {
    let shop = open(Shop::learning(2, |_, _| {}));
    let views = ["tea", "mug", "oolong", "cup"].map(|of| viewed("bea", of, now_ms()));
    shop.happened(views.into_iter().chain([viewed("ada", "tea", now_ms())]));
    let mut connection = shop.connect();
    eventually(|| connection.get("/v1/products/tea/similar").products().len() == 3);
    let own = connection.get("/v1/products/tea/similar").products();
    write(&mut connection, "s", json!({"rule": "bury", "product": own[0], "list": "similar"}));
    let [first, second, third] = <[String; 3]>::try_from(own).unwrap();
    assert_eq!(connection.get("/v1/products/tea/similar").products(), [&*second, &third, &first]);
    assert_eq!(connection.get("/v1/products/tea/similar?limit=2").products(), [&*second, &third]);
    write(&mut connection, "t", json!({"rule": "hide", "product": second}));
    assert_eq!(connection.get("/v1/products/tea/similar").products(), [&*third, &first]);
    write(&mut connection, "self", json!({"rule": "pin", "product": "tea", "list": "similar", "position": 1}));
    assert_eq!(connection.get("/v1/products/tea/similar").products(), [&*third, &first], "never the product itself");
    assert_eq!(connection.get(&format!("/v1/products/{third}/similar")).products()[0], "tea");
    write(&mut connection, "u", json!({"rule": "pin", "product": "tea", "list": "for-you", "position": 1}));
    let list = connection.get("/v1/users/ada/for-you?explain=true").json();
    assert_eq!(list["products"].as_array().unwrap().len(), 3, "{list}");
    assert_eq!(list["explain"][0], json!({"product": "tea", "source": "rule"}), "also a product that was viewed");
    assert_eq!(connection.get("/v1/users/buyer-0/buy-again").products().len(), 3);
    write(&mut connection, "v", json!({"rule": "cap", "category": "cups", "n": 0, "list": "buy-again"}));
    let left = connection.get("/v1/users/buyer-0/buy-again").products();
    assert!(left.iter().all(|product| ["tea", "oolong"].contains(&&**product)), "{left:?}");
}

#[test]
fn rules_begin_and_end_in_their_time() {
    let shop = open(Shop::open());
    let mut connection = shop.connect();
    write(&mut connection, "old", json!({"rule": "hide", "product": "tea", "until": "2020-01-01T00:00:00Z"}));
    write(&mut connection, "new", json!({"rule": "hide", "product": "mug", "from": "2120-01-01T00:00:00+01:00"}));
    assert_eq!(sellers(&mut connection, "/v1/bestsellers"), ["tea", "mug", "oolong", "cup"]);
    let rules = connection.get("/v1/rules").json();
    let row = |at: usize| (rules["rules"][at]["id"].clone(), rules["rules"][at]["reason"].clone());
    assert_eq!((row(0), row(1)), ((json!("new"), json!("it begins later")), (json!("old"), json!("it has ended"))));
    assert_eq!(rules["rules"][0]["from"], "2119-12-31T23:00:00.000Z");
    let soon = chrono_text(now_ms() + 300);
    write(&mut connection, "soon", json!({"rule": "hide", "product": "oolong", "until": soon}));
    eventually(|| sellers(&mut connection, "/v1/bestsellers") == ["tea", "mug", "oolong", "cup"]);
    assert_eq!(rule_reason(&mut connection, "soon"), "it has ended");
}

fn chrono_text(at: u64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(i64::try_from(at).unwrap()).unwrap();
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

fn rule_reason(connection: &mut Connection, id: &str) -> Value {
    connection.get(&format!("/v1/rules/{id}")).json()["reason"].clone()
}

#[test]
fn contradicting_pins_are_named_and_a_shop_may_hide_everything() {
    let shop = open(Shop::open());
    let mut connection = shop.connect();
    let pin = |product: &str| json!({"rule": "pin", "product": product, "list": "category:cups", "position": 1});
    write(&mut connection, "b", pin("tea"));
    write(&mut connection, "a", pin("cup"));
    assert_eq!(sellers(&mut connection, "/v1/categories/cups/bestsellers"), ["cup", "mug"]);
    assert_eq!(rule_reason(&mut connection, "b"), "the rule a has this position");
    for product in ["tea", "mug", "oolong", "cup"] {
        write(&mut connection, product, json!({"rule": "hide", "product": product}));
    }
    assert!(sellers(&mut connection, "/v1/bestsellers").is_empty());
    assert_eq!(rule_reason(&mut connection, "a"), "the rule cup hides the product");
    let rules = connection.get("/v1/status").json()["rules"].clone();
    assert_eq!((&rules["rules"], &rules["effective"], &rules["hidden_products"]), (&json!(6), &json!(4), &json!(4)));
    let mut empty: Vec<&str> = rules["empty_lists"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    empty.sort_unstable();
    assert_eq!(empty, ["bestsellers", "category:cups", "category:leaves"]);
}

#[test]
fn a_pin_whose_product_cannot_be_shown_is_not_effective_and_leaves_its_position() {
    let shop = open(Shop::open());
    let mut connection = shop.connect();
    let pin = |product: &str| json!({"rule": "pin", "product": product, "list": "bestsellers", "position": 1});
    write(&mut connection, "a", pin("oolong"));
    write(&mut connection, "b", pin("cup"));
    let mut seen = || {
        let rules = connection.get("/v1/rules").json()["rules"].clone();
        let reasons = [0, 1].map(|at| (rules[at]["effective"].clone(), rules[at]["reason"].clone()));
        let effective = connection.get("/v1/status").json()["rules"]["effective"].clone();
        (sellers(&mut connection, "/v1/bestsellers").join(" "), reasons, effective)
    };
    let does = || (json!(true), Value::Null);
    let idle = |reason: &str| (json!(false), json!(reason));
    let expected = [does(), idle("the rule a has this position")];
    assert_eq!(seen(), ("oolong tea mug cup".into(), expected, json!(1)));
    shop.happened([Record::Unavailable { product: "oolong".into() }]);
    let expected = [idle("the product cannot be bought"), does()];
    assert_eq!(seen(), ("cup tea mug".into(), expected, json!(1)));
    shop.happened([Record::Deleted { product: "cup".into() }]);
    let expected = [idle("the product cannot be bought"), idle("the product was deleted from the catalogue")];
    assert_eq!(seen(), ("tea mug".into(), expected, json!(0)));
}

#[test]
fn what_cannot_be_a_rule_is_refused_with_the_nearest_name() {
    let shop = open(Shop::open());
    let mut connection = shop.connect();
    for (rule, field, words) in [
        (json!({"rule": "hide", "product": "oolongg"}), json!("product"), "did you mean oolong?"),
        (json!({"rule": "hide", "product": "something else"}), json!("product"), "no event"),
        (json!({"rule": "hyde", "product": "tea"}), json!("rule"), "did you mean hide?"),
        (json!({"rule": "hide", "prodcut": "tea"}), Value::Null, "did you mean `product`?"),
        (json!({"rule": "hide"}), json!("product"), "missing"),
        (json!({"product": "tea"}), json!("rule"), "missing"),
        (json!({"rule": "hide", "product": 7}), json!("product"), "no event"),
        (json!({"rule": "hide", "product": 7.5}), json!("product"), "must be a text"),
        (json!({"rule": "hide", "product": null}), json!("product"), "must be a text"),
        (json!({"rule": "hide", "product": "tea", "n": 1}), json!("n"), "no field of this kind"),
        (json!({"rule": "bury", "product": "tea", "list": "best-sellers"}), json!("list"), "did you mean bestsellers?"),
        (json!({"rule": "bury", "product": "tea", "list": "category:cubs"}), json!("list"), "did you mean cups?"),
        (
            json!({"rule": "cap", "category": "leafs", "n": 1, "list": "bestsellers"}),
            json!("category"),
            "did you mean leaves?",
        ),
        (
            json!({"rule": "pin", "product": "tea", "list": "bestsellers", "position": 101}),
            json!("position"),
            "from 1 to 100",
        ),
        (json!({"rule": "hide", "product": "tea", "from": "yesterday"}), json!("from"), "must be a time"),
        (
            json!({"rule": "hide", "product": "tea", "from": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}),
            json!("until"),
            "later than",
        ),
        (json!([1]), Value::Null, "JSON object"),
    ] {
        let answer = put(&mut connection, "a", &rule);
        answer.assert_problem(422, "invalid-rule");
        let problem = answer.json();
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
        assert_eq!(problem["field"], field, "{problem}");
    }
    let hide = json!({"rule": "hide", "product": "tea"});
    for id in ["a%20b", &"x".repeat(33)] {
        put(&mut connection, id, &hide).assert_problem(422, "invalid-rule-id");
    }
    for (id, slug) in [("topic.a", "rule-of-topic"), ("table.a", "rule-of-table")] {
        put(&mut connection, id, &hide).assert_problem(422, slug);
    }
    let lines = [("content-type", "application/x-ndjson")];
    connection.ask("PUT", "/v1/rules/a", &lines, b"{}").assert_problem(415, "unsupported-media-type");
    assert!(connection.get("/v1/rules").json()["rules"].as_array().unwrap().is_empty());
}

/// A shop that already has this number of rules.
fn with_rules(rules: usize) -> Shop {
    let shop = open(Shop::open());
    let text = RuleText { rule: "hide".into(), product: Some("tea".into()), ..RuleText::default() };
    let rule = |number: usize| Record::Rule {
        rule: RuleId::of(&format!("rule-{number}")).unwrap(),
        text: Some(text.clone()),
        at: 1,
    };
    shop.happened((0..rules).map(rule));
    shop
}

#[test]
fn a_rule_set_has_a_bound() {
    let shop = with_rules(RULES_MAX);
    let mut connection = shop.connect();
    let hide = json!({"rule": "hide", "product": "mug"});
    put(&mut connection, "more", &hide).assert_problem(422, "too-many-rules");
    write(&mut connection, "rule-7", hide.clone());
    assert_eq!(connection.ask("DELETE", "/v1/rules/rule-8", &[], b"").status, 200);
    write(&mut connection, "more", hide);
}

#[test]
fn rules_that_are_written_at_the_same_time_keep_the_bound() {
    let shop = with_rules(RULES_MAX - 2);
    let at_once = std::sync::Barrier::new(12);
    let statuses: Vec<u16> = std::thread::scope(|threads| {
        let writing = |number: usize| {
            let (at_once, mut connection) = (&at_once, shop.connect());
            threads.spawn(move || {
                at_once.wait();
                put(&mut connection, &format!("more-{number}"), &json!({"rule": "hide", "product": "mug"})).status
            })
        };
        let all: Vec<_> = (0..12).map(writing).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let of = |status: u16| statuses.iter().filter(|got| **got == status).count();
    assert_eq!((of(200), of(422)), (2, 10), "{statuses:?}");
    assert_eq!(shop.get("/v1/rules").json()["rules"].as_array().map(Vec::len), Some(RULES_MAX));
}

#[test]
fn nothing_is_promised_that_is_not_so() {
    let shop = open(Shop::with(short(|settings| (settings.wait_ms_max, settings.intake_timeout_ms) = (5_000, 100))));
    let mut connection = shop.connect();
    let hide = json!({"rule": "hide", "product": "tea"});
    for (mood, slug) in
        [(Mood::Down, "intake-unavailable"), (Mood::Silent, "intake-timeout"), (Mood::Lost, "rule-not-visible-yet")]
    {
        shop.writer.set(mood);
        put(&mut connection, "a", &hide).assert_problem(503, slug);
        assert_eq!(sellers(&mut connection, "/v1/bestsellers")[0], "tea");
    }
    shop.writer.set(Mood::Well);
    // The clock that dated a rule may be ahead: a later version counts all the same.
    let text = RuleText { rule: "hide".into(), product: Some("tea".into()), ..RuleText::default() };
    let ahead = Record::Rule { rule: RuleId::of("a").unwrap(), text: Some(text), at: now_ms() + 60_000 };
    shop.happened([ahead]);
    assert_eq!(sellers(&mut connection, "/v1/bestsellers")[0], "mug");
    let deleted = connection.ask("DELETE", "/v1/rules/a", &[], b"");
    assert_eq!(deleted.status, 200);
    let token = deleted.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(sellers(&mut connection, &format!("/v1/bestsellers?after={token}"))[0], "tea");
}
