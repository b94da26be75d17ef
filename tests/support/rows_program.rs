//! A running program to which rows of a shop are written over HTTP, and what must hold wherever it keeps them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use harness::http::{self, Answer};
use harness::{Process, free_port, wait_until};
use serde_json::{Value, json};

/// More than anything here takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(120);

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// Threads that write at the same time.
const WRITERS: usize = 4;

pub(crate) struct Program {
    pub(crate) process: Process,
    url: String,
}

impl Program {
    /// Serves with these settings, and waits until it is ready.
    pub(crate) fn serve(settings: &[&[&str]]) -> Program {
        let settings = settings.concat().into_iter().flat_map(|setting| ["--set", setting]);
        Program::run(&std::iter::once("serve").chain(settings).collect::<Vec<&str>>())
    }

    /// Runs a command that serves, and waits until it is ready.
    pub(crate) fn run(args: &[&str]) -> Program {
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = harness::clean(env!("CARGO_BIN_EXE_vitrine"));
        command.args(args).args(["--listen", &address, "--set", "server.wait_ms_max=60000"]);
        let program = Program { process: Process::spawn("vitrine", command), url: format!("http://{address}") };
        wait_until(SOON, "the program is ready", || {
            program.try_ask("GET", "/readyz", "").is_ok_and(|answer| answer.status == 200)
        });
        program
    }

    fn try_ask(&self, method: &str, path: &str, body: &str) -> Result<Answer, String> {
        ask(&self.url, method, path, body)
    }

    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.try_ask(method, path, &body).expect("the program answers")
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &Value::Null)
    }

    /// Writes, and returns the token to wait with.
    #[track_caller]
    pub(crate) fn write(&self, method: &str, path: &str, body: &Value) -> String {
        let answer = self.ask(method, path, body);
        assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.text());
        answer.header("vitrine-token").expect("a write answers with a token").to_owned()
    }

    /// The products of a list, in the state that holds the write of `token`.
    #[track_caller]
    pub(crate) fn sellers(&self, category: &str, token: &str) -> Vec<String> {
        let answer = self.get(&format!("/v1/categories/{category}/bestsellers?after={token}"));
        if answer.status == 404 {
            return Vec::new();
        }
        assert_eq!(answer.status, 200, "{}", answer.text());
        let products = answer.json()["products"].as_array().expect("a list").clone();
        products.iter().map(|row| row["product"].as_str().expect("an id").to_owned()).collect()
    }
}

fn ask(url: &str, method: &str, path: &str, body: &str) -> Result<Answer, String> {
    http::try_request(method, &format!("{url}{path}"), JSON, body.as_bytes()).map_err(|error| error.to_string())
}

pub(crate) fn purchase(id: &str, user: &str, product: &str) -> Value {
    json!({"purchase_id": id, "user_id": user, "lines": [{"product_id": product, "price": "9.90"}]})
}

/// Writes rows of every kind to an empty shop. The lists show each write as soon as its token is shown.
#[track_caller]
pub(crate) fn rows_are_on_the_shelves(shop: &Program) {
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
    assert_eq!((shop.sellers("light", &token).len(), shop.sellers("house", &token).len()), (2, 2));
    let token = shop.write("PATCH", "/v1/products/bulb", &json!({"available": false}));
    assert_eq!(shop.sellers("light", &token), ["lamp"], "a product that cannot be bought is on no shelf");
    assert_eq!(shop.sellers("house", &token), ["lamp"], "a product that cannot be bought is on no shelf");
    let token = shop.write("PATCH", "/v1/products/bulb", &json!({"available": true, "category_id": "house"}));
    assert_eq!((shop.sellers("house", &token).len(), shop.sellers("light", &token)), (2, vec!["lamp".into()]));
    let token = shop.write("PATCH", "/v1/categories/light", &json!({"parent_id": null}));
    assert_eq!(shop.sellers("house", &token), ["bulb"], "the category has moved out of the house");
    assert_eq!(shop.sellers("light", &token), ["lamp"]);
    let token = shop.write("DELETE", "/v1/products/lamp", &Value::Null);
    assert_eq!((shop.sellers("light", &token), shop.sellers("house", &token)), (vec![], vec!["bulb".into()]));
}

/// Settings by which purchases count for features and "buy again" for a year, and for best sellers for thirty days.
pub(crate) const COUNTING_OLDER: &[&str] = &["rules.items_min=1", "features.enabled=on", "models.buy_again.enabled=on"];

