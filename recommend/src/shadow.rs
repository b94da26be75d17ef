//! The shadow beside the lists that the shop shows: how both differ, and which of them had more of what users then viewed and
//! bought.
//!
//! ```text
//! a list of the shop ──┐
//!                      ├▶ difference: what the shadow's list gains, loses and moves
//! the shadow's list ───┘
//!
//! event ─▶ both lists as they stand just before it ─▶ was its product among the first ten? ─▶ counts
//! ```

mod difference;
mod hits;
mod lists;

pub use difference::{Difference, MovedProduct, Placed, difference};
pub use hits::{HITS_AT, HitCounts, HitList, HitTotals, ShadowHits};
pub use lists::{Compared, ListMaker};
