//! Lists and features that are sent again whenever they change, as server-sent events.
//!
//! ```text
//! tick is shown ─▶ reader wakes (at most once in `push_interval_ms`) ─▶ reads the list as a GET does
//!                  (features of many users: at most ten users in each interval)
//!                   ├ same as sent ─▶ nothing, or a heartbeat
//!                   ├ another      ─▶ `change`: the difference to the list that was sent last
//!                   └ the client had not taken the last event ─▶ `snapshot`: nothing is queued for it
//! ```
//! A reader holds the rows that it sent last (of features, their digests), and no queue. An event's id has the `as_of` of its
//! list and a digest of the rows: a client that comes back with the id of the present rows gets no list again.

mod difference;
mod event;
mod listed;
mod tabled;

use std::future::Future;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, Response, Uri};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

use self::event::Reason;
use self::listed::SentList;
use crate::body::Body;
use crate::endpoint::ReadList;
use crate::forward::{Answerer, Forward, Patience};
use crate::header_names::LAST_EVENT_ID;
use crate::operations::Operations;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::request::ListRequest;
use crate::scope::Scope;

pub(crate) use self::tabled::SentTable;

/// In an answer's extensions: its body is a stream of events, and a slow reader gets newer ones instead of all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pushed;

/// The number of instants in a pause at which readers wake.
const WAKINGS_IN_PAUSE: u128 = 8;

/// What a client follows.
pub(crate) trait Follows: Send + Sync + 'static {
    /// What is remembered of the rows that were sent.
    type Sent: SentRows;

    /// The header fields of the request: its key is checked again while the stream goes on.
    fn headers(&self) -> &HeaderMap;

    /// How many intervals there are between two reads: rows that cost more are read less often.
    fn intervals(&self) -> u64 {
        1
    }

    /// Whether another process must be asked.
    fn is_elsewhere(&self, operations: &Operations) -> bool;

    /// The rows, as a request for them is answered now.
    fn read(&self, operations: &Operations) -> impl Future<Output = Result<Bytes, Problem>> + Send;
}

/// What is remembered of the rows that were sent.
pub(crate) trait SentRows: Sized + Send + Sync {
    /// The rows of an answer of this server.
    fn of(text: &[u8]) -> Self;

    /// The time of the answer with these rows.
    fn as_of(&self) -> &str;

    /// A digest of the rows. Equal rows have equal digests in every process.
    fn digest(&self) -> &str;

    /// Goes on to the rows of another answer. Returns their difference as JSON; none if the rows are the same.
    fn advance(&mut self, text: &[u8]) -> Option<String>;
}

/// A list that one client follows.
pub(crate) struct FollowedList {
    /// Reads the list.
    pub(crate) read_list: ReadList,
    /// The user or category; empty for a list over everything.
    pub(crate) of: String,
    /// Whether `of` is a user, whose rows another process may hold.
    pub(crate) is_of_user: bool,
    /// The path and query at which the process that holds the user answers with the list.
    pub(crate) target: String,
    pub(crate) parameters: Parameters,
    pub(crate) headers: HeaderMap,
}

impl Follows for FollowedList {
    type Sent = SentList;

    fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    fn is_elsewhere(&self, operations: &Operations) -> bool {
        matches!(owner(operations, self), Ok(Some(_)))
    }

    /// The list as a GET answers with it.
    async fn read(&self, operations: &Operations) -> Result<Bytes, Problem> {
        let response = match owner(operations, self)? {
            None => {
                let FollowedList { of, parameters, .. } = self;
                let request = ListRequest { headers: HeaderMap::new(), of, parameters, is_shown: false };
                (self.read_list)(&operations.read, request)?
            }
            Some((forward, owner)) => {
                let target: Uri = self.target.parse().map_err(|_| Problem::UnknownPath)?;
                let patience = Patience::of(&Method::GET, &self.parameters);
                let asked = forward.send(owner, patience, &Method::GET, &target, &self.headers, Bytes::new());
                let response = asked.await?;
                if !response.status().is_success() {
                    // The owner's own problem: it is asked again, as if it were away.
                    return Err(Problem::Behind);
                }
                response
            }
        };
        Ok(whole(response))
    }
}

