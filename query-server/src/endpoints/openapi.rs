//! `GET /openapi.json`: the OpenAPI document of all endpoints.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::on;
use hyper::{Method, Response, StatusCode};

use crate::answer;
use crate::body::Body;
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope};
use crate::operations::Operations;
use crate::parameters::ParameterSet;

pub(crate) static ENDPOINT: Endpoint = Endpoint {
    label: "openapi",
    paths: &["/openapi.json"],
    owner: Owner::Receiver,
    operations: &[Operation {
        method: Method::GET,
        scope: Scope::Public,
        summary: "This document",
        parameters: ParameterSet::Nothing,
        headers: &[],
        body: &[],
        answers: &[Answer::text("application/json", "The document, in OpenAPI 3.1")],
        problems: &[],
        route: Some(|method| on(method, openapi)),
    }],
};

async fn openapi(State(operations): State<Arc<Operations>>) -> Response<Body> {
    answer::whole(StatusCode::OK, answer::JSON, operations.openapi.clone())
}
