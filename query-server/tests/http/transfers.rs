//! Imports and exports over HTTP: every form of a file, what is refused, and that nothing is taken by halves.

use std::io::Write as _;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use vitrine_query_server::{Access, Scope, Settings};

use crate::access::{TestAudit, key};
use crate::client::Answer;
use crate::rows::Rows;
use crate::shop::{Start, patient};

const CSV: &[(&str, &str)] = &[("content-type", "text/csv")];

const PRODUCTS: &str =
    "product_id,product_name,category,price,color\nlamp,Desk lamp,light,12.5,red\nbulb,Bulb,light,2,\n";

fn open() -> Rows {
    Rows::with(patient(), Start::default())
}

#[track_caller]
fn imported(answer: &Answer, rows: u64) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let report = answer.json();
    assert_eq!(
        (&report["written"], &report["rows"], &report["bad"]),
        (&json!(true), &json!(rows), &json!(0)),
        "{report}"
    );
    assert!(report["token"].is_string(), "{report}");
    report
}

fn gzip(text: &str) -> Vec<u8> {
    let mut file = GzEncoder::new(Vec::new(), Compression::default());
    file.write_all(text.as_bytes()).unwrap();
    file.finish().unwrap()
}

#[test]
fn a_file_is_imported_and_exported_again() {
    let rows = open();
    let report = imported(&rows.ask("POST", "/v1/import/products", CSV, PRODUCTS), 2);
    assert_eq!(report["ignored_columns"], json!(["color"]));
    let lamp = rows.shop.get("/v1/products/lamp").json();
    assert_eq!((&lamp["name"], &lamp["price"]), (&json!("Desk lamp"), &json!("12.50")));
    assert_eq!(rows.shop.get("/v1/categories/light").status, 200, "its category is made");

    let table = rows.shop.get("/v1/export/products");
    assert_eq!((table.status, table.header("content-type")), (200, Some("text/csv")));
    let again = imported(&rows.ask("POST", "/v1/import/products?mode=replace", CSV, table.text()), 2);
    assert_eq!(again["token"], report["token"], "equal rows are no change");
    let lines = rows.shop.get("/v1/export/products?format=ndjson");
    assert_eq!(lines.text().lines().count(), 2);
    imported(&rows.ask("POST", "/v1/import/products", &[("content-type", "application/x-ndjson")], lines.text()), 2);
    let head = rows.ask("HEAD", "/v1/export/products", &[], "");
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/csv")));
    assert_eq!(rows.shop.get("/v1/export/users").text().lines().count(), 1, "the names of the columns");
}

#[test]
fn compressed_files_are_read_and_broken_ones_refused() {
    let rows = open();
    let (gzip, zstd) = (gzip(PRODUCTS), zstd::encode_all(PRODUCTS.as_bytes(), 1).unwrap());
    let post = |encoding: &str, body: &[u8]| {
        rows.ask("POST", "/v1/import/products", &[CSV[0], ("content-encoding", encoding)], body)
    };
    imported(&post("gzip", &gzip), 2);
    imported(&post("zstd", &zstd), 2);
    imported(&post("identity", PRODUCTS.as_bytes()), 2);
    post("br", &gzip).assert_problem(415, "unsupported-media-type");
    post("gzip", &gzip[..gzip.len() - 4]).assert_problem(422, "unreadable-file");
    post("gzip", PRODUCTS.as_bytes()).assert_problem(422, "unreadable-file");
    let image = rows.ask("POST", "/v1/import/products", &[("content-type", "image/png")], PRODUCTS);
    image.assert_problem(415, "unsupported-media-type");
    let lines = rows.ask("POST", "/v1/import/shop", &[("content-type", "application/x-ndjson")], "{}");
    lines.assert_problem(415, "unsupported-media-type");
}

