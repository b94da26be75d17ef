//! The hot paths: matched by comparing bytes and answered without the router, an allocation for the route or a lock.

use std::borrow::Cow;
use std::sync::Arc;

use hyper::header::HeaderMap;
use hyper::{Method, Response};

use crate::body::Body;
use crate::endpoint::{Endpoint, Template};
use crate::endpoints::{best_sellers, history, index, legacy, recommendations, removal};
use crate::forward::{Answerer, answerer};
use crate::ids;
use crate::operations::Operations;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::read_state::ReadState;
use crate::reply::Reply;
use crate::request::RequestHead;

/// A hot path, with its id still percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HotRoute<'p> {
    History { user: &'p str },
    Recommendations { user: &'p str },
    BestSellers,
    CategoryBestSellers { category: &'p str },
    LegacyHistory,
    LegacyRecommendations,
}

impl<'p> HotRoute<'p> {
    /// The hot endpoint at `path`, if it is one.
    pub(crate) fn find(path: &'p str) -> Option<HotRoute<'p>> {
        const HISTORY: Template = Template::of(history::ENDPOINT.paths[0]);
        const RECOMMENDATIONS: Template = Template::of(recommendations::ENDPOINT.paths[0]);
        const CATEGORY: Template = Template::of(best_sellers::OF_CATEGORY.paths[0]);
        if let Some(user) = HISTORY.id(path) {
            Some(HotRoute::History { user })
        } else if let Some(user) = RECOMMENDATIONS.id(path) {
            Some(HotRoute::Recommendations { user })
        } else if let Some(category) = CATEGORY.id(path) {
            Some(HotRoute::CategoryBestSellers { category })
        } else if path == best_sellers::IN_GENERAL.paths[0] {
            Some(HotRoute::BestSellers)
        } else if legacy::HISTORY.paths.contains(&path) {
            Some(HotRoute::LegacyHistory)
        } else {
            legacy::RECOMMENDATIONS.paths.contains(&path).then_some(HotRoute::LegacyRecommendations)
        }
    }

    fn endpoint(self) -> &'static Endpoint {
        match self {
            HotRoute::History { .. } => &history::ENDPOINT,
            HotRoute::Recommendations { .. } => &recommendations::ENDPOINT,
            HotRoute::BestSellers => &best_sellers::IN_GENERAL,
            HotRoute::CategoryBestSellers { .. } => &best_sellers::OF_CATEGORY,
            HotRoute::LegacyHistory => &legacy::HISTORY,
            HotRoute::LegacyRecommendations => &legacy::RECOMMENDATIONS,
        }
    }

    /// Its place in the table of endpoints, known at compile time.
    pub(crate) fn index(self) -> usize {
        match self {
            HotRoute::History { .. } => const { index(history::ENDPOINT.label) },
            HotRoute::Recommendations { .. } => const { index(recommendations::ENDPOINT.label) },
            HotRoute::BestSellers => const { index(best_sellers::IN_GENERAL.label) },
            HotRoute::CategoryBestSellers { .. } => const { index(best_sellers::OF_CATEGORY.label) },
            HotRoute::LegacyHistory => const { index(legacy::HISTORY.label) },
            HotRoute::LegacyRecommendations => const { index(legacy::RECOMMENDATIONS.label) },
        }
    }

    /// The user whose rows it reads, if they are those of one user.
    fn user<'h>(self, headers: &'h HeaderMap) -> Result<Option<Cow<'h, str>>, Problem>
    where
        'p: 'h,
    {
        match self {
            HotRoute::History { user } | HotRoute::Recommendations { user } => ids::id(user).map(Some),
            HotRoute::LegacyHistory | HotRoute::LegacyRecommendations => {
                legacy::user(headers).map(|user| Some(user.into()))
            }
            HotRoute::BestSellers | HotRoute::CategoryBestSellers { .. } => Ok(None),
        }
    }

    /// The parameters of a request.
    fn parameters(self, read: &ReadState, head: &RequestHead<'_>) -> Result<Parameters, Problem> {
        let operation = self.endpoint().operation(head.method)?;
        Parameters::read(head.uri.query(), operation.parameters, read.bounds())
    }
}

/// Answers a request on a hot path: here, or where its user's rows are.
pub(crate) fn answer(
    operations: &Arc<Operations>,
    route: HotRoute<'_>,
    head: RequestHead<'_>,
) -> Result<Reply, Problem> {
    let read = &operations.read;
    let Some(forward) = &read.forward else { return answer_here(operations, route, head) };
    let Some(user) = route.user(&head.headers)? else { return answer_here(operations, route, head) };
    match answerer(&read.reader, &user, &head.headers)? {
        Answerer::Here => answer_here(operations, route, head),
        Answerer::HereFor { shown } => Ok(answer_for_peer(operations, head, shown)),
        Answerer::Process(owner) => {
            // A wrong request is answered the same by every process.
            route.parameters(read, &head)?;
            let answer = forward.send(owner, head.method, head.uri, &head.headers, bytes::Bytes::new());
            Ok(Reply::Later(Box::pin(answer)))
        }
    }
}

/// Answers a request that another process has passed on, once the state is as new as the one that process has shown.
fn answer_for_peer(operations: &Arc<Operations>, head: RequestHead<'_>, shown: dataflow::time::Time) -> Reply {
    let operations = operations.clone();
    let (method, uri, headers) = (head.method.clone(), head.uri.clone(), head.headers);
    Reply::Later(Box::pin(async move {
        let waits = &operations.read.waits;
        waits.wait_for_tick(shown, operations.read.wait_max()).await?;
        let route = HotRoute::find(uri.path()).ok_or(Problem::UnknownPath)?;
        let head = RequestHead { method: &method, uri: &uri, headers };
        let mut response = match answer_here(&operations, route, head)? {
            Reply::Now(response) => response,
            Reply::Later(later) => later.await?,
        };
        crate::forward::stamp(response.headers_mut(), waits.shown_tick());
        Ok(response)
    }))
}

fn answer_here(operations: &Arc<Operations>, route: HotRoute<'_>, head: RequestHead<'_>) -> Result<Reply, Problem> {
    let read = &operations.read;
    let parameters = route.parameters(read, &head)?;
    match route {
        HotRoute::History { user } => list(read, head.headers, ids::id(user)?, parameters, history::read),
        HotRoute::Recommendations { user } => {
            list(read, head.headers, ids::id(user)?, parameters, recommendations::read)
        }
        HotRoute::BestSellers => list(read, head.headers, "".into(), parameters, best_sellers::read_in_general),
        HotRoute::CategoryBestSellers { category } => {
            list(read, head.headers, ids::id(category)?, parameters, best_sellers::read_of_category)
        }
        HotRoute::LegacyHistory if *head.method == Method::DELETE => {
            let (user, product) = legacy::user_and_product(&head.headers)?;
            Ok(Reply::Later(Box::pin(removal::remove(operations.clone(), user, product, parameters))))
        }
        HotRoute::LegacyHistory => legacy::history(read, &head.headers, &parameters).map(Reply::Now),
        HotRoute::LegacyRecommendations => legacy::recommendations(read, &head.headers, &parameters).map(Reply::Now),
    }
}

/// Reads a list as it is now, of the user or category named.
type ReadList = fn(&ReadState, HeaderMap, &str, &Parameters) -> Result<Response<Body>, Problem>;

/// Answers with a list at once, unless the request asks to wait.
fn list(
    read: &Arc<ReadState>,
    headers: HeaderMap,
    of: Cow<'_, str>,
    mut parameters: Parameters,
    read_list: ReadList,
) -> Result<Reply, Problem> {
    let Some(positions) = parameters.after.take() else {
        return read_list(read, headers, &of, &parameters).map(Reply::Now);
    };
    let (read, of) = (read.clone(), of.into_owned());
    Ok(Reply::Later(Box::pin(async move {
        read.waits.wait_for(&positions, parameters.wait).await?;
        read_list(&read, headers, &of, &parameters)
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hot_paths_are_those_that_are_declared() {
        let user = "user-1";
        assert_eq!(HotRoute::find("/v1/users/user-1/history"), Some(HotRoute::History { user }));
        assert_eq!(HotRoute::find("/v1/users/user-1/recommendations"), Some(HotRoute::Recommendations { user }));
        assert_eq!(HotRoute::find("/v1/bestsellers"), Some(HotRoute::BestSellers));
        assert_eq!(
            HotRoute::find("/v1/categories/a%20b/bestsellers"),
            Some(HotRoute::CategoryBestSellers { category: "a%20b" })
        );
        for slash in ["", "/"] {
            let path = format!("/api/v1/user_nav_history_latest_products{slash}");
            assert_eq!(HotRoute::find(&path), Some(HotRoute::LegacyHistory));
            let path = format!("/api/v1/user_history_recommendations{slash}");
            assert_eq!(HotRoute::find(&path), Some(HotRoute::LegacyRecommendations));
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
    fn a_hot_route_has_the_label_of_its_endpoint() {
        let all = [
            HotRoute::History { user: "" },
            HotRoute::Recommendations { user: "" },
            HotRoute::BestSellers,
            HotRoute::CategoryBestSellers { category: "" },
            HotRoute::LegacyHistory,
            HotRoute::LegacyRecommendations,
        ];
        for route in all {
            assert_eq!(crate::endpoints::ENDPOINTS[route.index()].label, route.endpoint().label);
        }
    }
}