/// Writes purchases of the past, and moves one there and back.
#[track_caller]
pub(crate) fn older_purchases_count_for_features_and_buy_again_alone(shop: &Program) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis() as u64;
    let write = |id: &str, product: &str, days: u64| {
        let mut row = purchase(id, "ada", product);
        row["created_at"] = json!(now - days * 86_400_000);
        shop.write("PUT", &format!("/v1/purchases/{id}"), &row)
    };
    let seen = |token: &str| {
        let features = shop.get(&format!("/v1/users/ada/features?after={token}")).json();
        let again = shop.get(&format!("/v1/users/ada/buy-again?after={token}")).json();
        let mut again: Vec<String> =
            again["products"].as_array().expect("a list").iter().map(|id| id.as_str().expect("an id").into()).collect();
        again.sort();
        (shop.sellers("light", token), features["user_product_purchases"].clone(), again.join(" "))
    };
    shop.write("POST", "/v1/categories", &json!({"category_id": "light"}));
    for product in ["lamp", "bulb"] {
        shop.write("POST", "/v1/products", &json!({"product_id": product, "category_id": "light", "price": 12.5}));
    }
    write("1", "lamp", 0);
    write("2", "lamp", 40);
    write("3", "bulb", 364);
    let token = write("4", "lamp", 366);
    assert_eq!(seen(&token), (vec!["lamp".into()], json!({"lamp": 2, "bulb": 1}), "bulb lamp".into()));
    assert_eq!(seen(&write("1", "lamp", 40)), (vec![], json!({"lamp": 2, "bulb": 1}), "bulb lamp".into()));
    assert_eq!(seen(&write("1", "lamp", 366)), (vec![], json!({"lamp": 1, "bulb": 1}), "bulb lamp".into()));
    let token = write("1", "lamp", 1);
    assert_eq!(seen(&token), (vec!["lamp".into()], json!({"lamp": 2, "bulb": 1}), "bulb lamp".into()));
}

/// Purchases that were written while something was killed.
pub(crate) struct WrittenPurchases {
    /// Whether a write may get 503 after the kill.
    may_be_refused: bool,
    acknowledged: Mutex<Vec<String>>,
    sent: AtomicUsize,
}

impl WrittenPurchases {
    pub(crate) fn new(may_be_refused: bool) -> WrittenPurchases {
        WrittenPurchases { may_be_refused, acknowledged: Mutex::default(), sent: AtomicUsize::new(0) }
    }

    /// Several threads write purchases whose ids begin with `name`, until `acknowledged_min` are acknowledged and `kill` has run.
    pub(crate) fn write_and_kill(
        &self,
        program: &mut Program,
        name: &str,
        acknowledged_min: usize,
        kill: impl FnOnce(&mut Process),
    ) {
        let (killed, before) = (AtomicBool::new(false), self.count());
        let Program { process, url } = program;
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (url, killed) = (&*url, &killed);
                scope.spawn(move || self.write_until(url, &format!("{name}-{writer}"), killed));
            }
            wait_until(SOON, "many purchases are acknowledged", || self.count() >= before + acknowledged_min);
            killed.store(true, Ordering::SeqCst);
            kill(process);
        });
    }

    /// Writes until a write fails, which may happen only after the kill.
    fn write_until(&self, url: &str, name: &str, killed: &AtomicBool) {
        for number in 0.. {
            let id = format!("{name}-{number}");
            self.sent.fetch_add(1, Ordering::SeqCst);
            match ask(url, "POST", "/v1/purchases", &purchase(&id, "ada", "lamp").to_string()) {
                Ok(answer) if answer.status == 201 => {
                    self.acknowledged.lock().expect("nobody panics with it").push(id);
                }
                Ok(answer) => {
                    let is_refused = self.may_be_refused && answer.status == 503 && killed.load(Ordering::SeqCst);
                    return assert!(is_refused, "{}: {}", answer.status, answer.text());
                }
                Err(error) => return assert!(killed.load(Ordering::SeqCst), "{error}"),
            }
        }
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().expect("nobody panics with it").len()
    }

    /// The purchases that were acknowledged are in the program with their lines; and of all its purchases, of which there are
    /// `rows`, each was sent.
    #[track_caller]
    pub(crate) fn are_in(self, program: &Program, rows: usize) {
        let acknowledged = self.acknowledged.into_inner().expect("nobody panics with it");
        for id in &acknowledged {
            let answer = program.get(&format!("/v1/purchases/{id}"));
            assert_eq!(answer.status, 200, "{id}: {}", answer.text());
            assert_eq!(answer.json()["lines"].as_array().map(Vec::len), Some(1), "a purchase is there with its lines");
        }
        assert!((acknowledged.len()..=self.sent.into_inner()).contains(&rows), "{rows}");
    }
}
