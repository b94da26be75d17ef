//! From a request to its answer: on a hot path at once, elsewhere through the router. Every answer is counted.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::body::{Body as _, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response};
use tower_service::Service;

use crate::answer;
use crate::body::Body;
use crate::connection_state::ConnectionState;
use crate::cors;
use crate::counters::Counters;
use crate::endpoints::{self, ENDPOINTS, NO_ENDPOINT};
use crate::envelope::Envelope;
use crate::event_writer::BoxFuture;
use crate::header_names::{LAST_EVENT_ID, X_API_KEY, X_REQUEST_ID};
use crate::hot::{self, HotRoute};
use crate::operations::Operations;
use crate::problem::Problem;
use crate::push::Pushed;
use crate::reply::Reply;
use crate::request::{RequestHead, check_bounds};
use crate::router::{EndpointIndex, QuotaLeft};

/// What a serving thread needs to answer requests.
pub(crate) struct Thread {
    pub(crate) operations: Arc<Operations>,
    pub(crate) router: axum::Router,
    pub(crate) counters: Counters,
}

/// An answer on its way. Most are ready when they are asked for.
pub(crate) enum Answering {
    /// Ready; empty once taken.
    Ready(Option<Response<Body>>),
    /// Waiting for a body, an acknowledgement, a position or the router.
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

/// A request on its way to its answer.
struct Exchange {
    /// The place of its endpoint in the table of endpoints.
    index: usize,
    started: Instant,
    envelope: Envelope,
}

/// Answers a request.
pub(crate) fn dispatch(
    thread: &Arc<Thread>,
    connection: &Arc<ConnectionState>,
    request: Request<Incoming>,
) -> Answering {
    let started = Instant::now();
    connection.serving();
    connection.set_unread(!request.body().is_end_stream());
    let (mut parts, body) = request.into_parts();
    let operations = &thread.operations;
    let route = HotRoute::find(parts.uri.path());
    let bounds = check_bounds(&operations.settings, &parts.uri, parts.version, &parts.headers);
    let envelope = bounds.and_then(|has_id| Envelope::of(&parts.headers, has_id, &operations.cors));
    let mut exchange = Exchange { index: NO_ENDPOINT, started, envelope: Envelope::default() };
    match envelope {
        Ok(envelope) => exchange.envelope = envelope,
        Err(problem) => {
            exchange.index = route.map_or_else(|| endpoints::find(parts.uri.path()), |route| route.index);
            return ready(thread, connection, exchange, Err(problem));
        }
    }
    if parts.method == Method::OPTIONS
        && let Some(response) = preflight(&mut exchange, parts.uri.path(), &parts.headers)
    {
        return ready(thread, connection, exchange, Ok(response));
    }
    let Some(route) = route else {
        // A process that the request is passed on to knows it by the same id.
        let id = exchange.envelope.request_id().clone();
        parts.headers.insert(X_REQUEST_ID, id);
        parts.extensions.insert(connection.clone());
        return routed(thread.clone(), connection.clone(), Request::from_parts(parts, body), exchange);
    };
    exchange.index = route.index;
    let head = RequestHead { method: &parts.method, uri: &parts.uri, headers: parts.headers };
    match hot::answer(operations, route, head, &mut exchange.envelope) {
        Ok(Reply::Later(later)) => {
            let (thread, connection) = (thread.clone(), connection.clone());
            Answering::Later(Box::pin(async move {
                let response = or_problem(later.await, &connection);
                finish(&thread.counters, &connection, exchange, response)
            }))
        }
        Ok(Reply::Now(response)) => ready(thread, connection, exchange, Ok(response)),
        Err(problem) => ready(thread, connection, exchange, Err(problem)),
    }
}

/// The header fields that a page of another origin may send: those of many requests, and those that the endpoints declare.
static SENT_BY_PAGES: LazyLock<HeaderValue> = LazyLock::new(|| {
    let common = [AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, LAST_EVENT_ID, X_API_KEY, X_REQUEST_ID]
        .map(|name| name.to_string());
    let operations = ENDPOINTS.iter().flat_map(|endpoint| endpoint.operations);
    let declared = operations.flat_map(|operation| operation.headers.iter().chain(operation.optional_headers));
    cors::list(common.into_iter().chain(declared.map(|(name, _)| name.to_lowercase())))
});

/// The answer to a browser that asks whether it may send a request from a page of another origin.
fn preflight(exchange: &mut Exchange, path: &str, headers: &HeaderMap) -> Option<Response<Body>> {
    let index = endpoints::find(path);
    let methods = ENDPOINTS.get(index)?.allow();
    let response = exchange.envelope.cors().preflight(headers, &methods, &SENT_BY_PAGES)?;
    exchange.index = index;
    Some(response)
}

fn ready(
    thread: &Thread,
    connection: &ConnectionState,
    exchange: Exchange,
    result: Result<Response<Body>, Problem>,
) -> Answering {
    let response = or_problem(result, connection);
    Answering::Ready(Some(finish(&thread.counters, connection, exchange, response)))
}

/// Answers a request that is not on a hot path.
fn routed(
    thread: Arc<Thread>,
    connection: Arc<ConnectionState>,
    request: Request<Incoming>,
    mut exchange: Exchange,
) -> Answering {
    let is_head = request.method() == Method::HEAD;
    let answer = thread.router.clone().call(request);
    Answering::Later(Box::pin(async move {
        let Ok(mut response) = answer.await;
        if !is_head {
            // hyper adds the length of a body. Of an answer to HEAD it does not see the body.
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        exchange.index = response.extensions().get().map_or(NO_ENDPOINT, |EndpointIndex(index)| *index);
        exchange.envelope.quota = response.extensions_mut().remove().map(|QuotaLeft(quota)| quota);
        if response.extensions_mut().remove::<Pushed>().is_some() {
            connection.pushes();
        }
        finish(&thread.counters, &connection, exchange, response.map(Body::Routed))
    }))
}

fn or_problem(result: Result<Response<Body>, Problem>, connection: &ConnectionState) -> Response<Body> {
    result.unwrap_or_else(|problem| answer::problem::problem(&problem, connection.is_unread()))
}

/// Completes the answer, notes that it is ready, and counts it.
fn finish(
    counters: &Counters,
    connection: &ConnectionState,
    exchange: Exchange,
    mut response: Response<Body>,
) -> Response<Body> {
    exchange.envelope.write(&mut response);
    connection.answered(response.body().is_stream());
    counters.request(exchange.index, response.status(), exchange.started.elapsed());
    response
}
