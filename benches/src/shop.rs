//! The simulated shop of all benchmarks: 200 k users, 50 k products, popularity by Zipf's law.

use vitrine::clock::wall_ms;
use vitrine::generate::{Shop, ShopPlan, Style};

/// Users of the shop.
pub(crate) const USERS: u32 = 200_000;
/// Products of the shop.
pub(crate) const PRODUCTS: u32 = 50_000;
/// Categories of the shop.
pub(crate) const CATEGORIES: u32 = 500;

/// The number of distinct (user, product) pairs in that many views.
pub(crate) fn pairs(views: u64) -> usize {
    let mut pairs: Vec<_> =
        shop(views).views().map(|view| u64::from(view.user) << 32 | u64::from(view.product)).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs.len()
}

/// The shop with this many views, the newest of them made now.
pub(crate) fn shop(views: u64) -> Shop {
    Shop::new(ShopPlan {
        users: USERS,
        products: PRODUCTS,
        categories: CATEGORIES,
        views,
        orders: 0,
        days: 60,
        user_skew: 1.0,
        product_skew: 1.0,
        seed: 42,
        until: wall_ms(),
        style: Style::Numbered,
    })
}