/// The text of an answer that is not streamed.
pub(crate) fn whole(response: Response<Body>) -> Bytes {
    match response.into_body() {
        Body::Whole(text) => text,
        Body::Stream(_) | Body::Routed(_) => unreachable!("a list is whole"),
    }
}

/// A client's stream.
pub(crate) struct Reader<F: Follows> {
    operations: Arc<Operations>,
    followed: F,
    /// The rows that the client has.
    sent: F::Sent,
}

impl<F: Follows> Reader<F> {
    /// A reader whose first event is returned with it.
    ///
    /// # Errors
    /// When the rows cannot be read now.
    pub(crate) async fn start(operations: Arc<Operations>, followed: F) -> Result<(Self, Bytes), Problem> {
        let text = followed.read(&operations).await?;
        let sent = F::Sent::of(&text);
        let known = followed.headers().get(LAST_EVENT_ID).map(|id| id.as_bytes());
        let interval_ms = operations.settings.push_interval_ms;
        let first = match known {
            Some(id) if event::has_rows(id, &sent) => event::resumed(&sent),
            Some(_) => event::snapshot(&text, &sent, Reason::Changed),
            None => event::snapshot(&text, &sent, Reason::Start),
        };
        let mut events = event::retry(interval_ms);
        events.extend_from_slice(&first);
        Ok((Reader { operations, followed, sent }, events.into()))
    }

    /// Sends what changes, until the client is gone, the key is no longer valid, the list is gone or the server ends.
    pub(crate) async fn run(mut self, pieces: mpsc::Sender<Bytes>, _permit: OwnedSemaphorePermit) {
        let operations = self.operations.clone();
        let shutdown = operations.shutdown.clone();
        let watched = pieces.clone();
        tokio::select! {
            () = self.send_changes(&pieces) => {}
            () = watched.closed() => {}
            () = shutdown.begun() => {}
        }
    }

    async fn send_changes(&mut self, pieces: &mpsc::Sender<Bytes>) {
        let settings = &self.operations.settings;
        let heartbeat = Duration::from_millis(settings.push_heartbeat_ms);
        let (operations, mut spoke_at) = (self.operations.clone(), Instant::now());
        loop {
            let shown = operations.read.waits.shown_tick();
            tokio::time::sleep_until(waking_after(self.pause())).await;
            let advanced = operations.read.waits.advanced(shown);
            // Without ticks there is nothing new, and the heartbeat is due all the same.
            let _ = tokio::time::timeout_at(spoke_at + heartbeat, advanced).await;
            // Waits while the client has not taken the last event: only then it is slow.
            let (permit, is_slow) = match pieces.try_reserve() {
                Ok(permit) => (permit, false),
                Err(_) => match pieces.reserve().await {
                    Ok(permit) => (permit, true),
                    Err(_) => return,
                },
            };
            let is_due = spoke_at.elapsed() >= heartbeat;
            match self.next(is_slow, is_due).await {
                Ok(None) => {}
                Ok(Some(event)) => {
                    permit.send(event);
                    spoke_at = Instant::now();
                }
                Err(end) => return permit.send(end),
            }
        }
    }

    /// The time between two reads: longer where another process must be asked, and where a read costs more.
    fn pause(&self) -> Duration {
        let settings = &self.operations.settings;
        let interval_ms = match self.followed.is_elsewhere(&self.operations) {
            true => settings.stream_interval_ms,
            false => settings.push_interval_ms,
        };
        // The heartbeat is looked at after a pause.
        let most_ms = interval_ms.max(settings.push_heartbeat_ms);
        Duration::from_millis(interval_ms.saturating_mul(self.followed.intervals()).min(most_ms))
    }

