//! The hot paths: matched by comparing bytes and answered without the router, an allocation for the route or a lock.

use std::borrow::Cow;
use std::sync::Arc;

use dataflow::time::Time;
use hyper::header::HeaderMap;
use hyper::{Response, StatusCode};

use crate::access::Caller;
use crate::admission;
use crate::body::Body;
use crate::endpoint::{Endpoint, Operation, Owner, Template};
use crate::endpoints::{
    ENDPOINTS, best_sellers, buy_again, features, for_you, history, index, legacy, recommendations, removal, similar,
};
use crate::envelope::Envelope;
use crate::forward::{self, Answerer, Patience};
use crate::ids;
use crate::operations::Operations;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::read_state::ReadState;
use crate::reply::Reply;
use crate::request::{ListRequest, RequestHead};

/// A path of a hot endpoint.
struct HotPath {
    template: Template,
    /// The endpoint's place in the table of endpoints.
    index: usize,
}

const fn hot_path(endpoint: &Endpoint, path: usize) -> HotPath {
    HotPath { template: Template::of(endpoint.paths[path]), index: index(endpoint.label) }
}

/// The hot paths, the most frequent first.
static HOT_PATHS: [HotPath; 12] = [
    hot_path(&history::ENDPOINT, 0),
    hot_path(&recommendations::ENDPOINT, 0),
    hot_path(&for_you::ENDPOINT, 0),
    hot_path(&similar::ENDPOINT, 0),
    hot_path(&buy_again::ENDPOINT, 0),
    hot_path(&features::OF_USER, 0),
    hot_path(&best_sellers::OF_CATEGORY, 0),
    hot_path(&best_sellers::IN_GENERAL, 0),
    hot_path(&legacy::HISTORY, 0),
    hot_path(&legacy::HISTORY, 1),
    hot_path(&legacy::RECOMMENDATIONS, 0),
    hot_path(&legacy::RECOMMENDATIONS, 1),
];

/// A hot endpoint, and the id in its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HotRoute<'p> {
    /// The endpoint's place in the table of endpoints.
    pub(crate) index: usize,
    /// Still percent-encoded; none where the path has no id.
    id: Option<&'p str>,
}

impl<'p> HotRoute<'p> {
    /// The hot endpoint at `path`, if it is one.
    pub(crate) fn find(path: &'p str) -> Option<HotRoute<'p>> {
        HOT_PATHS.iter().find_map(|hot| Some(HotRoute { index: hot.index, id: hot.template.id(path)? }))
    }

    fn endpoint(self) -> &'static Endpoint {
        ENDPOINTS[self.index]
    }

    /// The user, product or category that the list belongs to; empty for a list over everything.
    fn list_of(self, headers: &HeaderMap) -> Result<Cow<'p, str>, Problem> {
        match self.id {
            Some(id) => ids::id(id),
            None if self.endpoint().owner == Owner::User => Ok(Cow::Owned(legacy::user(headers)?.to_owned())),
            None => Ok(Cow::Borrowed("")),
        }
    }
}

/// What a hot request asks for, by whom.
#[derive(Clone, Copy)]
struct Asked {
    operation: &'static Operation,
    caller: Caller,
}

impl Asked {
    fn parameters(self, read: &ReadState, head: &RequestHead<'_>) -> Result<Parameters, Problem> {
        Parameters::read(head.uri.query(), self.operation.parameters, read.bounds())
    }
}

/// Answers a request on a hot path, if its caller may ask it: here, or where its user's rows are.
pub(crate) fn answer(
    operations: &Arc<Operations>,
    route: HotRoute<'_>,
    head: RequestHead<'_>,
    envelope: &mut Envelope,
) -> Result<Reply, Problem> {
    let read = &operations.read;
    let operation = route.endpoint().operation(head.method)?;
    let caller = admission::admit(operations, operation, &head.headers, &mut envelope.quota)?;
    let asked = Asked { operation, caller };
    let (Owner::User, Some(forward)) = (route.endpoint().owner, &read.forward) else {
        return answer_here(operations, route, head, asked);
    };
    match forward.answerer(&read.reader, &route.list_of(&head.headers)?, &head.headers)? {
        Answerer::Here => answer_here(operations, route, head, asked),
        Answerer::HereFor { shown } => Ok(answer_for_peer(operations, head, asked, shown)),
        Answerer::Process(owner) => {
            // A wrong request is answered the same by every process.
            let patience = Patience::of(head.method, &asked.parameters(read, &head)?);
            let answer = forward.send(owner, patience, head.method, head.uri, &head.headers, bytes::Bytes::new());
            Ok(Reply::Later(Box::pin(answer)))
        }
    }
}

