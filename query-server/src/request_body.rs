//! Reading a request's body: bounded in bytes, in time, and in the bytes that all requests hold together.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use hyper::header::{EXPECT, HeaderMap};
use tokio::sync::OwnedSemaphorePermit;

use crate::connection_state::ConnectionState;
use crate::limits::Limit;
use crate::operations::Operations;
use crate::problem::Problem;

/// A request's body, with its share of the bytes that all bodies may take.
pub(crate) struct RequestBody {
    pub(crate) bytes: Bytes,
    _held: OwnedSemaphorePermit,
}

impl FromRequest<Arc<Operations>> for RequestBody {
    type Rejection = Problem;

    /// Reads the body to its end.
    ///
    /// # Errors
    /// When it is too large, too slow or broken, or when too many bytes of bodies are held already.
    async fn from_request(request: Request, operations: &Arc<Operations>) -> Result<Self, Problem> {
        let settings = &operations.settings;
        let (parts, body) = request.into_parts();
        if body.size_hint().lower() > settings.body_bytes_max as u64 {
            return Err(Problem::BodyTooLarge(settings.body_bytes_max));
        }
        let timeout = Duration::from_millis(settings.body_timeout_ms);
        let collecting = collect(body, settings.body_bytes_max, &operations.bodies);
        let body = tokio::time::timeout(timeout, collecting).await.unwrap_or(Err(Problem::BodyTimeout))?;
        if let Some(connection) = parts.extensions.get::<Arc<ConnectionState>>() {
            connection.set_unread(false);
        }
        Ok(body)
    }
}

/// Checks that a request with a body expects nothing but to be asked for it.
///
/// # Errors
/// When it expects something else.
pub(crate) fn check_expectation(headers: &HeaderMap) -> Result<(), Problem> {
    let is_known = |expected: &[u8]| expected.eq_ignore_ascii_case(b"100-continue");
    let all_known = headers.get_all(EXPECT).iter().all(|expected| is_known(expected.as_bytes()));
    all_known.then_some(()).ok_or(Problem::Expectation)
}

async fn collect(mut body: axum::body::Body, bytes_max: usize, limit: &Limit) -> Result<RequestBody, Problem> {
    let too_many = || Problem::Busy("bytes of bodies");
    let mut held = limit.take_many(0).ok_or_else(too_many)?;
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // No endpoint reads trailers.
        let Ok(piece) = frame.map_err(|_| Problem::BodyBroken)?.into_data() else { continue };
        if bytes.len() + piece.len() > bytes_max {
            return Err(Problem::BodyTooLarge(bytes_max));
        }
        held.merge(limit.take_many(piece.len()).ok_or_else(too_many)?);
        bytes.extend_from_slice(&piece);
    }
    Ok(RequestBody { bytes: bytes.freeze(), _held: held })
}
