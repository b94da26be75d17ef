//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use dataflow::time::Millis;

/// Its time now, in milliseconds since the epoch.
pub(crate) fn wall_ms() -> Millis {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Millis::try_from(wall).unwrap_or(Millis::MAX)
}
