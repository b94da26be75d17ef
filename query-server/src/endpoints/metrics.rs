//! `GET /metrics`: every counter and gauge, as OpenMetrics text.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::on;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode};

use crate::answer;
use crate::body::Body;
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope};
use crate::metrics::exposition;
use crate::operations::Operations;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(crate) static ENDPOINT: Endpoint = Endpoint {
    label: "metrics",
    paths: &["/metrics"],
    owner: Owner::Receiver,
    operations: &[Operation {
        answers: &[Answer::text(OPEN_METRICS, "The values of this moment")],
        route: Some(|method| on(method, metrics)),
        tag: Some("operations"),
        ..Operation::get(Scope::Read, "Counters and gauges for Prometheus")
    }],
};

async fn metrics(State(operations): State<Arc<Operations>>) -> Response<Body> {
    let text = exposition::text(&operations);
    answer::whole(StatusCode::OK, HeaderValue::from_static(OPEN_METRICS), text.into())
}
