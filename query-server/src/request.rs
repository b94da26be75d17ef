//! A request's head, and the bounds that hold for every request.

use hyper::header::{HOST, HeaderMap};
use hyper::{Method, Uri, Version};

use crate::header_names::X_REQUEST_ID;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::settings::Settings;

/// A request without its body.
pub(crate) struct RequestHead<'r> {
    pub(crate) method: &'r Method,
    pub(crate) uri: &'r Uri,
    /// The request's header fields. The answer uses the map again.
    pub(crate) headers: HeaderMap,
}

/// A request for a list.
pub(crate) struct ListRequest<'r> {
    /// The request's header fields. The answer uses the map again.
    pub(crate) headers: HeaderMap,
    /// The user, product or category that the list belongs to; empty for a list over everything.
    pub(crate) of: &'r str,
    pub(crate) parameters: &'r Parameters,
    /// Whether a person sees the answer. A list that is followed is read again and again.
    pub(crate) is_shown: bool,
}

/// Checks the lengths of the target and of the header fields, and that an HTTP/1.1 request names its host once. Returns
/// whether the request names its own id.
///
/// # Errors
/// When one of these is not so.
pub(crate) fn check_bounds(
    settings: &Settings,
    uri: &Uri,
    version: Version,
    headers: &HeaderMap,
) -> Result<bool, Problem> {
    let target_bytes = uri.path().len() + uri.query().map_or(0, |query| query.len() + 1);
    if target_bytes > settings.uri_bytes_max {
        return Err(Problem::UriTooLong(settings.uri_bytes_max));
    }
    let (mut header_bytes, mut hosts, mut has_id) = (0, 0, false);
    for (name, value) in headers {
        // As on the wire: name, colon, blank, value, end of line.
        header_bytes += name.as_str().len() + value.len() + 4;
        hosts += usize::from(name == HOST);
        has_id |= name == X_REQUEST_ID;
    }
    if header_bytes > settings.header_bytes_max {
        return Err(Problem::HeaderTooLarge(settings.header_bytes_max));
    }
    match hosts {
        0 if version == Version::HTTP_11 => Err(Problem::MissingHeader("host")),
        0 | 1 => Ok(has_id),
        _ => Err(Problem::BadHeader { name: "host", fault: "is given more than once" }),
    }
}
