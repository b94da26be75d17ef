//! Services that are missing, killed and brought back: said by name, waited for, and answered on meanwhile.

use std::time::Duration;

use harness::{free_port, http, wait_until};
use serde_json::Value;

use crate::program::{SOON, Services, Serving, view};

/// A missing topic is named within this.
const NAMED_MAX: Duration = Duration::from_secs(10);

pub(crate) fn a_missing_topic_is_named_and_picked_up(services: &Services) {
    let config = |port| services.config("missing-topic.toml", &["views", "made-later"], port);
    let mut serving = Serving::start(config);
    let said = serving.wait_readyz(NAMED_MAX, 503, "made-later");
    assert!(said.contains("does not exist"), "{said}");
    wait_until(SOON, "the other topic is read meanwhile", || !serving.products("/v1/users/poster/history").is_empty());
    assert_eq!(services.kafka.partitions("made-later"), 0, "reading makes no topic");

    services.kafka.create_topic("made-later", 2);
    services.kafka.produce("made-later", Some(1), [view("late-comer", "mug")]);
    wait_until(SOON, "its views are shown", || serving.products("/v1/users/late-comer/history") == ["mug"]);
    serving.wait_ready();
}

pub(crate) fn a_killed_broker_is_said_and_waited_for(services: &mut Services, serving: &mut Serving) {
    let history = "/v1/users/poster/history";
    let before = serving.products(history);
    services.kafka.kill9();
    serving.wait_readyz(SOON, 503, "kafka");
    assert_eq!(serving.products(history), before, "answers go on");
    assert_eq!(serving.get("/livez").status, 200);
    let posted = http::post(&serving.url("/v1/events"), "application/json", view("poster", "lost"));
    assert_eq!(posted.status, 503, "{}", posted.text());
    let removed = http::delete(&serving.url(&format!("{history}/{}", before[0])));
    assert_eq!(removed.status, 503, "{}", removed.text());

    services.kafka.restart();
    serving.wait_ready();
    services.kafka.produce("views", Some(0), [view("back-again", "mug")]);
    wait_until(SOON, "new events are shown", || serving.products("/v1/users/back-again/history") == ["mug"]);
    let token = serving.post_view("back-again", "tray");
    assert_eq!(serving.products(&format!("/v1/users/back-again/history?after={token}")), ["tray", "mug"]);
}

pub(crate) fn a_killed_database_is_said_and_waited_for(services: &mut Services, serving: &mut Serving) {
    let sellers = |serving: &Serving| serving.get("/v1/bestsellers").json()["products"].clone();
    let before = sellers(serving);
    services.postgres.kill9();
    serving.wait_readyz(SOON, 503, "postgres");
    assert_eq!(sellers(serving), before, "answers go on");
    services.postgres.restart();
    serving.wait_ready();
    assert_eq!(sellers(serving), before);
}

pub(crate) fn what_a_letter_is_owed_for_is_read_again(services: &Services) {
    // Nothing can be acknowledged by two replicas where there is one.
    services.kafka.create_topic_with("late-letters", 1, &[("min.insync.replicas", "2")]);
    services.kafka.create_topic("lettered", 1);
    let (port, kept) = (free_port(), tempfile::tempdir().expect("a temporary directory"));
    let config = services.config("lettered.toml", &["lettered"], port);
    let text = std::fs::read_to_string(&config).expect("it was just written");
    let text = text.replace("discovery_s = 1", "discovery_s = 1\ndead_letters = \"late-letters\"");
    let text = format!("{text}[checkpoint]\ndir = {:?}\nevery_s = 1\n", kept.path().join("checkpoints"));
    std::fs::write(&config, text).expect("the test's own file can be written");
    let url = format!("http://127.0.0.1:{port}");
    let mut serving = Serving::again(&config, &url);
    serving.wait_readyz(SOON, 200, "");
    services.kafka.produce("lettered", Some(0), [b"no event".to_vec(), view("lettered", "mug").into()]);
    wait_until(SOON, "the stream goes on", || serving.products("/v1/users/lettered/history") == ["mug"]);
    wait_until(SOON, "checkpoints wait for the letter", || {
        let failure = serving.get("/v1/status").json()["checkpoint"]["failure"].clone();
        failure.as_str().is_some_and(|failure| failure.contains("dead letters"))
    });
    serving.process.kill9();

    services.kafka.delete_topic("late-letters");
    services.kafka.create_topic("late-letters", 1);
    let _serving = Serving::again(&config, &url);
    let letters = services.kafka.consume("late-letters", 1, SOON);
    let letter: Value = serde_json::from_slice(&letters[0].payload).expect("a letter is JSON");
    assert_eq!((&letter["stream"], &letter["offset"]), (&Value::from("lettered"), &Value::from(0)));
}
