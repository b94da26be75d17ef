//! A shop that keeps its catalogue and its purchases in tables that Vitrine makes in PostgreSQL: a row written over HTTP
//! is on the shelves with its token, and whatever was acknowledged outlives killed processes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use harness::http::{self, Answer};
use harness::postgres::{Server, connect, execute};
use harness::{Process, free_port, wait_until};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(120);

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// Vitrine makes and writes the tables.
const MANAGED: &[&str] = &["store.manage=true"];

/// A running program whose store is in a database.
struct Program {
    process: Process,
    url: String,
}

impl Program {
    fn start(database: &str, settings: &[&str]) -> Program {
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = crate::vitrine(&["serve", "--listen", &address]);
        let database = format!("postgres.url={database}");
        for setting in [&*database, "rules.items_min=1", "server.wait_ms_max=60000"].iter().chain(settings) {
            command.args(["--set", setting]);
        }
        let program = Program { process: Process::spawn("vitrine", command), url: format!("http://{address}") };
        wait_until(SOON, "the program is ready", || {
            program.try_ask("GET", "/readyz", "").is_some_and(|answer| answer.status == 200)
        });
        program
    }

    fn try_ask(&self, method: &str, path: &str, body: &str) -> Option<Answer> {
        http::try_request(method, &format!("{}{path}", self.url), JSON, body.as_bytes()).ok()
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.try_ask(method, path, &body).expect("the program answers")
    }

    /// Writes, and returns the token to wait with.
    #[track_caller]
    fn write(&self, method: &str, path: &str, body: &Value) -> String {
        let answer = self.ask(method, path, body);
        assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.text());
        answer.header("vitrine-token").expect("a write answers with a token").to_owned()
    }

    /// The products of a list, in the state that holds the write of `token`.
    #[track_caller]
    fn sellers(&self, category: &str, token: &str) -> Vec<String> {
        let answer = self.ask("GET", &format!("/v1/categories/{category}/bestsellers?after={token}"), &Value::Null);
        if answer.status == 404 {
            return Vec::new();
        }
        assert_eq!(answer.status, 200, "{}", answer.text());
        let products = answer.json()["products"].as_array().expect("a list").clone();
        products.iter().map(|row| row["product"].as_str().expect("an id").to_owned()).collect()
    }
}

fn purchase(id: &str, user: &str, product: &str) -> Value {
    json!({"purchase_id": id, "user_id": user, "lines": [{"product_id": product, "price": "9.90"}]})
}

#[test]
fn a_row_written_over_http_is_on_the_shelf_as_soon_as_its_token_is_shown() {
    let server = Server::start();
    let shop = Program::start(&server.url(), MANAGED);
    shop.write("POST", "/v1/categories", &json!({"category_id": "house"}));
    shop.write("POST", "/v1/categories", &json!({"category_id": "light", "parent_id": "house"}));
    for product in ["lamp", "bulb"] {
        shop.write("POST", "/v1/products", &json!({"product_id": product, "category_id": "light", "price": 12.5}));
    }
    for (id, user, product) in [("1", "ada", "lamp"), ("2", "bea", "lamp"), ("3", "ada", "lamp"), ("4", "ada", "bulb")]
    {
        shop.write("POST", "/v1/purchases", &purchase(id, user, product));
    }
    let token = shop.write("PUT", "/v1/users/ada", &json!({"name": "Ada"}));
    assert_eq!(shop.sellers("light", &token), ["lamp", "bulb"]);
    assert_eq!(shop.sellers("house", &token), ["lamp", "bulb"], "a parent has the products of its descendants");
    let token = shop.write("POST", "/v1/purchases/4/lines/1/return", &Value::Null);
    assert_eq!(shop.sellers("light", &token), ["lamp"]);
    shop.write("POST", "/v1/purchases/1/cancel", &Value::Null);
    let token = shop.write("POST", "/v1/purchases", &purchase("5", "bea", "bulb"));
    assert_eq!(shop.sellers("light", &token).len(), 2);
    let token = shop.write("PATCH", "/v1/products/bulb", &json!({"available": false}));
    assert_eq!(shop.sellers("light", &token), ["lamp"], "a product that cannot be bought is on no shelf");
    let token = shop.write("PATCH", "/v1/products/bulb", &json!({"available": true, "category_id": "house"}));
    assert_eq!((shop.sellers("house", &token).len(), shop.sellers("light", &token)), (2, vec!["lamp".into()]));
    let token = shop.write("PATCH", "/v1/categories/light", &json!({"parent_id": null}));
    assert_eq!(shop.sellers("house", &token), ["bulb"], "the category has moved out of the house");
    let token = shop.write("DELETE", "/v1/products/lamp", &Value::Null);
    assert_eq!(shop.sellers("light", &token), [""; 0]);

    // There is no log of events, and nothing of an erasure is done.
    let event = json!({"event_type": "view", "user_id": "ada", "product_id": "lamp"});
    for (method, path, body) in [("DELETE", "/v1/users/ada", &Value::Null), ("POST", "/v1/events", &event)] {
        let refused = shop.ask(method, path, body);
        assert_eq!((refused.status, &refused.json()["type"]), (409, &json!("urn:vitrine:problem:intake-off")));
    }

    // Another process reads the same tables without leave to write them.
    let reader = Program::start(&server.url(), &["store.manage=false", "postgres.slot=b", "postgres.publication=b"]);
    assert_eq!(reader.ask("GET", "/v1/users/ada", &Value::Null).json()["name"], "Ada");
    let refused = reader.ask("PUT", "/v1/users/ada", &json!({}));
    assert_eq!((refused.status, &refused.json()["type"]), (409, &json!("urn:vitrine:problem:rows-elsewhere")));
}

