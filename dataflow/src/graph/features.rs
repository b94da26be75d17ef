//! What every user did with every product: the rows behind the features of users.
//!
//! ```text
//! interactions ─▶ user products (with the owner of the user) ─┐
//! purchases of users ─────────────────────────────────────────┼▶ features, made when they are asked for
//! product categories (every worker) ──────────────────────────┘
//! ```
//! The index is the arranged table itself: features take no second arrangement. Sums by category are made by the reader
//! from the rows of one user, so a product that moves to another category moves its counts at once and costs nothing.

use serde::{Deserialize, Serialize};

use super::index::{Index, Placement, Published, Wiring};
use super::touched::TouchedList;
use crate::ids::{ProductKey, UserKey};
use crate::rules::Rules;
use crate::tables::{Activity, Interactions};
use crate::time::Diff;

/// What a user did with a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Interacted {
    /// The product; [`ProductKey::NONE`] for events without a product.
    pub product: ProductKey,
    /// The events.
    pub activity: Activity,
}

/// The index of interactions. Key: user. Row: a product with the user's events. Stored: the product; difference: the
/// events. Changes with events.
pub struct UserProducts;

impl Index for UserProducts {
    const NAME: &'static str = "user_products";
    const PLACEMENT: Placement = Placement::Sharded;
    const IN_ORDER: bool = false;
    const TOUCHES: Option<fn(&Self::Key) -> TouchedList> = Some(|key| TouchedList::Activity(*key));
    const OF_FEATURES: bool = true;
    type Key = UserKey;
    type Row = Interacted;
    type Stored = ProductKey;
    type Count = Activity;

    fn is_on(rules: &Rules) -> bool {
        rules.features.enabled
    }

    fn route(user: &UserKey) -> u64 {
        user.route()
    }

    fn read(product: &ProductKey, activity: Activity) -> Option<(Interacted, Diff)> {
        activity.last_at().map(|_| (Interacted { product: *product, activity }, 1))
    }

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        Published::unlisted(wiring.by_key::<Interactions>())
    }
}
