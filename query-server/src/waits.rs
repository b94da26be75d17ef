//! Waiting until positions are visible, on a notification and never longer than asked.

use std::sync::Arc;
use std::time::Duration;

use dataflow::feed::Position;
use dataflow::publish::PublishedSnapshots;
use dataflow::time::Time;
use tokio::sync::Notify;

use crate::limits::Places;
use crate::problem::Problem;

/// All requests that wait for the published state to move.
pub(crate) struct Waits {
    snapshots: Arc<PublishedSnapshots>,
    moved: Arc<Notify>,
    places: Places,
}

impl Waits {
    pub(crate) fn new(snapshots: Arc<PublishedSnapshots>, waits_max: usize) -> Self {
        let moved = Arc::new(Notify::new());
        let hook = moved.clone();
        snapshots.on_advance(Box::new(move || hook.notify_waiters()));
        Waits { snapshots, moved, places: Places::new(waits_max) }
    }

    /// How many requests wait.
    pub(crate) fn waiting(&self) -> usize {
        self.places.taken()
    }

    /// Whether everything before `positions` is visible, now or after at most `within`.
    ///
    /// # Errors
    /// When too many wait already.
    pub(crate) async fn visible(&self, positions: &[Position], within: Duration) -> Result<bool, Problem> {
        self.until(|| positions.iter().all(|position| self.snapshots.covers(position)), within).await
    }

    /// Whether the state of `time` is shown, now or after at most `within`.
    ///
    /// # Errors
    /// When too many wait already.
    pub(crate) async fn shown(&self, time: Time, within: Duration) -> Result<bool, Problem> {
        self.until(|| self.snapshots.closed() > time, within).await
    }

    async fn until(&self, visible: impl Fn() -> bool, within: Duration) -> Result<bool, Problem> {
        if visible() {
            return Ok(true);
        }
        let _place = self.places.take().ok_or(Problem::Busy("waits"))?;
        let _ticket = self.snapshots.wait();
        let until_visible = async {
            loop {
                let mut moved = std::pin::pin!(self.moved.notified());
                // Listening starts before looking, so that a move in between is not missed.
                moved.as_mut().enable();
                if visible() {
                    return;
                }
                moved.await;
            }
        };
        Ok(tokio::time::timeout(within, until_visible).await.is_ok())
    }
}
