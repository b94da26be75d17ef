//! The lists of the shadow: best sellers by the second set of business numbers and merchandising rules.
//!
//! Histories, catalogue and models are shared with the shop's lists. Readers of the shadow
//! ([`IndexReader::in_shadow`](crate::index_reader::IndexReader::in_shadow)) read these indexes in place of the shop's.

use super::best_sellers::{BestSellers, ListId, Seller, lists};
use super::index::{Index, Placement, Published, Wiring};
use super::merchandising::{PinnedSellers, pinned_sellers};
use crate::ids::ProductKey;
use crate::rules::Rules;
use crate::time::Diff;

/// The best sellers of the shadow: as [`BestSellers`], by the other numbers and rules.
pub struct ShadowBestSellers;

impl Index for ShadowBestSellers {
    const NAME: &'static str = "shadow_best_sellers";
    const PLACEMENT: Placement = Placement::Replicated;
    type Key = ListId;
    type Row = Seller;
    type Stored = Seller;
    type Count = Diff;

    fn is_on(rules: &Rules) -> bool {
        rules.shadow.enabled
    }

    fn route(list: &ListId) -> u64 {
        BestSellers::route(list)
    }

    fn read(stored: &Seller, copies: Diff) -> Option<(Seller, Diff)> {
        BestSellers::read(stored, copies)
    }

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        let lists = lists(wiring, wiring.shadow());
        Published::replicated(wiring, lists.as_collection(|list, seller| (*list, *seller)))
    }
}

/// The buyers of products that the shadow pins: as [`PinnedSellers`], by the other numbers and rules.
pub struct ShadowPinnedSellers;

impl Index for ShadowPinnedSellers {
    const NAME: &'static str = "shadow_pinned_sellers";
    const PLACEMENT: Placement = Placement::Replicated;
    type Key = ProductKey;
    type Row = u64;
    type Stored = u64;
    type Count = Diff;

    fn is_on(rules: &Rules) -> bool {
        rules.shadow.enabled
    }

    fn route(product: &ProductKey) -> u64 {
        PinnedSellers::route(product)
    }

    fn read(stored: &u64, copies: Diff) -> Option<(u64, Diff)> {
        PinnedSellers::read(stored, copies)
    }

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        Published::replicated(wiring, pinned_sellers(wiring.shadow()))
    }
}
