//! Limits on what exists at a time: connections, waits, streams, bytes of bodies.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A limit shared by all threads. What is taken returns when its permit is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    most: usize,
    permits: Arc<Semaphore>,
}

impl Limit {
    pub(crate) fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        Limit { most, permits: Arc::new(Semaphore::new(most)) }
    }

    /// Takes one, if one is free.
    pub(crate) fn take(&self) -> Option<OwnedSemaphorePermit> {
        self.take_many(1)
    }

    /// Takes `amount`, if as many are free.
    pub(crate) fn take_many(&self, amount: usize) -> Option<OwnedSemaphorePermit> {
        self.permits.clone().try_acquire_many_owned(u32::try_from(amount).ok()?).ok()
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.most - self.permits.available_permits()
    }
}
