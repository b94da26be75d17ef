//! Before and after an operation: whether the caller may do it, and the entry of the audit log on it.

use std::sync::Arc;

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

/// Does an operation that the audit log has an entry on, and makes the entry durable with the status of the answer. Both are
/// done to their end even if the client hangs up: a task of its own does them, and the end of the server waits for it.
///
/// # Errors
/// When too many such operations are in progress, and when the entry does not become durable.
pub(crate) async fn audited<A: Send + 'static>(
    operations: Arc<Operations>,
    entry: Option<OpenEntry>,
    answering: impl Future<Output = A> + Send + 'static,
    status: impl FnOnce(&A) -> StatusCode + Send + 'static,
) -> Result<A, Problem> {
    let permit = operations.audited.take().ok_or(Problem::Busy("removals, imports and changes of rules"))?;
    let done = tokio::spawn(async move {
        let _permit = permit;
        let answer = answering.await;
        if let Some(entry) = entry {
            entry.record(operations.app.clock.now(), status(&answer)).await?;
        }
        Ok::<A, Problem>(answer)
    });
    done.await.expect("an operation does not panic")
}
