//! The ids of the simulated shop, few enough that every combination occurs, and its business numbers.

use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::ids::{CategoryKey, Ids, ProductKey, UserKey};
use dataflow::rules::{
    BuyAgain, CoViews, Deleted, EventRules, Features, PurchaseSource, RecommendationRule, Rules, SessionRules, Shadow,
};
use dataflow::time::Millis;

/// The number of each.
pub(crate) const USERS: usize = 4;
pub(crate) const PRODUCTS: usize = 8;
pub(crate) const CATEGORIES: usize = 3;
pub(crate) const ORDERS: usize = 10;
pub(crate) const LINES: usize = 24;
pub(crate) const MERCH_RULES: usize = 3;

/// How long an order counts.
pub(crate) const WINDOW_MS: Millis = 60_000;

/// How long the source keeps orders: longer than they count for best sellers, as it does where features count them. The number
/// of days of features is too long for a simulation, so the graph itself never leaves one out.
pub(crate) const KEPT_MS: Millis = 90_000;

/// How long a view counts.
pub(crate) const HISTORY_MS: Millis = 45_000;

/// How long repeats are recognised.
pub(crate) const DEDUP_MS: Millis = 3_000;

/// The key that ids are hashed with.
pub(crate) const ID_KEY: [u8; 16] = [7; 16];

/// Business numbers that make every list overflow.
pub(crate) const RULES: Rules = Rules {
    list_size: 3,
    history_depth: 200,
    history_ms: HISTORY_MS,
    window_ms: WINDOW_MS,
    purchases: PurchaseSource::Orders,
    categories_max: 2,
    items_min: 0,
    deleted: Deleted::InHistories,
    // The lists then depend only on the present rows, whatever rows a process has seen before.
    missing_is_deleted: true,
    recommendations: RecommendationRule::BestSellersForYou,
    co_views: CoViews::OFF,
    buy_again: BuyAgain::OFF,
    features: Features { enabled: true, ..Features::OFF },
    sessions: SessionRules { events_max: 1000 },
    events: EventRules { dedup_ms: DEDUP_MS },
    shadow: Shadow::OFF,
};

/// The keys of the shop's numbers.
pub(crate) struct World {
    pub(crate) users: Vec<UserKey>,
    pub(crate) products: Vec<ProductKey>,
    pub(crate) categories: Vec<CategoryKey>,
}

/// The dictionary of a process.
pub(crate) fn dictionary() -> Arc<Dictionary> {
    Arc::new(Dictionary::new(Ids::new(ID_KEY)).saving())
}

pub(crate) fn user(number: usize) -> String {
    format!("user {number}")
}

pub(crate) fn product(number: usize) -> String {
    format!("product {number}")
}

pub(crate) fn category(number: usize) -> String {
    format!("category {number}")
}

pub(crate) fn rule(number: usize) -> String {
    format!("rule-{number}")
}

pub(crate) fn order(number: usize) -> String {
    format!("order {number}")
}

impl World {
    pub(crate) fn new() -> Self {
        let dictionary = dictionary();
        let few = "few ids do not collide";
        World {
            users: (0..USERS).map(|n| dictionary.user(&user(n))).collect(),
            products: (0..PRODUCTS).map(|n| dictionary.product(&product(n)).expect(few)).collect(),
            categories: (0..CATEGORIES).map(|n| dictionary.category(&category(n)).expect(few)).collect(),
        }
    }
}
