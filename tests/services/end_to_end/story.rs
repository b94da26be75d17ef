//! One long story on one pair of services.

use std::path::PathBuf;
use std::time::Duration;

use harness::{Services, free_port, http, postgres::connect, wait_until};
use serde_json::Value;
use vitrine::clock::wall_ms;

use super::failures;
use super::load::RequestLoad;
use super::program::{SOON, ServeProcess, config_file, view};
use crate::expected_lists::ExpectedLists;
use crate::vitrine;

const VIEWS: usize = 3000;
/// The time SIGTERM may take to be obeyed.
const END_MAX: Duration = Duration::from_secs(60);

#[test]
fn from_kafka_and_postgres_to_answers_through_every_failure() {
    let mut services = Services::start();
    generate(&services);
    let records = services.kafka.consume("views", VIEWS, SOON);
    let mut expected = ExpectedLists::work_out(&records, &mut connect(&services.database()));
    assert!(expected.histories.len() > 10 && expected.buyers.len() > 20, "there is something to compare");

    let (path, url) = config(&services);
    let mut serving = ServeProcess::again(&path, &url);
    serving.wait_ready();
    expected.compare(&serving);

    serving = a_removal_outlives_a_kill(&mut expected, serving, || ServeProcess::again(&path, &url));
    expected.compare(&serving);
    a_posted_view_is_shown_after_its_token(&serving);
    the_longest_event_is_shown_and_a_longer_one_stops_its_request(&serving);
    a_malformed_record_becomes_a_letter(&services, &serving);
    an_order_comes_and_goes(&services, &serving);
    failures::a_missing_topic_is_named_and_picked_up(&services);
    failures::a_killed_broker_is_said_and_waited_for(&mut services, &mut serving);
    failures::a_killed_database_is_said_and_waited_for(&mut services, &mut serving);
    it_ends_in_order_under_load(serving);
}

/// The configuration, and the URL that a server with it listens on, also after a restart.
fn config(services: &Services) -> (PathBuf, String) {
    let port = free_port();
    (config_file(services, "vitrine.toml", &["views"], port), format!("http://127.0.0.1:{port}"))
}

