//! The program is killed at random moments, killed right after deletes that it acknowledged, and asked to end under
//! load.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use harness::Services;
use harness::http;
use serde_json::Value;

use crate::SOON;
use crate::load::{pause, product, view};
use crate::report::Report;
use crate::resumed::newest;
use crate::testbed::{Testbed, seconds};

/// Deletes before one kill.
const DELETES: usize = 12;
/// A kill comes this soon after the deletes it follows.
const KILLED_MAX: Duration = Duration::from_millis(50);
/// The time SIGTERM may take to be obeyed.
const END_MAX: Duration = Duration::from_secs(45);

/// Killed under load, some of the times while it is still starting.
pub(crate) fn vitrine(services: &Services, report: &mut Report, times: usize) {
    let mut testbed = Testbed::open(services, "kill-vitrine");
    for number in 0..times {
        let while_starting = number % 4 == 3;
        if while_starting {
            testbed.kill();
            testbed.start_again();
        }
        let while_ms = if while_starting { 400 } else { seconds(3) };
        testbed.let_run(while_ms);
        testbed.kill();
        testbed.start_again();
        let (summary, differences) = testbed.settle(services);
        let kind = if while_starting { "killed while it started" } else { "killed" };
        report.fault(&format!("{kind}, {summary}"), differences);
    }
}

/// Killed within 50 ms after deletes were acknowledged: none of them may be undone.
pub(crate) fn after_deletes(services: &Services, report: &mut Report, times: usize) {
    let mut testbed = Testbed::open(services, "delete-kill");
    let mut deleted = 0;
    let mut round = 0;
    while deleted < times {
        round += 1;
        // Users whom nobody else touches.
        let users: Vec<String> =
            (0..DELETES.min(times - deleted)).map(|number| format!("d-{round}-{number}")).collect();
        let products = [product(round), product(round + 1), product(round + 2)];
        let events: Vec<Value> = users
            .iter()
            .flat_map(|user| products.iter().map(move |product| view(user, product, &format!("{user}-{product}"))))
            .collect();
        let posted = http::post(&testbed.start.url("/v1/events"), "application/json", Value::from(events).to_string());
        let token = posted.json()["token"].as_str().unwrap_or_else(|| panic!("{}", posted.text())).to_owned();
        for user in &users {
            let shown = testbed.start.get(&format!("/v1/users/{user}/history?after={token}")).expect("it runs");
            assert_eq!(shown.json()["products"].as_array().map(Vec::len), Some(products.len()), "{}", shown.text());
        }
        testbed.let_run(seconds(2));
        let (acknowledged, in_time) = delete_and_kill(&mut testbed, &users, &products[1]);
        deleted += in_time;
        testbed.start_again();
        let (summary, mut differences) = testbed.settle_with(services, &users);
        for user in &acknowledged {
            let path = format!("/v1/users/{user}/history");
            let shown = testbed.start.get(&path).map(|answer| answer.text()).unwrap_or_default();
            if shown.contains(&format!("\"{}\"", products[1])) || !shown.contains(&format!("\"{}\"", products[0])) {
                differences.push(format!("{path} is {shown} after {} was removed", products[1]));
            }
        }
        let killed = format!("killed within 50 ms of {in_time} acknowledged deletes ({deleted} in all)");
        report.fault(&format!("{killed}, {summary}"), differences);
    }
}

/// Deletes the product of every user at the same time, and kills at a random moment after the first answer. Returns the
/// users whose delete was answered with 204, and how many of them were within the bound before the kill.
fn delete_and_kill(testbed: &mut Testbed, users: &[String], product: &str) -> (Vec<String>, usize) {
    let (answered, answers) = channel();
    let delay = Duration::from_millis(testbed.rng.below(KILLED_MAX.as_millis() as usize) as u64);
    std::thread::scope(|scope| {
        for user in users {
            let (url, answered) = (testbed.start.url(&format!("/v1/users/{user}/history/{product}")), answered.clone());
            scope.spawn(move || {
                let status = http::try_request("DELETE", &url, &[], b"").map_or(0, |answer| answer.status);
                answered.send((user.clone(), status, Instant::now())).expect("answers are taken until the last one");
            });
        }
        drop(answered);
        let first = answers.recv_timeout(SOON).expect("a delete is answered");
        pause(delay);
        let killed = Instant::now();
        testbed.kill();
        let all = std::iter::once(first).chain(answers.iter());
        let acknowledged: Vec<(String, Instant)> =
            all.filter(|(_, status, _)| *status == 204).map(|(user, _, at)| (user, at)).collect();
        let in_time = acknowledged.iter().filter(|(_, at)| killed.saturating_duration_since(*at) <= KILLED_MAX).count();
        (acknowledged.into_iter().map(|(user, _)| user).collect(), in_time)
    })
}

/// Asked to end in order under load.
pub(crate) fn terminated(services: &Services, report: &mut Report, times: usize) {
    let mut testbed = Testbed::open(services, "sigterm");
    for _ in 0..times {
        testbed.let_run(seconds(3));
        let shown = testbed.start.status().and_then(|status| status["as_of_ms"].as_u64());
        let asked = Instant::now();
        testbed.program.processes[0].terminate();
        let status = testbed.program.processes[0].wait_exit(SOON);
        let took = asked.elapsed();
        let mut ended = Vec::new();
        if status.code() != Some(0) || took > END_MAX {
            ended.push(format!("it ended with {status} after {took:?}: {}", testbed.program.last_lines()));
        }
        // The next start goes on from there, which is looked at with everything else.
        let last = newest(&testbed.checkpoints());
        if shown.is_none() || last < shown {
            ended.push(format!("{shown:?} was shown before, and the last checkpoint is of {last:?}"));
        }
        testbed.start_again();
        let (summary, differences) = testbed.settle(services);
        ended.extend(differences);
        report.fault(&format!("ended in {} ms, {summary}", took.as_millis()), ended);
    }
}
