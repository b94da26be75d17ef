//! A shop that keeps its catalogue and its purchases in Vitrine: rows written over HTTP are on the shelves, and outlive
//! the process.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use harness::http::{self, Answer};
use harness::{Process, free_port, wait_until};
use serde_json::{Value, json};

use crate::shop::{SOON, Shop};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// A shop whose rows are in a SQLite file beside its events.
fn shop() -> Shop {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.keep().join("store.db");
    let path = path.to_str().expect("a temporary directory has a plain name");
    Shop::open(&[("store.path", path), ("rules.items_min", "1")], |_| {})
}

/// Writes, and returns the token to wait with.
#[track_caller]
fn write(shop: &Shop, method: &str, path: &str, body: &Value) -> String {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = http::request(method, &shop.url(path), JSON, body.as_bytes());
    assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.text());
    answer.header("vitrine-token").expect("a write answers with a token").to_owned()
}

/// The products of a list, in the state that holds the write of `token`.
#[track_caller]
fn sellers(shop: &Shop, category: &str, token: &str) -> Vec<String> {
    let answer = http::get(&shop.url(&format!("/v1/categories/{category}/bestsellers?after={token}")));
    if answer.status == 404 {
        return Vec::new();
    }
    assert_eq!(answer.status, 200, "{}", answer.text());
    let products = answer.json()["products"].as_array().expect("a list").clone();
    products.iter().map(|row| row["product"].as_str().expect("an id").to_owned()).collect()
}

fn purchase(id: &str, user: &str, product: &str) -> Value {
    json!({"purchase_id": id, "user_id": user, "lines": [{"product_id": product, "price": "9.90"}]})
}

#[test]
fn a_row_written_over_http_is_on_the_shelf_as_soon_as_its_token_is_shown() {
    let shop = shop();
    write(&shop, "POST", "/v1/categories", &json!({"category_id": "house"}));
    write(&shop, "POST", "/v1/categories", &json!({"category_id": "light", "parent_id": "house"}));
    for product in ["lamp", "bulb"] {
        write(&shop, "POST", "/v1/products", &json!({"product_id": product, "category_id": "light", "price": 12.5}));
    }
    for (id, user, product) in [("1", "ada", "lamp"), ("2", "bea", "lamp"), ("3", "ada", "lamp"), ("4", "ada", "bulb")]
    {
        write(&shop, "POST", "/v1/purchases", &purchase(id, user, product));
    }
    let token = write(&shop, "PUT", "/v1/users/ada", &json!({"name": "Ada"}));
    let both = ["lamp".to_owned(), "bulb".to_owned()];
    assert_eq!(sellers(&shop, "light", &token), both);
    assert_eq!(sellers(&shop, "house", &token), both, "a parent has the products of its descendants");

    let token = write(&shop, "POST", "/v1/purchases/4/lines/1/return", &Value::Null);
    assert_eq!(sellers(&shop, "light", &token), ["lamp"]);
    write(&shop, "POST", "/v1/purchases/1/cancel", &Value::Null);
    let token = write(&shop, "POST", "/v1/purchases", &purchase("5", "bea", "bulb"));
    assert_eq!(sellers(&shop, "house", &token).len(), 2);
    let token = write(&shop, "PATCH", "/v1/products/bulb", &json!({"available": false}));
    assert_eq!(sellers(&shop, "house", &token), ["lamp"], "a product that cannot be bought is on no shelf");
    let token = write(&shop, "PATCH", "/v1/products/bulb", &json!({"available": true}));
    assert_eq!(sellers(&shop, "house", &token).len(), 2);
    let token = write(&shop, "PATCH", "/v1/categories/light", &json!({"parent_id": null}));
    assert_eq!(sellers(&shop, "house", &token), [""; 0], "the category has moved out of the house");
    assert_eq!(sellers(&shop, "light", &token).len(), 2);
    let token = write(&shop, "DELETE", "/v1/products/lamp", &Value::Null);
    assert_eq!(sellers(&shop, "light", &token), ["bulb"]);
}

/// A running program on the files of one directory.
struct Program {
    process: Process,
    url: String,
}

