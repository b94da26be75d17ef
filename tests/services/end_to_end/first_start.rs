//! A first start without one of the sources: lists of the other source are shown and fresh, and every list names the
//! missing source. Records that arrive later count, and no `as_of` goes back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness::postgres::execute;
use harness::{Services, http, wait_for, wait_until};
use vitrine::clock::wall_ms;

use super::program::{SOON, ServeProcess, config_file, view};

const HISTORY: &str = "/v1/users/ada/history";
const SELLERS: &str = "/v1/bestsellers";
const RECOMMENDED: &str = "/v1/users/ada/recommendations";
const LISTS: [&str; 3] = [HISTORY, SELLERS, RECOMMENDED];

pub(crate) const TABLES: &str = "
    CREATE TABLE products (product_id text PRIMARY KEY, category_id text);
    CREATE TABLE orders (order_id text PRIMARY KEY, user_id text, created_at timestamptz);
    CREATE TABLE order_items (order_id text, product_id text, quantity int, PRIMARY KEY (order_id, product_id));
    INSERT INTO products VALUES ('lamp', 'light'), ('chair', 'seat');
    INSERT INTO orders VALUES ('1', 'bob', now() - interval '3 days'), ('2', 'eve', now());
    INSERT INTO order_items VALUES ('1', 'lamp', 1), ('2', 'lamp', 1), ('2', 'chair', 1);";

/// Products with their buyers, first to last.
#[track_caller]
pub(crate) fn sellers(serving: &ServeProcess) -> Vec<(String, u64)> {
    let answer = serving.get(SELLERS);
    let list = answer.json()["products"].as_array().cloned().unwrap_or_default();
    let seller = |row: &serde_json::Value| {
        (row["product"].as_str().unwrap_or_default().to_owned(), row["buyers"].as_u64().unwrap_or_default())
    };
    list.iter().map(seller).collect()
}