/// The buyers of the first product of a list, in the state that holds the write of `token`.
#[track_caller]
fn buyers(shop: &Program, category: &str, token: &str) -> Value {
    let answer = shop.ask("GET", &format!("/v1/categories/{category}/bestsellers?after={token}"), &Value::Null);
    answer.json()["products"][0]["buyers"].clone()
}

#[test]
fn a_parent_counts_each_buyer_of_a_product_once_also_after_a_restart() {
    let server = Server::start();
    let checkpoints = tempfile::tempdir().expect("a temporary directory");
    let dir = format!("checkpoint.dir={}", checkpoints.path().display());
    let settings = [MANAGED, &[&*dir]].concat();
    let token = {
        let mut shop = Program::start(&server.url(), &settings);
        shop.write("POST", "/v1/categories", &json!({"category_id": "house"}));
        for (category, parent) in [("light", "house"), ("desk", "light"), ("floor", "light")] {
            shop.write("POST", "/v1/categories", &json!({"category_id": category, "parent_id": parent}));
        }
        shop.write("POST", "/v1/products", &json!({"product_id": "lamp", "category_id": "desk"}));
        shop.write("POST", "/v1/purchases", &purchase("1", "ada", "lamp"));
        let token = shop.write("POST", "/v1/purchases", &purchase("2", "ada", "lamp"));
        assert_eq!(["house", "light", "desk"].map(|of| buyers(&shop, of, &token)), [json!(1), json!(1), json!(1)]);
        let token = shop.write("POST", "/v1/purchases", &purchase("3", "bea", "lamp"));
        assert_eq!(buyers(&shop, "house", &token), json!(2));
        shop.process.terminate();
        assert!(shop.process.wait_exit(SOON).success());
        token
    };
    let shop = Program::start(&server.url(), &settings);
    assert_eq!(["house", "light", "desk"].map(|of| buyers(&shop, of, &token)), [json!(2), json!(2), json!(2)]);
    let token = shop.write("PATCH", "/v1/categories/light", &json!({"parent_id": null}));
    assert_eq!(shop.sellers("house", &token), [""; 0]);
    let token = shop.write("PATCH", "/v1/products/lamp", &json!({"category_id": "floor"}));
    assert_eq!((shop.sellers("desk", &token), shop.sellers("light", &token)), (vec![], vec!["lamp".to_owned()]));
}

#[test]
fn the_shops_own_tables_are_left_alone() {
    let server = Server::start();
    let tables = "
        CREATE TABLE products (product_id text PRIMARY KEY, category_id text);
        CREATE TABLE orders (order_id text PRIMARY KEY, user_id text, created_at timestamptz);
        CREATE TABLE order_items (order_id text, product_id text, PRIMARY KEY (order_id, product_id))";
    execute(&server.url(), tables);
    let shop = Program::start(&server.url(), &["store.manage=false"]);
    let refused = shop.ask("POST", "/v1/products", &json!({"product_id": "lamp"}));
    assert_eq!(refused.status, 409, "{}", refused.text());
    let rows = connect(&server.url()).query("SELECT FROM products", &[]).expect("the table is there");
    assert!(rows.is_empty());
}

#[test]
fn purchases_that_were_acknowledged_outlive_killed_processes_and_nothing_else_is_there() {
    const WRITERS: usize = 4;
    const ACKNOWLEDGED_MIN: usize = 100;
    let mut server = Server::start();
    let (acknowledged, sent) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    for kills_server in [false, true] {
        let mut program = Program::start(&server.url(), MANAGED);
        let killed = AtomicBool::new(false);
        let before = acknowledged.lock().expect("nobody panics with it").len();
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (url, acknowledged, sent, killed) = (&program.url, &acknowledged, &sent, &killed);
                scope.spawn(move || {
                    for number in 0.. {
                        let id = format!("{kills_server}-{writer}-{number}");
                        sent.fetch_add(1, Ordering::SeqCst);
                        let body = purchase(&id, "ada", "lamp").to_string();
                        match http::try_request("POST", &format!("{url}/v1/purchases"), JSON, body.as_bytes()) {
                            Ok(answer) if answer.status == 201 => {
                                acknowledged.lock().expect("nobody panics with it").push(id);
                            }
                            Ok(answer) => {
                                assert_eq!(answer.status, 503, "{}", answer.text());
                                return assert!(killed.load(Ordering::SeqCst), "{}", answer.text());
                            }
                            Err(error) => return assert!(killed.load(Ordering::SeqCst), "{error}"),
                        }
                    }
                });
            }
            let count = || acknowledged.lock().expect("nobody panics with it").len();
            wait_until(SOON, "many purchases are acknowledged", || count() >= before + ACKNOWLEDGED_MIN);
            killed.store(true, Ordering::SeqCst);
            if kills_server { server.kill9() } else { program.process.kill9() }
        });
        if kills_server {
            server.restart();
        }
    }
    let program = Program::start(&server.url(), MANAGED);
    let acknowledged = acknowledged.into_inner().expect("nobody panics with it");
    for id in &acknowledged {
        let answer = program.ask("GET", &format!("/v1/purchases/{id}"), &Value::Null);
        assert_eq!(answer.status, 200, "{id}: {}", answer.text());
        assert_eq!(answer.json()["lines"].as_array().map(Vec::len), Some(1), "a purchase is there with its lines");
    }
    let count = "SELECT count(*), count(line) FROM orders LEFT JOIN order_items USING (order_id)";
    let row = connect(&server.url()).query_one(count, &[]).expect("the tables are there");
    let (orders, lines): (i64, i64) = (row.get(0), row.get(1));
    assert_eq!(orders, lines, "no purchase is half-written");
    let rows = usize::try_from(orders).expect("a count");
    assert!((acknowledged.len()..=sent.into_inner()).contains(&rows), "{rows}");
}
