//! The rows that shops keep, in their inner form: fixed in size, copied freely.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::ids::{CategoryKey, OrderKey, ProductKey, RowKey, UserKey};
use crate::time::Millis;

/// When an order was created, and whether it counts: both in eight bytes, of which orders are many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Placed(u64);

impl Placed {
    /// Set where the order does not count; no time comes near.
    const IGNORED: u64 = 1 << 63;

    /// Created at a time, and counted or not for its status.
    #[must_use]
    pub fn new(created_at: Millis, counts: bool) -> Self {
        Placed(created_at.min(Placed::IGNORED - 1) | if counts { 0 } else { Placed::IGNORED })
    }

    /// When; the window is reckoned from here.
    #[must_use]
    pub fn created_at(self) -> Millis {
        self.0 & !Placed::IGNORED
    }

    /// Whether it counts while it is in the window. One that does not is held all the same: its status may change.
    #[must_use]
    pub fn counts(self) -> bool {
        self.0 & Placed::IGNORED == 0
    }
}

/// One order: who ordered, when, and whether it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderRow {
    /// The order's id.
    pub order: OrderKey,
    /// Who ordered.
    pub user: UserKey,
    /// When, and whether it counts.
    pub placed: Placed,
}

impl OrderRow {
    /// An order that counts.
    #[must_use]
    pub fn counting(order: OrderKey, user: UserKey, created_at: Millis) -> Self {
        OrderRow { order, user, placed: Placed::new(created_at, true) }
    }
}

/// One line of an order: which product is in it. Quantities do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LineRow {
    /// The order the line belongs to.
    pub order: OrderKey,
    /// The product ordered.
    pub product: ProductKey,
    /// Which row of its table it is; equal rows without a key are told by their number alone.
    pub row: RowKey,
}

/// One row of the catalogue: a product, and a category it is in. A product of several categories has a row for each.
///
/// A product that had rows and has lost the last one has the row with [`CategoryKey::DELETED`], once and as the only one,
/// until it has another row again or nothing is left that it could show in. Sources see to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CatalogueRow {
    /// The product.
    pub product: ProductKey,
    /// The category; [`CategoryKey::NONE`] or [`CategoryKey::DELETED`] where there is none.
    pub category: CategoryKey,
}

/// One row of a history: ordered newest first, ties by product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Viewed {
    /// When it was viewed last, reversed: the natural order is the list's order.
    viewed_at: Reverse<Millis>,
    /// The product viewed.
    pub product: ProductKey,
}

impl Viewed {
    /// A view of `product`, the latest one, at `at`.
    #[must_use]
    pub fn new(at: Millis, product: ProductKey) -> Self {
        Viewed { viewed_at: Reverse(at), product }
    }

    /// When the product was viewed last.
    #[must_use]
    pub fn at(self) -> Millis {
        self.viewed_at.0
    }
}

/// One row of a best-seller list: ordered by buyers descending, ties by product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seller {
    /// The distinct buyers, reversed: the natural order is the list's order.
    buyers: Reverse<u64>,
    /// The product sold.
    pub product: ProductKey,
}

impl Seller {
    /// A product with this many distinct buyers in the window.
    #[must_use]
    pub fn new(buyers: u64, product: ProductKey) -> Self {
        Seller { buyers: Reverse(buyers), product }
    }

    /// How many distinct users bought it in the window.
    #[must_use]
    pub fn buyers(self) -> u64 {
        self.buyers.0
    }
}

/// Which best-seller list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ListId {
    /// The list over all products.
    General,
    /// The list of one category.
    Category(CategoryKey),
}

impl ListId {
    /// The number that routes this list to its worker.
    #[must_use]
    pub fn route(&self) -> u64 {
        match self {
            ListId::General => 0,
            ListId::Category(category) => category.route(),
        }
    }
}

/// One order line with its order: who bought what, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Purchase {
    /// The product bought.
    pub product: ProductKey,
    /// Who bought it.
    pub user: UserKey,
    /// When the order was created.
    pub created_at: Millis,
}
