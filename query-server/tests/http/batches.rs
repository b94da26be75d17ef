//! Batches of rows that are refused: the answer names the fields at fault of all rows, each with its index.

use serde_json::{Value, json};
use store::UnknownIds;

use crate::rows::Rows;
use crate::shop::{Start, patient};

/// The index and the field of each error of a refused batch.
#[track_caller]
fn errors(rows: &Rows, target: &str, batch: &Value) -> Vec<(u64, String)> {
    let answer = rows.ask("POST", target, &[], batch.to_string());
    let body = answer.assert_problem(422, "invalid-row").json();
    let error = |error: &Value| (error["index"].as_u64().unwrap(), error["field"].as_str().unwrap().to_owned());
    let errors: Vec<(u64, String)> = body["errors"].as_array().unwrap().iter().map(error).collect();
    assert_eq!(body["index"], errors[0].0, "{body}");
    errors
}

fn named(errors: &[(u64, String)]) -> Vec<(u64, &str)> {
    errors.iter().map(|(index, field)| (*index, &**field)).collect()
}

#[test]
fn every_row_of_a_batch_that_is_wrong_is_named() {
    let rows = Rows::with(patient(), Start::default());
    let batch = json!([{"product_id": "a"}, {"prise": 1}, {"product_id": "c", "price": "1e3"}, 5]);
    let found = errors(&rows, "/v1/products:batch", &batch);
    assert_eq!(named(&found), [(1, "prise"), (1, "product_id"), (2, "price"), (3, "")]);
    let answer = rows.ask("POST", "/v1/products:batch", &[], batch.to_string()).json();
    let detail = answer["detail"].as_str().unwrap();
    assert!(detail.contains("`price` of the row with index 2 must be a decimal"), "{detail}");
    let many: Vec<Value> = (0..150).map(|number| json!({"product_id": number.to_string(), "price": "x"})).collect();
    assert_eq!(errors(&rows, "/v1/products:batch", &json!(many)).len(), 100);
    let one = rows.ask("POST", "/v1/products", &[], r#"{"product_id":"a","price":"x"}"#).json();
    assert!(one["errors"][0].get("index").is_none() && one.get("index").is_none(), "{one}");
    assert_eq!(rows.shop.get("/v1/products").json()["items"], json!([]));
}

#[test]
fn every_row_of_a_batch_with_an_unknown_reference_is_named() {
    let rows = Rows::in_store(patient(), Start::default(), UnknownIds::Refuse);
    rows.ask("POST", "/v1/users", &[], r#"{"user_id":"ada"}"#);
    rows.ask("POST", "/v1/products", &[], r#"{"product_id":"lamp"}"#);
    let purchase = |id: &str, user: &str, products: [&str; 2]| json!({"purchase_id": id, "user_id": user, "lines": products.map(|product| json!({"product_id": product}))});
    let batch = json!([
        purchase("1", "ada", ["lamp", "none"]),
        purchase("2", "ada", ["lamp", "lamp"]),
        purchase("3", "eve", ["lamp", "lamp"]),
    ]);
    let found = errors(&rows, "/v1/purchases:batch", &batch);
    assert_eq!(named(&found), [(0, "lines[1].product_id"), (2, "user_id")]);
    assert_eq!(rows.shop.get("/v1/purchases").json()["items"], json!([]));
}

#[test]
fn a_purchase_of_a_product_that_was_deleted_is_still_cancelled_and_returned() {
    let rows = Rows::in_store(patient(), Start::default(), UnknownIds::Refuse);
    rows.ask("POST", "/v1/users", &[], r#"{"user_id":"ada"}"#);
    rows.ask("POST", "/v1/products", &[], r#"{"product_id":"lamp"}"#);
    let purchase = r#"{"purchase_id":"1","user_id":"ada","lines":[{"product_id":"lamp"}]}"#;
    assert_eq!(rows.ask("POST", "/v1/purchases", &[], purchase).status, 201);
    assert_eq!(rows.ask("DELETE", "/v1/products/lamp", &[], "").status, 204);
    for (method, path, body) in [
        ("PUT", "/v1/purchases/1", purchase),
        ("PATCH", "/v1/purchases/1", "{}"),
        ("POST", "/v1/purchases:batch", &format!("[{purchase}]")),
        ("POST", "/v1/purchases/1/lines/1/return", ""),
        ("POST", "/v1/purchases/1/cancel", ""),
    ] {
        let answer = rows.ask(method, path, &[], body);
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
    }
    let other = purchase.replace("\"1\"", "\"2\"");
    rows.ask("POST", "/v1/purchases", &[], other).assert_problem(422, "invalid-row");
}
