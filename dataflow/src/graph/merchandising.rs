//! Merchandising rules in the graph: the rule book that readers get, and what the effective rules hide and pin.
//!
//! ```text
//! versions of rules ─┬──────────────────────────────────────────────────▶ rule book (every worker)
//!                    └▶ effective ─┬▶ hidden products ─▶ best sellers, changes of histories
//! ticks ─────────────────▲         └▶ pinned products ─▶ with buyers ───▶ pinned sellers (every worker)
//! ```
//! The rules of the shadow are effective beside them, in the same way. Without rules, these collections are empty, and joining
//! them costs nothing for a row.

use differential_dataflow::AsCollection;
use timely::dataflow::operators::vec::Broadcast;

use super::index::{Index, IndexBatches, Placement, Published, RowChanges, Wiring};
use super::sellers::Sellers;
use super::{Indexes, ShadowPinnedSellers};
use crate::ids::ProductKey;
use crate::merchandising::{MerchRule, RuleId, RuleVersion};
use crate::tables::MerchRules;
use crate::time::Diff;
use crate::trace::arranged::{ValBatch, by_key_in_place};

/// The index of merchandising rules. Key: rule. Row: the rule, effective or not; deleted rules have none. Stored: nothing,
/// with the rule's latest version as the difference. Changes when rules are written.
pub struct RuleBook;

impl Index for RuleBook {
    const NAME: &'static str = "merch_rules";
    const PLACEMENT: Placement = Placement::Replicated;
    type Key = RuleId;
    type Row = MerchRule;
    type Stored = ();
    type Count = RuleVersion;

    fn route(rule: &RuleId) -> u64 {
        rule.route()
    }

    fn read((): &(), version: RuleVersion) -> Option<(MerchRule, Diff)> {
        version.rule.map(|rule| (rule, 1))
    }

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        let versions = wiring.rows::<MerchRules>().inner.broadcast().as_collection();
        Published::unlisted(by_key_in_place(versions, RuleBook::NAME))
    }
}

/// The index of the buyers of pinned products. Key: product. Row: its distinct buyers in the window; a product without
/// buyers has no row. Difference: 1 while the product is pinned anywhere. Changes with rules and with buyers.
pub struct PinnedSellers;

impl Index for PinnedSellers {
    const NAME: &'static str = "pinned_sellers";
    const PLACEMENT: Placement = Placement::Replicated;
    type Key = ProductKey;
    type Row = u64;
    type Stored = u64;
    type Count = Diff;

    fn route(product: &ProductKey) -> u64 {
        product.route()
    }

    fn read(stored: &u64, copies: Diff) -> Option<(u64, Diff)> {
        Some((*stored, copies))
    }

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        Published::replicated(wiring, pinned_sellers(wiring.live()))
    }

    fn in_shadow(indexes: &Indexes<IndexBatches>) -> &Vec<ValBatch<ProductKey, u64, Diff>> {
        indexes.get::<ShadowPinnedSellers>()
    }
}

/// The buyers of the products that are pinned somewhere.
pub(super) fn pinned_sellers<'s>(sellers: &Sellers<'s>) -> RowChanges<'s, PinnedSellers> {
    let pinned = sellers.merchandising.pinned();
    sellers
        .buyers_by_product
        .clone()
        .join_core(pinned, |product, buyers, &()| u64::try_from(*buyers).ok().map(|buyers| (*product, buyers)))
}
