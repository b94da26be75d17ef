//! One connection: hyper between the wire and the dispatcher, until it ends or the keeper ends it.

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

use super::connection_state::{ConnectionCommand, ConnectionState};
use super::lingering::LingeringStream;
use crate::dispatch::{Answering, Thread, dispatch};

/// The dispatcher as hyper wants it, for one connection.
struct Requests {
    thread: Arc<Thread>,
    slot: Arc<ConnectionState>,
}

impl Service<Request<Incoming>> for Requests {
    type Response = hyper::Response<crate::body::Body>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        dispatch(&self.thread, &self.slot, request)
    }
}

/// Serves one connection to its end.
pub(crate) async fn run(http: http1::Builder, wire: LingeringStream, thread: Arc<Thread>, slot: Arc<ConnectionState>) {
    let _ending = slot.ends();
    let requests = Requests { thread, slot: slot.clone() };
    let mut connection = pin!(http.serve_connection(TokioIo::new(wire), requests));
    let mut told = false;
    let ended = poll_fn(|context| {
        slot.wake_by(context.waker());
        match slot.verdict() {
            ConnectionCommand::Abort => return Poll::Ready(Ok(())),
            ConnectionCommand::Finish if !told => {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
            ConnectionCommand::Go | ConnectionCommand::Finish => {}
        }
        connection.as_mut().poll(context)
    });
    if let Err(error) = ended.await {
        // The client's doing: it broke off, or sent what is not HTTP.
        tracing::debug!(%error, "connection ended early");
    }
}
