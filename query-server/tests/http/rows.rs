//! The shop's rows over HTTP, in a store of SQLite: every method of every kind, its refusals and its headers.

use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tempfile::TempDir;
use vitrine_query_server::Settings;

use crate::client::Answer;
use crate::shop::{Shop, Start, patient};

const KINDS: [&str; 4] = ["products", "categories", "users", "purchases"];

/// Whether a path is one of the store's.
pub(crate) fn is_of_rows(template: &str) -> bool {
    let rest = template.strip_prefix("/v1/").unwrap_or_default();
    let is_transfer = rest.starts_with("import/") || rest.starts_with("export/");
    is_transfer || KINDS.iter().any(|kind| rest.starts_with(kind)) && !rest.contains("/history")
}

pub(crate) struct Rows {
    pub(crate) shop: Shop,
    _dir: TempDir,
}

impl Rows {
    fn open() -> Rows {
        Rows::with(patient(), Start::default())
    }

    pub(crate) fn with(server: Settings, start: Start) -> Rows {
        Rows::in_store(server, start, store::UnknownIds::Take)
    }

    pub(crate) fn in_store(server: Settings, start: Start, unknown_ids: store::UnknownIds) -> Rows {
        let dir = tempfile::tempdir().unwrap();
        let settings = store::Settings { path: dir.path().join("store.db"), unknown_ids, ..store::Settings::default() };
        let store = Some(Arc::new(store::sqlite::SqliteStore::open(settings).unwrap()) as Arc<dyn store::Store>);
        Rows { shop: Shop::guarded(server, Start { store, ..start }), _dir: dir }
    }

    #[track_caller]
    pub(crate) fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        self.shop.connect().ask(method, target, headers, body.as_ref())
    }

    #[track_caller]
    fn post(&self, target: &str, body: Value) -> Answer {
        self.ask("POST", target, &[], body.to_string())
    }

    /// Asserts that the fields at fault are these.
    #[track_caller]
    fn faults(&self, answer: &Answer, fields: &[&str]) -> String {
        answer.assert_problem(422, "invalid-row");
        let errors = answer.json()["errors"].as_array().unwrap().clone();
        let found: Vec<&str> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
        assert_eq!(found, fields, "{errors:?}");
        errors[0]["reason"].as_str().unwrap().to_owned()
    }
}

/// A row of each kind, with the name of its id.
fn row(kind: &str, id: &str) -> (&'static str, Value) {
    match kind {
        "products" => ("product_id", json!({"product_id": id, "name": "Lamp", "price": "12.5"})),
        "categories" => ("category_id", json!({"category_id": id, "name": "Light"})),
        "users" => ("user_id", json!({"user_id": id, "name": "Ada", "demographics": {"age": 36}})),
        _ => ("purchase_id", json!({"purchase_id": id, "user_id": "ada", "lines": [{"product_id": "lamp"}]})),
    }
}

