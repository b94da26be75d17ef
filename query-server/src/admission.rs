//! Before and after an operation: whether the caller may do it, and the entry of the audit log on it.

use hyper::StatusCode;
use hyper::header::HeaderMap;

use crate::access::{Caller, Quota};
use crate::audit::OpenEntry;
use crate::endpoint::Operation;
use crate::operations::Operations;
use crate::problem::Problem;

/// Checks that a request with these header fields may do `operation`, and notes what is left of its key's rate.
///
/// # Errors
/// When it may not.
pub(crate) fn admit(
    operations: &Operations,
    operation: &Operation,
    headers: &HeaderMap,
    quota: &mut Option<Quota>,
) -> Result<Caller, Problem> {
    let access = &operations.app.access;
    if access.is_open() {
        return Ok(Caller(None));
    }
    let now_ns = u64::try_from(operations.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
    access.check(operation.scope, headers, now_ns, quota)
}

/// The entry of the audit log on what `caller` is about to do; none where the log has no entry on it.
pub(crate) fn open_entry(
    operations: &Operations,
    operation: &Operation,
    caller: Caller,
    target: impl FnOnce() -> String,
    headers: &HeaderMap,
) -> Option<OpenEntry> {
    let (log, what) = (operations.app.audit.as_ref()?, operation.audited_as?);
    Some(OpenEntry::new(log, what, caller, target(), headers))
}

/// Makes the entry durable, with the status of the answer.
///
/// # Errors
/// When that fails.
pub(crate) async fn record(operations: &Operations, entry: OpenEntry, status: StatusCode) -> Result<(), Problem> {
    entry.record(operations.app.clock.now(), status).await
}
