//! The short answers: what was accepted, and that all is well.

use bytes::Bytes;
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::{JSON, whole};
use crate::body::Body;

#[derive(Serialize)]
struct Accepted<'a> {
    accepted: usize,
    token: &'a str,
}

/// 202: this many events are durable, and `token` stands for them.
pub(crate) fn accepted(accepted: usize, token: &str) -> Response<Body> {
    json(StatusCode::ACCEPTED, &Accepted { accepted, token })
}

/// 200 for a probe: the process answers.
pub(crate) fn live() -> Response<Body> {
    whole(StatusCode::OK, JSON, Bytes::from_static(b"{\"live\":true}"))
}

#[derive(Serialize)]
struct Ready<'a> {
    ready: bool,
    as_of: &'a str,
}

/// 200 for a probe: answers are complete and fresh.
pub(crate) fn ready(as_of: &str) -> Response<Body> {
    json(StatusCode::OK, &Ready { ready: true, as_of })
}

/// Any other plain data.
pub(crate) fn json(status: StatusCode, shape: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(shape).expect("answers are plain data");
    whole(status, JSON, text.into())
}
