//! A cluster of two real processes on a real broker and a real database: each process answers for any user and accepts
//! the other's tokens. A single process continues from their checkpoint, and two processes continue from that process's
//! checkpoint. `tests/faults` tests killed and frozen processes.

mod program;

use std::path::Path;
use std::time::{Duration, Instant};

use harness::postgres::connect;
use harness::{Services, http, replace_file, wait_until};
use vitrine::clock::wall_ms;

use crate::client::Client;
use crate::expected_lists::ExpectedLists;
use crate::vitrine;
use program::{SOON, SupervisedCluster, alone, config_file, hosts_file, served_file};

const VIEWS: usize = 2000;

/// What `local_cluster::SETTINGS` say: after so long without a tick a process gives its peers up.
const STALL: Duration = Duration::from_secs(15);

/// The time SIGTERM may take to be obeyed.
const END_MAX: Duration = Duration::from_secs(90);

#[test]
fn two_processes_are_one() {
    let services = Services::start();
    let config = config_file(&services);
    generate(&config);
    let records = services.kafka.consume("views", VIEWS, SOON);
    let mut expected = ExpectedLists::work_out(&records, &mut connect(&services.database()));
    assert!(expected.histories.len() > 10 && expected.buyers.len() > 20, "there is something to compare");

    let (hosts, urls) = hosts_file(&services, 2);
    let mut cluster = SupervisedCluster::start(&config, &hosts, &urls);
    cluster.wait_ready();
    cluster.processes.iter().for_each(|process| expected.compare(process));
    tokens_are_good_anywhere(&cluster.processes);
    a_removal_through_any_process_shows_in_all(&mut expected, &cluster.processes);
    the_addresses_of_other_shops_are_passed_on_too(&expected, &cluster.processes);
    as_of_does_not_go_back(&expected, &cluster.processes);
    a_mark_that_cannot_be_raised_ends_nobody(&served_file(&services), &mut cluster);

    cluster.wait_checkpoint();
    cluster.supervisor.terminate();
    let status = cluster.supervisor.wait_exit(END_MAX);
    assert_eq!(status.code(), Some(0), "{}", cluster.supervisor.stderr());
    one_process_goes_on_alone(&config, &expected, &cluster.processes[0]);
    two_processes_go_on_from_one(&config, &hosts, &urls, &expected);
}

/// A checkpoint of two processes of one worker is gone on from by one of three.
fn one_process_goes_on_alone(config: &Path, expected: &ExpectedLists, client: &Client) {
    let mut process = alone(config, client);
    let now = wall_ms();
    wait_until(SOON, "it is ready", || {
        assert!(process.is_running(), "{}", process.stderr());
        client.is_ready(now)
    });
    assert!(process.stderr().contains("going on from a checkpoint"), "nothing was restored");
    expected.compare(client);
    process.terminate();
    assert_eq!(process.wait_exit(END_MAX).code(), Some(0), "{}", process.stderr());
}

/// The last checkpoint of a process of three workers, which it takes as it ends, is gone on from by two of one.
fn two_processes_go_on_from_one(config: &Path, hosts: &Path, urls: &[String], expected: &ExpectedLists) {
    let mut cluster = SupervisedCluster::start(config, hosts, urls);
    cluster.wait_ready();
    let message = cluster.supervisor.stderr();
    assert!(message.matches("going on from a checkpoint").count() >= 2, "not both have restored: {message}");
    cluster.processes.iter().for_each(|process| expected.compare(process));
}

fn generate(config: &Path) {
    let views = VIEWS.to_string();
    let sizes = ["--users", "40", "--products", "60", "--categories", "6", "--orders", "400", "--seed", "5"];
    let mut command = vitrine(&["generate", "--to", "services", "--config"]);
    command.arg(config);
    let output = command.args(["--views", &views]).args(sizes).output().expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn tokens_are_good_anywhere(processes: &[Client]) {
    for number in 0..20 {
        let (user, product) = (format!("poster-{number}"), format!("posted-{number}"));
        let properties = serde_json::json!({ "productid": product });
        let event = serde_json::json!({"event": "ProductView", "userid": user, "properties": properties});
        for (writer, reader) in [(0, 1), (1, 0)] {
            let url = processes[writer].url("/v1/events");
            let answer = http::post(&url, "application/json", event.to_string());
            assert_eq!(answer.status, 202, "{}", answer.text());
            let token = answer.json()["token"].as_str().expect("a token").to_owned();
            let path = format!("/v1/users/{user}/history?after={token}");
            assert_eq!(processes[reader].products(&path), [product.as_str()]);
        }
    }
}

fn a_removal_through_any_process_shows_in_all(expected: &mut ExpectedLists, processes: &[Client]) {
    let several = expected.histories.iter_mut().filter(|(_, history)| history.len() >= 3).take(6);
    let mut removed = 0;
    for (number, (user, history)) in several.enumerate() {
        let (product, _) = history.remove(1);
        let path = format!("/v1/users/{user}/history/{product}");
        let (asked, other) = (&processes[number % 2], &processes[(number + 1) % 2]);
        let answer = http::delete(&asked.url(&path));
        assert_eq!(answer.status, 204, "{}", answer.text());
        let path = format!("/v1/users/{user}/history");
        assert!(!asked.products(&path).contains(&product), "{product} is still there");
        assert!(!other.products(&path).contains(&product), "{product} is still there in the other process");
        removed += 1;
    }
    assert!(removed >= 4, "both processes removed something of their own users and of the other's");
}

fn the_addresses_of_other_shops_are_passed_on_too(expected: &ExpectedLists, processes: &[Client]) {
    for (user, _) in expected.histories.iter().take(10) {
        let expected = processes[0].products(&format!("/v1/users/{user}/history"));
        for process in processes {
            let url = process.url("/api/v1/user_nav_history_latest_products/");
            let answer = http::request("GET", &url, &[("user-id", user)], b"").json();
            assert_eq!(answer["products"], serde_json::json!(expected), "{user}");
        }
    }
}

/// Each process's answers, its own and those it asked for, are of one timeline.
fn as_of_does_not_go_back(expected: &ExpectedLists, processes: &[Client]) {
    for process in processes {
        let mut latest = String::new();
        for (user, _) in expected.histories.iter().cycle().take(200) {
            for path in [format!("/v1/users/{user}/history"), "/v1/bestsellers".to_owned()] {
                let answer = process.get(&path).json();
                let as_of = answer["as_of"].as_str().expect("an instant").to_owned();
                assert!(as_of >= latest, "time went back from {latest} to {as_of}");
                latest = as_of;
            }
        }
    }
}

/// The directory of checkpoints fails: answers stand still, and no process takes the other for frozen.
fn a_mark_that_cannot_be_raised_ends_nobody(mark: &Path, cluster: &mut SupervisedCluster) {
    let content = std::fs::read(mark).expect("what was answered is noted");
    std::fs::remove_file(mark).and_then(|()| std::fs::create_dir(mark)).expect("the test's own directory");
    let first = &cluster.processes[0];
    wait_until(SOON, "it is told", || first.get("/readyz").text().contains("cannot be noted"));
    let since = Instant::now();
    wait_until(SOON, "more than the time of a standstill passes", || {
        cluster.processes.iter().for_each(|process| assert_eq!(process.get("/livez").status, 200));
        since.elapsed() > 2 * STALL
    });
    std::fs::remove_dir(mark).expect("the test's own directory");
    replace_file(mark, content);
    cluster.wait_ready();
    let message = cluster.supervisor.stderr();
    assert!(!message.contains("no tick has closed"), "{message}");
}