#[test]
fn a_file_with_bad_lines_is_refused_with_its_report_and_a_dry_run_writes_nothing() {
    let rows = open();
    let file = "product_id,price\nlamp,1\nbulb,1e3\n\"\",2\n";
    let refused = rows.ask("POST", "/v1/import/products", CSV, file);
    refused.assert_problem(422, "bad-lines");
    let report = refused.json()["report"].clone();
    assert_eq!((&report["written"], &report["bad"], &report["token"]), (&json!(false), &json!(2), &Value::Null));
    let first = json!({"line": 3, "column": "price", "value": "1e3", "reason": report["bad_lines"][0]["reason"]});
    assert_eq!((&report["bad_lines"][0], &report["bad_lines"][1]["line"]), (&first, &json!(4)));
    let dry = rows.ask("POST", "/v1/import/products?dry_run=true", CSV, file);
    assert_eq!((dry.status, &dry.json()), (200, &report));
    let dry = rows.ask("POST", "/v1/import/products?dry_run=true", CSV, PRODUCTS).json();
    assert_eq!((&dry["written"], &dry["bad"]), (&json!(false), &json!(0)));
    assert_eq!(rows.shop.get("/v1/products").json()["items"], json!([]));
    rows.ask("POST", "/v1/import/products?dry_run=true", CSV, "").assert_problem(422, "unreadable-file");
}

#[test]
fn a_refusal_says_what_is_at_fault_if_it_is_no_field_of_a_line() {
    let rows = open();
    imported(&rows.ask("POST", "/v1/import/products", CSV, PRODUCTS), 2);
    let lines = [("content-type", "application/x-ndjson")];
    for (target, headers, file, detail) in [
        (
            "/v1/import/products",
            CSV,
            "\n",
            "nothing was written: line 1: `product_id` has no column; the first line must name the columns",
        ),
        (
            "/v1/import/categories?mode=replace",
            CSV,
            "category_id\n",
            "nothing was written: 1 row of the store is at fault; `category_id` is not in the file, and has subcategories \
             or products",
        ),
        (
            "/v1/import/users",
            &lines[..],
            "{\"user_id\":\"a\"}\n5\n",
            "nothing was written: 1 of 2 lines are bad; line 2: must be a JSON object",
        ),
    ] {
        let refused = rows.ask("POST", target, headers, file);
        assert_eq!(refused.assert_problem(422, "bad-lines").json()["detail"], detail);
    }
    for file in ["", "\n", "\u{feff}"] {
        let refused = rows.ask("POST", "/v1/import/products?mode=replace", &lines, file);
        let detail = refused.assert_problem(422, "unreadable-file").json()["detail"].clone();
        assert_eq!(detail, "nothing was written: the file cannot be read: it is empty");
    }
    assert_eq!(rows.shop.get("/v1/products").json()["items"].as_array().map(Vec::len), Some(2));
}

