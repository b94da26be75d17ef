//! Cross-origin requests of browsers: which pages may read answers, and what a browser asks before it sends a request.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ALLOW, ETAG, HeaderMap,
    HeaderValue, LOCATION, ORIGIN, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use hyper::{Response, StatusCode};

use crate::body::Body;
use crate::header_names::{MISSING_SOURCES, RATE_LIMIT, RATE_LIMIT_POLICY, VITRINE_TOKEN, X_REQUEST_ID};

/// The setting's word for every origin.
pub(crate) const ANY: &str = "*";

/// The header fields that a page may read, besides those that every page may read.
static READ: LazyLock<HeaderValue> = LazyLock::new(|| {
    let names = [
        ALLOW,
        ETAG,
        LOCATION,
        MISSING_SOURCES,
        RATE_LIMIT,
        RATE_LIMIT_POLICY,
        RETRY_AFTER,
        VITRINE_TOKEN,
        WWW_AUTHENTICATE,
        X_REQUEST_ID,
    ];
    list(names.into_iter().map(|name| name.to_string()))
});

/// The value that names these header fields, each once.
pub(crate) fn list(names: impl Iterator<Item = String>) -> HeaderValue {
    let names = Vec::from_iter(BTreeSet::from_iter(names)).join(", ");
    HeaderValue::from_str(&names).expect("names of header fields are a header value")
}

/// How long a browser may remember what it was told, in seconds.
const MAX_AGE: &str = "600";

/// The origins whose pages may read answers.
pub(crate) enum Cors {
    /// No page of another origin.
    Off,
    /// Pages of every origin.
    Any,
    /// Pages of these origins.
    Origins(Vec<HeaderValue>),
}

/// What an answer says of cross-origin requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct CorsAnswer {
    /// The origin that may read the answer, or `*`.
    allowed: Option<HeaderValue>,
    /// Whether another origin would get another answer.
    varies: bool,
}

impl Cors {
    /// As the setting `server.cors_origins` says.
    pub(crate) fn new(origins: &[String]) -> Cors {
        match origins {
            [] => Cors::Off,
            [any] if any == ANY => Cors::Any,
            origins => Cors::Origins(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect()),
        }
    }

    /// What the answer to a request with these header fields says.
    pub(crate) fn answer(&self, headers: &HeaderMap) -> CorsAnswer {
        let Some(origin) = headers.get(ORIGIN) else {
            return CorsAnswer { allowed: None, varies: matches!(self, Cors::Origins(_)) };
        };
        match self {
            Cors::Off => CorsAnswer::default(),
            Cors::Any => CorsAnswer { allowed: Some(HeaderValue::from_static(ANY)), varies: false },
            Cors::Origins(origins) => {
                CorsAnswer { allowed: Some(origin).filter(|origin| origins.contains(origin)).cloned(), varies: true }
            }
        }
    }
}

impl CorsAnswer {
    /// Whether the answer has nothing to say.
    pub(crate) fn is_silent(&self) -> bool {
        self.allowed.is_none() && !self.varies
    }

    /// The answer to a request OPTIONS that asks whether another one may be sent, to an endpoint with these methods; none
    /// if it does not ask this, or the origin is not allowed. Pages may send the header fields `sent`.
    pub(crate) fn preflight(&self, headers: &HeaderMap, methods: &str, sent: &HeaderValue) -> Option<Response<Body>> {
        if !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) || self.allowed.is_none() {
            return None;
        }
        let mut response = Response::new(Body::Whole(bytes::Bytes::new()));
        *response.status_mut() = StatusCode::NO_CONTENT;
        let fields = response.headers_mut();
        fields.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_str(methods).ok()?);
        fields.insert(ACCESS_CONTROL_ALLOW_HEADERS, sent.clone());
        fields.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        Some(response)
    }

    /// Says it in the header fields of an answer.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        let varies = HeaderValue::from_static("origin");
        // Another process of the cluster may have said so already.
        if self.varies && headers.get_all(VARY).iter().all(|value| *value != varies) {
            headers.append(VARY, varies);
        }
        if let Some(allowed) = self.allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, READ.clone());
        }
    }
}

/// Whether a text is an origin as browsers write it: a scheme, a host in lower case, perhaps a port, and nothing else.
#[must_use]
pub fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_[:]".contains(&byte);
    !name.is_empty()
        && text.len() <= 255
        && name.bytes().all(is_of_name)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number.to_string() == port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_passed_on_names_the_origin_once() {
        let mut headers = HeaderMap::new();
        let cors = Cors::Origins(Vec::new()).answer(&headers);
        for _ in 0..2 {
            cors.clone().write(&mut headers);
        }
        assert_eq!(headers.get_all(VARY).iter().count(), 1, "{headers:?}");
    }

    #[test]
    fn origins_have_one_form() {
        for good in
            ["https://shop.example", "http://localhost:3000", "http://[::1]:80", "https://xn--bcher-kva.example"]
        {
            assert!(is_origin(good), "{good}");
        }
        for wrong in [
            "",
            "*",
            "null",
            "shop.example",
            "https://",
            "https://shop.example/",
            "https://Shop.example",
            "https://shop.example:",
            "https://shop.example:080",
            "https://shop.example:99999",
            "ftp://shop.example",
            "https://a b",
        ] {
            assert!(!is_origin(wrong), "{wrong}");
        }
    }
}
