//! A file of the program's own pages, with the header fields that all of them are sent with.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use rust_embed::RustEmbed;

use crate::body::Body;
use crate::endpoint::Answer;

/// The media types of the files.
const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// The answers of an endpoint that hands out a page and its files.
pub(crate) const ANSWERS: &[Answer] = &[
    Answer::text(HTML, "The page or one of its files"),
    Answer::text(CSS, "The page or one of its files"),
    Answer::text(JAVASCRIPT, "The page or one of its files"),
    Answer::text(SVG, "The page or one of its files"),
    Answer::empty(304, "The client has this version"),
];

/// The files in the program.
#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

/// A file.
pub(crate) struct AssetFile {
    pub(crate) bytes: Cow<'static, [u8]>,
    /// The SHA-256 of the bytes.
    pub(crate) tag: [u8; 32],
}

impl AssetFile {
    /// The file of this name among those of the program.
    pub(crate) fn embedded(name: &str) -> Option<AssetFile> {
        let file = Assets::get(name)?;
        Some(AssetFile { tag: file.metadata.sha256_hash(), bytes: file.data })
    }

    /// The names of all files of the program.
    #[cfg(test)]
    pub(crate) fn names() -> impl Iterator<Item = String> {
        Assets::iter().map(std::borrow::Cow::into_owned)
    }

    /// Answers with the file, or 304 when the client has it. The end of `name` says what the file holds, and `policy`
    /// what it may load and run in a browser.
    pub(crate) fn answer(self, name: &str, policy: &'static str, headers: &HeaderMap) -> Response<Body> {
        let tag = format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(self.tag));
        let known = headers.get_all(IF_NONE_MATCH).iter().any(|tags| names_tag(tags, &tag));
        let bytes = match self.bytes {
            _ if known => Bytes::new(),
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        };
        let mut response = Response::new(Body::Whole(bytes));
        *response.status_mut() = if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(media_type(name)));
        fields.insert(ETAG, HeaderValue::from_str(&tag).expect("quoted base64 is a header value"));
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        fields.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        fields.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        response
    }
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => CSS,
        Some("js") => JAVASCRIPT,
        Some("svg") => SVG,
        _ => HTML,
    }
}

/// Whether an `If-None-Match` names `tag`, strongly or weakly.
fn names_tag(given: &HeaderValue, tag: &str) -> bool {
    let Ok(given) = given.to_str() else { return false };
    given.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}
