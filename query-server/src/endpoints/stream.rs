//! `GET /v1/stream`: the status as server-sent events, one after another, which are the stream's heartbeat too.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response};
use tokio::sync::mpsc;

use super::status;
use crate::body::Body;
use crate::limits::Taken;
use crate::problem::Problem;
use crate::shared::Shared;

/// Opens a stream, unless there are too many.
pub(crate) fn answer(shared: &Arc<Shared>, method: &Method) -> Result<Response<Body>, Problem> {
    let place = shared.streams.take().ok_or(Problem::Busy("streams"))?;
    let body = if *method == Method::HEAD {
        Body::Whole(Bytes::new())
    } else {
        let (pieces, stream) = mpsc::channel(1);
        tokio::spawn(run(shared.clone(), pieces, place));
        Body::Stream(stream)
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Sends a status now and at every interval, until the client is gone or the server ends.
async fn run(shared: Arc<Shared>, pieces: mpsc::Sender<Bytes>, _place: Taken) {
    let interval_ms = shared.settings.stream_interval_ms.max(1);
    let mut ticks = tokio::time::interval(Duration::from_millis(interval_ms));
    let retry = Bytes::from(format!("retry: {interval_ms}\n\n"));
    let send_all = async {
        let mut gone = pieces.send(retry).await.is_err();
        while !gone {
            ticks.tick().await;
            let status = status::text(&shared).await;
            let event = [b"event: status\ndata: ".as_slice(), &status, b"\n\n"].concat();
            gone = pieces.send(event.into()).await.is_err();
        }
    };
    tokio::select! {
        () = send_all => {}
        () = pieces.closed() => {}
        () = shared.shutdown.begun() => {}
    }
}
