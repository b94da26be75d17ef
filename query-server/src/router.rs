//! Every endpoint that is not hot, on an axum router built from the declarations.
//!
//! ```text
//! request ─▶ path ─▶ label ─▶ method ─▶ key ─▶ expectation ─▶ parameters ─▶ owner ─▶ handler
//!              └ 404             └ 405   └ 401    └ 417          └ 400         └ another process of the cluster
//! ```

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequest, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter};
use hyper::header::{CONNECTION, HeaderValue};

use crate::access::{Caller, Quota};
use crate::admission;
use crate::connection_state::ConnectionState;
use crate::endpoint::{Endpoint, Operation, Owner, Verb};
use crate::endpoints::ENDPOINTS;
use crate::forward::{self, Answerer, Patience};
use crate::ids;
use crate::operations::Operations;
use crate::parameters::{ParameterSet, Parameters};
use crate::problem::Problem;
use crate::request_body::{self, RequestBody};

/// In an answer's extensions: the place of its endpoint in the table of endpoints.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndpointIndex(pub(crate) usize);

/// In an answer's extensions: what is left of the rate of the request's key.
#[derive(Clone, Debug)]
pub(crate) struct QuotaLeft(pub(crate) Quota);

/// What a layer knows of the operation it stands before.
#[derive(Clone)]
struct DeclaredRoute {
    endpoint: &'static Endpoint,
    operation: &'static Operation,
    operations: Arc<Operations>,
}

/// The router of all endpoints that are not hot.
pub(crate) fn router(operations: &Arc<Operations>) -> Router {
    let mut router = Router::new();
    for (index, endpoint) in ENDPOINTS.iter().enumerate() {
        let Some(route) = route(index, endpoint, operations) else { continue };
        router = endpoint.paths.iter().fold(router, |router, path| router.route(path, route.clone()));
    }
    router.fallback(no_endpoint).layer(from_fn(close_after_problem)).with_state(operations.clone())
}

async fn no_endpoint() -> Problem {
    Problem::UnknownPath
}

/// The route of one endpoint; none for a hot one.
fn route(
    index: usize,
    endpoint: &'static Endpoint,
    operations: &Arc<Operations>,
) -> Option<MethodRouter<Arc<Operations>>> {
    let mut route = MethodRouter::new();
    for operation in endpoint.operations {
        let filter = match operation.verb {
            Verb::Get => MethodFilter::GET,
            Verb::Delete => MethodFilter::DELETE,
            Verb::Post => MethodFilter::POST,
            Verb::Put => MethodFilter::PUT,
            Verb::Patch => MethodFilter::PATCH,
        };
        let declared = DeclaredRoute { endpoint, operation, operations: operations.clone() };
        route = route.merge((operation.route?)(filter).route_layer(from_fn_with_state(declared, prepare)));
    }
    let refused = move || std::future::ready(Problem::Method(endpoint.allow()));
    Some(route.fallback(refused).layer(from_fn(move |request: Request, next: Next| async move {
        let mut response = next.run(request).await;
        response.extensions_mut().insert(EndpointIndex(index));
        response
    })))
}

/// Says that the connection ends where a request was refused with its body unread.
async fn close_after_problem(request: Request, next: Next) -> Response {
    let connection = request.extensions().get::<Arc<ConnectionState>>().cloned();
    let mut response = next.run(request).await;
    let failed = response.status().is_client_error() || response.status().is_server_error();
    if failed && connection.is_some_and(|connection| connection.is_unread()) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Lets a caller pass who may do the operation.
async fn prepare(State(declared): State<DeclaredRoute>, request: Request, next: Next) -> Response {
    let mut quota = None;
    let admitted = admission::admit(&declared.operations, declared.operation, request.headers(), &mut quota);
    let answer = match admitted {
        Ok(caller) => admitted_request(declared, caller, request, next).await,
        Err(problem) => Err(problem),
    };
    let mut response = answer.into_response();
    if let Some(quota) = quota {
        response.extensions_mut().insert(QuotaLeft(quota));
    }
    response
}

/// Reads the parameters, and lets the process answer that holds the user's rows.
async fn admitted_request(
    declared: DeclaredRoute,
    caller: Caller,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let DeclaredRoute { endpoint, operation, operations } = &declared;
    if operation.takes_body() {
        request_body::check_expectation(request.headers())?;
    }
    let read = &operations.read;
    let parameters = Parameters::read(request.uri().query(), operation.parameters, read.bounds())?;
    // What the parameters need of the key is checked before the audit log has an entry on the request.
    if let Some(scope) = parameters.transfer.further_scope() {
        operations.app.access.check_again(scope, request.headers())?;
    }
    let patience = Patience::of(request.method(), &parameters);
    request.extensions_mut().insert(parameters);
    let (Owner::User, Some(forward)) = (endpoint.owner_of(operation), &read.forward) else {
        return answer_here(&declared, caller, request, next).await;
    };
    let user = ids::id(endpoint.ids(request.uri().path()).next().unwrap_or_default())?;
    match forward.answerer(&read.reader, &user, request.headers())? {
        Answerer::Here => answer_here(&declared, caller, request, next).await,
        Answerer::HereFor { shown } => {
            read.waits.wait_for_tick(shown, read.wait_max()).await?;
            let mut response = answer_here(&declared, caller, request, next).await?;
            if response.status().is_success() {
                forward::stamp(response.headers_mut(), read.waits.shown_tick());
            }
            Ok(response)
        }
        Answerer::Process(owner) => {
            let (method, uri, headers) = (request.method().clone(), request.uri().clone(), request.headers().clone());
            let body = RequestBody::from_request(request, operations).await?;
            let answer = forward.send(owner, patience, &method, &uri, &headers, body.bytes.clone());
            Ok(answer.await?.into_response())
        }
    }
}

/// Runs the handler. If the audit log has an entry on the operation, its answer is given once the entry is durable.
async fn answer_here(
    declared: &DeclaredRoute,
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let DeclaredRoute { operation, operations, .. } = declared;
    if operation.audited_as.is_none() {
        return Ok(next.run(request).await);
    }
    let target = || target(operation, &request);
    let entry = admission::open_entry(operations, operation, caller, target, request.headers());
    admission::audited(operations.clone(), entry, next.run(request), Response::status).await
}

/// On what an operation is done, as the audit log has it: the path; of an import, how it is done too.
fn target(operation: &Operation, request: &Request) -> String {
    let path = request.uri().path();
    match request.extensions().get::<Parameters>() {
        Some(parameters) if operation.parameters == ParameterSet::Import => {
            format!("{path}?{}", parameters.transfer.query_of_import())
        }
        _ => path.to_owned(),
    }
}
