//! A shop with copies of its lists in a topic and in a table: its services, its program, what others do with both.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use harness::{Dice, Process, Services, free_port, http, postgres, wait_until};
use rdkafka::producer::{BaseRecord, Producer as _};
use serde_json::{Value, json};

use crate::local_cluster;

/// More than anything here takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(120);

const USERS: usize = 25;
const PRODUCTS: usize = 40;
const CATEGORIES: usize = 4;

/// The directory of checkpoints, and the one in which an older state of it is kept.
const CHECKPOINTS: &str = "checkpoints";
const OLDER: &str = "older-checkpoints";

/// What the supervisor of a cluster logs when it has started the processes.
const STARTED: &str = "cluster: started ";

/// The lists that both copies have.
const LISTS: &str = r#"["bestsellers", "histories", "recommendations", "similar", "features"]"#;

const TABLES: &str = "
    CREATE TABLE products (product_id text PRIMARY KEY, category_id text);
    CREATE TABLE orders (order_id text PRIMARY KEY, user_id text, created_at timestamptz DEFAULT now());
    CREATE TABLE order_items (order_id text, product_id text, PRIMARY KEY (order_id, product_id));
    INSERT INTO products SELECT 'p' || n, 'c' || n % 4 FROM generate_series(0, 39) AS n;";

/// The lists: products in their order, and the numbers beside them where answers have numbers.
type Copied = BTreeMap<String, Vec<(String, Option<u64>)>>;

pub(crate) struct Shop {
    pub(crate) services: Services,
    config: PathBuf,
    /// The file with the addresses of a cluster's processes; none for a program that is no cluster.
    hosts: Option<PathBuf>,
    addresses: Vec<String>,
    /// The program, or the supervisor of a cluster.
    process: Option<Process>,
    dice: Dice,
    orders: usize,
}

