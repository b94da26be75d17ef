//! The endpoints, one a file, and which route leads to which.

pub(crate) mod best_sellers;
pub(crate) mod events;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod legacy;
pub(crate) mod metrics;
pub(crate) mod page;
pub(crate) mod recommendations;
pub(crate) mod removal;
pub(crate) mod status;
pub(crate) mod stream;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use dataflow::feed::Position;
use hyper::Response;
use hyper::body::Incoming;
use hyper::header::HeaderMap;

use crate::body::Body;
use crate::dispatch::Asked;
use crate::event_writer::BoxFuture;
use crate::forward;
use crate::parameters::{Parameters, Takes};
use crate::path;
use crate::problem::Problem;
use crate::route::{Route, Verb};
use crate::server::connection_state::ConnectionState;
use crate::shared::Shared;

/// The answer, or a future of it.
pub(crate) enum Reply {
    Now(Response<Body>),
    Later(BoxFuture<'static, Result<Response<Body>, Problem>>),
}

impl Reply {
    pub(crate) fn failed(problem: Problem) -> Reply {
        Reply::Later(Box::pin(std::future::ready(Err(problem))))
    }

    /// Whatever `answer` says, once `positions` are visible.
    fn after(
        shared: &Arc<Shared>,
        positions: Vec<Position>,
        wait: Duration,
        answer: impl FnOnce(&Shared) -> Result<Response<Body>, Problem> + Send + 'static,
    ) -> Reply {
        let shared = shared.clone();
        Reply::Later(Box::pin(async move {
            wait_for(&shared, &positions, wait).await?;
            answer(&shared)
        }))
    }
}

/// Reads a list as it is now, of the user or category named.
type ReadList = fn(&Shared, HeaderMap, &str, &Parameters) -> Result<Response<Body>, Problem>;

/// Answers with a list at once, unless asked to wait.
fn list(
    shared: &Arc<Shared>,
    headers: HeaderMap,
    of: Cow<'_, str>,
    mut parameters: Parameters,
    read: ReadList,
) -> Result<Reply, Problem> {
    let Some(positions) = parameters.after.take() else {
        return read(shared, headers, &of, &parameters).map(Reply::Now);
    };
    let (of, wait) = (of.into_owned(), parameters.wait);
    Ok(Reply::after(shared, positions, wait, move |shared| read(shared, headers, &of, &parameters)))
}

/// Resolves once `positions` are visible.
async fn wait_for(shared: &Shared, positions: &[Position], wait: Duration) -> Result<(), Problem> {
    match shared.waits.visible(positions, wait).await? {
        true => Ok(()),
        false => Err(Problem::NotVisible),
    }
}

/// Answers a request to `route`, here or where its user is held.
pub(crate) fn answer(
    shared: &Arc<Shared>,
    slot: &Arc<ConnectionState>,
    route: Route<'_>,
    asked: Asked<'_>,
    body: Incoming,
) -> Result<Reply, Problem> {
    let Some(forward) = &shared.forward else { return answer_here(shared, slot, route, asked, body) };
    let reader = &shared.app.reader;
    let key = |user: &str| reader.dictionary().find_user(user);
    let key = match route {
        Route::History { user } | Route::HistoryProduct { user, .. } | Route::Recommendations { user } => {
            key(&path::id(user)?)
        }
        Route::LegacyHistory | Route::LegacyRecommendations => key(legacy::user(&asked.headers)?),
        _ => return answer_here(shared, slot, route, asked, body),
    };
    let owner = reader.owner_elsewhere(key);
    match (owner, forward::asked_after(&asked.headers)) {
        (None, None) => answer_here(shared, slot, route, asked, body),
        (None, Some(after)) => Ok(forward::answer_for_another(shared, slot, asked, body, after)),
        (Some(_), Some(_)) => Err(Problem::Misrouted),
        (Some(owner), None) => {
            // What is wrong with a request is told here: the same as anywhere.
            parameters(shared, route, &asked)?;
            Ok(forward.send(shared, owner, &asked))
        }
    }
}

fn parameters(shared: &Shared, route: Route<'_>, asked: &Asked<'_>) -> Result<(Verb, Parameters), Problem> {
    let verb = route.verb(asked.method)?;
    let takes = match (route, verb) {
        (Route::History { .. } | Route::Recommendations { .. }, _) => Takes::List,
        (Route::BestSellers | Route::CategoryBestSellers { .. }, _) => Takes::List,
        (Route::HistoryProduct { .. }, _) => Takes::Wait,
        _ => Takes::Nothing,
    };
    Ok((verb, Parameters::read(asked.uri.query(), takes, shared.bounds())?))
}

/// Answers a request that can be answered here.
pub(crate) fn answer_here(
    shared: &Arc<Shared>,
    slot: &Arc<ConnectionState>,
    route: Route<'_>,
    asked: Asked<'_>,
    body: Incoming,
) -> Result<Reply, Problem> {
    let (verb, parameters) = parameters(shared, route, &asked)?;
    match route {
        Route::History { user } => {
            let read: ReadList =
                |shared, headers, user, parameters| history::read(shared, headers, user, parameters, false);
            list(shared, asked.headers, path::id(user)?, parameters, read)
        }
        Route::HistoryProduct { user, product } => {
            Ok(removal::answer(shared, path::id(user)?, path::id(product)?, parameters))
        }
        Route::Recommendations { user } => {
            let read: ReadList =
                |shared, headers, user, parameters| recommendations::read(shared, headers, user, parameters, false);
            list(shared, asked.headers, path::id(user)?, parameters, read)
        }
        Route::BestSellers => {
            let read: ReadList = |shared, headers, _, parameters| best_sellers::read(shared, headers, None, parameters);
            list(shared, asked.headers, "".into(), parameters, read)
        }
        Route::CategoryBestSellers { category } => {
            let read: ReadList =
                |shared, headers, category, parameters| best_sellers::read(shared, headers, Some(category), parameters);
            list(shared, asked.headers, path::id(category)?, parameters, read)
        }
        Route::LegacyHistory if verb == Verb::Delete => legacy::removal(shared, &asked.headers, parameters),
        Route::LegacyHistory => legacy::history(shared, asked.headers, parameters),
        Route::LegacyRecommendations => legacy::recommendations(shared, asked.headers, parameters),
        Route::Events => events::answer(shared, slot, &asked.headers, body),
        Route::Live => Ok(Reply::Now(health::live())),
        Route::Ready => health::ready(shared).map(Reply::Now),
        Route::Metrics => Ok(Reply::Now(metrics::answer(shared))),
        Route::Status => Ok(status::answer(shared)),
        Route::Stream => stream::answer(shared, asked.method).map(Reply::Now),
        Route::Page { name } => Ok(Reply::Now(page::answer(name, &asked.headers))),
    }
}
