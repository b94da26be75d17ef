//! One connection: hyper between the stream and the dispatcher, until the client or the reaper ends it.
//!
//! ```text
//! TCP ─────────────────────▶ LingeringStream ─▶ hyper ─▶ dispatch
//!  └─▶ handshake of TLS ──▶ ┘
//! ```

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
use tokio::net::TcpStream;

use super::lingering::LingeringStream;
use super::transport::Transport;
use crate::connection_state::{ConnectionCommand, ConnectionState};
use crate::dispatch::{Answering, Thread, dispatch};
use crate::tls::Tls;

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

/// Shakes hands with the client, then serves the connection to its end.
pub(crate) async fn run_within(
    tls: Arc<Tls>,
    http: http1::Builder,
    stream: TcpStream,
    thread: Arc<Thread>,
    state: Arc<ConnectionState>,
) {
    let _guard = state.end_guard();
    let mut handshake = pin!(tls.accept(stream));
    let shaken = poll_fn(|context| {
        state.wake_by(context.waker());
        match state.command() {
            ConnectionCommand::Abort => Poll::Ready(None),
            ConnectionCommand::Continue | ConnectionCommand::Finish => handshake.as_mut().poll(context).map(Some),
        }
    });
    match shaken.await {
        Some(Ok(stream)) => run(http, stream, thread, state).await,
        Some(Err(error)) => tracing::debug!(%error, "a client did not agree on TLS"),
        None => {}
    }
}

/// Serves one connection to its end.
pub(crate) async fn run<S: Transport>(
    http: http1::Builder,
    stream: S,
    thread: Arc<Thread>,
    state: Arc<ConnectionState>,
) {
    let _guard = state.end_guard();
    let stream = LingeringStream::new(stream, state.clone(), thread.counters.clone());
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