impl Program {
    fn start(dir: &std::path::Path) -> Program {
        let setting = |key: &str, file: &str| format!("{key}={}", dir.join(file).display());
        let (files, store) = (setting("files.dir", "data"), setting("store.path", "store.db"));
        Program::run(&["serve", "--set", &files, "--set", &store])
    }

    /// Runs a command that serves, and waits until it is ready.
    fn run(args: &[&str]) -> Program {
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = harness::clean(env!("CARGO_BIN_EXE_vitrine"));
        command.args(args).args(["--listen", &address, "--set", "server.wait_ms_max=60000"]);
        let program = Program { process: Process::spawn("vitrine", command), url: format!("http://{address}") };
        wait_until(SOON, "the program is ready", || {
            program.try_get("/readyz").is_some_and(|answer| answer.status == 200)
        });
        program
    }

    fn try_get(&self, path: &str) -> Option<Answer> {
        http::try_request("GET", &format!("{}{path}", self.url), &[], b"").ok()
    }
}

#[test]
fn a_product_that_is_added_to_the_demo_is_on_its_shelf() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let demo = Program::run(&["demo", "--rate", "0", "--dir", dir.path().to_str().expect("a plain name")]);
    let generated = demo.try_get("/v1/products?limit=1").expect("the demo answers").json();
    assert_eq!(generated["items"].as_array().map(Vec::len), Some(1), "the demo's own products are in the store");
    let post = |path: &str, body: Value| {
        let answer = http::request("POST", &format!("{}{path}", demo.url), JSON, body.to_string().as_bytes());
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.header("vitrine-token").expect("a write answers with a token").to_owned()
    };
    post("/v1/products", json!({"product_id": "my-lamp", "category_id": "my-shelf", "price": "12.50"}));
    let token = post("/v1/purchases", purchase("my-1", "ada", "my-lamp"));
    let shelf = demo.try_get(&format!("/v1/categories/my-shelf/bestsellers?after={token}")).expect("the demo answers");
    assert_eq!(shelf.json()["products"][0]["product"], "my-lamp", "{}", shelf.text());
    let sellers = demo.try_get("/v1/bestsellers").expect("the demo answers").json();
    assert_eq!(sellers["products"].as_array().map(Vec::len), Some(10), "its own orders count: {sellers}");
}

#[test]
fn purchases_that_were_acknowledged_outlive_a_killed_process_and_nothing_else_is_there() {
    const WRITERS: usize = 4;
    const ACKNOWLEDGED_MIN: usize = 200;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut program = Program::start(dir.path());
    let (acknowledged, sent) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    let killed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (url, acknowledged, sent, killed) = (&program.url, &acknowledged, &sent, &killed);
            scope.spawn(move || {
                for number in 0.. {
                    let id = format!("{writer}-{number}");
                    sent.fetch_add(1, Ordering::SeqCst);
                    let body = purchase(&id, "ada", "lamp").to_string();
                    let answer = http::try_request("POST", &format!("{url}/v1/purchases"), JSON, body.as_bytes());
                    match answer {
                        Ok(answer) => {
                            assert_eq!(answer.status, 201, "{}", answer.text());
                            acknowledged.lock().expect("nobody panics with it").push(id);
                        }
                        Err(error) => return assert!(killed.load(Ordering::SeqCst), "{error}"),
                    }
                }
            });
        }
        let count = || acknowledged.lock().expect("nobody panics with it").len();
        wait_until(SOON, "many purchases are acknowledged", || count() >= ACKNOWLEDGED_MIN);
        killed.store(true, Ordering::SeqCst);
        program.process.kill9();
    });
    let program = Program::start(dir.path());
    let acknowledged = acknowledged.into_inner().expect("nobody panics with it");
    for id in &acknowledged {
        let answer = program.try_get(&format!("/v1/purchases/{id}")).expect("the program answers");
        assert_eq!(answer.status, 200, "{id}: {}", answer.text());
        assert_eq!(answer.json()["lines"].as_array().map(Vec::len), Some(1), "a purchase is there with its lines");
    }
    let (mut rows, mut cursor) = (0, String::new());
    loop {
        let page = program.try_get(&format!("/v1/purchases?limit=1000{cursor}")).expect("the program answers").json();
        rows += page["items"].as_array().expect("a page has items").len();
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert!((acknowledged.len()..=sent.into_inner()).contains(&rows), "{rows}");
}
