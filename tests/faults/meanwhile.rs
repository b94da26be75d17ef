//! The program's duties while a fault lasts: answer, show events or report that it is not ready, and end when asked to.

use std::time::{Duration, Instant};

use harness::http;
use serde_json::Value;

use crate::SOON;
use crate::load::{pause, product, view};
use crate::testbed::Testbed;

/// Answered from what is held.
pub(crate) const ANY_LIST: &str = "/v1/bestsellers";
const AGAIN: Duration = Duration::from_millis(50);

/// A view of that user is posted: it is shown, or the program says that it is not ready. What stands still in silence
/// would be taken for a quiet shop.
pub(crate) fn goes_on_or_says_so(testbed: &Testbed, user: &str) -> (&'static str, Vec<String>) {
    let events = Value::from(vec![view(user, &product(0), user)]);
    let posted = http::post(&testbed.start.url("/v1/events"), "application/json", events.to_string());
    if posted.status != 202 {
        return ("refusing events", vec![format!("a view was answered {}: {}", posted.status, posted.text())]);
    }
    let path = format!("/v1/users/{user}/history");
    let shown =
        || testbed.start.get(&path).is_ok_and(|answer| answer.status == 200 && answer.text().contains(&product(0)));
    let begun = Instant::now();
    while begun.elapsed() < SOON {
        if shown() {
            return ("going on meanwhile", Vec::new());
        }
        if testbed.start.unready().is_some() {
            return ("saying meanwhile that it is old", Vec::new());
        }
        pause(AGAIN);
    }
    ("standing still meanwhile", vec![format!("{path} does not show what was posted, and /readyz says 200")])
}

/// Whether lists are answered.
pub(crate) fn answers(testbed: &Testbed) -> Option<String> {
    match testbed.start.get(ANY_LIST) {
        Ok(answer) if answer.status == 200 => None,
        other => Some(format!("no answer meanwhile: {other:?}")),
    }
}

/// Asks the program to end, and says what is wrong with that.
pub(crate) fn ends(testbed: &mut Testbed, within: Duration) -> Option<String> {
    let asked = Instant::now();
    let process = &mut testbed.program.processes[0];
    process.terminate();
    let status = process.wait_exit(SOON);
    let took = asked.elapsed();
    (status.code() != Some(0) || took > within)
        .then(|| format!("it ended with {status} after {took:?}: {}", testbed.program.last_lines()))
}
