//! A restore: another database server answers than the server that the rows came from. Lists made from its tables are
//! reported as old. After the new server is adopted, only the tables are read again: the histories, which no topic
//! holds any more, stay.

use std::path::{Path, PathBuf};

use harness::postgres::{Server, execute};
use harness::{Process, Services, wait_until};

use super::first_start::{TABLES, sellers};
use super::program::{SOON, ServeProcess, config_file, view};
use crate::vitrine;

const HISTORY: &str = "/v1/users/ada/history";
const SELLERS: &str = "/v1/bestsellers";

/// A configuration on that database.
fn config(services: &Services, database: &str, checkpoints: &Path, port: u16) -> PathBuf {
    let path = config_file(services, "another-server.toml", &["views"], port);
    let text = std::fs::read_to_string(&path).expect("the test's own file");
    let text = text.replace(&services.database(), database);
    let text = text + &format!("[checkpoint]\ndir = {checkpoints:?}\nevery_s = 1\n");
    std::fs::write(&path, text).expect("the test's own file can be written");
    path
}

/// Runs `vitrine postgres adopt`; what it said, and whether all was well.
fn adopt(config: &Path, more: &[&str]) -> (bool, String) {
    let config = config.to_str().expect("a temporary file has a plain name");
    let output = vitrine(&[&["postgres", "adopt", "--config", config], more].concat()).output().expect("it starts");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).expect("UTF-8"))
}

fn stop(process: &mut Process) {
    process.terminate();
    assert_eq!(process.wait_exit(SOON).code(), Some(0));
}

#[test]
fn a_restored_server_is_adopted_and_histories_stay() {
    let services = Services::start();
    execute(&services.postgres.url(), "CREATE DATABASE \"data-db\"");
    execute(&services.database(), TABLES);
    services.kafka.create_topic("views", 1);
    services.kafka.produce("views", Some(0), [view("ada", "lamp"), view("ada", "chair")]);
    let checkpoints = tempfile::tempdir().expect("a temporary directory");
    let mut serving = ServeProcess::start(|port| config(&services, &services.database(), checkpoints.path(), port));
    serving.wait_ready();
    assert_eq!(serving.products(HISTORY), ["chair", "lamp"]);
    assert_eq!(sellers(&serving), [("lamp".to_owned(), 2), ("chair".to_owned(), 1)]);
    stop(&mut serving.process);
    let url = serving.url("");
    services.kafka.truncate("views", 0, 2);

    // As after a restore from a dump, with one order less: another system identifier.
    let restored = Server::start();
    execute(&restored.url(), "CREATE DATABASE \"data-db\"");
    let database = restored.url_of("data-db");
    execute(&database, TABLES);
    execute(&database, "DELETE FROM order_items WHERE order_id = '1'; DELETE FROM orders WHERE order_id = '1'");
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let file = config(&services, &database, checkpoints.path(), port);
    let mut serving = ServeProcess::again(&file, &url);
    let message = serving.wait_readyz(SOON, 503, "another server than the rows came from");
    assert!(message.contains("vitrine postgres adopt") && !message.contains("empty"), "{message}");
    wait_until(SOON, "lists show", || serving.get(SELLERS).status == 200);
    assert_eq!(sellers(&serving), [("lamp".to_owned(), 2), ("chair".to_owned(), 1)], "the rows stay as they were");
    assert_eq!(serving.products(HISTORY), ["chair", "lamp"]);
    let (stopped_at, missing) = serving.age(SELLERS);
    assert_eq!(missing.as_deref(), Some("postgres"));
    wait_until(SOON, "histories are fresh, best sellers are not", || {
        let (as_of, missing) = serving.age(HISTORY);
        missing.is_none() && as_of > stopped_at + 2000
    });
    assert_eq!(serving.age(SELLERS).0, stopped_at);
    assert_eq!(serving.get(&format!("{SELLERS}?max_staleness_ms=1500")).status, 503);
    // On a busy machine one tick may take longer than that, but not all of them.
    wait_until(SOON, "histories are fresh enough", || {
        serving.get(&format!("{HISTORY}?max_staleness_ms=1500")).status == 200
    });
    serving.wait_readyz(SOON, 503, "lists made from postgres are as of 2");

    let (done, message) = adopt(&file, &["--system", "1"]);
    assert!(!done && message.contains("not 1: nothing was changed"), "{message}");
    let (done, message) = adopt(&file, &[]);
    assert!(done && message.contains("is adopted"), "{message}");
    wait_until(SOON, "the restored tables show", || {
        sellers(&serving) == [("chair".to_owned(), 1), ("lamp".to_owned(), 1)]
    });
    serving.wait_ready();
    assert_eq!(serving.age(SELLERS).1, None);
    assert_eq!(serving.products(HISTORY), ["chair", "lamp"], "histories stay");
    execute(
        &database,
        "INSERT INTO orders VALUES ('4', 'zoe', now()); INSERT INTO order_items VALUES ('4', 'lamp', 1)",
    );
    wait_until(SOON, "its log is followed", || sellers(&serving) == [("lamp".to_owned(), 2), ("chair".to_owned(), 1)]);
    stop(&mut serving.process);
    // Nothing has to be said again.
    let mut serving = ServeProcess::again(&file, &url);
    serving.wait_ready();
    assert_eq!(serving.products(HISTORY), ["chair", "lamp"]);
    stop(&mut serving.process);
}
