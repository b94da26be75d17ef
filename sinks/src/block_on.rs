//! Waiting for a future in a thread of our own.

/// Waits for the future's end. It must need no reactor: it is woken by another thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime without reactor always starts").block_on(future)
}
