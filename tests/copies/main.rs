//! Copies of lists in a real topic and a real table, beside the whole program: right after edits by hand and kills.
//!
//! ```text
//! views, orders ─▶ vitrine serve ─┬─ copies ─▶ the topic, the table ─▶ read by other clients ─┐
//!        SIGKILL, edits by hand ──┘└─ HTTP ─▶ the lists ──────────────────────────────────────┴▶ equal, row by row?
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use harness::{Process, Services, free_port, http, postgres, wait_until};
use serde_json::Value;

/// More than anything here takes on a busy machine.
const SOON: Duration = Duration::from_secs(120);

const USERS: usize = 25;
const PRODUCTS: usize = 40;
const CATEGORIES: usize = 4;
const KILLS: usize = 8;

const TABLES: &str = "
    CREATE TABLE products (product_id text PRIMARY KEY, category_id text);
    CREATE TABLE orders (order_id text PRIMARY KEY, user_id text, created_at timestamptz DEFAULT now());
    CREATE TABLE order_items (order_id text, product_id text, PRIMARY KEY (order_id, product_id));
    INSERT INTO products SELECT 'p' || n, 'c' || n % 4 FROM generate_series(0, 39) AS n;";

/// The lists: products in their order, and the numbers beside them where answers have numbers.
type Copied = BTreeMap<String, Vec<(String, Option<u64>)>>;

/// Random numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }
}

struct Shop {
    services: Services,
    config: PathBuf,
    address: String,
    process: Option<Process>,
    dice: Dice,
    orders: usize,
}

impl Shop {
    fn start() -> Shop {
        let (services, port) = (Services::start(), free_port());
        services.postgres.execute("CREATE DATABASE \"data-db\"");
        postgres::execute(&services.database(), TABLES);
        services.kafka.create_topic("views", 2);
        // So that it can be read before the first copy.
        services.kafka.create_topic_with("lists", 3, &[("cleanup.policy", "compact")]);
        let (brokers, database) = (services.kafka.bootstrap(), services.database());
        let config = services.write(
            "vitrine.toml",
            &format!(
                "[server]\nlisten = \"127.0.0.1:{port}\"\n[dataflow]\nworkers = 2\n\
                 [kafka]\nbrokers = \"{brokers}\"\ndiscovery_s = 1\n\
                 [kafka.client]\n\"reconnect.backoff.max.ms\" = \"500\"\n\
                 [postgres]\nurl = \"{database}\"\n\
                 [checkpoint]\ndir = {:?}\nevery_s = 1\n\
                 [sinks.kafka]\ntopic = \"lists\"\npartitions = 3\ncompare_every_s = 2\n\
                 [sinks.postgres]\ntable = \"lists\"\ncompare_every_s = 2\n\
                 lists = [\"bestsellers\", \"histories\", \"recommendations\"]\n",
                services.dir().join("checkpoints")
            ),
        );
        let address = format!("http://127.0.0.1:{port}");
        Shop { services, config, address, process: None, dice: Dice(17), orders: 0 }
    }

    fn serve(&mut self) {
        let mut command: Command = harness::clean(env!("CARGO_BIN_EXE_vitrine"));
        command.arg("serve").arg("--config").arg(&self.config);
        self.process = Some(Process::spawn("vitrine", command));
        wait_until(SOON, "the server is ready", || {
            let process = self.process.as_mut().expect("it was started");
            assert!(process.is_running(), "{}", process.stderr());
            http::try_request("GET", &format!("{}/readyz", self.address), &[], b"")
                .is_ok_and(|ready| ready.status == 200)
        });
    }