fn generate(services: &Services) {
    let config = config_file(services, "generate.toml", &["views"], 0);
    let config = config.to_str().expect("a temporary file has a plain name");
    let views = VIEWS.to_string();
    let sizes = ["--users", "40", "--products", "60", "--categories", "6", "--orders", "400", "--seed", "3"];
    let mut command = vitrine(&["generate", "--to", "services", "--config", config, "--views", &views]);
    let output = command.args(sizes).output().expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Killed right after the 204, before anything else could have been written.
fn a_removal_outlives_a_kill(
    expected: &mut ExpectedLists,
    mut serving: ServeProcess,
    again: impl Fn() -> ServeProcess,
) -> ServeProcess {
    let found = expected.histories.iter_mut().find(|(_, history)| history.len() >= 3);
    let (user, history) = found.expect("somebody viewed several products");
    let product = history[1].0.clone();
    let path = format!("/v1/users/{user}/history/{product}");
    assert_eq!(http::delete(&serving.url(&path)).status, 204);
    serving.process.kill9();
    let mut serving = again();
    serving.wait_ready();
    let shown = serving.products(&format!("/v1/users/{user}/history"));
    assert!(!shown.contains(&product), "{product} is back in {shown:?}");
    assert_eq!(http::delete(&serving.url(&path)).status, 404);
    history.remove(1);
    serving
}

fn a_posted_view_is_shown_after_its_token(serving: &ServeProcess) {
    for number in 0..20 {
        let product = format!("posted-{number}");
        let token = serving.post_view("poster", &product);
        let shown = serving.products(&format!("/v1/users/poster/history?after={token}"));
        assert_eq!(shown[0], product);
    }
}

fn a_malformed_record_becomes_a_letter(services: &Services, serving: &ServeProcess) {
    let (_, offset) = services.kafka.watermarks("views", 1);
    services.kafka.produce("views", Some(1), [b"{\"event\":\"ProductView\",\"userid\":\xff}".as_slice()]);
    services.kafka.produce("views", Some(1), [super::program::view("after-malformed", "mug")]);
    wait_until(SOON, "the stream goes on", || serving.products("/v1/users/after-malformed/history") == ["mug"]);
    let letters = services.kafka.consume("dead-letters", 1, SOON);
    let letter: Value = serde_json::from_slice(&letters[0].payload).expect("a letter is JSON");
    assert_eq!((&letter["stream"], &letter["partition"]), (&Value::from("views"), &Value::from(1)));
    assert_eq!((&letter["offset"], &letter["reason"]), (&Value::from(offset), &Value::from("not_utf8")));
    wait_until(SOON, "the letter is counted", || {
        serving.get("/v1/status").json()["dead_letters"] == serde_json::json!({"not_utf8": 1})
    });
}

fn the_longest_event_is_shown_and_a_longer_one_stops_its_request(serving: &ServeProcess) {
    let post = |body: &str| http::post(&serving.url("/v1/events"), "application/x-ndjson", body);
    // As long as an event may be, by a field that nobody reads.
    let padded = |event: &str| {
        let open = event.strip_suffix('}').expect("an object");
        let padding = "x".repeat((1 << 20) - event.len() - r#","padding":"""#.len());
        format!(r#"{open},"padding":"{padding}"}}"#)
    };
    let history = "/v1/users/long-winded/history";
    // Without a time, which is added to it.
    let refused = post(&format!("{}\n{}", view("long-winded", "mug"), padded(&view("long-winded", "never"))));
    assert_eq!((refused.status, &refused.json()["index"]), (422, &Value::from(1)), "{}", refused.text());
    let dated = view("long-winded", "tray").replacen('{', &format!("{{\"timestamp\":{},", wall_ms()), 1);
    let taken = post(&padded(&dated));
    assert_eq!(taken.status, 202, "{}", taken.text());
    let token = taken.json()["token"].as_str().expect("a token").to_owned();
    assert_eq!(serving.products(&format!("{history}?after={token}")), ["tray"]);
}

fn an_order_comes_and_goes(services: &Services, serving: &ServeProcess) {
    let mut client = connect(&services.database());
    let buyers = || {
        let answer = serving.get("/v1/categories/one-of-its-own/bestsellers");
        (answer.status == 200).then(|| answer.json()["products"][0]["buyers"].as_i64())
    };
    let rows = "INSERT INTO products (product_id, category_id) VALUES ('lamp', 'one-of-its-own');
        INSERT INTO orders (order_id, user_id, created_at) VALUES ('x1', 'u1', now()), ('x2', 'u2', now());
        INSERT INTO order_items (order_id, product_id, quantity) VALUES ('x1', 'lamp', 1), ('x2', 'lamp', 2)";
    client.batch_execute(rows).expect("the rows are valid");
    wait_until(SOON, "two buyers are shown", || buyers() == Some(Some(2)));
    client.batch_execute("DELETE FROM order_items WHERE order_id = 'x2'").expect("the statement is valid");
    wait_until(SOON, "one buyer is left", || buyers() == Some(Some(1)));
    client.batch_execute("DELETE FROM orders WHERE order_id = 'x1'").expect("the statement is valid");
    wait_until(SOON, "none is left", || buyers() == Some(None));
    client.batch_execute("DELETE FROM products WHERE product_id = 'lamp'").expect("the statement is valid");
    wait_until(SOON, "the category is forgotten", || buyers().is_none());
}

fn it_ends_in_order_under_load(mut serving: ServeProcess) {
    let load = RequestLoad::on(serving.url("/v1/bestsellers"));
    wait_until(SOON, "requests are answered", || load.answered() > 100);
    serving.process.terminate();
    let status = serving.process.wait_exit(END_MAX);
    assert_eq!(status.code(), Some(0), "{}", serving.process.stderr());
    let statuses = load.stop();
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
}