    /// The next event, if there is one to send; or the last event, after which the stream ends.
    async fn next(&mut self, is_slow: bool, is_due: bool) -> Result<Option<Bytes>, Bytes> {
        let access = &self.operations.app.access;
        access.check_again(Scope::Read, self.followed.headers()).map_err(|problem| event::end(&problem))?;
        let text = match self.followed.read(&self.operations).await {
            Ok(text) => text,
            // The process that holds the user may come back, and the state may catch up.
            Err(problem) if problem.kind().status.is_server_error() => {
                return Ok(is_due.then(event::heartbeat));
            }
            Err(problem) => return Err(event::end(&problem)),
        };
        Ok(next_event(&mut self.sent, &text, is_slow).or_else(|| is_due.then(event::heartbeat)))
    }
}

/// The end of a pause, or soon after: readers wake together, because a wake-up costs more than a read.
fn waking_after(pause: Duration) -> Instant {
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    let grid_ms = (pause.as_millis() / WAKINGS_IN_PAUSE).max(1);
    let due_ms = (FIRST.elapsed() + pause).as_millis().next_multiple_of(grid_ms);
    *FIRST + Duration::from_millis(u64::try_from(due_ms).unwrap_or_default())
}

/// The event that leads a client from the rows that were sent to those of an answer, if one is needed. A client that was
/// slow gets the whole list.
fn next_event(sent: &mut impl SentRows, text: &[u8], is_slow: bool) -> Option<Bytes> {
    let difference = sent.advance(text)?;
    Some(if is_slow { event::snapshot(text, sent, Reason::Slow) } else { event::change(sent, &difference) })
}

/// The process that holds the rows of the followed list, if it is another one.
fn owner<'o>(operations: &'o Operations, followed: &FollowedList) -> Result<Option<(&'o Forward, usize)>, Problem> {
    let read = &operations.read;
    let Some(forward) = read.forward.as_ref().filter(|_| followed.is_of_user) else { return Ok(None) };
    match forward.answerer(&read.reader, &followed.of, &followed.headers)? {
        Answerer::Process(owner) => Ok(Some((forward, owner))),
        Answerer::Here | Answerer::HereFor { .. } => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(products: &str, kind: &str) -> String {
        format!("{{\"user-id\":\"a\",\"products\":[{products}],\"type\":\"{kind}\",\"as_of\":\"T\"}}")
    }

    #[test]
    fn a_client_gets_what_changed_or_the_whole_list_if_it_was_slow() {
        let mut sent = SentList::of(text(r#""a","b""#, "personalized").as_bytes());
        let first = sent.clone();
        let mut next = |products: &str, kind: &str, is_slow| {
            let event = next_event(&mut sent, text(products, kind).as_bytes(), is_slow)?;
            Some(String::from_utf8(event.to_vec()).unwrap())
        };
        assert_eq!(next(r#""a","b""#, "personalized", false), None);
        assert_eq!(next(r#""a","b""#, "personalized", true), None, "it has the list");
        let change = next(r#""c","a""#, "personalized", false).unwrap();
        assert!(change.starts_with("event: change\nid: T/"), "{change}");
        let data = r#"data: {"as_of":"T","type":"personalized","removed":["b"],"placed":[{"at":0,"product":"c"}]}"#;
        assert!(change.ends_with(&format!("\n{data}\n\n")), "{change}");
        let slow = next(r#""d""#, "personalized", true).unwrap();
        let data = format!(r#"{{"reason":"slow","list":{}}}"#, text(r#""d""#, "personalized"));
        assert!(slow.starts_with("event: snapshot\n") && slow.ends_with(&format!("data: {data}\n\n")), "{slow}");
        let kind = next(r#""d""#, "non-personalized", false).unwrap();
        assert!(kind.contains(r#""type":"non-personalized","removed":[],"placed":[]"#), "{kind}");
        let back = next(r#""a","b""#, "personalized", false).unwrap();
        let id = back.lines().find_map(|line| line.strip_prefix("id: ")).unwrap();
        assert!(event::has_rows(id.as_bytes(), &first), "the same rows have the same digest");
        for other in ["", "T/", "T/0", "T"] {
            assert!(!event::has_rows(other.as_bytes(), &first), "{other}");
        }
    }
}
