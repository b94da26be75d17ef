//! Waiting until a position or a tick is visible: woken by a notification, never longer than asked.

use std::sync::Arc;
use std::time::Duration;

use dataflow::feed::Position;
use dataflow::publish::PublishedSnapshots;
use dataflow::time::Time;
use tokio::sync::Notify;

use crate::limits::Limit;
use crate::problem::Problem;

/// All requests that wait for the published state to advance.
pub(crate) struct VisibilityWaits {
    snapshots: Arc<PublishedSnapshots>,
    advanced: Arc<Notify>,
    waiting: Limit,
}

impl VisibilityWaits {
    pub(crate) fn new(snapshots: Arc<PublishedSnapshots>, waits_max: usize) -> Self {
        let advanced = Arc::new(Notify::new());
        let notified = advanced.clone();
        snapshots.on_advance(Box::new(move || notified.notify_waiters()));
        VisibilityWaits { snapshots, advanced, waiting: Limit::new(waits_max) }
    }

    /// How many requests wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.taken()
    }

    /// The newest tick that is visible, or 0.
    pub(crate) fn shown_tick(&self) -> Time {
        self.snapshots.closed().saturating_sub(1)
    }

    /// Resolves once everything before `positions` is visible.
    ///
    /// # Errors
    /// When it is not after `within`, or when too many requests wait already.
    pub(crate) async fn wait_for(&self, positions: &[Position], within: Duration) -> Result<(), Problem> {
        let visible = || positions.iter().all(|position| self.snapshots.covers(position));
        if self.until(visible, within).await? { Ok(()) } else { Err(Problem::NotVisible) }
    }

    /// Resolves once `tick` is visible.
    ///
    /// # Errors
    /// When it is not after `within`, or when too many requests wait already.
    pub(crate) async fn wait_for_tick(&self, tick: Time, within: Duration) -> Result<(), Problem> {
        if self.until(|| self.snapshots.closed() > tick, within).await? { Ok(()) } else { Err(Problem::Behind) }
    }

    /// Resolves once a newer tick than `tick` is visible, however long that takes.
    pub(crate) async fn advanced(&self, tick: Time) {
        let _guard = self.snapshots.wait();
        self.notified_until(|| self.shown_tick() > tick).await;
    }

    async fn until(&self, visible: impl Fn() -> bool, within: Duration) -> Result<bool, Problem> {
        if visible() {
            return Ok(true);
        }
        let _permit = self.waiting.take().ok_or(Problem::Busy("waits"))?;
        let _guard = self.snapshots.wait();
        Ok(tokio::time::timeout(within, self.notified_until(visible)).await.is_ok())
    }

    async fn notified_until(&self, visible: impl Fn() -> bool) {
        loop {
            let mut advanced = std::pin::pin!(self.advanced.notified());
            // Listening starts before the check, so that an advance in between is not missed.
            advanced.as_mut().enable();
            if visible() {
                return;
            }
            advanced.await;
        }
    }
}
