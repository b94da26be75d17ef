//! Services that are missing, killed and brought back: the program names them, waits for them, and answers meanwhile.

use harness::{Services, http, wait_until};

use super::program::{SOON, ServeProcess, config_file, view};

pub(crate) fn a_missing_topic_is_named_and_picked_up(services: &Services) {
    let config = |port| config_file(services, "missing-topic.toml", &["views", "made-later"], port);
    let mut serving = ServeProcess::start(config);
    let message = serving.wait_readyz(SOON, 503, "made-later");
    assert!(message.contains("does not exist"), "{message}");
    wait_until(SOON, "the other topic is read meanwhile", || !serving.products("/v1/users/poster/history").is_empty());
    assert_eq!(services.kafka.partitions("made-later"), 0, "reading makes no topic");

    services.kafka.create_topic("made-later", 2);
    services.kafka.produce("made-later", Some(1), [view("late-comer", "mug")]);
    wait_until(SOON, "its views are shown", || serving.products("/v1/users/late-comer/history") == ["mug"]);
    serving.wait_ready();
}

pub(crate) fn a_killed_broker_is_said_and_waited_for(services: &mut Services, serving: &mut ServeProcess) {
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

pub(crate) fn a_killed_database_is_said_and_waited_for(services: &mut Services, serving: &mut ServeProcess) {
    let sellers = |serving: &ServeProcess| serving.get("/v1/bestsellers").json()["products"].clone();
    let before = sellers(serving);
    services.postgres.kill9();
    serving.wait_readyz(SOON, 503, "postgres");
    assert_eq!(sellers(serving), before, "answers go on");
    services.postgres.restart();
    serving.wait_ready();
    assert_eq!(sellers(serving), before);
}
