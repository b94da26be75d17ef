//! The names of header fields that are no standard of HTTP.

use hyper::header::HeaderName;

/// The id of a request, in it and in its answer.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A key of the API.
pub(crate) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// How many requests the key has left, and until when.
pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The event that a client of a stream had last.
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The sources that are missing in an answer.
pub(crate) const MISSING_SOURCES: HeaderName = HeaderName::from_static("vitrine-missing-sources");

/// The token in the answer to a write of rows.
pub(crate) const VITRINE_TOKEN: HeaderName = HeaderName::from_static("vitrine-token");
