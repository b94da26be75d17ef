//! One connection: hyper between the stream and the dispatcher, until the client or the reaper ends it.

use std::convert::Infallible;
use std::future::Future;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;

use super::lingering::LingeringStream;
use crate::connection_state::{ConnectionCommand, ConnectionState};
use crate::dispatch::{Answering, Thread, dispatch};

/// The dispatcher as hyper's service, for one connection.
struct Requests {
    thread: Arc<Thread>,
    state: Arc<ConnectionState>,
}

impl Service<Request<Incoming>> for Requests {
    type Response = hyper::Response<crate::body::Body>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        dispatch(&self.thread, &self.state, request)
    }
}

/// Serves one connection to its end.
pub(crate) async fn run(
    http: http1::Builder,
    stream: LingeringStream,
    thread: Arc<Thread>,
    state: Arc<ConnectionState>,
) {
    let _guard = state.end_guard();
    let requests = Requests { thread, state: state.clone() };
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), requests));
    let mut is_finishing = false;
    let ended = poll_fn(|context| {
        state.wake_by(context.waker());
        match state.command() {
            ConnectionCommand::Abort => return Poll::Ready(Ok(())),
            ConnectionCommand::Finish if !is_finishing => {
                is_finishing = true;
                connection.as_mut().graceful_shutdown();
            }
            ConnectionCommand::Continue | ConnectionCommand::Finish => {}
        }
        connection.as_mut().poll(context)
    });
    if let Err(error) = ended.await {
        // The client closed the connection in the middle, or did not speak HTTP.
        tracing::debug!(%error, "connection ended early");
    }
}
