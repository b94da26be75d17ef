//! The business numbers, each with its sentence. No other file holds one.

use crate::ids::CategoryKey;
use crate::time::{Diff, Millis};

/// Milliseconds of one day.
pub const DAY_MS: Millis = 24 * 60 * 60 * 1000;

/// How far ahead of the clock an order's `created_at` may be and the order count at once, in milliseconds: clocks differ.
/// One further ahead counts from when it is no more than that.
pub const AHEAD_MS: Millis = 5 * 60 * 1000;

/// Where a product shows that was deleted from the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// In histories and in the general best sellers, like a product without a category.
    Shown,
    /// In histories only.
    InHistories,
    /// Nowhere. A history is then shorter by those of its products that do not show.
    Hidden,
}

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
    /// Where products show that were deleted from the catalogue.
    pub deleted: Deleted,
    /// Whether a product that the catalogue never had counts as deleted, and not as one without a category.
    pub missing_is_deleted: bool,
}

impl Rules {
    /// Whether a product with these rows in the catalogue counts as deleted.
    #[must_use]
    pub fn is_deleted(&self, rows: &[(CategoryKey, Diff)]) -> bool {
        let mut deleted = rows.iter().map(|(category, _)| *category == CategoryKey::DELETED);
        if self.missing_is_deleted { deleted.all(|deleted| deleted) } else { deleted.any(|deleted| deleted) }
    }
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            list_size: 10,
            window_ms: 30 * DAY_MS,
            categories_max: 3,
            items_min: 0,
            deleted: Deleted::InHistories,
            missing_is_deleted: false,
        }
    }
}
