//! A first start on topics that keep a day and an archive that has the rest: its lists and features are those of a process
//! that has read everything.

use std::path::Path;

use harness::kafka::Broker;
use harness::{http, wait_until};
use rdkafka::producer::{BaseRecord, Producer as _};
use serde_json::Value;
use tempfile::TempDir;
use vitrine::clock::wall_ms;

use super::program::{SOON, ServeProcess, view};

const USERS: u64 = 9;
const PRODUCTS: u64 = 50;
const HOUR_MS: u64 = 3_600_000;

/// Events of many kinds. The events of a session are those of one user.
fn event(n: u64, at: u64) -> String {
    let kind = ["view", "view", "click", "view", "add_to_cart"][usize::try_from(n % 5).expect("a small number")];
    let (user, product) = (user(n), (n * n + n / 3) % PRODUCTS);
    let session = n / 100;
    format!(
        "{{\"messageid\":\"{n}\",\"user_id\":\"user-{user}\",\"product_id\":\"product-{product}\",\"event_type\":\"{kind}\",\
         \"timestamp\":{at},\"session_id\":\"{user}-{session}\"}}"
    )
}

fn user(n: u64) -> u64 {
    n * 7 % USERS
}

fn removal(n: u64, at: u64) -> String {
    format!(
        "{{\"event\":\"ProductRemoved\",\"userid\":\"user-{}\",\"properties\":{{\"productid\":\"product-{}\"}},\
         \"timestamp\":{at}}}",
        n % USERS,
        n * 3 % PRODUCTS
    )
}

/// Writes events number `first` to `first + count`, one a minute, into two partitions; every tenth is the one before it, sent
/// again.
fn produce(broker: &Broker, first: u64, count: u64, begun: u64) {
    let producer = broker.producer(&[]);
    let send = |topic: &str, partition: i32, at: u64, payload: &str| {
        let record =
            BaseRecord::<str, str>::to(topic).partition(partition).timestamp(at.cast_signed()).payload(payload);
        producer.send(record).expect("the queue has room");
    };
    for n in first..first + count {
        let number = if n % 10 == 9 { n - 1 } else { n };
        let at = begun + number * 60_000;
        send("views", i32::from(user(number) > 3), at, &event(number, at));
        if n % 20 == 0 {
            send("history-removals", 0, at, &removal(n, at));
        }
    }
    producer.flush(SOON).expect("the records are written");
}

fn serve(broker: &Broker, dir: &Path, name: &str, archive: &str) -> ServeProcess {
    ServeProcess::start(|port| {
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\nheader_timeout_ms = 60000\n[kafka]\nbrokers = \"{}\"\ndiscovery_s = 1\n[features]\nenabled = \"on\"\n{archive}",
            broker.bootstrap()
        );
        let path = dir.join(name);
        std::fs::write(&path, text).expect("the test's own file can be written");
        path
    })
}

/// All lists and features of all users, without the time of the answer.
fn lists(serving: &ServeProcess) -> Vec<(String, Value)> {
    let paths = (0..USERS + 1).flat_map(|user| {
        ["history", "recommendations", "features"].map(|list| format!("/v1/users/user-{user}/{list}"))
    });
    let answers = paths.map(|path| {
        let answer = serving.get(&path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let mut json = answer.json();
        json.as_object_mut().expect("an object").remove("as_of");
        (path, json)
    });
    answers.collect()
}

#[test]
fn a_first_start_shows_what_a_process_shows_that_read_everything() {
    let broker = Broker::start();
    let kept = [("retention.ms", "-1")];
    broker.create_topic_with("views", 2, &kept);
    broker.create_topic_with("history-removals", 1, &kept);
    let dir = TempDir::new().expect("a temporary directory");
    let begun = wall_ms() - 20 * HOUR_MS;
    produce(&broker, 0, 800, begun);
    let place = dir.path().join("archive");
    let archive = format!("[archive]\nto = {place:?}\nage_max_s = 1\n");
    let mut archiving = serve(&broker, dir.path(), "archiving.toml", &archive);
    archiving.wait_ready();
    wait_until(SOON, "all is in the archive", || {
        let status = archiving.get("/v1/status").json();
        let partitions = status["archive"]["partitions"].as_array().cloned().unwrap_or_default();
        partitions.len() == 3 && partitions.iter().all(|partition| partition["lag"] == 0)
    });
    archiving.process.terminate();
    archiving.process.wait_exit(SOON);
    let archived_to = broker.watermarks("views", 1).1;
    produce(&broker, 800, 300, begun);

    let mut everything = serve(&broker, dir.path(), "everything.toml", "");
    everything.wait_ready();
    let expected = lists(&everything);
    assert!(expected.iter().any(|(_, list)| list["products"].as_array().is_some_and(|list| list.len() == 10)));
    drop(everything);

    // One partition begins exactly where the archive ends, the others overlap with it.
    let truncated = [("views", 0, 200), ("views", 1, archived_to), ("history-removals", 0, 12)];
    truncated.iter().for_each(|(topic, partition, first_kept)| broker.truncate(topic, *partition, *first_kept));
    let mut alone = serve(&broker, dir.path(), "alone.toml", "");
    alone.wait_ready();
    assert!(lists(&alone) != expected, "the topics alone would do");
    drop(alone);

    let mut from_archive = serve(&broker, dir.path(), "from-archive.toml", &archive);
    from_archive.wait_ready();
    let found = lists(&from_archive);
    for ((path, expected), (_, found)) in expected.iter().zip(&found) {
        assert_eq!(found, expected, "{path}");
    }
    assert_eq!(http::get(&from_archive.url("/readyz")).status, 200);
}

#[test]
fn an_archive_that_cannot_be_written_is_named_and_changes_no_list() {
    let broker = Broker::start();
    broker.create_topic("views", 1);
    broker.create_topic("history-removals", 1);
    let dir = TempDir::new().expect("a temporary directory");
    // No directory can be made where a file is.
    let obstacle = dir.path().join("obstacle");
    std::fs::write(&obstacle, "").expect("a file");
    let archive = format!("[archive]\nto = {:?}\nage_max_s = 1\n", obstacle.join("archive"));
    let mut serving = serve(&broker, dir.path(), "obstacle.toml", &archive);
    serving.wait_ready();
    broker.produce("views", Some(0), [view("ada", "lamp"), view("ada", "chair")]);
    wait_until(SOON, "the views show", || serving.products("/v1/users/ada/history") == ["chair", "lamp"]);
    serving.wait_readyz(SOON, 200, "the archive is retrying: cannot ");
    let metric = |name: &str| {
        let text = serving.get("/metrics").text();
        let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).map(str::to_owned);
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
    };
    assert_eq!(metric("vitrine_archive_works"), Some(0.0));
    assert!(metric("vitrine_archive_failures_total") > Some(0.0));

    std::fs::remove_file(&obstacle).expect("the file is gone");
    wait_until(SOON, "everything is archived", || metric("vitrine_archive_records_total") == Some(2.0));
    wait_until(SOON, "nothing is wrong", || metric("vitrine_archive_works") == Some(1.0));
    assert!(!http::get(&serving.url("/readyz")).text().contains("archive"));
}
