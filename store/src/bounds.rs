//! The bounds of fields that depend on the settings and on the time.

use crate::Millis;

/// The bounds of fields that depend on the settings and on the time.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Digits after the point in a price.
    pub price_digits: usize,
    /// The time of the clock.
    pub now: Millis,
}
