//! `GET /v1/stream`: the status as server-sent events at an interval, which keep the connection alive too.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::routing::on;
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Response};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::status;
use crate::body::Body;
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope};
use crate::operations::Operations;
use crate::problem::Problem;
use crate::push::Pushed;

const EVENT_STREAM: &str = "text/event-stream";

pub(crate) static ENDPOINT: Endpoint = Endpoint {
    label: "stream",
    paths: &["/v1/stream"],
    owner: Owner::Receiver,
    operations: &[Operation {
        answers: &[Answer::text(EVENT_STREAM, "Events of the type `status`, each with the object of `/v1/status`")],
        problems: &[&[Problem::Busy("streams")]],
        route: Some(|filter| on(filter, stream)),
        tag: Some("operations"),
        ..Operation::get(Scope::Read, "The status again and again, as server-sent events")
    }],
};

async fn stream(
    State(operations): State<Arc<Operations>>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let permit = operations.streams.take().ok_or(Problem::Busy("streams"))?;
    let (pieces, stream) = mpsc::channel(1);
    if method != Method::HEAD {
        tokio::spawn(run(operations, headers, pieces, permit));
    }
    let mut response = Response::new(Body::Stream(stream));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(Pushed);
    Ok(response)
}

/// Sends a status now and at every interval, until the client is gone, its key is no longer valid or the server ends.
async fn run(
    operations: Arc<Operations>,
    headers: HeaderMap,
    pieces: mpsc::Sender<Bytes>,
    _permit: OwnedSemaphorePermit,
) {
    let interval_ms = operations.settings.stream_interval_ms.max(1);
    let mut ticks = tokio::time::interval(Duration::from_millis(interval_ms));
    let retry = Bytes::from(format!("retry: {interval_ms}\n\n"));
    let send_all = async {
        let mut gone = pieces.send(retry).await.is_err();
        while !gone {
            ticks.tick().await;
            if operations.app.access.check_again(Scope::Read, &headers).is_err() {
                return;
            }
            let status = status::text(&operations).await;
            let event = [b"event: status\ndata: ".as_slice(), &status, b"\n\n"].concat();
            gone = pieces.send(event.into()).await.is_err();
        }
    };
    tokio::select! {
        () = send_all => {}
        () = pieces.closed() => {}
        () = operations.shutdown.begun() => {}
    }
}