#[test]
fn parameters_choose_the_mode_and_the_columns() {
    let rows = open();
    let mapped = "/v1/import/users?map=Nr%3Duser_id,Who=name";
    imported(&rows.ask("POST", mapped, CSV, "Nr;Who\nada;Ada\n"), 1);
    assert_eq!(rows.shop.get("/v1/users/ada").json()["name"], "Ada");
    let twice = rows.ask("POST", "/v1/import/users?mode=insert", CSV, "user_id\nada\n");
    assert_eq!(twice.assert_problem(422, "bad-lines").json()["report"]["bad_lines"][0]["line"], 2);
    imported(&rows.ask("POST", "/v1/import/users?mode=replace", CSV, "user_id\nbea\n"), 1);
    assert_eq!(rows.shop.get("/v1/users/ada").status, 404);
    for query in ["mode=all", "dry_run=1", "map=a", "format=csv", "limit=1"] {
        let slug = if ["format=csv", "limit=1"].contains(&query) { "unknown-parameter" } else { "bad-parameter" };
        rows.ask("POST", &format!("/v1/import/users?{query}"), CSV, "user_id\n").assert_problem(400, slug);
    }
    rows.shop.get("/v1/export/users?format=xml").assert_problem(400, "bad-parameter");
    let shop =
        "customer,product,category,price,purchase,date\nada,lamp,light,1,7,2026-11-01\nada,bulb,light,2,7,2026-11-01\n";
    imported(&rows.ask("POST", "/v1/import/shop", CSV, shop), 2);
    assert_eq!(rows.shop.get("/v1/purchases/7").json()["lines"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_body_that_is_cut_off_or_too_long_imports_nothing() {
    let rows = Rows::with(Settings { import_bytes_max: 1024, body_timeout_ms: 2_000, ..patient() }, Start::default());
    let head = "POST /v1/import/products HTTP/1.1\r\nhost: shop\r\ncontent-type: text/csv\r\n";
    let mut cut = rows.shop.connect();
    cut.send(format!("{head}content-length: 100\r\n\r\n{PRODUCTS}")).close_writing();
    cut.answer().unwrap().assert_problem(400, "broken-body");
    let mut slow = rows.shop.connect();
    slow.send(format!("{head}content-length: 100\r\n\r\n{PRODUCTS}"));
    slow.answer().unwrap().assert_problem(408, "body-timeout");
    let long = format!("product_id\n{}", "lamp\n".repeat(1000));
    rows.ask("POST", "/v1/import/products", CSV, &long).assert_problem(413, "body-too-large");
    let mut chunked = rows.shop.connect();
    let chunk = format!("{:x}\r\n{long}\r\n", long.len());
    chunked.send(format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"));
    chunked.answer().unwrap().assert_problem(413, "body-too-large");
    let packed = rows.ask("POST", "/v1/import/products", &[CSV[0], ("content-encoding", "gzip")], gzip(&long));
    packed.assert_problem(422, "unreadable-file");
    assert_eq!(rows.shop.get("/v1/products").json()["items"], json!([]));
    imported(&rows.ask("POST", "/v1/import/products", CSV, PRODUCTS), 2);
}

#[test]
fn an_import_takes_no_idempotency_key() {
    let rows = open();
    let keyed = rows.ask("POST", "/v1/import/products", &[CSV[0], ("idempotency-key", "k1")], PRODUCTS);
    keyed.assert_problem(400, "bad-header");
    assert!(keyed.text().contains("idempotency-key"), "{}", keyed.text());
    assert_eq!(rows.shop.get("/v1/products").json()["items"], json!([]));
    let first = imported(&rows.ask("POST", "/v1/import/products", CSV, PRODUCTS), 2);
    let again = imported(&rows.ask("POST", "/v1/import/products", CSV, PRODUCTS), 2);
    assert_eq!(first["token"], again["token"], "it can be sent again as it is");
}

#[test]
fn a_long_export_comes_whole() {
    const USERS: usize = 20_000;
    let rows = open();
    let lines: String = (0..USERS).map(|number| format!("user-{number:05},Name {number}\n")).collect();
    imported(&rows.ask("POST", "/v1/import/users", CSV, format!("user_id,name\n{lines}")), USERS as u64);
    let table = rows.shop.get("/v1/export/users");
    assert_eq!((table.header("transfer-encoding"), table.text().lines().count()), (Some("chunked"), USERS + 1));
    // A client that goes away in the middle gives back its place.
    for _ in 0..8 {
        let mut gone = rows.shop.connect();
        gone.send("GET /v1/export/users HTTP/1.1\r\nhost: shop\r\n\r\n");
        let answer = gone.head().unwrap();
        assert!([200, 503].contains(&answer.status), "{}", answer.head);
    }
    crate::shop::eventually(|| rows.shop.get("/v1/export/users").status == 200);
}

#[test]
fn an_import_is_in_the_audit_log_and_replacing_needs_the_scope_of_deletions() {
    let (writer, write_only) = key(1, &[Scope::Write]);
    let (both, write_and_delete) = key(2, &[Scope::Write, Scope::Delete]);
    let audit = Arc::new(TestAudit::default());
    let access = Some(Arc::new(Access::with_keys(vec![write_only, write_and_delete])));
    let rows = Rows::with(patient(), Start { access, audit: Some(audit.clone()), ..Start::default() });
    let post = |key: &str, query: &str| {
        rows.ask("POST", &format!("/v1/import/products{query}"), &[CSV[0], ("x-api-key", key)], PRODUCTS)
    };
    imported(&post(writer.expose(), ""), 2);
    post(writer.expose(), "?mode=replace").assert_problem(403, "missing-scope");
    imported(&post(both.expose(), "?mode=replace"), 2);
    assert_eq!(post(writer.expose(), "?dry_run=true&mode=insert&map=color%3Dname").status, 200);
    // A request that is refused for its key is not in the log.
    let entries = audit.entries.lock().unwrap();
    let found: Vec<(&str, String, u16)> =
        entries.iter().map(|entry| (entry.what, entry.target.clone(), entry.status)).collect();
    let expected =
        [("mode=upsert&dry_run=false", 200), ("mode=replace&dry_run=false", 200), ("mode=insert&dry_run=true", 200)]
            .map(|(how, status)| ("products.import", format!("/v1/import/products?{how}"), status));
    assert_eq!(found, expected);
}
