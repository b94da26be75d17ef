//! Errors as `application/problem+json` (RFC 9457).

use bytes::Bytes;
use hyper::header::{ALLOW, CONNECTION, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::whole;
use crate::body::Body;
use crate::problem::{Problem, Row};

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// After how many seconds it is worth trying again.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");

#[derive(Serialize)]
struct Shape<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

/// The answer to a request that failed. `closing`: whether the connection ends with it.
pub(crate) fn problem(problem: &Problem, closing: bool) -> Response<Body> {
    let row = problem.row();
    let mut response = whole(row.status, PROBLEM_JSON, text(row, problem));
    let headers = response.headers_mut();
    if let Some(allow) = problem.allow() {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    if row.status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, RETRY_AFTER_S);
    }
    if closing {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn text(row: Row, problem: &Problem) -> Bytes {
    let (index, field) = match problem {
        Problem::Malformed { index, field, .. } => (Some(*index), field.as_deref()),
        Problem::RefusedByLog { index, .. } => (*index, None),
        _ => (None, None),
    };
    bare(row, &problem.to_string(), index, field)
}

fn bare(row: Row, detail: &str, index: Option<usize>, field: Option<&str>) -> Bytes {
    let r#type = format!("urn:vitrine:problem:{}", row.slug);
    let shape = Shape { r#type, title: row.title, status: row.status.as_u16(), detail, index, field };
    serde_json::to_vec(&shape).expect("a problem is plain data").into()
}

/// A whole answer, header included, to what could not be read as a request; the connection ends with it.
pub(crate) fn unparsed(status: u16) -> Bytes {
    let (slug, title, detail) = match status {
        414 => ("uri-too-long", "Target too long", "the request's target is too long"),
        431 => ("header-too-large", "Header fields too large", "the request's header is too large"),
        _ => ("bad-request", "Bad request", "this is not a request of HTTP/1.1"),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    raw(Row { status, slug, title }, detail, "")
}

/// A whole answer, header included, to a connection too many.
pub(crate) fn too_many_connections() -> Bytes {
    let problem = Problem::Busy("connections");
    raw(problem.row(), &problem.to_string(), "retry-after: 1\r\n")
}

fn raw(row: Row, detail: &str, more: &str) -> Bytes {
    let body = bare(row, detail, None, None);
    let (code, reason) = (row.status.as_u16(), row.status.canonical_reason().unwrap_or_default());
    let head = format!(
        "HTTP/1.1 {code} {reason}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n{more}\
         connection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat().into()
}
