//! The audit log: who did what, when, and with which result. The program that starts the server writes it.

use std::sync::Arc;

use dataflow::time::Millis;
use hyper::StatusCode;
use hyper::header::HeaderMap;

use crate::access::Caller;
use crate::event_writer::BoxFuture;
use crate::header_names::X_REQUEST_ID;
use crate::problem::Problem;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When it ended, in milliseconds since 1970.
    pub at_ms: Millis,
    /// Who: `key 1a2b3c4d`, or `anyone` where no key is needed.
    pub who: String,
    /// What was asked for, such as `history.remove`.
    pub what: &'static str,
    /// On what: the path, with its ids still percent-encoded; of an import, also `mode` and `dry_run` as its query.
    pub target: String,
    /// The id of the request.
    pub request_id: Option<String>,
    /// The status of the answer.
    pub status: u16,
}

/// The entry could not be made durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written: {0}")]
pub struct AuditUnavailable(pub String);

/// A log of entries.
pub trait AuditLog: Send + Sync {
    /// Resolves once the entry is durable. The call itself does not block.
    fn record(&self, entry: AuditEntry) -> BoxFuture<'static, Result<(), AuditUnavailable>>;
}

/// An entry without its end.
pub(crate) struct OpenEntry {
    log: Arc<dyn AuditLog>,
    who: String,
    what: &'static str,
    target: String,
    request_id: Option<String>,
}

impl OpenEntry {
    /// An entry on what `caller` asks for; `target` is as in [`AuditEntry`].
    pub(crate) fn new(
        log: &Arc<dyn AuditLog>,
        what: &'static str,
        caller: Caller,
        target: String,
        headers: &HeaderMap,
    ) -> OpenEntry {
        let who = caller.0.map_or_else(|| "anyone".to_owned(), |id| format!("key {id}"));
        let request_id = headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
        OpenEntry { log: log.clone(), who, what, target, request_id }
    }

    /// Records the entry with the answer's status, and resolves once it is durable.
    ///
    /// # Errors
    /// When it does not become durable.
    pub(crate) async fn record(self, at_ms: Millis, status: StatusCode) -> Result<(), Problem> {
        let OpenEntry { log, who, what, target, request_id } = self;
        let entry = AuditEntry { at_ms, who, what, target, request_id, status: status.as_u16() };
        log.record(entry).await.map_err(|error| {
            tracing::error!(%error, status = status.as_u16(), "an action is not in the audit log");
            Problem::NotAudited { status: status.as_u16() }
        })
    }
}
