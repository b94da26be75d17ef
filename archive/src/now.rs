//! The time of a turn of the archiver.

use std::time::Duration;

/// The time of a turn.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Since the start.
    pub since_start: Duration,
    /// In milliseconds since the epoch.
    pub wall_ms: u64,
}
