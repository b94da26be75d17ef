//! `GET /openapi.json`: the OpenAPI document of all endpoints.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::on;
use hyper::{Response, StatusCode};

use crate::answer;
use crate::body::Body;
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope};
use crate::operations::Operations;

pub(crate) static ENDPOINT: Endpoint = Endpoint {
    label: "openapi",
    paths: &["/openapi.json"],
    owner: Owner::Receiver,
    operations: &[Operation {
        answers: &[Answer::any_object("The document, in OpenAPI 3.1")],
        route: Some(|method| on(method, openapi)),
        ..Operation::get(Scope::Public, "This document")
    }],
};

async fn openapi(State(operations): State<Arc<Operations>>) -> Response<Body> {
    answer::whole(StatusCode::OK, answer::JSON, operations.openapi.clone())
}
