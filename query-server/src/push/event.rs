//! The events of a list that is followed, as their text on the wire.

use bytes::Bytes;

use super::SentRows;
use crate::answer::problem;
use crate::problem::Problem;

/// Why a whole list is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The stream begins.
    Start,
    /// The client has come back, and the list has changed since, or the id of its last event says nothing.
    Changed,
    /// The client took its events late: what changed meanwhile was left out.
    Slow,
}

impl Reason {
    fn word(self) -> &'static str {
        match self {
            Reason::Start => "start",
            Reason::Changed => "changed",
            Reason::Slow => "slow",
        }
    }
}

/// How long a client waits before it comes back.
pub(super) fn retry(interval_ms: u64) -> Vec<u8> {
    format!("retry: {}\n\n", interval_ms.max(1000)).into_bytes()
}

/// The whole list: the object that a GET answers with.
pub(super) fn snapshot(text: &[u8], sent: &impl SentRows, reason: Reason) -> Bytes {
    let head = format!("{{\"reason\":\"{}\",\"list\":", reason.word());
    event("snapshot", Some(id(sent)), &[head.as_bytes(), text, b"}"].concat())
}

/// The client has the present rows already.
pub(super) fn resumed(sent: &impl SentRows) -> Bytes {
    event("resumed", Some(id(sent)), format!("{{\"as_of\":\"{}\"}}", sent.as_of()).as_bytes())
}

/// The difference between the rows that a client has and those that it has then.
pub(super) fn change(sent: &impl SentRows, difference: &str) -> Bytes {
    event("change", Some(id(sent)), difference.as_bytes())
}

/// A comment, which keeps the connection alive.
pub(super) fn heartbeat() -> Bytes {
    Bytes::from_static(b": \n\n")
}

/// Why the stream ends.
pub(super) fn end(why: &Problem) -> Bytes {
    event("end", None, &problem::body(why))
}

/// Whether the client that saw the event with this id last has these rows.
pub(super) fn has_rows(id: &[u8], rows: &impl SentRows) -> bool {
    id.rsplit(|byte| *byte == b'/').next() == Some(rows.digest().as_bytes())
}

fn id(rows: &impl SentRows) -> String {
    format!("id: {}/{}\n", rows.as_of(), rows.digest())
}

fn event(name: &str, id: Option<String>, data: &[u8]) -> Bytes {
    // No JSON of this server has a line end.
    let id = id.unwrap_or_default();
    [format!("event: {name}\n{id}data: ").as_bytes(), data, b"\n\n"].concat().into()
}
