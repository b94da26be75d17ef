//! Short answers: of writes and of probes.

use hyper::{Response, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{JSON, whole};
use crate::body::Body;

/// The answer to a write of events.
#[derive(Serialize, ToSchema)]
pub(crate) struct Accepted<'a> {
    /// How many events are durable.
    accepted: usize,
    /// A value for `after`, with which a request waits until the events are visible.
    token: &'a str,
}

/// 202: the events are durable. `token` stands for their positions.
pub(crate) fn accepted(accepted: usize, token: &str) -> Response<Body> {
    json(StatusCode::ACCEPTED, &Accepted { accepted, token })
}

/// The answer of a process that runs.
#[derive(Serialize, ToSchema)]
pub(crate) struct Live {
    live: bool,
}

/// 200 for a probe: the process answers.
pub(crate) fn live() -> Response<Body> {
    json(StatusCode::OK, &Live { live: true })
}

/// The answer of a process whose lists are complete and fresh.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ready<'a> {
    ready: bool,
    /// The time of the state shown.
    as_of: &'a str,
    /// What is wrong beside the lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<String>,
}

/// 200 for a probe: answers are complete and fresh. `details` is what is wrong beside them.
pub(crate) fn ready(as_of: &str, details: Vec<String>) -> Response<Body> {
    json(StatusCode::OK, &Ready { ready: true, as_of, details })
}

fn json(status: StatusCode, shape: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(shape).expect("answers are plain data");
    whole(status, JSON, text.into())
}