#[test]
fn rows_of_every_kind_are_created_read_replaced_changed_and_deleted() {
    let rows = Rows::open();
    for kind in KINDS {
        let (key, body) = row(kind, "a/b %é");
        let path = format!("/v1/{kind}/a%2Fb%20%25%C3%A9");
        let created = rows.post(&format!("/v1/{kind}"), body.clone());
        assert_eq!(created.status, 201, "{kind}: {}", created.text());
        assert_eq!(created.header("location"), Some(&*path));
        let tag = created.header("etag").unwrap().to_owned();
        let found = rows.ask("GET", &path, &[], "");
        assert_eq!((found.status, found.json(), found.header("etag")), (200, created.json(), Some(&*tag)));
        assert_eq!(rows.ask("GET", &path, &[("if-none-match", &format!("\"x\", W/{tag}"))], "").status, 304);
        assert_eq!(rows.ask("HEAD", &path, &[], "").status, 200);
        rows.post(&format!("/v1/{kind}"), body.clone()).assert_problem(409, "row-exists");

        let mut without_id = body.clone();
        without_id.as_object_mut().unwrap().remove(key);
        let replaced = rows.ask("PUT", &path, &[("if-match", &tag)], without_id.to_string());
        assert_eq!(replaced.status, 200, "{}", replaced.text());
        let patch = if kind == "purchases" { r#"{"status":"cancelled"}"# } else { r#"{"name":"Other"}"# };
        let patched = rows.ask("PATCH", &path, &[("content-type", "application/merge-patch+json")], patch);
        assert_eq!(patched.status, 200, "{}", patched.text());
        let stale = ("if-match", &*tag);
        rows.ask("PUT", &path, &[stale], without_id.to_string()).assert_problem(412, "row-changed");
        rows.ask("PATCH", &path, &[stale], patch).assert_problem(412, "row-changed");
        rows.ask("DELETE", &path, &[stale], "").assert_problem(412, "row-changed");
        assert_eq!(rows.ask("GET", &path, &[], "").json(), patched.json());
        let gone = rows.ask("DELETE", &path, &[("if-match", patched.header("etag").unwrap())], "");
        // The row of a user goes with all that the user did.
        let erases = kind == "users";
        assert_eq!(gone.status, if erases { 200 } else { 204 });
        let token = |answer: &Answer| answer.header("vitrine-token").unwrap().to_owned();
        assert!([&created, &replaced, &patched, &gone].map(token).iter().all(|token| !token.is_empty()));
        for method in ["GET", "DELETE", "PATCH"].into_iter().filter(|method| !erases || *method != "DELETE") {
            rows.ask(method, &path, &[], if method == "PATCH" { "{}" } else { "" }).assert_problem(404, "unknown-row");
        }
        rows.ask("PUT", &path, &[("if-match", "*")], body.to_string()).assert_problem(412, "row-changed");
        assert_eq!(rows.ask("PUT", &path, &[], body.to_string()).status, 201);
    }
}

#[test]
fn a_put_that_only_adds_leaves_a_row_that_is_there() {
    let only_new = ("if-none-match", "*");
    for if_match_required in [false, true] {
        let rows = Rows::with(Settings { if_match_required, ..patient() }, Start::default());
        for kind in KINDS {
            let (path, body) = (format!("/v1/{kind}/x"), row(kind, "x").1.to_string());
            let added = rows.ask("PUT", &path, &[only_new], &body);
            assert_eq!(added.status, 201, "{}", added.text());
            rows.ask("PUT", &path, &[only_new], &body).assert_problem(412, "row-not-new");
            let tag = added.header("etag").unwrap();
            for other in [tag, "x", "", "*, *"] {
                rows.ask("PUT", &path, &[("if-none-match", other)], &body).assert_problem(400, "bad-header");
            }
            rows.ask("PUT", &path, &[only_new, only_new], &body).assert_problem(400, "bad-header");
            rows.ask("PUT", &path, &[only_new, ("if-match", tag)], &body).assert_problem(400, "bad-header");
            rows.ask("PATCH", &path, &[only_new], "{}").assert_problem(400, "bad-header");
            rows.ask("DELETE", &path, &[only_new], "").assert_problem(400, "bad-header");
            assert_eq!(rows.ask("GET", &path, &[], "").header("etag"), Some(tag));
        }
    }
}

#[test]
fn a_change_without_a_tag_is_refused_where_tags_are_needed() {
    let rows = Rows::with(Settings { if_match_required: true, ..patient() }, Start::default());
    let body = row("purchases", "1").1.to_string();
    let added = rows.ask("PUT", "/v1/purchases/1", &[], &body);
    assert_eq!(added.status, 201, "{}", added.text());
    for (method, path, body) in [
        ("PUT", "/v1/purchases/1", &*body),
        ("PATCH", "/v1/purchases/1", "{}"),
        ("DELETE", "/v1/purchases/1", ""),
        ("POST", "/v1/purchases/1/cancel", ""),
        ("POST", "/v1/purchases/1/lines/2/return", ""),
    ] {
        rows.ask(method, path, &[], body).assert_problem(428, "tag-needed");
        if method != "PUT" {
            rows.ask(method, &path.replace("/1", "/none"), &[], body).assert_problem(404, "unknown-row");
        }
    }
    for (method, path) in [("PATCH", "/v1/products/none"), ("DELETE", "/v1/products/none"), ("PATCH", "/v1/users/none")]
    {
        rows.ask(method, path, &[], if method == "PATCH" { "{}" } else { "" }).assert_problem(404, "unknown-row");
    }
    let stale = [("if-match", "\"other\"")];
    rows.ask("PATCH", "/v1/purchases/1", &stale, "{}").assert_problem(412, "row-changed");
    // A batch and a file have no place for tags: they replace the rows.
    let batch = rows.post("/v1/users:batch", json!([{"user_id": "ada"}]));
    let again = rows.post("/v1/users:batch", json!([{"user_id": "ada", "name": "Ada"}]));
    let import = rows.ask("POST", "/v1/import/users", &[("content-type", "text/csv")], "user_id,name\nada,Bea\n");
    assert_eq!((batch.status, again.status, import.status), (200, 200, 200));
    assert_eq!(rows.shop.get("/v1/users/ada").json()["name"], "Bea");
    let tag = [("if-match", added.header("etag").unwrap())];
    assert_eq!(rows.ask("POST", "/v1/purchases/1/cancel", &tag, "").status, 200);
    rows.ask("PUT", "/v1/purchases/1", &tag, &body).assert_problem(412, "row-changed");
    assert_eq!(rows.ask("DELETE", "/v1/purchases/1", &[("if-match", "*")], "").status, 204);
}

#[test]
fn a_wrong_row_is_refused_with_every_field_at_fault() {
    let rows = Rows::open();
    let hint = rows.faults(&rows.post("/v1/products", json!({"product_id": "lamp", "prise": "1"})), &["prise"]);
    assert!(hint.contains("did you mean `price`?"), "{hint}");
    for price in ["1e3", "\"1e3\"", "12.345", "\"12.345\"", "-1", "1000000000000", "\"\"", "true", "[]"] {
        let body = format!(r#"{{"product_id":"lamp","price":{price}}}"#);
        rows.faults(&rows.ask("POST", "/v1/products", &[], body), &["price"]);
    }
    for (body, fields) in [
        (
            json!({"name": 5, "available": "yes", "embedding": ["x"]}),
            &["product_id", "name", "available", "embedding"][..],
        ),
        (json!({"product_id": ""}), &["product_id"]),
        (json!({"product_id": "x".repeat(257)}), &["product_id"]),
        (json!({"product_id": "lamp "}), &["product_id"]),
        (json!({"product_id": "la\nmp"}), &["product_id"]),
        (json!({"product_id": "lamp", "name": "x".repeat(1025)}), &["name"]),
        (json!({"product_id": "lamp", "attributes": [1]}), &["attributes"]),
        (json!([]), &[""]),
    ] {
        rows.faults(&rows.post("/v1/products", body), fields);
    }
    rows.faults(&rows.ask("POST", "/v1/products", &[], "{"), &[""]);
    rows.faults(&rows.ask("POST", "/v1/products", &[], r#"{"product_id":"a","product_id":"b"}"#), &["product_id"]);
    rows.faults(&rows.ask("PUT", "/v1/products/a", &[], r#"{"product_id":"b"}"#), &["product_id"]);
    for (lines, fields) in [
        (json!([]), &["lines"][..]),
        (
            json!([{"product_id": "lamp", "quantity": 0}, {"prodct_id": "lamp"}]),
            &["lines[0].quantity", "lines[1].prodct_id", "lines[1].product_id"],
        ),
        (json!([5]), &["lines[0]"]),
    ] {
        rows.faults(&rows.post("/v1/purchases", json!({"purchase_id": "1", "user_id": "ada", "lines": lines})), fields);
    }
    let future = json!({"purchase_id": "1", "user_id": "ada", "created_at": "2999-01-01T00:00:00Z", "lines": [{"product_id": "lamp"}]});
    rows.faults(&rows.post("/v1/purchases", future), &["created_at"]);
    rows.ask("POST", "/v1/products", &[("content-type", "text/csv")], "a")
        .assert_problem(415, "unsupported-media-type");
    rows.ask("DELETE", "/v1/products/a", &[("if-match", "tag")], "").assert_problem(400, "bad-header");
    assert_eq!(rows.shop.get("/v1/products").json()["items"], json!([]), "nothing was written");
}

#[test]
fn ids_are_bytes_in_paths_and_in_bodies() {
    let rows = Rows::open();
    // The second and third differ only in their normal form.
    let ids = [
        "a/b",
        "caf\u{e9}",
        "cafe\u{301}",
        "100%",
        "%2F",
        "\u{1fa94}",
        " x",
        "a+b",
        "a?b#c",
        "'; DROP TABLE users; --",
    ];
    for kind in KINDS {
        for id in ids {
            let (key, body) = row(kind, id);
            let created = rows.post(&format!("/v1/{kind}"), body);
            assert_eq!((created.status, &created.json()[key]), (201, &json!(id)), "{kind} {id}");
            let path = format!("/v1/{kind}/{}", utf8_percent_encode(id, NON_ALPHANUMERIC));
            for path in [&*path, created.header("location").unwrap()] {
                let found = rows.ask("GET", path, &[], "");
                assert_eq!((found.status, &found.json()[key]), (200, &json!(id)), "{kind} {path}");
            }
        }
        let list = if kind == "categories" { "/v1/categories:list".to_owned() } else { format!("/v1/{kind}") };
        assert_eq!(rows.shop.get(&list).json()["items"].as_array().unwrap().len(), ids.len(), "{kind}");
        let (key, body) = row(kind, "x ");
        rows.faults(&rows.post(&format!("/v1/{kind}"), body.clone()), &[key]);
        rows.faults(&rows.ask("PUT", &format!("/v1/{kind}/x%20"), &[], body.to_string()), &[key]);
    }
}

#[test]
fn pages_are_cut_by_limit_and_chosen_by_filters() {
    let rows = Rows::open();
    let all: Vec<Value> = (0..5)
        .map(|number| json!({"product_id": format!("p{number}"), "name": format!("N{number}"), "available": number != 3}))
        .collect();
    let done = rows.post("/v1/products:batch", json!(all));
    assert_eq!((done.status, &done.json()["written"], &done.json()["created"]), (200, &json!(5), &json!(5)));
    let ids = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|row| row["product_id"].as_str().unwrap().to_owned()).collect()
    };
    let first = rows.shop.get("/v1/products?limit=2").json();
    let next = first["next_cursor"].as_str().unwrap();
    let second = rows.shop.get(&format!("/v1/products?limit=4&cursor={next}")).json();
    assert_eq!(
        (ids(&first), ids(&second)),
        (vec!["p0".into(), "p1".into()], vec!["p2".into(), "p3".into(), "p4".into()])
    );
    assert_eq!(second["next_cursor"], Value::Null);
    assert_eq!(ids(&rows.shop.get("/v1/products?available=false").json()), ["p3"]);
    assert_eq!(ids(&rows.shop.get("/v1/products?prefix=n4").json()), ["p4"]);
    for (query, slug) in [
        ("limit=0", "bad-parameter"),
        ("limit=1001", "bad-parameter"),
        ("cursor=zz", "bad-parameter"),
        ("available=1", "bad-parameter"),
        ("prefix=", "bad-parameter"),
        ("user=ada", "unknown-parameter"),
        ("after=x", "unknown-parameter"),
        ("limit=1&limit=2", "repeated-parameter"),
    ] {
        rows.shop.get(&format!("/v1/products?{query}")).assert_problem(400, slug);
    }
    assert_eq!(rows.shop.get("/v1/purchases?user=ada").json()["items"], json!([]));
    assert_eq!(rows.shop.get("/v1/categories:list?parent=a&limit=1").json()["items"], json!([]));
}

#[test]
fn a_batch_is_written_whole_or_not_at_all() {
    let rows = Rows::open();
    let batch =
        json!([{"category_id": "a"}, {"category_id": "b", "parent_id": "a"}, {"category_id": "a", "parent_id": "b"}]);
    let refused = rows.post("/v1/categories:batch", batch);
    refused.assert_problem(409, "row-conflict");
    assert_eq!(refused.json()["index"], 2);
    let wrong = rows.post("/v1/categories:batch", json!([{"category_id": "a"}, {"category": "b"}]));
    rows.faults(&wrong, &["category", "category_id"]);
    assert_eq!(wrong.json()["index"], 1);
    let too_many: Vec<Value> = (0..1001).map(|number| json!({"user_id": number.to_string()})).collect();
    rows.faults(&rows.post("/v1/users:batch", json!(too_many)), &[""]);
    assert_eq!(rows.post("/v1/users:batch", json!(too_many[..1000])).json()["written"], 1000);
    rows.faults(&rows.post("/v1/users:batch", json!([])), &[""]);
    rows.ask("GET", "/v1/categories/a", &[], "").assert_problem(404, "unknown-row");
    rows.ask("DELETE", "/v1/categories/a", &[], "").assert_problem(404, "unknown-row");
}

#[test]
fn a_request_with_a_key_has_one_effect() {
    let rows = Rows::open();
    let (_, body) = row("products", "lamp");
    let keyed =
        |key: &str, body: &Value| rows.ask("POST", "/v1/products", &[("idempotency-key", key)], body.to_string());
    let first = keyed("k1", &body);
    let again = keyed("k1", &body);
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!((first.json(), first.header("vitrine-token")), (again.json(), again.header("vitrine-token")));
    keyed("k1", &row("products", "bulb").1).assert_problem(422, "idempotency-key-reused");
    keyed("k2", &body).assert_problem(409, "row-exists");
    keyed("", &body).assert_problem(400, "bad-header");
    keyed(&"k".repeat(256), &body).assert_problem(400, "bad-header");
}

#[test]
fn a_purchase_is_cancelled_and_a_line_is_returned() {
    let rows = Rows::open();
    assert_eq!(rows.post("/v1/purchases", row("purchases", "1").1).status, 201);
    let returned = rows.ask("POST", "/v1/purchases/1/lines/1/return", &[], "");
    assert_eq!((returned.status, &returned.json()["lines"][0]["returned"]), (200, &json!(true)));
    let cancelled = rows.ask("POST", "/v1/purchases/1/cancel", &[("idempotency-key", "c")], "");
    assert_eq!((cancelled.status, &cancelled.json()["status"]), (200, &json!("cancelled")));
    let tag = returned.header("etag").unwrap();
    rows.ask("POST", "/v1/purchases/1/cancel", &[("if-match", tag)], "").assert_problem(412, "row-changed");
    for line in ["0", "x", "1001", "-1"] {
        rows.ask("POST", &format!("/v1/purchases/1/lines/{line}/return"), &[], "").assert_problem(400, "bad-path");
    }
    rows.ask("POST", "/v1/purchases/1/lines/2/return", &[], "").assert_problem(404, "unknown-row");
    rows.ask("POST", "/v1/purchases/2/cancel", &[], "").assert_problem(404, "unknown-row");
}

#[test]
fn a_category_in_use_or_its_own_ancestor_is_refused() {
    let rows = Rows::open();
    rows.post("/v1/categories:batch", json!([{"category_id": "a"}, {"category_id": "b", "parent_id": "a"}]));
    rows.ask("PATCH", "/v1/categories/a", &[], r#"{"parent_id":"b"}"#).assert_problem(409, "row-conflict");
    rows.ask("DELETE", "/v1/categories/a", &[], "").assert_problem(409, "row-conflict");
    assert_eq!(rows.ask("DELETE", "/v1/categories/b", &[], "").status, 204);
    assert_eq!(rows.ask("DELETE", "/v1/categories/a", &[], "").status, 204);
}

#[test]
fn without_a_store_the_paths_say_so() {
    let shop = Shop::open();
    for kind in KINDS {
        let (_, body) = row(kind, "x");
        let page = if kind == "categories" { "/v1/categories:list".to_owned() } else { format!("/v1/{kind}") };
        shop.get(&page).assert_problem(409, "store-off");
        for (method, path) in [("POST", format!("/v1/{kind}")), ("PUT", format!("/v1/{kind}/x"))] {
            shop.connect().ask(method, &path, &[], body.to_string().as_bytes()).assert_problem(409, "store-off");
        }
    }
}

#[test]
fn an_erased_user_loses_the_rows_that_are_kept() {
    let rows = Rows::open();
    rows.post("/v1/users", row("users", "ada").1);
    for order in ["o-1", "o-2"] {
        let mut purchase = row("purchases", order).1;
        purchase["user_id"] = json!("ada");
        assert_eq!(rows.post("/v1/purchases", purchase).status, 201);
    }
    let mut other = row("purchases", "o-3").1;
    other["user_id"] = json!("ben");
    assert_eq!(rows.post("/v1/purchases", other).status, 201);
    rows.ask("DELETE", "/v1/users/ada", &[("if-match", "\"other\"")], "").assert_problem(412, "row-changed");
    let erased = rows.ask("DELETE", "/v1/users/ada", &[], "");
    assert_eq!(erased.json()["deleted_rows"], json!({"users": 1, "purchases": 2}), "{}", erased.text());
    let left = rows.ask("GET", "/v1/purchases", &[], "").json();
    assert_eq!(left["items"].as_array().map(Vec::len), Some(1), "{left}");
    let again = rows.ask("DELETE", "/v1/users/ada", &[], "");
    assert_eq!(again.json()["deleted_rows"], json!({"users": 0, "purchases": 0}), "{}", again.text());
}
