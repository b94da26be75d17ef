//! `GET /livez` and `GET /readyz`: whether the process answers, and whether its answers are complete and fresh.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::on;
use hyper::Response;

use crate::answer::instant;
use crate::answer::simple::{self, Live, Ready};
use crate::body::Body;
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope};
use crate::operations::Operations;
use crate::problem::Problem;
use crate::readiness::unreadiness;

pub(crate) static LIVE: Endpoint = Endpoint {
    label: "livez",
    paths: &["/livez"],
    owner: Owner::Receiver,
    operations: &[Operation {
        answers: &[Answer::json::<Live>(200, "It does")],
        route: Some(|method| on(method, async || simple::live())),
        ..Operation::get(Scope::Public, "Whether the process answers")
    }],
};

pub(crate) static READY: Endpoint = Endpoint {
    label: "readyz",
    paths: &["/readyz"],
    owner: Owner::Receiver,
    operations: &[Operation {
        answers: &[Answer::json::<Ready>(200, "They are")],
        problems: &[&[Problem::NotReady(String::new())]],
        route: Some(|method| on(method, ready)),
        ..Operation::get(Scope::Public, "Whether answers are complete and fresh")
    }],
};

async fn ready(State(operations): State<Arc<Operations>>) -> Result<Response<Body>, Problem> {
    let as_of = operations.app.reader.view_any().as_of();
    match unreadiness(&operations, &operations.app.registry.snapshot(), as_of) {
        Some(reasons) => Err(Problem::NotReady(reasons)),
        None => {
            let archive = operations.app.archive.as_ref().and_then(|status| status().reason);
            let archive = archive.map(|reason| format!("the archive is retrying: {reason}"));
            let sinks = (operations.app.sinks)().into_iter();
            let sinks = sinks.filter_map(|sink| Some(format!("sinks.{} is retrying: {}", sink.kind, sink.reason?)));
            Ok(simple::ready(&instant::text(as_of), archive.into_iter().chain(sinks).collect()))
        }
    }
}
