//! Features of users: every value by its definition, by rows and by columns, of users of several workers and processes.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

use dataflow::product_attributes::ProductAttributes;
use dataflow::rules::{Features, KeyNames, Rules};
use dataflow::short_text::ShortText;
use dataflow::tables::Interaction;
use dataflow::time::Millis;
use serde_json::{Value, json};
use vitrine_query_server::{Access, Scope, Token};

use crate::access;
use crate::client::{Answer, Connection};
use crate::records::Record;
use crate::rows::Rows;
use crate::shop::{PASSED_ON, Shop, Start, loopback, now_ms, patient, product, viewed};

fn did(user: &str, product: &str, interaction: Interaction, at: Millis) -> Record {
    Record::Did { user: user.into(), product: Some(product.into()), interaction, at }
}

fn ordered(order: &str, user: &str, product: &str) -> Record {
    Record::Order { order: order.into(), user: user.into(), product: product.into(), at: now_ms() }
}

fn shop(workers: usize) -> Shop {
    let features = Features { enabled: true, metadata: KeyNames::of(&["device"]), values_max: 2, ..Features::OFF };
    let rules = Rules { features, ..Rules::default() };
    Shop::with_rules(patient(), rules, workers)
}

/// What Ada and Ben did.
fn busy(workers: usize, at: Millis) -> Shop {
    let shop = shop(workers);
    let read = |ms| Interaction::View { time_on_page_ms: Some(ms) };
    shop.happened([product("tea", "drinks"), product("cup", "dishes"), product("cup", "gifts")]);
    shop.happened([
        viewed("ada", "tea", at),
        did("ada", "tea", read(1000), at - 5),
        did("ada", "tea", read(2001), at - 6),
        did("ada", "cup", Interaction::Click, at - 7),
        did("ada", "cup", Interaction::AddToCart, at - 8),
        did("ada", "cup", read(0), at - 9),
        Record::Did { user: "ada".into(), product: None, interaction: Interaction::Other, at: at + 1 },
        ordered("o-1", "ada", "cup"),
        ordered("o-2", "ada", "cup"),
        ordered("o-2", "ada", "pan"),
        viewed("ben", "pan", at),
    ]);
    shop
}

fn post(shop: &Shop, body: &Value) -> Answer {
    shop.connect().ask("POST", "/v1/features", &[], body.to_string().as_bytes())
}

fn without_time(answer: &Answer) -> Value {
    let mut json = answer.json();
    assert_eq!(answer.status, 200, "{}", answer.text());
    json.as_object_mut().unwrap().remove("as_of").expect("every answer has its time");
    json
}