    /// Some users look at products, and some order.
    fn trade(&mut self) {
        let mut view = || {
            let (user, product) = (self.dice.below(USERS), self.dice.below(PRODUCTS));
            format!(r#"{{"user_id":"u{user}","product_id":"p{product}","event_type":"view"}}"#)
        };
        let views: Vec<String> = (0..20).map(|_| view()).collect();
        self.services.kafka.produce("views", None, &views);
        for _ in 0..3 {
            let (order, user, product) = (self.orders, self.dice.below(USERS), self.dice.below(PRODUCTS));
            self.orders += 1;
            let sql = format!(
                "BEGIN; INSERT INTO orders VALUES ('o{order}', 'u{user}'); \
                 INSERT INTO order_items VALUES ('o{order}', 'p{product}'); COMMIT"
            );
            postgres::execute(&self.services.database(), &sql);
        }
    }

    /// Somebody changes, removes and adds rows of the table.
    fn edit_table(&mut self) {
        let user = self.dice.below(USERS);
        let sql = format!(
            "UPDATE lists SET product = 'edited' WHERE list = 'history/u{user}' AND position = 1; \
             DELETE FROM lists WHERE list = 'bestsellers' AND position = {}; \
             INSERT INTO lists VALUES ('history/nobody', 1, 'p1', 1, now()), ('category/gone', 1, 'p2', NULL, now()) \
             ON CONFLICT DO NOTHING",
            self.dice.below(3) + 1
        );
        postgres::execute(&self.services.database(), &sql);
    }

    fn get(&self, path: &str) -> Value {
        let answer = http::get(&format!("{}{path}", self.address));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// The lists as the server answers with them.
    fn answers(&self, recommendations: bool) -> Copied {
        let mut lists = Copied::new();
        let products = |answer: &Value| -> Vec<(String, Option<u64>)> {
            let rows = answer["products"].as_array().expect("a list").iter();
            rows.map(|row| match row.as_str() {
                Some(product) => (product.to_owned(), None),
                None => (row["product"].as_str().expect("a product").to_owned(), row["buyers"].as_u64()),
            })
            .collect()
        };
        lists.insert("bestsellers".into(), products(&self.get("/v1/bestsellers")));
        for category in 0..CATEGORIES {
            let answer = self.get(&format!("/v1/categories/c{category}/bestsellers"));
            lists.insert(format!("category/c{category}"), products(&answer));
        }
        for user in 0..USERS {
            let history = products(&self.get(&format!("/v1/users/u{user}/history")));
            if recommendations && !history.is_empty() {
                let recommended = products(&self.get(&format!("/v1/users/u{user}/recommendations")));
                lists.insert(format!("recommendations/u{user}"), recommended);
            }
            lists.insert(format!("history/u{user}"), history);
        }
        lists.retain(|_, rows| !rows.is_empty());
        lists
    }

    fn table(&self) -> Copied {
        let mut lists = Copied::new();
        let sql = "SELECT list, product, value::bigint FROM lists ORDER BY list, position";
        for row in postgres::connect(&self.services.database()).query(sql, &[]).unwrap_or_default() {
            let (list, product, value): (String, String, Option<i64>) = (row.get(0), row.get(1), row.get(2));
            let value = value.map(i64::unsigned_abs).filter(|_| has_numbers(&list));
            lists.entry(list).or_default().push((product, value));
        }
        lists
    }

    fn topic(&self) -> Copied {
        let mut lists = Copied::new();
        for record in self.services.kafka.consume_all("lists") {
            let list = String::from_utf8(record.key).expect("a name");
            if record.payload.is_empty() {
                lists.remove(&list);
                continue;
            }
            let value: Value = serde_json::from_slice(&record.payload).expect("JSON");
            let rows = value["rows"].as_array().expect("rows").iter().map(|row| {
                let value = row["value"].as_u64().filter(|_| has_numbers(&list));
                (row["product"].as_str().expect("a product").to_owned(), value)
            });
            let rows = rows.collect();
            lists.insert(list, rows);
        }
        lists
    }

    fn wait_equal(&self, when: &str) {
        wait_until(SOON, &format!("the table has the lists {when}"), || self.table() == self.answers(true));
        wait_until(SOON, &format!("the topic has the lists {when}"), || self.topic() == self.answers(false));
    }

    fn sink(&self, kind: &str) -> Value {
        let status = self.get("/v1/status");
        let sinks = status["sinks"].as_array().expect("the sinks").iter();
        sinks.clone().find(|sink| sink["kind"] == kind).expect("it is configured").clone()
    }
}

/// Whether answers have the numbers of a list's rows.
fn has_numbers(list: &str) -> bool {
    list == "bestsellers" || list.starts_with("category/")
}

#[test]
fn copies_are_right_after_edits_by_hand_and_kills() {
    let mut shop = Shop::start();
    shop.trade();
    shop.serve();
    shop.wait_equal("at first");

    shop.edit_table();
    let stray = [r#"{"list":"history/nobody","as_of":1,"rows":[]}"#];
    // Where the copy puts these keys: a record in another partition is a stray, whose tombstone stays there.
    let producer = shop.services.kafka.producer(&[("partitioner", "murmur2_random")]);
    for key in ["history/nobody", "bestsellers"] {
        use rdkafka::producer::{BaseRecord, Producer as _};
        let record = BaseRecord::to("lists").key(key).payload(stray[0]);
        producer.send(record).expect("there is room");
        producer.flush(SOON).expect("the broker answers");
    }
    shop.wait_equal("after edits");
    wait_until(SOON, "the corrections are counted", || {
        ["kafka", "postgres"].iter().all(|kind| shop.sink(kind)["corrected"].as_u64() > Some(0))
    });

    for kill in 0..KILLS {
        shop.trade();
        // At another moment each time: sometimes before the first comparison.
        if kill % 2 == 0 {
            shop.wait_equal("before a kill");
            shop.trade();
        }
        shop.process.as_mut().expect("it runs").kill9();
        shop.edit_table();
        shop.trade();
        shop.serve();
    }
    shop.wait_equal("after kills");
    for kind in ["kafka", "postgres"] {
        let sink = shop.sink(kind);
        assert!(sink["follows"] == true && sink["reason"].is_null(), "{sink}");
    }

    postgres::execute(&shop.services.database(), "ALTER TABLE lists DROP COLUMN value");
    let details = || shop.get("/readyz")["details"].to_string();
    wait_until(SOON, "the missing column is named", || details().contains("ADD COLUMN \\\"value\\\" double precision"));
    postgres::execute(&shop.services.database(), "ALTER TABLE lists ADD COLUMN \"value\" double precision");
    shop.wait_equal("after the table was mended");
    wait_until(SOON, "nothing is wrong any more", || details() == "null");
    let process = shop.process.as_mut().expect("it runs");
    process.terminate();
    assert!(process.wait_exit(SOON).success());
    assert!(!process.stderr().contains("history/"), "logs have no ids of users");
}
