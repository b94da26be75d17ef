//! `POST /v1/events`: one event, an array of events, or one event per line; all are taken, or none.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::routing::on;
use bytes::Bytes;
use hyper::Response;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use hyper::http::request::Parts;

use crate::answer::simple::{self, Accepted};
use crate::body::Body;
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope};
use crate::event_writer::InvalidEvent;
use crate::operations::Operations;
use crate::problem::{self, Problem};
use crate::request_body::RequestBody;
use crate::token;
use split::Framing;

mod schema;
pub(crate) mod split;

pub(crate) static ENDPOINT: Endpoint = Endpoint {
    label: "events",
    paths: &["/v1/events"],
    owner: Owner::Receiver,
    operations: &[Operation {
        body: &["application/json", "application/x-ndjson", "text/plain;charset=UTF-8"],
        body_schema: Some(schema::events),
        answers: &[Answer::json::<Accepted<'_>>(202, "The events are durable")],
        problems: &[problem::OF_BODIES, problem::OF_WRITES, problem::OF_EVENTS],
        route: Some(|method| on(method, events)),
        ..Operation::post(
            Scope::Events,
            "Write one event, an array of events, or one event a line: all of them or none",
        )
    }],
};

/// Bytes of a body that are checked in the serving thread itself: this takes some dozens of microseconds.
const CHECKED_AT_ONCE_BYTES_MAX: usize = 16 << 10;

/// Answers 202 once every event is durable.
async fn events(
    State(operations): State<Arc<Operations>>,
    framing: Framing,
    body: RequestBody,
) -> Result<Response<Body>, Problem> {
    let events = checked(&operations, &body.bytes, framing).await?;
    append(&operations, events).await
}

impl<S: Sync> FromRequestParts<S> for Framing {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        framing(&parts.headers)
    }
}

/// The events of `body`, each checked. A long body is checked in another thread, so that this one goes on serving.
async fn checked(operations: &Arc<Operations>, body: &Bytes, framing: Framing) -> Result<Vec<Bytes>, Problem> {
    let (operations, body) = (operations.clone(), body.clone());
    let is_long = body.len() > CHECKED_AT_ONCE_BYTES_MAX;
    let work = move || {
        let events = split::events(&body, framing)?;
        check(&operations, &events)?;
        Ok(events)
    };
    if is_long { tokio::task::spawn_blocking(work).await.expect("checking an event does not panic") } else { work() }
}

fn check(operations: &Operations, events: &[Bytes]) -> Result<(), Problem> {
    if events.is_empty() {
        return Err(Problem::NoEvents);
    }
    for (index, event) in events.iter().enumerate() {
        let malformed = |InvalidEvent { field, reason }: InvalidEvent| Problem::Malformed { index, field, reason };
        operations.app.event_writer.check(event).map_err(malformed)?;
    }
    Ok(())
}

async fn append(operations: &Operations, events: Vec<Bytes>) -> Result<Response<Body>, Problem> {
    let count = events.len();
    let timeout = Duration::from_millis(operations.settings.intake_timeout_ms);
    let appended = tokio::time::timeout(timeout, operations.app.event_writer.append(events)).await;
    let positions = appended.map_err(|_| Problem::WriteTimeout)??;
    Ok(simple::accepted(count, &token::encode(positions)))
}

/// How the body holds its events, by its media type; JSON when there is none. `text/plain` in UTF-8 is JSON too:
/// `navigator.sendBeacon` sends a string with this type, and browsers send no JSON type to another origin without a
/// preflight request.
fn framing(headers: &HeaderMap) -> Result<Framing, Problem> {
    if headers.get(CONTENT_ENCODING).is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Problem::MediaType("the body must not be compressed"));
    }
    let wrong = Problem::MediaType(
        "the body must be application/json, application/x-ndjson or text/plain;charset=UTF-8 with JSON in it, in UTF-8",
    );
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let Some(given) = types.next() else { return Ok(Framing::Json) };
    let (Ok(given), None) = (given.to_str(), types.next()) else { return Err(wrong) };
    let mut parts = given.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let mut has_charset = false;
    let in_utf8 = parts.all(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        has_charset = true;
        name.eq_ignore_ascii_case("charset") && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    if in_utf8 && media_type.eq_ignore_ascii_case("application/json") {
        Ok(Framing::Json)
    } else if in_utf8 && media_type.eq_ignore_ascii_case("application/x-ndjson") {
        Ok(Framing::Lines)
    } else if in_utf8 && has_charset && media_type.eq_ignore_ascii_case("text/plain") {
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
