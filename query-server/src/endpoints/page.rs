//! `GET /` and `GET /assets/…`: the page, held in the program itself.

use std::sync::LazyLock;

use bytes::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};

use crate::body::Body;

/// A file of the page.
struct File {
    path: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
}

const FILES: [File; 4] = [
    File { path: "/", media_type: "text/html; charset=utf-8", bytes: include_bytes!("../../assets/index.html") },
    File {
        path: "/assets/style.css",
        media_type: "text/css; charset=utf-8",
        bytes: include_bytes!("../../assets/style.css"),
    },
    File {
        path: "/assets/page.js",
        media_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../assets/page.js"),
    },
    File { path: "/assets/icon.svg", media_type: "image/svg+xml", bytes: include_bytes!("../../assets/icon.svg") },
];

/// Nothing from anywhere but here, and nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What every file is sent with.
const FIELDS: [(HeaderName, &str); 4] = [
    (CACHE_CONTROL, "no-cache"),
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
];

/// One tag a file, from its content.
static TAGS: LazyLock<[HeaderValue; FILES.len()]> = LazyLock::new(|| FILES.each_ref().map(|file| tag(file.bytes)));

/// The path itself, if a file of the page is there.
pub(crate) fn name(path: &str) -> Option<&'static str> {
    FILES.iter().map(|file| file.path).find(|known| *known == path)
}

/// Answers with the file at `name`, or 304 when the client has it.
pub(crate) fn answer(name: &str, headers: &HeaderMap) -> Response<Body> {
    let at = FILES.iter().position(|file| file.path == name).expect("routes name files that are there");
    let tag = &TAGS[at];
    let known = headers.get_all(IF_NONE_MATCH).iter().any(|tags| names_tag(tags, tag));
    let bytes = if known { Bytes::new() } else { Bytes::from_static(FILES[at].bytes) };
    let mut response = Response::new(Body::Whole(bytes));
    *response.status_mut() = if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(FILES[at].media_type));
    fields.insert(ETAG, tag.clone());
    for (field, value) in FIELDS {
        fields.insert(field, HeaderValue::from_static(value));
    }
    response
}

/// Whether an `If-None-Match` names `tag`; a weak form of it will do.
fn names_tag(given: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(given), Ok(tag)) = (given.to_str(), tag.to_str()) else { return false };
    given.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

/// FNV-1a over the content: it only has to change when the content does.
fn tag(bytes: &[u8]) -> HeaderValue {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, step);
    HeaderValue::from_str(&format!("\"{hash:016x}\"")).expect("quoted hexadecimal digits are a header value")
}
