//! `GET /v1/products/{product}/similar`: contents, order, shape and errors.

use serde_json::{Value, json};

use crate::plain::{PlainShop, random_records};
use crate::records::Record;
use crate::shop::{Shop, now_ms, product, viewed};

fn path(product: &str) -> String {
    format!("/v1/products/{product}/similar")
}

#[test]
fn similar_products_are_those_of_a_plain_recomputation() {
    for workers in [1, 2] {
        let shop = Shop::learning(workers, |_, _| {});
        shop.happened(random_records(workers as u64));
        let plain = PlainShop::of(&shop.records());
        let mut connection = shop.connect();
        let mut hidden = 0;
        for product in plain.products() {
            let expected = plain.similar(product);
            let answer = connection.get(&format!("{}?limit=100&explain=true", path(product)));
            let names: Vec<&String> = expected.iter().map(|(product, _)| product).collect();
            assert_eq!(answer.products().iter().collect::<Vec<_>>(), names, "{product}, {workers} workers");
            let rows = expected.iter().map(|(similar, weight)| {
                json!({"product": similar, "source": "co_views", "weight": weight, "viewers": plain.viewers(similar)})
            });
            assert_eq!(answer.json()["explain"], rows.collect::<Value>());
            assert_eq!(answer.json()["type"], "non-personalized");
            assert_eq!(connection.get(&path(product)).products(), answer.products()[..10.min(names.len())]);
            assert_eq!(connection.get(&format!("{}?limit=1", path(product))).products(), answer.products()[..1]);
            let is_missing = |other: &&&String| plain.is_deleted(other) && plain.weight(product, other) > 0;
            hidden += plain.products().iter().filter(is_missing).count();
        }
        assert!(hidden > 0, "some of the products viewed together are deleted");
    }
}

#[test]
fn the_answer_has_the_shape_of_a_list_and_an_id() {
    let shop = Shop::learning(1, |_, _| {});
    shop.happened([viewed("ada", "a b", now_ms() - 2), viewed("ada", "tea", now_ms() - 1)]);
    let answer = shop.get(&path("a%20b"));
    let (as_of, id) = (answer.json()["as_of"].clone(), answer.json()["answer_id"].clone());
    let (as_of, id) = (as_of.as_str().unwrap(), id.as_str().unwrap());
    assert_eq!(
        answer.text(),
        format!(
            "{{\"product-id\":\"a b\",\"products\":[\"tea\"],\"type\":\"non-personalized\",\"as_of\":\"{as_of}\",\
             \"answer_id\":\"{id}\"}}"
        )
    );
    assert_eq!(id.len(), 22);
    assert_ne!(shop.get(&path("tea")).json()["answer_id"], id, "each answer has its own");
}

#[test]
fn the_list_follows_each_event() {
    let shop = Shop::learning(1, |_, _| {});
    let mut connection = shop.connect();
    shop.happened([viewed("ada", "tea", now_ms() - 9), viewed("ada", "mug", now_ms() - 8)]);
    assert_eq!(connection.get(&path("tea")).products(), ["mug"]);
    let event = br#"{"userid":"ada","productid":"pan"}"#;
    let token = connection.ask("POST", "/v1/events", &[], event).json()["token"].as_str().unwrap().to_owned();
    let products = connection.get(&format!("{}?after={token}", path("tea"))).products();
    assert_eq!(products.len(), 2, "{products:?}");
    shop.happened([Record::Removal { user: "ada".into(), product: "mug".into(), at: now_ms() }]);
    assert_eq!(connection.get(&path("tea")).products(), ["pan"]);
    shop.happened([Record::Deleted { product: "pan".into() }]);
    assert_eq!(connection.get(&path("tea")).products(), [""; 0]);
    assert_eq!(connection.get(&path("pan")).products(), ["tea"], "a deleted product still has similar ones");
}

#[test]
fn an_unknown_product_and_wrong_parameters_are_errors() {
    let shop = Shop::learning(1, |_, _| {});
    let mut connection = shop.connect();
    connection.get(&path("secret")).assert_problem(404, "unknown-product");
    assert!(!connection.get(&path("secret")).text().contains("secret"));
    shop.happened([product("tea", "drinks")]);
    assert_eq!(connection.get(&path("tea")).products(), [""; 0], "a product of the catalogue is known");
    for query in ["limit=0", "limit=101", "limit=x", "explain=yes", "max_staleness_ms=x", "wait_ms=1", "after=zz"] {
        connection.get(&format!("{}?{query}", path("tea"))).assert_problem(400, "bad-parameter");
    }
    connection.get(&format!("{}?context=home", path("tea"))).assert_problem(400, "unknown-parameter");
    connection.get("/v1/products//similar").assert_problem(400, "bad-path");
    connection.get("/v1/products/tea/other").assert_problem(404, "unknown-path");
    let refused = connection.ask("POST", &path("tea"), &[], b"");
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(connection.ask("HEAD", &path("tea"), &[], b"").status, 200);
}
