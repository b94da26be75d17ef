//! The business numbers, each with its sentence. No other file holds one.

use crate::time::Millis;

/// Milliseconds of one day.
pub const DAY_MS: Millis = 24 * 60 * 60 * 1000;

/// How far ahead of the clock an order's `created_at` may be and the order count at once, in milliseconds: clocks differ.
/// One further ahead counts from when it is no more than that.
pub const AHEAD_MS: Millis = 5 * 60 * 1000;

/// The numbers that decide what a shelf shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How many products a list holds at most: the last views of a user, the best sellers of a category.
    pub list_size: usize,
    /// How long an order counts after its `created_at`, in milliseconds.
    pub window_ms: Millis,
    /// From how many categories of the history a recommendation is merged.
    pub categories_max: usize,
    /// A list with fewer products than this is answered empty; 0 switches the rule off.
    pub items_min: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Rules { list_size: 10, window_ms: 30 * DAY_MS, categories_max: 3, items_min: 0 }
    }
}
