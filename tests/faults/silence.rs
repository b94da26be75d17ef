//! A database connection that stalls, and a server in the database's place that never answers.
//!
//! No error reports that the database is gone: the program must detect that by itself, close its session and open a new
//! one. Meanwhile it answers, and it ends when asked to.

use std::time::{Duration, Instant};

use harness::Services;
use harness::proxy::{Direction, Proxy};
use harness::silent::Silent;
use harness::wait_until;

use crate::load::pause;
use crate::meanwhile;
use crate::options::TestbedOptions;
use crate::report::Report;
use crate::testbed::{Testbed, seconds};

/// A session must be given up, and a new one tried, within this time.
const GIVEN_UP: Duration = Duration::from_secs(90);
/// The time SIGTERM may take to be obeyed.
const END_MAX: Duration = Duration::from_secs(45);
/// The program is asked to end so long after it was started against a silent server.
const STARTING: Duration = Duration::from_secs(2);

/// A session with a silent peer is given up so soon.
const SETTINGS: &str = "answer_timeout_s = 5\n";

fn open(services: &Services, name: &str) -> (Proxy, Testbed) {
    let proxy = Proxy::start(services.postgres.port());
    let url = format!("postgres://postgres@127.0.0.1:{}/{name}", proxy.port());
    let options = TestbedOptions { url: Some(url), postgres: SETTINGS, ..TestbedOptions::default() };
    (proxy, Testbed::open_on(services, name, options))
}

/// Nothing passes any more, or nothing in one direction, and connections stay open.
pub(crate) fn stalled(services: &Services, report: &mut Report, times: usize) {
    const HOW: [(Option<Direction>, &str); 3] = [
        (Some(Direction::ToClient), "nothing comes from the server"),
        (None, "nothing passes"),
        (Some(Direction::ToServer), "nothing comes to the server"),
    ];
    let (proxy, mut testbed) = open(services, "stalled");
    for number in 0..times {
        testbed.let_run(seconds(2));
        let (direction, how) = HOW[number % HOW.len()];
        match direction {
            Some(direction) => proxy.stall_only(direction),
            None => proxy.stall(),
        }
        let (seen, mut differences) = in_silence(&mut testbed, number, 1, || proxy.accepted());
        proxy.resume();
        let (summary, after) = testbed.settle(services);
        differences.extend(after);
        report.fault(&format!("{how}, {seen}, {summary}"), differences);
    }
}

/// A server that accepts connections and never answers stands in the database's place.
pub(crate) fn silent(services: &Services, report: &mut Report, times: usize) {
    let (proxy, mut testbed) = open(services, "silent");
    for number in 0..times {
        testbed.let_run(seconds(2));
        let silent = Silent::start();
        proxy.redirect(silent.port());
        proxy.reset();
        // The first one is only tried as the old one has been reset.
        let (seen, mut differences) = in_silence(&mut testbed, number, 2, || silent.accepted());
        proxy.redirect(services.postgres.port());
        drop(silent);
        let (summary, after) = testbed.settle(services);
        differences.extend(after);
        report.fault(&format!("never answered, {seen}, {summary}"), differences);
    }
}

/// What the program does while the database is silent: it answers and tries again, and in every second round it is asked
/// to end, and once more when it has just been started. `connections` counts those that are made, of which `enough` show
/// that a session was given up.
fn in_silence(
    testbed: &mut Testbed,
    number: usize,
    enough: usize,
    connections: impl Fn() -> usize,
) -> (String, Vec<String>) {
    let (before, begun) = (connections(), Instant::now());
    let (meanwhile, mut differences) = meanwhile::goes_on_or_says_so(testbed, &format!("s-{number}"));
    wait_until(GIVEN_UP, "the silent session is given up for a new one", || connections() >= before + enough);
    let given_up = begun.elapsed().as_secs();
    differences.extend(meanwhile::answers(testbed));
    let mut summary = format!("{meanwhile}, a new session tried after {given_up} s");
    if number % 2 == 1 {
        differences.extend(meanwhile::ends(testbed, END_MAX));
        testbed.start_again();
        pause(STARTING);
        differences.extend(meanwhile::ends(testbed, END_MAX));
        testbed.start_again();
        summary += ", ended in order and started twice";
    }
    (summary, differences)
}
