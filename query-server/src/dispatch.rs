//! From a request to its answer: which endpoint, at once or in a while, and counted.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::body::{Body as _, Incoming};
use hyper::header::{HOST, HeaderMap};
use hyper::{Method, Request, Response, Uri, Version};

use crate::answer;
use crate::body::Body;
use crate::endpoints::{self, Reply};
use crate::event_writer::BoxFuture;
use crate::metrics::counters::Counters;
use crate::problem::Problem;
use crate::route::{NO_ROUTE, Route};
use crate::server::connection_state::ConnectionState;
use crate::settings::Settings;
use crate::shared::Shared;

/// What a serving thread answers with.
pub(crate) struct Thread {
    pub(crate) shared: Arc<Shared>,
    pub(crate) counters: Arc<Counters>,
}

/// An answer on its way: most are ready when they are asked for.
pub(crate) enum Answering {
    /// Ready; empty once taken.
    Ready(Option<Response<Body>>),
    /// Waiting for a body, an acknowledgement or a position.
    Later(BoxFuture<'static, Response<Body>>),
}

impl Future for Answering {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Answering::Ready(response) => {
                Poll::Ready(Ok(response.take().expect("a future is polled until it is ready")))
            }
            Answering::Later(response) => response.as_mut().poll(context).map(Ok),
        }
    }
}

/// A request without its body.
pub(crate) struct Asked<'r> {
    pub(crate) method: &'r Method,
    pub(crate) uri: &'r Uri,
    /// The request's header fields; the map is used again for the answer.
    pub(crate) headers: HeaderMap,
}

/// Answers a request.
pub(crate) fn dispatch(thread: &Arc<Thread>, slot: &Arc<ConnectionState>, request: Request<Incoming>) -> Answering {
    let started = Instant::now();
    slot.serving();
    slot.set_unread(!request.body().is_end_stream());
    let (parts, body) = request.into_parts();
    let needs_host = parts.version == Version::HTTP_11;
    let asked = Asked { method: &parts.method, uri: &parts.uri, headers: parts.headers };
    let route = Route::find(asked.uri.path());
    let index = route.map_or(NO_ROUTE, |route| route.index());
    let bounded = within_bounds(&thread.shared.settings, &asked, needs_host);
    let result = match bounded.and_then(|()| reply(thread, slot, route, asked, body)) {
        Ok(Reply::Later(later)) => {
            let (thread, slot) = (thread.clone(), slot.clone());
            return Answering::Later(Box::pin(async move {
                let result = later.await;
                finish(&thread.counters, &slot, index, started, result)
            }));
        }
        Ok(Reply::Now(response)) => Ok(response),
        Err(problem) => Err(problem),
    };
    Answering::Ready(Some(finish(&thread.counters, slot, index, started, result)))
}

/// Asks the request's endpoint.
fn reply(
    thread: &Thread,
    slot: &Arc<ConnectionState>,
    route: Option<Route<'_>>,
    asked: Asked<'_>,
    body: Incoming,
) -> Result<Reply, Problem> {
    endpoints::answer(&thread.shared, slot, route.ok_or(Problem::UnknownPath)?, asked, body)
}

/// Holds the request against the bounds that every request has. A request of HTTP/1.1 names its host, once.
fn within_bounds(settings: &Settings, asked: &Asked<'_>, needs_host: bool) -> Result<(), Problem> {
    let target_bytes = asked.uri.path().len() + asked.uri.query().map_or(0, |query| query.len() + 1);
    if target_bytes > settings.uri_bytes_max {
        return Err(Problem::UriTooLong(settings.uri_bytes_max));
    }
    let (mut header_bytes, mut hosts) = (0, 0);
    for (name, value) in &asked.headers {
        // As it was sent: name, colon, blank, value, end of line.
        header_bytes += name.as_str().len() + value.len() + 4;
        hosts += usize::from(name == HOST);
    }
    if header_bytes > settings.header_bytes_max {
        return Err(Problem::HeaderTooLarge(settings.header_bytes_max));
    }
    match hosts {
        0 if needs_host => Err(Problem::MissingHeader("host")),
        0 | 1 => Ok(()),
        _ => Err(Problem::BadHeader { name: "host", fault: "is given more than once" }),
    }
}

/// Turns a problem into its answer, and counts.
fn finish(
    counters: &Counters,
    slot: &ConnectionState,
    index: usize,
    started: Instant,
    result: Result<Response<Body>, Problem>,
) -> Response<Body> {
    let response = result.unwrap_or_else(|problem| answer::problem::problem(&problem, slot.is_unread()));
    slot.answered(matches!(response.body(), Body::Stream(_)));
    counters.request(index, response.status(), started.elapsed());
    response
}
