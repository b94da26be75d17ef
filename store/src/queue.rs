//! The bounded queues between requests and the threads of a home.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError};

use tokio::sync::oneshot;

use crate::error::StoreError;
use crate::home::{BoxFuture, WriteRequest, Written};

/// Requests that wait for a thread. A further one is refused.
pub(crate) const WAITING_MAX: usize = 1024;

/// The most requests in one transaction.
const GROUP_MAX: usize = 128;

/// A write, answered when it is durable.
pub(crate) struct WriteJob {
    pub(crate) request: WriteRequest,
    pub(crate) answer: oneshot::Sender<Result<Written, StoreError>>,
}

/// Queues a write; the future is its answer.
pub(crate) fn write(
    writes: &SyncSender<WriteJob>,
    request: WriteRequest,
) -> BoxFuture<'static, Result<Written, StoreError>> {
    let (answer, answered) = oneshot::channel();
    answer_to(queued(writes, WriteJob { request, answer }), answered)
}

/// The answer to what was queued.
pub(crate) fn answer_to<R: Send + 'static>(
    queued: Result<(), StoreError>,
    answered: oneshot::Receiver<Result<R, StoreError>>,
) -> BoxFuture<'static, Result<R, StoreError>> {
    Box::pin(async move {
        queued?;
        answered.await.unwrap_or_else(|_| Err(stopped()))
    })
}

/// Queues a job, if there is room.
pub(crate) fn queued<T>(queue: &SyncSender<T>, job: T) -> Result<(), StoreError> {
    queue.try_send(job).map_err(|error| match error {
        TrySendError::Full(_) => StoreError::Busy,
        TrySendError::Disconnected(_) => stopped(),
    })
}

/// The first write and those that wait behind it: they share a transaction.
pub(crate) fn group(first: WriteJob, writes: &Receiver<WriteJob>) -> Vec<WriteJob> {
    std::iter::once(first).chain(writes.try_iter().take(GROUP_MAX - 1)).collect()
}

/// Does the requests of a group, and answers each of them.
pub(crate) fn answer_group(
    group: Vec<WriteJob>,
    work: impl FnOnce(&[WriteRequest]) -> Result<Vec<Result<Written, StoreError>>, StoreError>,
) {
    let (requests, answers): (Vec<_>, Vec<_>) = group.into_iter().map(|job| (job.request, job.answer)).unzip();
    let results = work(&requests).unwrap_or_else(|error| vec![Err(error); requests.len()]);
    for (answer, result) in answers.into_iter().zip(results) {
        // The request may have gone away.
        let _ = answer.send(result);
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("its thread has ended".to_owned())
}
