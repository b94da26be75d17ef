//! Errors as `application/problem+json` (RFC 9457).

use axum::response::IntoResponse;
use bytes::Bytes;
use hyper::header::{ALLOW, CONNECTION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde::Serialize;
use store::Fault;
use utoipa::ToSchema;

use super::import::ReportBody;
use super::whole;
use crate::body::Body;
use crate::problem::{Problem, ProblemKind, RowFault, RowProblem};

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The seconds after which a new attempt may succeed.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");

/// The way to authenticate (RFC 6750).
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"vitrine\"");
const INVALID_BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"vitrine\", error=\"invalid_token\"");

/// An error as `application/problem+json`.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// `urn:vitrine:problem:` and a name that never changes.
    #[schema(pattern = "^urn:vitrine:problem:[a-z0-9-]+$")]
    r#type: String,
    title: &'a str,
    status: u16,
    /// What is wrong with this request.
    detail: &'a str,
    /// The index of the event, or of the first row of a batch, at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    /// The field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    /// Every field at fault of a row, or the first 100 of all rows of a batch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError<'a>>,
    /// The report of an import.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<ReportBody<'a>>,
}

/// A field at fault.
#[derive(Serialize, ToSchema)]
struct FieldError<'a> {
    /// The field, such as `price` or `lines[2].quantity`; empty for the row as a whole.
    field: &'a str,
    /// The index of the row in a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    /// What the field must be.
    reason: &'a str,
}

/// The answer to a request that failed. `closing` says whether the connection ends with it.
pub(crate) fn problem(problem: &Problem, closing: bool) -> Response<Body> {
    let kind = problem.kind();
    let mut response = whole(kind.status, PROBLEM_JSON, text(kind, problem));
    let headers = response.headers_mut();
    match problem {
        Problem::Method(allow) => {
            headers.insert(ALLOW, HeaderValue::from_str(allow).expect("names of methods are a header value"));
        }
        Problem::MissingKey => {
            headers.insert(WWW_AUTHENTICATE, BEARER);
        }
        Problem::WrongKey => {
            headers.insert(WWW_AUTHENTICATE, INVALID_BEARER);
        }
        Problem::TooOften { wait_s } => {
            headers.insert(RETRY_AFTER, HeaderValue::from(*wait_s));
        }
        _ => {}
    }
    if kind.status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, RETRY_AFTER_S);
    }
    if closing {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

impl IntoResponse for Problem {
    fn into_response(self) -> axum::response::Response {
        problem(&self, false).into_response()
    }
}

/// The body of an error.
pub(crate) fn body(problem: &Problem) -> Bytes {
    text(problem.kind(), problem)
}

fn text(kind: ProblemKind, problem: &Problem) -> Bytes {
    let (index, field) = match problem {
        Problem::Malformed { index, field, .. } => (Some(*index), field.as_deref()),
        Problem::RefusedByLog { index, .. } => (*index, None),
        Problem::BadField { field, .. } => (None, Some(*field)),
        Problem::BadRule { field, .. } => (None, *field),
        Problem::Row(problem) => (problem.places().0, None),
        _ => (None, None),
    };
    let detail = problem.to_string();
    let mut body = ProblemBody { index, field, ..bare(kind, &detail) };
    if let Problem::Row(problem) = problem {
        let faults = problem.places().1.iter();
        body.errors = faults
            .map(|RowFault { index, fault: Fault { field, reason } }| FieldError { field, index: *index, reason })
            .collect();
        if let RowProblem::BadFile(Some(report)) = problem {
            body.report = Some(ReportBody::new(report, None));
        }
    }
    bytes(&body)
}

/// A problem without places.
fn bare(kind: ProblemKind, detail: &str) -> ProblemBody<'_> {
    let r#type = format!("urn:vitrine:problem:{}", kind.slug);
    let (title, status) = (kind.title, kind.status.as_u16());
    ProblemBody { r#type, title, status, detail, index: None, field: None, errors: Vec::new(), report: None }
}

fn bytes(body: &ProblemBody<'_>) -> Bytes {
    serde_json::to_vec(body).expect("a problem is plain data").into()
}

/// A whole answer, header included, to bytes that are not a request. The connection ends with it.
pub(crate) fn unparsed(status: u16) -> Bytes {
    let (slug, title, detail) = match status {
        414 => ("uri-too-long", "Target too long", "the request's target is too long"),
        431 => ("header-too-large", "Header fields too large", "the request's header is too large"),
        _ => ("bad-request", "Bad request", "this is not a request of HTTP/1.1"),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    raw(ProblemKind { status, slug, title }, detail, "")
}

/// A whole answer, header included, to a connection beyond the limit.
pub(crate) fn too_many_connections() -> Bytes {
    let problem = Problem::Busy("connections");
    raw(problem.kind(), &problem.to_string(), "retry-after: 1\r\n")
}

fn raw(kind: ProblemKind, detail: &str, more: &str) -> Bytes {
    let body = bytes(&bare(kind, detail));
    let (code, reason) = (kind.status.as_u16(), kind.status.canonical_reason().unwrap_or_default());
    let head = format!(
        "HTTP/1.1 {code} {reason}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n{more}\
         connection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat().into()
}