#[test]
fn a_user_has_every_feature() {
    let at = 1_795_169_700_120;
    let shop = busy(1, at);
    let ada = shop.get("/v1/users/ada/features");
    assert_eq!(
        without_time(&ada),
        json!({
            "user-id": "ada",
            "user_product_views": {"tea": 3, "cup": 1},
            "user_product_clicks": {"cup": 1},
            "user_product_add_to_cart": {"cup": 1},
            "user_product_avg_time": {"tea": 1500.5, "cup": 0.0},
            "user_product_purchases": {"cup": 2, "pan": 1},
            "user_category_views": {"drinks": 3, "dishes": 1, "gifts": 1},
            "user_category_purchases": {"dishes": 2, "gifts": 2},
            "user_last_interaction": "2026-11-20T10:15:00.121Z",
            "user_metadata": {},
            "user_attribute_views": {},
        })
    );
    assert!(ada.text().contains(r#""user_product_views":{"tea":3,"cup":1}"#), "the largest is first: {}", ada.text());
    let few = shop.get("/v1/users/ada/features?features=user_last_interaction,user_product_views&limit=1");
    let few = without_time(&few);
    assert_eq!(few["user_product_views"], json!({"tea": 3}));
    assert_eq!(few.as_object().unwrap().len(), 3);
    shop.happened([product("tea", "gifts")]);
    let moved = without_time(&shop.get("/v1/users/ada/features?features=user_category_views"));
    assert_eq!(moved["user_category_views"], json!({"drinks": 3, "dishes": 1, "gifts": 4}));
}

#[test]
fn values_of_metadata_have_their_events_and_the_last_ones_are_other() {
    let shop = busy(2, now_ms());
    let had = |value: &str, at| Record::Had { user: "ada".into(), key: "device".into(), value: value.into(), at };
    shop.happened([had("web", 7), had("app", 9), had("tv \"1\"", 8), had("tv \"1\"", 8), had("kiosk", 12)]);
    let path = "/v1/users/ada/features?features=user_metadata";
    let all = json!({"device=tv \"1\"": 2, "device=other": 2, "device=web": 1});
    assert_eq!(without_time(&shop.get(path)), json!({"user-id": "ada", "user_metadata": all}));
    assert_eq!(
        without_time(&shop.get(&format!("{path}&limit=1")))["user_metadata"],
        json!({"device=other": 2}),
        "ties by name"
    );
    let body = json!({"users": ["ada", "ben"], "features": ["user_metadata"]});
    let rows = json!([{"user-id": "ada", "user_metadata": all}, {"user-id": "ben", "user_metadata": {}}]);
    assert_eq!(without_time(&post(&shop, &body)), json!({"rows": rows}));
    let of_pair = without_time(&shop.get("/v1/users/ada/features/tea?features=user_metadata"));
    assert_eq!(of_pair["user_metadata"], all);
    assert_eq!(shop.get("/v1/status").json()["metadata_others"], json!({"device": 2}));
    let metrics = shop.get("/metrics").text().to_owned();
    assert!(metrics.contains("vitrine_metadata_other_events{key=\"device\"} 2"), "{metrics}");
}

#[test]
fn demographics_are_the_rows_of_the_users_and_need_the_scope_of_rows() {
    let ((reading, reads), (writing, writes)) =
        (access::key(1, &[Scope::Read]), access::key(2, &[Scope::Read, Scope::Write]));
    let keys = Access::with_keys(vec![reads, writes]);
    let rows = Rows::with(patient(), Start { access: Some(Arc::new(keys)), ..Start::default() });
    let ask = |path: &str, key: &Token, body: &Value| {
        rows.ask("POST", path, &[("x-api-key", key.expose())], body.to_string())
    };
    let ada = json!({"user_id": "ada", "demographics": {"age": 36, "city": "Ulm"}});
    assert_eq!(ask("/v1/users", &writing, &ada).status, 201);
    assert_eq!(ask("/v1/users", &writing, &json!({"user_id": "ben"})).status, 201);
    let mut body = json!({"users": ["ada", "ben", "zoe"], "features": ["user_product_clicks"], "demographics": true});
    let row = |user: &str, demographics: Value| json!({"user-id": user, "user_product_clicks": {}, "demographics": demographics});
    let expected = json!([row("ada", ada["demographics"].clone()), row("ben", Value::Null), row("zoe", Value::Null)]);
    assert_eq!(without_time(&ask("/v1/features", &writing, &body)), json!({"rows": expected}));
    ask("/v1/features", &reading, &body).assert_problem(403, "missing-scope");
    body["demographics"] = json!(false);
    let without = without_time(&ask("/v1/features", &reading, &body));
    assert_eq!(without["rows"][0], json!({"user-id": "ada", "user_product_clicks": {}}));
    body["demographics"] = json!(true);
    post(&shop(1), &body).assert_problem(409, "store-off");
}

#[test]
fn views_are_summed_over_the_products_with_an_attribute_now() {
    let shop = busy(2, now_ms());
    let reader = shop.reader();
    let put = |rows: &[(&str, &str, &str)]| {
        let key = |id: &str| reader.dictionary().product(id).unwrap();
        let row = |(id, name, value): &(&str, &str, &str)| (key(id), (ShortText::of(name), ShortText::of(value)));
        reader.attributes().put(ProductAttributes::of(rows.iter().map(row)));
    };
    put(&[
        ("tea", "colour", "green"),
        ("cup", "colour", "green"),
        ("cup", "brand", "Acme"),
        ("pan", "colour", "black"),
    ]);
    let path = "/v1/users/ada/features?features=user_attribute_views";
    let now = || without_time(&shop.get(path))["user_attribute_views"].clone();
    assert_eq!(now(), json!({"colour=green": 4, "brand=Acme": 1}));
    put(&[("tea", "colour", "red"), ("cup", "colour", "green")]);
    assert_eq!(now(), json!({"colour=red": 3, "colour=green": 1}));
    let list = shop.get("/v1/features").json();
    assert!(list["features"].as_array().unwrap().iter().all(|feature| feature["as_of"].is_string()));
}

#[test]
fn a_user_and_a_product_have_one_value_each_and_strangers_have_nothing() {
    let shop = busy(2, now_ms());
    let cup = without_time(&shop.get("/v1/users/ada/features/cup"));
    let value = |name: &str| cup[name].clone();
    assert_eq!((value("user_product_views"), value("user_product_purchases")), (json!(1), json!(2)));
    assert_eq!((value("user_product_avg_time"), cup.as_object().unwrap().len()), (json!(0.0), 7));
    for stranger in ["/v1/users/zoe/features/cup", "/v1/users/ada/features/nothing"] {
        let nothing = without_time(&shop.get(stranger));
        assert_eq!((&nothing["user_product_clicks"], &nothing["user_product_avg_time"]), (&json!(0), &Value::Null));
    }
    let nothing = without_time(&shop.get("/v1/users/zoe/features"));
    assert_eq!((&nothing["user_last_interaction"], &nothing["user_product_views"]), (&Value::Null, &json!({})));
    let of_category = without_time(&shop.get("/v1/users/ada/features/cup?features=user_category_views&limit=1"));
    assert_eq!(of_category["user_category_views"], json!({"drinks": 3}));
}

#[test]
fn many_users_come_as_rows_or_as_columns() {
    let shop = busy(2, now_ms());
    let names = ["user_product_purchases", "user_product_avg_time"];
    let mut body = json!({"users": ["ada", "zoe", "ben"], "features": names});
    let rows = json!([
        {"user-id": "ada", "user_product_purchases": {"cup": 2, "pan": 1},
         "user_product_avg_time": {"tea": 1500.5, "cup": 0.0}},
        {"user-id": "zoe", "user_product_purchases": {}, "user_product_avg_time": {}},
        {"user-id": "ben", "user_product_purchases": {}, "user_product_avg_time": {}},
    ]);
    assert_eq!(without_time(&post(&shop, &body)), json!({"rows": rows}));
    body["products"] = json!(["pan", "tea", "nothing"]);
    body["layout"] = "columns".into();
    let columns = json!({
        "user-id": ["ada", "zoe", "ben"], "product-id": ["pan", "tea", "nothing"],
        "user_product_purchases": [1, 0, 0], "user_product_avg_time": [null, null, null],
    });
    assert_eq!(without_time(&post(&shop, &body)), json!({"columns": columns}));
    let users: Vec<String> = (0..1000).map(|n| if n == 500 { "ada".into() } else { format!("user-{n}") }).collect();
    let many = without_time(&post(&shop, &json!({"users": users, "features": ["user_product_clicks"]})));
    assert_eq!(many["rows"].as_array().unwrap().len(), 1000);
    assert_eq!(many["rows"][500], json!({"user-id": "ada", "user_product_clicks": {"cup": 1}}));
}

/// The bytes of a user's own answer, without its time.
fn alone(shop: &Shop, user: &str) -> String {
    let answer = shop.get(&format!("/v1/users/{user}/features?limit=10"));
    let (features, _) = answer.text().rsplit_once(r#","as_of":"#).expect("every answer has its time");
    format!("{features}}}")
}

#[test]
fn the_rows_of_many_users_are_the_answers_of_each_alone() {
    for workers in [1, 2] {
        let (shop, at) = (busy(workers, now_ms()), now_ms());
        let interaction = |nth: u64| match nth % 3 {
            0 => Interaction::View { time_on_page_ms: Some(nth * 7) },
            1 => Interaction::View { time_on_page_ms: None },
            _ => Interaction::Click,
        };
        let event = |nth: u64| {
            did(&format!("user-{}", nth * 7 % 50), &format!("p{}", nth * nth % 23), interaction(nth), at - nth % 90_000)
        };
        for part in [0..1000, 1000..1100, 1100..1101] {
            shop.happened(part.map(event));
        }
        let users: Vec<String> = (0..60).map(|nth| format!("user-{nth}")).chain(["ada".into(), "zoe".into()]).collect();
        let rows: Vec<String> = users.iter().map(|user| alone(&shop, user)).collect();
        let answer = post(&shop, &json!({"users": users}));
        assert!(answer.text().starts_with(&format!(r#"{{"rows":[{}],"as_of":""#, rows.join(","))), "{}", answer.text());

        // So much is stored of a bot that a serving thread leaves it to another one.
        shop.happened((0..5000).map(|nth| did("bot", &format!("p{nth}"), Interaction::AddToCart, at)));
        let rows = ["bot", "ada"].map(|user| alone(&shop, user)).join(",");
        let answer = post(&shop, &json!({"users": ["bot", "ada"]}));
        assert!(answer.text().starts_with(&format!(r#"{{"rows":[{rows}],"as_of":""#)), "{}", answer.text());
    }
}

#[test]
fn unknown_names_and_wrong_bodies_are_refused() {
    let shop = shop(1);
    let unknown = shop.get("/v1/users/ada/features?features=user_product_view");
    unknown.assert_problem(422, "unknown-feature");
    assert!(unknown.text().contains("did you mean user_product_views"), "{}", unknown.text());
    post(&shop, &json!({"users": ["a"], "features": ["clicks"]})).assert_problem(422, "unknown-feature");
    post(&shop, &json!({"users": []})).assert_problem(422, "invalid-body");
    post(&shop, &json!({"users": ["a"], "colour": 1})).assert_problem(422, "invalid-body");
    shop.get("/v1/users/ada/features?limit=1001").assert_problem(400, "bad-parameter");
    let twice = "/v1/users/ada/features?features=user_product_views,user_product_views";
    shop.get(twice).assert_problem(400, "bad-parameter");
    let lines = shop.connect().ask("POST", "/v1/features", &[("content-type", "application/x-ndjson")], b"{}");
    lines.assert_problem(415, "unsupported-media-type");
}

#[test]
fn the_catalogue_describes_features_and_says_whether_they_are_kept() {
    let shop = shop(1);
    let on = shop.get("/v1/features").json();
    assert_eq!(on["enabled"], true);
    let features = on["features"].as_array().unwrap();
    let views = features.iter().find(|feature| feature["name"] == "user_category_views").unwrap();
    assert_eq!((&views["key"], &views["type"]), (&json!(["user", "category"]), &json!("integer")));
    let is_known = |feature: &Value| feature["as_of"].is_string();
    assert!(features.iter().all(|feature| is_known(feature) != (feature["name"] == "user_attribute_views")));
    let off = Shop::open();
    let list = off.get("/v1/features").json();
    assert_eq!((&list["enabled"], &list["features"][0]["as_of"]), (&json!(false), &Value::Null));
    for path in ["/v1/users/ada/features", "/v1/users/ada/features/tea"] {
        off.get(path).assert_problem(409, "features-off");
    }
    post(&off, &json!({"users": ["ada"]})).assert_problem(409, "features-off");
}

#[test]
fn users_of_all_processes_are_in_one_table() {
    let [one, other] = Shop::pair();
    let (here, there) = (other.user_elsewhere(), one.user_elsewhere());
    one.happened([did(&here, "tea", Interaction::Click, now_ms())]);
    other
        .happened([did(&there, "cup", Interaction::Click, now_ms()), did(&there, "cup", Interaction::Click, now_ms())]);
    let single = without_time(&one.get(&format!("/v1/users/{there}/features?features=user_product_clicks")));
    assert_eq!(single, json!({"user-id": there, "user_product_clicks": {"cup": 2}}));
    let body = json!({"users": [there, here, there], "features": ["user_product_clicks"], "layout": "columns"});
    let table = without_time(&post(&one, &body));
    assert_eq!(table["columns"]["user_product_clicks"], json!([{"cup": 2}, {"tea": 1}, {"cup": 2}]));
    let misrouted = [PASSED_ON];
    let body = json!({"users": [there]}).to_string();
    one.connect().ask("POST", "/v1/features", &misrouted, body.as_bytes()).assert_problem(502, "misrouted");
}

/// A process of a cluster that gives these answers, one after the other.
fn owner(listener: TcpListener, answers: Vec<String>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut connection = Connection::over(listener.accept().unwrap().0);
        for answer in answers {
            let head = String::from_utf8(connection.until(b"\r\n\r\n").unwrap()).unwrap().to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            connection.until_bytes(length.parse().unwrap()).unwrap();
            connection.send(answer);
        }
    })
}

#[test]
fn the_refusal_of_another_process_is_passed_on_as_it_is() {
    let (own, away) = (loopback(), loopback());
    let shop = Shop::beside(0, own.try_clone().unwrap(), [own.local_addr().unwrap(), away.local_addr().unwrap()]);
    let refusals = [
        (429, "too-often", Some("7"), None),
        (503, "not-visible-yet", Some("1"), None),
        (401, "wrong-key", None, Some("Bearer")),
        (403, "missing-scope", None, None),
    ];
    let body = |status: u16, slug: &str| {
        let kind = format!("urn:vitrine:problem:{slug}");
        json!({"type": kind, "title": "Of the owner", "status": status, "detail": "as it says"}).to_string()
    };
    let answer = |media_type: &str, status: u16, fields: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status} -\r\ncontent-type: {media_type}\r\n{fields}content-length: {length}\r\n\r\n{body}")
    };
    let mut answers: Vec<String> = Vec::new();
    for (status, slug, retry, authenticate) in refusals {
        let retry = retry.map(|s| format!("retry-after: {s}\r\n")).unwrap_or_default();
        let fields = retry + &authenticate.map(|way| format!("www-authenticate: {way}\r\n")).unwrap_or_default();
        answers.push(answer("application/problem+json", status, &fields, &body(status, slug)));
    }
    answers.push(answer("application/json", 200, "", "{}"));
    let answering = owner(away, answers);
    let table = json!({"users": [shop.user_elsewhere()]});
    for (status, slug, retry, authenticate) in refusals {
        let refused = post(&shop, &table);
        refused.assert_problem(status, slug);
        assert_eq!(refused.text(), body(status, slug));
        assert_eq!((refused.header("retry-after"), refused.header("www-authenticate")), (retry, authenticate));
    }
    post(&shop, &table).assert_problem(503, "owner-away");
    answering.join().unwrap();
}
