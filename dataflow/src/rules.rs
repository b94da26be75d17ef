//! The business numbers, each with its sentence. Only this file and the files below `rules/` hold business numbers.

pub mod buy_again;
pub mod co_views;
pub mod events;
pub mod features;
pub mod key_names;
pub mod purchases;
pub mod sessions;
pub mod shadow;

use settings::{FromValue as _, Kind, Value, whole};

use crate::ids::CategoryKey;
use crate::time::{Diff, Millis};

pub use buy_again::BuyAgain;
pub use co_views::{CoViews, Weighting};
pub use events::EventRules;
pub use features::{Day, Features, day_of};
pub use key_names::KeyNames;
pub use purchases::{EventUse, PurchaseSource};
pub use sessions::SessionRules;
pub use shadow::{ListSet, Shadow};

/// Milliseconds of one day.
pub const DAY_MS: Millis = 24 * 60 * 60 * 1000;

/// How many milliseconds an order's `created_at` may be ahead of the clock and the order still counts at once: clocks
/// differ. An order that is further ahead counts from the time at which it is no longer further ahead.
pub const AHEAD_MS: Millis = 5 * 60 * 1000;

settings::choice! {
    /// Where a product shows that was deleted from the catalogue.
    pub enum Deleted {
        /// In histories only.
        InHistories = "histories",
        /// In histories and in the general best sellers, like a product without a category.
        Shown = "shown",
        /// Nowhere. A history is then shorter by those of its products that do not show.
        Hidden = "hidden",
    }
}

settings::choice! {
    /// What a user's recommendations are.
    pub enum RecommendationRule {
        /// The best sellers of the categories of the user's history.
        BestSellersForYou = "best_sellers_for_you",
        /// The list "for you".
        ForYou = "for_you",
    }
}

settings::section! {
    /// The numbers that define the lists. docs/lists.md explains them.
    #[derive(Copy)]
    pub struct Rules in "rules" {
        /// Number of products in a history, in a best-seller list and in recommendations.
        list_size: usize = 10, "products", whole(1, 100);
        /// Number of products that a history consists of: those with the latest events, a view or a removal each. Older
        /// products and removals are forgotten, and a larger depth later does not bring them back. The history's list
        /// shows the first `list_size` of those that are not removed. Must be at least `list_size`.
        history_depth: usize = 200, "products", whole(10, 1000);
        /// How long a view or a removal counts for its history, from its own time on. Older ones are in no history, whenever
        /// they are read, and their memory is taken back. 0: for ever.
        history_ms as "history_days": Millis = 365, "days", whole(0, 3650) => days_or_ever;
        /// How long an order counts for the buyers of its products.
        window_ms as "window_days": Millis = 30, "days", whole(1, 3650) => |days| u64::from_value(days) * DAY_MS;
        /// Where purchases are counted from, for best sellers, "buy again" and features. "orders": the tables of orders.
        /// "events": purchase events. "both": the tables, and purchase events whose `metadata.order_id` names no order
        /// of the tables. Best sellers count each for `window_days` since its time.
        purchases: PurchaseSource = "orders", "word", Kind::Choice(PurchaseSource::WORDS);
        /// Number of categories of a user's history whose best sellers are recommended.
        categories_max: usize = 3, "categories", whole(1, 100);
        /// A list with fewer products is answered as an empty list. 0 shows every list.
        items_min: usize = 0, "products", whole(0, 100);
        /// Where a product that was deleted from the catalogue is shown. "histories": in histories only. "shown": also
        /// in the general best sellers, like a product without a category. "hidden": nowhere.
        deleted as "deleted_products": Deleted = "histories", "word", Kind::Choice(Deleted::WORDS);
        /// How to treat a product that was never in the catalogue: like a product without a category, or like a deleted
        /// one. Use "deleted" if the catalogue lists all products of the shop: the lists then depend only on its
        /// present rows, and products that were deleted before Vitrine's first start count as deleted too.
        missing_is_deleted as "missing_products": bool = "uncategorized", "word",
            Kind::Choice(&["uncategorized", "deleted"]) => |word: &Value| word.text() == "deleted";
        /// What `GET /v1/users/{user}/recommendations` and the old address answer with. "best_sellers_for_you": the best
        /// sellers of the categories of the user's history. "for_you": the list of `GET /v1/users/{user}/for-you`.
        recommendations: RecommendationRule = "best_sellers_for_you", "word", Kind::Choice(RecommendationRule::WORDS);
        /// The model of co-views.
        co_views: CoViews, below;
        /// The model "buy again".
        buy_again: BuyAgain, below;
        /// Features of users.
        features: Features, below;
        /// Sessions of users.
        sessions: SessionRules, below;
        /// How events are told apart.
        events: EventRules, below;
        /// The second set of business numbers.
        shadow: Shadow, below;
    }
}

/// A number of days in milliseconds; 0 days are for ever.
fn days_or_ever(days: &Value) -> Millis {
    match u64::from_value(days) {
        0 => Millis::MAX,
        days => days * DAY_MS,
    }
}

impl Rules {
    /// The number of products that a history consists of.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.history_depth.max(self.list_size)
    }

    /// Which events change rows, beside views and removals.
    #[must_use]
    pub fn event_use(&self) -> EventUse {
        let (features, purchases) = (self.features.enabled, self.purchases != PurchaseSource::Orders);
        let identities = (features || purchases) && self.events.dedup_ms > 0;
        let metadata = if features { self.features.metadata } else { KeyNames::NONE };
        EventUse { features, purchases, identities, metadata }
    }

    /// Whether a list of `rows` rows is shown; it needs at least `items_min` rows.
    #[must_use]
    pub fn is_shown(rows: usize, items_min: usize) -> bool {
        rows >= items_min
    }

    /// Whether a product with these rows in the catalogue counts as deleted.
    #[must_use]
    pub fn is_deleted(&self, rows: &[(CategoryKey, Diff)]) -> bool {
        let mut deleted = rows.iter().map(|(category, _)| *category == CategoryKey::DELETED);
        if self.missing_is_deleted { deleted.all(|deleted| deleted) } else { deleted.any(|deleted| deleted) }
    }

    /// Whether a product with these rows in the catalogue may be on lists, as far as the catalogue is concerned: it can be
    /// bought, and it does not count as deleted, or such products are shown.
    #[must_use]
    pub fn may_list(&self, rows: &[(CategoryKey, Diff)]) -> bool {
        rows.iter().all(|(category, _)| *category != CategoryKey::UNAVAILABLE)
            && (self.deleted == Deleted::Shown || !self.is_deleted(rows))
    }
}
