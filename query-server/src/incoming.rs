//! Reading a request's body: bounded in bytes, in time, and in what all requests hold together.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::limits::Taken;
use crate::problem::Problem;
use crate::shared::Shared;

/// A request's body, and its share of the bytes that may be held.
pub(crate) struct Received {
    pub(crate) bytes: Bytes,
    _held: Taken,
}

/// Reads `body` to its end.
///
/// # Errors
/// When it is too large, too slow, broken, or more than fits beside the other bodies.
pub(crate) async fn read(body: Incoming, shared: &Shared) -> Result<Received, Problem> {
    let bytes_max = shared.settings.body_bytes_max;
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(Problem::BodyTooLarge(bytes_max));
    }
    let timeout = Duration::from_millis(shared.settings.body_timeout_ms);
    tokio::time::timeout(timeout, collect(body, bytes_max, shared.bodies.none()))
        .await
        .unwrap_or(Err(Problem::BodyTimeout))
}

async fn collect(mut body: Incoming, bytes_max: usize, mut held: Taken) -> Result<Received, Problem> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // A trailer says nothing about the events.
        let Ok(piece) = frame.map_err(|_| Problem::BodyBroken)?.into_data() else { continue };
        if bytes.len() + piece.len() > bytes_max {
            return Err(Problem::BodyTooLarge(bytes_max));
        }
        if !held.grow(piece.len()) {
            return Err(Problem::Busy("bytes of bodies"));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Received { bytes: bytes.freeze(), _held: held })
}
