//! `GET /v1/stream/bestsellers`, `GET /v1/stream/users/{user}/history` and `…/recommendations`, `GET /v1/stream/features`:
//! lists and features that are sent again whenever they change.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::routing::on;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Response, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::mpsc;

use super::features::followed::FollowedFeatures;
use super::{best_sellers, history, recommendations};
use crate::body::Body;
use crate::endpoint::{Answer, Endpoint, Operation, Owner, ReadList, Scope};
use crate::ids;
use crate::operations::Operations;
use crate::parameters::{ParameterSet, Parameters};
use crate::problem::{self, Problem};
use crate::push::{FollowedList, Follows, Pushed, Reader};

const EVENT_STREAM: &str = "text/event-stream";

/// An answer with events.
const EVENTS: &[Answer] = &[Answer::text(
    EVENT_STREAM,
    "Events of the types `snapshot`, `resumed`, `change` and `end`; the id of an event is that of the list it leads to",
)];

pub(crate) static BEST_SELLERS: Endpoint = Endpoint {
    label: "stream_bestsellers",
    paths: &["/v1/stream/bestsellers"],
    owner: Owner::Receiver,
    operations: &[Operation {
        parameters: ParameterSet::PushedBestSellers,
        answers: EVENTS,
        problems: &[problem::OF_LISTS, &[Problem::UnknownCategory, Problem::Busy("streams")]],
        route: Some(|method| on(method, best_sellers)),
        tag: Some("push"),
        ..Operation::get(Scope::Read, "The best sellers, again whenever they change")
    }],
};

pub(crate) static HISTORY: Endpoint = Endpoint {
    label: "stream_history",
    paths: &["/v1/stream/users/{user}/history"],
    owner: Owner::Receiver,
    operations: &[Operation {
        parameters: ParameterSet::Pushed,
        answers: EVENTS,
        problems: &[problem::OF_LISTS, problem::OF_OWNERS, &[Problem::Busy("streams")]],
        route: Some(|method| on(method, user_history)),
        tag: Some("push"),
        ..Operation::get(Scope::Read, "A user's history, again whenever it changes")
    }],
};

pub(crate) static RECOMMENDATIONS: Endpoint = Endpoint {
    label: "stream_recommendations",
    paths: &["/v1/stream/users/{user}/recommendations"],
    owner: Owner::Receiver,
    operations: &[Operation {
        parameters: ParameterSet::Pushed,
        answers: EVENTS,
        problems: &[problem::OF_LISTS, problem::OF_OWNERS, &[Problem::Busy("streams")]],
        route: Some(|method| on(method, user_recommendations)),
        tag: Some("push"),
        ..Operation::get(Scope::Read, "A user's recommendations, again whenever they change")
    }],
};

pub(crate) static FEATURES: Endpoint = Endpoint {
    label: "stream_features",
    paths: &["/v1/stream/features"],
    owner: Owner::Receiver,
    operations: &[Operation {
        parameters: ParameterSet::PushedFeatures,
        answers: EVENTS,
        problems: &[problem::OF_LISTS, problem::OF_FEATURES, problem::OF_OWNERS, &[Problem::Busy("streams")]],
        route: Some(|method| on(method, features)),
        tag: Some("push"),
        ..Operation::get(Scope::Read, "Features of chosen users, again whenever they change")
    }],
};

async fn features(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    stream(operations, method, FollowedFeatures::of(parameters, headers)).await
}

async fn best_sellers(
    State(operations): State<Arc<Operations>>,
    Extension(mut parameters): Extension<Parameters>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let of = parameters.rows.filter.category.take().unwrap_or_default();
    let followed = FollowedList {
        read_list: best_sellers::answer,
        of,
        is_of_user: false,
        target: String::new(),
        parameters,
        headers,
    };
    stream(operations, method, followed).await
}

async fn user_history(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
    method: Method,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response<Body>, Problem> {
    let followed =
        of_user(|read, request| history::answer(read, request, false), "history", parameters, headers, &uri)?;
    stream(operations, method, followed).await
}

async fn user_recommendations(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
    method: Method,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response<Body>, Problem> {
    let read_list: ReadList = |read, request| recommendations::answer(read, request, false);
    stream(operations, method, of_user(read_list, "recommendations", parameters, headers, &uri)?).await
}

/// The list `name` of the user in the path.
fn of_user(
    read_list: ReadList,
    name: &str,
    parameters: Parameters,
    headers: HeaderMap,
    uri: &Uri,
) -> Result<FollowedList, Problem> {
    let of = ids::id(HISTORY.ids(uri.path()).next().unwrap_or_default())?.into_owned();
    let encoded = utf8_percent_encode(&of, NON_ALPHANUMERIC);
    let target = format!("/v1/users/{encoded}/{name}?limit={}", parameters.limit);
    Ok(FollowedList { read_list, of, is_of_user: true, target, parameters, headers })
}

async fn stream(
    operations: Arc<Operations>,
    method: Method,
    followed: impl Follows,
) -> Result<Response<Body>, Problem> {
    let permit = operations.readers.take().ok_or(Problem::Busy("streams"))?;
    let (reader, first) = Reader::start(operations, followed).await?;
    let (pieces, stream) = mpsc::channel(1);
    if method != Method::HEAD {
        pieces.try_send(first).expect("a new channel has room for one");
        tokio::spawn(reader.run(pieces, permit));
    }
    let mut response = Response::new(Body::Stream(stream));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(Pushed);
    Ok(response)
}
