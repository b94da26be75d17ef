//! `POST /v1/events`: one event, an array of them, or one a line; all are taken, or none.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderMap};

use super::Reply;
use crate::answer;
use crate::body::Body;
use crate::incoming;
use crate::problem::Problem;
use crate::server::connection_state::ConnectionState;
use crate::shared::Shared;
use crate::token;
use split::Framing;

pub(crate) mod split;

/// Bytes of a body that are checked in the serving thread itself: some dozens of microseconds.
const HERE_BYTES_MAX: usize = 16 << 10;

/// Answers 202 once every event is durable.
pub(crate) fn answer(
    shared: &Arc<Shared>,
    slot: &Arc<ConnectionState>,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Reply, Problem> {
    let framing = framing(headers)?;
    if headers.get(EXPECT).is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(Problem::Expectation);
    }
    let (shared, slot) = (shared.clone(), slot.clone());
    Ok(Reply::Later(Box::pin(async move {
        let received = incoming::read(body, &shared).await?;
        slot.set_unread(false);
        let events = checked(&shared, &received.bytes, framing).await?;
        append(&shared, events).await
    })))
}

/// The events of `body`, each checked. A long body is worked through beside the serving thread, which answers on.
async fn checked(shared: &Arc<Shared>, body: &Bytes, framing: Framing) -> Result<Vec<Bytes>, Problem> {
    let (shared, body) = (shared.clone(), body.clone());
    let is_long = body.len() > HERE_BYTES_MAX;
    let work = move || {
        let events = split::events(&body, framing)?;
        check(&shared, &events)?;
        Ok(events)
    };
    if is_long { tokio::task::spawn_blocking(work).await.expect("checking an event does not panic") } else { work() }
}

fn check(shared: &Shared, events: &[Bytes]) -> Result<(), Problem> {
    if events.is_empty() {
        return Err(Problem::NoEvents);
    }
    for (index, event) in events.iter().enumerate() {
        let refused =
            |refused: crate::Refused| Problem::Malformed { index, field: refused.field, reason: refused.reason };
        shared.app.event_writer.check(event).map_err(refused)?;
    }
    Ok(())
}

async fn append(shared: &Shared, events: Vec<Bytes>) -> Result<Response<Body>, Problem> {
    let count = events.len();
    let timeout = Duration::from_millis(shared.settings.intake_timeout_ms);
    let appended = tokio::time::timeout(timeout, shared.app.event_writer.append(events)).await;
    let positions = appended.map_err(|_| Problem::IntakeTimeout)??;
    Ok(answer::simple::accepted(count, &token::encode(positions)))
}

/// How the body holds its events, by its media type; JSON when none is given. `text/plain` is JSON as well where it says
/// that it is UTF-8: a page's `navigator.sendBeacon` sends a string as that, and no other type from another origin without
/// asking first.
fn framing(headers: &HeaderMap) -> Result<Framing, Problem> {
    if headers.get(CONTENT_ENCODING).is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Problem::MediaType("the body must not be compressed"));
    }
    let wrong =
        "the body must be application/json, application/x-ndjson or text/plain;charset=UTF-8 with JSON in it, in UTF-8";
    let wrong = Problem::MediaType(wrong);
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let Some(given) = types.next() else { return Ok(Framing::Json) };
    let (Ok(given), None) = (given.to_str(), types.next()) else { return Err(wrong) };
    let mut parts = given.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let mut says_so = false;
    let in_utf8 = parts.all(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        says_so = true;
        name.eq_ignore_ascii_case("charset") && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    if in_utf8 && media_type.eq_ignore_ascii_case("application/json") {
        Ok(Framing::Json)
    } else if in_utf8 && media_type.eq_ignore_ascii_case("application/x-ndjson") {
        Ok(Framing::Lines)
    } else if in_utf8 && says_so && media_type.eq_ignore_ascii_case("text/plain") {
        Ok(Framing::Json)
    } else {
        Err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn media_types() {
        let framing = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            framing(&headers)
        };
        for json in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "text/plain;charset=UTF-8",
            "Text/Plain; charset=\"utf-8\"",
        ] {
            assert_eq!(framing(json), Ok(Framing::Json), "{json}");
        }
        assert_eq!(framing("application/x-ndjson"), Ok(Framing::Lines));
        for wrong in [
            "",
            "text/plain",
            "text/plain;charset=iso-8859-1",
            "text/plain;charset=UTF-8;charset=UTF-16",
            "text/html;charset=UTF-8",
            "application/json; charset=latin1",
            "application/json; v=1",
            "application/jsonx",
        ] {
            assert!(framing(wrong).is_err(), "{wrong}");
        }
        assert_eq!(super::framing(&HeaderMap::new()), Ok(Framing::Json));
    }
}