/// Watches that times do not go back.
#[derive(Default)]
struct Times(BTreeMap<&'static str, u64>);

impl Times {
    #[track_caller]
    fn look(&mut self, serving: &ServeProcess) {
        for path in LISTS {
            let answer = serving.get(path);
            if answer.status == 200 {
                let (as_of, _) = serving.age(path);
                let before = self.0.insert(path, as_of).unwrap_or_default();
                assert!(as_of >= before, "{path} went back from {before} to {as_of}");
            }
        }
    }
}

#[test]
fn a_broker_that_was_never_reached_holds_no_list_of_the_shop_back() {
    let mut services = Services::start();
    execute(&services.postgres.url(), "CREATE DATABASE \"data-db\"");
    execute(&services.database(), TABLES);
    services.kafka.create_topic("views", 2);
    let hour_ago = i64::try_from(wall_ms()).expect("a time") - 3_600_000;
    services.kafka.produce_at("views", Some(0), hour_ago, [view("ada", "lamp"), view("ada", "chair")]);
    services.kafka.stop();
    let started = wall_ms();
    let checkpoints = tempfile::tempdir().expect("a temporary directory");
    let mut file = PathBuf::new();
    let mut serving = ServeProcess::start(|port| {
        file = with_checkpoints(&services, checkpoints.path(), port);
        file.clone()
    });
    let mut times = Times::default();
    let early = wait_for(SOON, "it answers", || http::try_request("GET", &serving.url(SELLERS), &[], b"").ok());
    if early.status != 200 {
        assert!(early.status == 503 && early.text().contains(":starting"), "{}", early.text());
    }
    let lamp_first = [("lamp".to_owned(), 2), ("chair".to_owned(), 1)];
    wait_until(SOON, "the best sellers show", || sellers(&serving) == lamp_first);
    let message = serving.wait_readyz(SOON, 503, "kafka is retrying");
    assert!(!message.contains("ms old"), "{message}");
    serving.wait_readyz(SOON, 503, "lists made from kafka are as of 2");

    let (as_of, missing) = serving.age(SELLERS);
    assert!(as_of >= started && missing.is_none(), "{as_of} {missing:?}");
    for path in [HISTORY, RECOMMENDED] {
        let (as_of, missing) = serving.age(path);
        assert!(as_of >= started, "{path} is as of {as_of}, before the start at {started}");
        assert_eq!(missing.as_deref(), Some("kafka"), "{path}");
    }
    assert_eq!(serving.products(HISTORY), [""; 0]);
    assert_eq!(serving.products(RECOMMENDED), ["lamp", "chair"]);
    // Time goes on for the one, and not for the other.
    wait_until(SOON, "histories are told to be old", || {
        times.look(&serving);
        serving.get(&format!("{HISTORY}?max_staleness_ms=2000")).status == 503
    });
    // On a busy machine one tick may take longer than that, but not all of them.
    wait_until(SOON, "best sellers are fresh enough", || {
        serving.get(&format!("{SELLERS}?max_staleness_ms=2000")).status == 200
    });
    let order = "INSERT INTO orders VALUES ('3', 'zoe', now()); INSERT INTO order_items VALUES ('3', 'chair', 1), ('3', 'lamp', 1)";
    execute(&services.database(), order);
    let three = [("lamp".to_owned(), 3), ("chair".to_owned(), 2)];
    wait_until(SOON, "an order shows", || sellers(&serving) == three);

    // The next process knows no more of the broker, and answers no older.
    let status = |serving: &ServeProcess| serving.get("/v1/status").json();
    wait_until(SOON, "a checkpoint is taken", || status(&serving)["checkpoint"]["taken"].as_u64() > Some(1));
    let before = times.0.clone();
    serving.process.kill9();
    let url = serving.url("");
    let mut serving = ServeProcess::again(&file, &url);
    wait_for(SOON, "it answers", || http::try_request("GET", &serving.url("/livez"), &[], b"").ok());
    wait_until(SOON, "the best sellers show again", || {
        times.look(&serving);
        serving.get(SELLERS).status == 200
    });
    assert_eq!(sellers(&serving), three);
    let (as_of, missing) = serving.age(SELLERS);
    assert!(as_of >= before[SELLERS] && missing.is_none(), "{as_of} {missing:?}");

    services.kafka.restart();
    the_views_show_and_no_time_goes_back(&mut serving, &mut times);
}

/// A configuration that keeps checkpoints.
fn with_checkpoints(services: &Services, dir: &Path, port: u16) -> PathBuf {
    let path = config_file(services, "first-start.toml", &["views"], port);
    let mut text = std::fs::read_to_string(&path).expect("the test's own file");
    text += &format!("[checkpoint]\ndir = {dir:?}\nevery_s = 1\n");
    std::fs::write(&path, text).expect("the test's own file can be written");
    path
}

/// What is an hour old counts, and no time goes back for it.
fn the_views_show_and_no_time_goes_back(serving: &mut ServeProcess, times: &mut Times) {
    wait_until(SOON, "the views show", || {
        times.look(serving);
        serving.products(HISTORY) == ["chair", "lamp"]
    });
    wait_until(SOON, "all is fresh", || {
        times.look(serving);
        LISTS.iter().all(|path| serving.age(path).1.is_none())
            && serving.get(&format!("{HISTORY}?max_staleness_ms=2000")).status == 200
    });
    serving.wait_ready();
    times.look(serving);
}

#[test]
fn with_all_sources_away_every_list_says_so() {
    let dead = || format!("127.0.0.1:{}", harness::free_port());
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("vitrine.toml");
    let (started, broker, database) = (wall_ms(), dead(), dead());
    let mut serving = ServeProcess::start(|port| {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n[kafka]\nbrokers = \"{broker}\"\n[postgres]\nurl = \"postgresql://postgres@{database}/shop\"\n"
        );
        std::fs::write(&path, text).expect("the test's own file can be written");
        path.clone()
    });
    serving.wait_readyz(SOON, 503, "kafka is retrying");
    serving.wait_readyz(SOON, 503, "postgres is retrying");
    wait_until(SOON, "it answers with what it has, nothing", || serving.get(SELLERS).status == 200);
    for (list, lacks) in LISTS.into_iter().zip(["kafka", "postgres", "kafka, postgres"]) {
        let (as_of, missing) = serving.age(list);
        assert!(as_of >= started, "{list} is as of {as_of}");
        assert_eq!(missing.as_deref(), Some(lacks), "{list}");
        let old = format!("{list}?max_staleness_ms=500");
        wait_until(SOON, "it is told to be old", || {
            serving.get(&old).text().contains(&format!("lacks what {lacks} has"))
        });
    }
}