/// Answers a request that another process has passed on, once the state is as new as the newest state that the other process
/// has shown.
fn answer_for_peer(operations: &Arc<Operations>, head: RequestHead<'_>, asked: Asked, shown: Time) -> Reply {
    let operations = operations.clone();
    let (method, uri, headers) = (head.method.clone(), head.uri.clone(), head.headers);
    Reply::Later(Box::pin(async move {
        let waits = &operations.read.waits;
        waits.wait_for_tick(shown, operations.read.wait_max()).await?;
        let route = HotRoute::find(uri.path()).ok_or(Problem::UnknownPath)?;
        let head = RequestHead { method: &method, uri: &uri, headers };
        let mut response = match answer_here(&operations, route, head, asked)? {
            Reply::Now(response) => response,
            Reply::Later(later) => later.await?,
        };
        forward::stamp(response.headers_mut(), waits.shown_tick());
        Ok(response)
    }))
}

/// Answers with a list at once, unless the request asks to wait; or removes a product from a history.
fn answer_here(
    operations: &Arc<Operations>,
    route: HotRoute<'_>,
    head: RequestHead<'_>,
    asked: Asked,
) -> Result<Reply, Problem> {
    let read = &operations.read;
    let mut parameters = asked.parameters(read, &head)?;
    let (of, headers) = (route.list_of(&head.headers)?, head.headers);
    let Some(read_list) = asked.operation.read_list else {
        let product = legacy::product(&headers)?.to_owned();
        let target = || removal::path(&of, &product);
        let entry = admission::open_entry(operations, asked.operation, asked.caller, target, &headers);
        let removing = removal::remove(operations.clone(), of.into_owned(), product, parameters);
        let answering = admission::audited(operations.clone(), entry, removing, status_of);
        return Ok(Reply::Later(Box::pin(async move { answering.await? })));
    };
    let Some(positions) = parameters.after.take() else {
        return read_list(read, ListRequest { headers, of: &of, parameters: &parameters, is_shown: true })
            .map(Reply::Now);
    };
    let (read, of) = (read.clone(), of.into_owned());
    Ok(Reply::Later(Box::pin(async move {
        read.waits.wait_for(&positions, parameters.wait).await?;
        read_list(&read, ListRequest { headers, of: &of, parameters: &parameters, is_shown: true })
    })))
}

fn status_of(answer: &Result<Response<Body>, Problem>) -> StatusCode {
    answer.as_ref().map_or_else(|problem| problem.kind().status, Response::status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hot_paths_are_those_that_are_declared() {
        let route = |endpoint: &Endpoint, id| Some(HotRoute { index: index(endpoint.label), id });
        let user = Some("user-1");
        assert_eq!(HotRoute::find("/v1/users/user-1/history"), route(&history::ENDPOINT, user));
        assert_eq!(HotRoute::find("/v1/users/user-1/recommendations"), route(&recommendations::ENDPOINT, user));
        assert_eq!(HotRoute::find("/v1/users/user-1/for-you"), route(&for_you::ENDPOINT, user));
        assert_eq!(HotRoute::find("/v1/products/p/similar"), route(&similar::ENDPOINT, Some("p")));
        assert_eq!(HotRoute::find("/v1/bestsellers"), route(&best_sellers::IN_GENERAL, None));
        let of_category = route(&best_sellers::OF_CATEGORY, Some("a%20b"));
        assert_eq!(HotRoute::find("/v1/categories/a%20b/bestsellers"), of_category);
        for slash in ["", "/"] {
            let path = format!("/api/v1/user_nav_history_latest_products{slash}");
            assert_eq!(HotRoute::find(&path), route(&legacy::HISTORY, None));
            let path = format!("/api/v1/user_history_recommendations{slash}");
            assert_eq!(HotRoute::find(&path), route(&legacy::RECOMMENDATIONS, None));
        }
    }

    #[test]
    fn every_other_path_is_left_to_the_router() {
        for path in [
            "",
            "*",
            "/v1",
            "/v1/users/u",
            "/v1/users/u/",
            "/v1/users/u/History",
            "/v1/users/u/history/",
            "/v1/users/u/history/p",
            "/v1/users/u/recommendations/",
            "/v1/products/similar",
            "/v1/recommendations",
            "/v1/categories/c",
            "/v1/categories/bestsellers",
            "/v1/categories/a/b/bestsellers",
            "/v1/bestsellers/",
            "//v1/bestsellers",
            "/v1/../v1/bestsellers",
            "/api/v1/user_history_recommendations//",
            "/api/v1/",
            "/livez",
        ] {
            assert_eq!(HotRoute::find(path), None, "{path}");
        }
    }

    #[test]
    fn every_hot_endpoint_has_all_of_its_paths_here() {
        for (at, endpoint) in ENDPOINTS.iter().enumerate() {
            let is_hot = endpoint.operations.iter().any(|operation| operation.read_list.is_some());
            for path in endpoint.paths {
                assert_eq!(HotRoute::find(path).map(|route| route.index), is_hot.then_some(at), "{path}");
            }
        }
    }
}
