//! From a path to what is there: the hot paths first, by comparing bytes, without a table or an allocation.

use hyper::Method;

use crate::problem::Problem;

/// What a path names, with its segments still percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'p> {
    History { user: &'p str },
    HistoryProduct { user: &'p str, product: &'p str },
    Recommendations { user: &'p str },
    BestSellers,
    CategoryBestSellers { category: &'p str },
    LegacyHistory,
    LegacyRecommendations,
    Events,
    Live,
    Ready,
    Metrics,
    Status,
    Stream,
    Page { name: &'static str },
}

/// The fixed set of names that routes have in metrics.
pub(crate) const NAMES: [&str; 15] = [
    "history",
    "history_product",
    "recommendations",
    "bestsellers",
    "category_bestsellers",
    "legacy_history",
    "legacy_recommendations",
    "events",
    "livez",
    "readyz",
    "metrics",
    "status",
    "stream",
    "page",
    "none",
];

/// The place in [`NAMES`] of requests that no route takes.
pub(crate) const NO_ROUTE: usize = NAMES.len() - 1;

/// What a request wants of its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// GET, or HEAD, which is a GET whose answer hyper sends without its body.
    Get,
    Delete,
    Post,
}

impl<'p> Route<'p> {
    /// What is at `path`.
    pub(crate) fn find(path: &'p str) -> Option<Route<'p>> {
        if let Some(rest) = path.strip_prefix("/v1/users/") {
            return Route::of_user(rest);
        }
        if let Some(rest) = path.strip_prefix("/api/v1/") {
            return match rest.strip_suffix('/').unwrap_or(rest) {
                "user_nav_history_latest_products" => Some(Route::LegacyHistory),
                "user_history_recommendations" => Some(Route::LegacyRecommendations),
                _ => None,
            };
        }
        if let Some(rest) = path.strip_prefix("/v1/categories/") {
            let category = rest.strip_suffix("/bestsellers")?;
            return (!category.contains('/')).then_some(Route::CategoryBestSellers { category });
        }
        match path {
            "/v1/bestsellers" => Some(Route::BestSellers),
            "/v1/events" => Some(Route::Events),
            "/v1/status" => Some(Route::Status),
            "/v1/stream" => Some(Route::Stream),
            "/livez" => Some(Route::Live),
            "/readyz" => Some(Route::Ready),
            "/metrics" => Some(Route::Metrics),
            _ => crate::endpoints::page::name(path).map(|name| Route::Page { name }),
        }
    }

    fn of_user(rest: &'p str) -> Option<Route<'p>> {
        let (user, rest) = rest.split_once('/')?;
        match rest {
            "history" => Some(Route::History { user }),
            "recommendations" => Some(Route::Recommendations { user }),
            _ => {
                let product = rest.strip_prefix("history/")?;
                let is_one = !product.is_empty() && !product.contains('/');
                is_one.then_some(Route::HistoryProduct { user, product })
            }
        }
    }

    /// What `method` wants here.
    ///
    /// # Errors
    /// When this route does not take it; the error names those it takes.
    pub(crate) fn verb(&self, method: &Method) -> Result<Verb, Problem> {
        let (get, delete, post, allow) = match self {
            Route::HistoryProduct { .. } => (false, true, false, "DELETE"),
            Route::LegacyHistory => (true, true, false, "GET, HEAD, DELETE"),
            Route::Events => (false, false, true, "POST"),
            _ => (true, false, false, "GET, HEAD"),
        };
        match *method {
            Method::GET | Method::HEAD if get => Ok(Verb::Get),
            Method::DELETE if delete => Ok(Verb::Delete),
            Method::POST if post => Ok(Verb::Post),
            _ => Err(Problem::Method(allow)),
        }
    }

    /// This route's place in [`NAMES`].
    pub(crate) fn index(&self) -> usize {
        match self {
            Route::History { .. } => 0,
            Route::HistoryProduct { .. } => 1,
            Route::Recommendations { .. } => 2,
            Route::BestSellers => 3,
            Route::CategoryBestSellers { .. } => 4,
            Route::LegacyHistory => 5,
            Route::LegacyRecommendations => 6,
            Route::Events => 7,
            Route::Live => 8,
            Route::Ready => 9,
            Route::Metrics => 10,
            Route::Status => 11,
            Route::Stream => 12,
            Route::Page { .. } => 13,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_what_is_there() {
        let user = "user-1";
        assert_eq!(Route::find("/v1/users/user-1/history"), Some(Route::History { user }));
        assert_eq!(Route::find("/v1/users/user-1/recommendations"), Some(Route::Recommendations { user }));
        assert_eq!(
            Route::find("/v1/users/user-1/history/a%2Fb"),
            Some(Route::HistoryProduct { user, product: "a%2Fb" })
        );
        assert_eq!(
            Route::find("/v1/categories/a%20b/bestsellers"),
            Some(Route::CategoryBestSellers { category: "a%20b" })
        );
        for slash in ["", "/"] {
            let path = format!("/api/v1/user_nav_history_latest_products{slash}");
            assert_eq!(Route::find(&path), Some(Route::LegacyHistory));
            let path = format!("/api/v1/user_history_recommendations{slash}");
            assert_eq!(Route::find(&path), Some(Route::LegacyRecommendations));
        }
    }

    #[test]
    fn everything_else_is_unknown() {
        for path in [
            "",
            "*",
            "/v1",
            "/v1/",
            "/v1/users",
            "/v1/users/",
            "/v1/users/u",
            "/v1/users/u/",
            "/v1/users/u/History",
            "/v1/users/u/history/",
            "/v1/users/u/history/p/q",
            "/v1/users/u/recommendations/",
            "/v1/categories/c",
            "/v1/categories/bestsellers",
            "/v1/categories/a/b/bestsellers",
            "/v1/bestsellers/",
            "//v1/bestsellers",
            "/v1/../v1/bestsellers",
            "/api/v1/user_history_recommendations//",
            "/api/v1/",
            "/livez/",
            "/assets/",
            "/assets/../Cargo.toml",
        ] {
            assert_eq!(Route::find(path), None, "{path}");
        }
    }

    #[test]
    fn names_are_in_the_order_of_the_indexes() {
        let history = Route::History { user: "" };
        assert_eq!(NAMES[history.index()], "history");
        assert_eq!(NAMES[Route::Page { name: "" }.index()], "page");
        assert_eq!(NAMES[NO_ROUTE], "none");
    }
}
