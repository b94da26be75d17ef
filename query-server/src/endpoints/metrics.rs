//! `GET /metrics`: everything that is counted, as OpenMetrics text.

use hyper::header::HeaderValue;
use hyper::{Response, StatusCode};

use crate::answer;
use crate::body::Body;
use crate::metrics::exposition;
use crate::shared::Shared;

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Answers with the figures of this moment.
pub(crate) fn answer(shared: &Shared) -> Response<Body> {
    answer::whole(StatusCode::OK, OPEN_METRICS, exposition::text(shared).into())
}
