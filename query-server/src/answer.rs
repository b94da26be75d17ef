//! Wire shapes of answers: no other part of the server knows them.

pub(crate) mod best_sellers;
pub(crate) mod erasure;
pub(crate) mod features;
pub(crate) mod file;
pub(crate) mod import;
pub(crate) mod instant;
pub(crate) mod json;
pub(crate) mod moves;
pub(crate) mod names;
pub(crate) mod online;
pub(crate) mod problem;
pub(crate) mod recommended;
pub(crate) mod recommended_schemas;
pub(crate) mod row;
pub(crate) mod rules;
pub(crate) mod schemas;
pub(crate) mod shadow;
pub(crate) mod simple;
pub(crate) mod status;
pub(crate) mod user_lists;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};

use crate::body::Body;
use crate::header_names::MISSING_SOURCES;

/// The media type of data.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A whole answer of this media type.
pub(crate) fn whole(status: StatusCode, media_type: HeaderValue, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::Whole(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

/// 200 with a JSON text. The header map of the request is used again for the answer.
pub(crate) fn json(headers: HeaderMap, text: &[u8], missing: Option<&str>) -> Response<Body> {
    json_of(headers, Bytes::copy_from_slice(text), missing)
}

/// The same with a text that is not copied.
pub(crate) fn json_of(mut headers: HeaderMap, text: Bytes, missing: Option<&str>) -> Response<Body> {
    headers.clear();
    headers.insert(CONTENT_TYPE, JSON);
    // The name of every source is a valid header value.
    headers.extend(missing.and_then(|names| Some((MISSING_SOURCES, HeaderValue::from_str(names).ok()?))));
    let mut response = Response::new(Body::Whole(text));
    *response.headers_mut() = headers;
    response
}

/// 204.
pub(crate) fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::Whole(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
