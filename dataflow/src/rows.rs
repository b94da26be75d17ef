//! The rows that shops keep, in their inner form: fixed in size, copied freely.

use serde::{Deserialize, Serialize};

use crate::ids::{CategoryKey, OrderKey, ProductKey, RowKey, UserKey};
use crate::time::Millis;

/// One order: who ordered, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderRow {
    /// The order's id.
    pub order: OrderKey,
    /// Who ordered.
    pub user: UserKey,
    /// When; the window is reckoned from here.
    pub created_at: Millis,
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

/// One product of a known category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CatalogueRow {
    /// The product.
    pub product: ProductKey,
    /// The category it is in.
    pub category: CategoryKey,
}

/// One row of a history: ordered newest first, ties by product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Viewed {
    /// The complement of the time, so that the natural order is the list's order.
    age: u64,
    /// The product viewed.
    pub product: ProductKey,
}

impl Viewed {
    /// A view of `product`, the latest one, at `at`.
    #[must_use]
    pub fn new(at: Millis, product: ProductKey) -> Self {
        Viewed { age: !at, product }
    }

    /// When the product was viewed last.
    #[must_use]
    pub fn at(self) -> Millis {
        !self.age
    }
}

/// One row of a best-seller list: ordered by buyers descending, ties by product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seller {
    /// The complement of the number of buyers, so that the natural order is the list's order.
    unsold: u64,
    /// The product sold.
    pub product: ProductKey,
}

impl Seller {
    /// A product with this many distinct buyers in the window.
    #[must_use]
    pub fn new(buyers: u64, product: ProductKey) -> Self {
        Seller { unsold: !buyers, product }
    }

    /// How many distinct users bought it in the window.
    #[must_use]
    pub fn buyers(self) -> u64 {
        !self.unsold
    }
}

/// Which best-seller list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ranking {
    /// The list over all products.
    General,
    /// The list of one category.
    Category(CategoryKey),
}

impl Ranking {
    /// The number that routes this list to its worker.
    #[must_use]
    pub fn route(&self) -> u64 {
        match self {
            Ranking::General => 0,
            Ranking::Category(category) => category.route(),
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