impl Shop {
    /// A shop whose program runs as this number of processes.
    pub(crate) fn start(processes: usize) -> Shop {
        let services = Services::start();
        services.postgres.execute("CREATE DATABASE \"data-db\"");
        postgres::execute(&services.database(), TABLES);
        services.kafka.create_topic("views", 2);
        // So that it can be read before the first copy.
        services.kafka.create_topic_with("lists", 3, &[("cleanup.policy", "compact")]);
        let (brokers, database) = (services.kafka.bootstrap(), services.database());
        let ports: Vec<u16> = (0..processes).map(|_| free_port()).collect();
        let hosts = (processes > 1).then(|| local_cluster::write_hosts(services.dir(), &ports));
        let cluster = if processes > 1 { local_cluster::SETTINGS } else { "" };
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:{}\"\n\
             [kafka]\nbrokers = \"{brokers}\"\ndiscovery_s = 1\n\
             [kafka.client]\n\"reconnect.backoff.max.ms\" = \"500\"\n\
             [postgres]\nurl = \"{database}\"\n\
             [checkpoint]\ndir = {:?}\nevery_s = 1\n\
             [sinks.kafka]\ntopic = \"lists\"\npartitions = 3\ncompare_every_s = 2\nlists = {LISTS}\n\
             [sinks.postgres]\ntable = \"lists\"\ncompare_every_s = 2\nlists = {LISTS}\n\
             [models.co_views]\nenabled = \"on\"\n[features]\nenabled = \"on\"\n{cluster}",
            ports[0],
            services.dir().join(CHECKPOINTS)
        );
        let config = services.write("vitrine.toml", &text);
        let addresses = ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
        Shop { services, config, hosts, addresses, process: None, dice: Dice::new(17), orders: 0 }
    }

    /// Starts the program, and waits until it answers.
    pub(crate) fn serve(&mut self) {
        let process = match &self.hosts {
            Some(hosts) => local_cluster::supervise(&self.config, hosts, 1),
            None => {
                let mut command: Command = harness::clean(env!("CARGO_BIN_EXE_vitrine"));
                command.args(["serve", "--workers", "2", "--config"]).arg(&self.config);
                Process::spawn("vitrine", command)
            }
        };
        self.process = Some(process);
        self.wait_ready();
    }

    /// Waits until every process answers, and its lists are complete.
    pub(crate) fn wait_ready(&mut self) {
        let process = self.process.as_mut().expect("it was started");
        wait_until(SOON, "the server is ready", || {
            assert!(process.is_running(), "{}", process.stderr());
            self.addresses.iter().all(|address| {
                http::try_request("GET", &format!("{address}/readyz"), &[], b"").is_ok_and(|ready| ready.status == 200)
            })
        });
    }

    /// The program, or the supervisor of a cluster.
    pub(crate) fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it was started")
    }

    /// Ends the program in order.
    pub(crate) fn stop(&mut self) {
        self.process().terminate();
        assert!(self.process().wait_exit(SOON).success());
    }

    /// Adds sections to the configuration of the next start.
    pub(crate) fn add_settings(&self, sections: &str) {
        let mut file = fs::OpenOptions::new().append(true).open(&self.config).expect("the file is there");
        file.write_all(sections.as_bytes()).expect("the test's own file can be written");
    }

    /// A merchandising rule hides a product.
    pub(crate) fn hide(&self, product: &str) {
        let (url, rule) =
            (format!("{}/v1/rules/hidden", self.addresses[0]), json!({"rule": "hide", "product": product}));
        let answer = http::request("PUT", &url, &[("content-type", "application/json")], rule.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Ends the program in order, and keeps its checkpoints as they are then.
    pub(crate) fn stop_and_keep_checkpoints(&mut self) {
        self.stop();
        let dir = self.services.dir();
        let copied = Command::new("cp").arg("-r").args([dir.join(CHECKPOINTS), dir.join(OLDER)]).status();
        assert!(copied.expect("cp is there").success(), "the checkpoints are copied");
    }

    /// Puts the checkpoints that were kept into the place of the present ones. No program runs meanwhile.
    pub(crate) fn restore_kept_checkpoints(&self) {
        let (present, older) = (self.services.dir().join(CHECKPOINTS), self.services.dir().join(OLDER));
        fs::remove_dir_all(&present).expect("the test's own directory can be removed");
        fs::rename(older, present).expect("the test's own directory can be renamed");
    }

    /// Kills one process of a cluster: its supervisor starts all of them again.
    pub(crate) fn kill_process(&mut self, number: usize) {
        let log = self.process().stderr();
        let started = log.rsplit(STARTED).next().and_then(|rest| rest.lines().next()).unwrap_or_default();
        let pid = started.split_once(": ").and_then(|(_, pids)| pids.split_whitespace().nth(number));
        let killed = Command::new("kill").args(["-s", "KILL", pid.expect("it was started")]).status();
        assert!(killed.expect("kill is there").success(), "the process is there");
    }

    /// How often the processes of a cluster were started.
    pub(crate) fn starts(&mut self) -> usize {
        self.process().stderr().matches(STARTED).count()
    }

    /// Some users look at products, and some order.
    pub(crate) fn trade(&mut self) {
        self.view();
        self.order();
    }

    /// Some users look at products.
    pub(crate) fn view(&mut self) {
        let mut view = || {
            let (user, product) = (self.dice.below(USERS), self.dice.below(PRODUCTS));
            format!(r#"{{"user_id":"u{user}","product_id":"p{product}","event_type":"view"}}"#)
        };
        let views: Vec<String> = (0..20).map(|_| view()).collect();
        self.services.kafka.produce("views", None, &views);
    }

    /// Some users order.
    pub(crate) fn order(&mut self) {
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

    /// Somebody writes lists of nobody, and over some of the lists. The partitions are those of the copy: a record in another
    /// one is a stray, whose tombstone stays there.
    pub(crate) fn edit_topic(&self) {
        let producer = self.services.kafka.producer(&[("partitioner", "murmur2_random")]);
        let of_nobody =
            ["history/nobody", "recommendations/nobody", "features/user_product_views/nobody", "similar/gone"];
        let of_the_shop = ["bestsellers", "recommendations/u1", "features/user_last_interaction/u2", "similar/p3"];
        for key in of_nobody.into_iter().chain(of_the_shop) {
            let record = BaseRecord::to("lists").key(key).payload(r#"{"list":"history/nobody","as_of":1,"rows":[]}"#);
            producer.send(record).expect("there is room");
            producer.flush(SOON).expect("the broker answers");
        }
    }

    /// Somebody changes, removes and adds rows of the table.
    pub(crate) fn edit_table(&mut self) {
        let (user, product) = (self.dice.below(USERS), self.dice.below(PRODUCTS));
        let sql = format!(
            "UPDATE lists SET product = 'edited' WHERE list = 'history/u{user}' AND position = 1; \
             UPDATE lists SET value = value + 1 WHERE list = 'features/user_product_views/u{user}'; \
             DELETE FROM lists WHERE list IN ('recommendations/u{user}', 'similar/p{product}'); \
             DELETE FROM lists WHERE list = 'bestsellers' AND position = {}; \
             INSERT INTO lists SELECT unnest('{{history/nobody,recommendations/nobody,features/user_metadata/nobody, \
             similar/gone,category/gone}}'::text[]), 1, 'p1', 1, now() ON CONFLICT DO NOTHING",
            self.dice.below(3) + 1
        );
        postgres::execute(&self.services.database(), &sql);
    }

    /// The answer of the last process, which asks the others for their users.
    pub(crate) fn get(&self, path: &str) -> Value {
        let address = self.addresses.last().expect("there is a process");
        let answer = http::get(&format!("{address}{path}"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// The lists as the server answers with them.
    fn answers(&self) -> Copied {
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
            if !history.is_empty() {
                let recommended = products(&self.get(&format!("/v1/users/u{user}/recommendations")));
                lists.insert(format!("recommendations/u{user}"), recommended);
            }
            lists.insert(format!("history/u{user}"), history);
            lists.extend(features(user, &self.get(&format!("/v1/users/u{user}/features"))));
        }
        for product in 0..PRODUCTS {
            let answer = self.get(&format!("/v1/products/p{product}/similar?explain=true"));
            let rows = answer["explain"].as_array().expect("a reason for each product").iter();
            let rows = rows.map(|row| (row["product"].as_str().expect("a product").to_owned(), row["weight"].as_u64()));
            lists.insert(format!("similar/p{product}"), rows.collect());
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

    /// Waits until both copies are equal to the lists, row by row.
    pub(crate) fn wait_equal(&self, when: &str) {
        wait_until(SOON, &format!("the table has the lists {when}"), || self.table() == self.answers());
        wait_until(SOON, &format!("the topic has the lists {when}"), || self.topic() == self.answers());
    }

    /// The status of a copy, as the last process tells it.
    pub(crate) fn sink(&self, kind: &str) -> Value {
        let status = self.get("/v1/status");
        let sinks = status["sinks"].as_array().expect("the sinks").iter();
        sinks.clone().find(|sink| sink["kind"] == kind).expect("it is configured").clone()
    }
}

/// The features in an answer as lists, each with the greatest values first.
fn features(user: usize, answer: &Value) -> Copied {
    let rows = |feature: &str, value: &Value| -> Vec<(String, Option<u64>)> {
        if let Some(values) = value.as_object() {
            let mut rows: Vec<_> = values.iter().map(|(of, value)| (of.clone(), value.as_u64())).collect();
            rows.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
            return rows;
        }
        let at = value.as_str().filter(|_| feature == "user_last_interaction");
        let at = at.map(|at| chrono::DateTime::parse_from_rfc3339(at).expect("a time").timestamp_millis());
        at.map(|at| (String::new(), Some(at.unsigned_abs()))).into_iter().collect()
    };
    let fields = answer.as_object().expect("an object").iter();
    fields.map(|(feature, value)| (format!("features/{feature}/u{user}"), rows(feature, value))).collect()
}

/// Whether answers have the numbers of a list's rows.
fn has_numbers(list: &str) -> bool {
    !list.starts_with("history/") && !list.starts_with("recommendations/")
}
