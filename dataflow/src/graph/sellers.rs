//! What best-seller lists are made from, once for each set of business numbers and merchandising rules.
//!
//! ```text
//!               ┌▶ window ──────▶ buyers ─┐
//! purchases ────┤                         ├▶ best sellers ─▶ lists of the shop
//!               │  rules of this set ─────┤
//!               │  not to be bought ──────┘
//!               └▶ shadow's window, if it differs ─▶ buyers, with the shadow's rules ─▶ lists of the shadow
//! ```

use differential_dataflow::VecCollection;
use timely::dataflow::StreamVec;

use super::buyers;
use super::effective_rules::Effective;
use crate::ids::ProductKey;
use crate::merchandising::{RuleId, RuleVersion};
use crate::ops::window::{LateLines, Purchase};
use crate::rules::{ListSet, Rules};
use crate::time::{Diff, Time};
use crate::trace::arranged::{ByKey, by_key_in_place};

/// The rows that best sellers of all sets are made from.
pub(super) struct SoldRows<'s> {
    /// Purchases that count, live or not.
    pub(super) purchases: VecCollection<'s, Time, Purchase, Diff>,
    /// The versions of merchandising rules.
    pub(super) versions: VecCollection<'s, Time, (RuleId, ()), RuleVersion>,
    /// Products that cannot be bought, once for each row that says so.
    pub(super) unavailable: VecCollection<'s, Time, ProductKey, Diff>,
    /// The times that the edges of windows and of rules follow.
    pub(super) now: StreamVec<'s, Time, Time>,
}

impl<'s> SoldRows<'s> {
    fn effective(&self, set: ListSet) -> Effective<'s> {
        Effective::new(self.versions.clone(), self.now.clone(), self.unavailable.clone(), set)
    }
}

/// What best-seller lists of one set are made from.
pub(super) struct Sellers<'s> {
    /// The business numbers of the set.
    pub(super) rules: Rules,
    /// (product, distinct buyers in the window), in the worker that the product routes to.
    pub(super) buyers: VecCollection<'s, Time, (ProductKey, Diff), Diff>,
    /// The same, arranged by product.
    pub(super) buyers_by_product: ByKey<'s, ProductKey, Diff, Diff>,
    /// What the effective merchandising rules of the set are about, with the products that cannot be bought.
    pub(super) merchandising: Effective<'s>,
}

impl<'s> Sellers<'s> {
    /// The sellers of the live lists. `late` counts order lines that came too late for everything.
    pub(super) fn live(rows: &SoldRows<'s>, rules: &Rules, late: LateLines) -> Self {
        let buyers = buyers::count(rows.purchases.clone(), rows.now.clone(), rules.window_ms, late);
        Sellers {
            rules: *rules,
            buyers_by_product: by_key_in_place(buyers.clone(), "BuyersCounted"),
            buyers,
            merchandising: rows.effective(ListSet::Live),
        }
    }

    /// The sellers of the shadow. Buyers are counted again only if its window differs.
    pub(super) fn shadow(&self, rows: &SoldRows<'s>) -> Self {
        let rules = self.rules.of_shadow();
        let merchandising = rows.effective(ListSet::Shadow);
        if rules.window_ms == self.rules.window_ms {
            let (buyers, buyers_by_product) = (self.buyers.clone(), self.buyers_by_product.clone());
            return Sellers { rules, buyers, buyers_by_product, merchandising };
        }
        // Lines that are late for the shop's lists are counted there.
        let late = LateLines { kept_ms: rules.orders_held_ms(), ..LateLines::default() };
        let buyers = buyers::count(rows.purchases.clone(), rows.now.clone(), rules.window_ms, late);
        let buyers_by_product = by_key_in_place(buyers.clone(), "ShadowBuyersCounted");
        Sellers { rules, buyers, buyers_by_product, merchandising }
    }
}
