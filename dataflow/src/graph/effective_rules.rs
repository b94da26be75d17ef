//! The effective merchandising rules of one set, and their effects: products on no list, products that histories leave out,
//! pins, buries and caps.

use differential_dataflow::VecCollection;
use differential_dataflow::operators::CountTotal;
use timely::dataflow::StreamVec;

use crate::ids::ProductKey;
use crate::merchandising::{MerchAction, MerchList, RuleId, RuleVersion};
use crate::ops::schedule::{Effect, effects};
use crate::rules::ListSet;
use crate::time::{Diff, Time};
use crate::trace::arranged::{BySelf, by_self};

/// The effects of the effective rules.
pub(super) struct Effective<'s> {
    effects: VecCollection<'s, Time, Effect, Diff>,
    off_lists: BySelf<'s, ProductKey, Diff>,
}

impl<'s> Effective<'s> {
    /// The rules of the table that are of a set and effective; the edge follows `now`. `unavailable`: products that cannot be
    /// bought, which is as if a rule said so.
    pub(super) fn new(
        versions: VecCollection<'s, Time, (RuleId, ()), RuleVersion>,
        now: StreamVec<'s, Time, Time>,
        unavailable: VecCollection<'s, Time, ProductKey, Diff>,
        set: ListSet,
    ) -> Self {
        let effects = effects(versions, now, set);
        let hidden = effects.clone().flat_map(|effect| match effect {
            Effect::OffLists(product) => Some(product),
            _ => None,
        });
        let off_lists = by_self(once(hidden.concat(unavailable)), "OffLists", |product| product.route());
        Effective { effects, off_lists }
    }

    /// The products on no list, each once, in the worker that the product routes to.
    pub(super) fn off_lists(&self) -> BySelf<'s, ProductKey, Diff> {
        self.off_lists.clone()
    }

    /// The products that histories leave out, each once.
    pub(super) fn off_histories(&self) -> VecCollection<'s, Time, ProductKey, Diff> {
        self.effects.clone().flat_map(|effect| match effect {
            Effect::OffHistories(product) => Some(product),
            _ => None,
        })
    }

    /// The pins, buries and caps of all lists.
    pub(super) fn of_lists(&self) -> VecCollection<'s, Time, (MerchList, (RuleId, MerchAction)), Diff> {
        self.effects.clone().flat_map(|effect| match effect {
            Effect::OfList(list, rule, action) => Some((list, (rule, action))),
            _ => None,
        })
    }

    /// The products that are pinned somewhere, in the worker that the product routes to.
    pub(super) fn pinned(&self) -> BySelf<'s, ProductKey, Diff> {
        products(&self.effects, "PinnedProducts", |effect| match effect {
            Effect::Pinned(product) => Some(product),
            _ => None,
        })
    }
}

/// Each product once, for any number of rows.
pub(super) fn once(products: VecCollection<'_, Time, ProductKey, Diff>) -> VecCollection<'_, Time, ProductKey, Diff> {
    by_self(products, "RowsByProduct", |product| product.route()).count_total().map(|(product, _)| product)
}

/// The products of some effects.
fn products<'s>(
    effects: &VecCollection<'s, Time, Effect, Diff>,
    name: &str,
    product: fn(Effect) -> Option<ProductKey>,
) -> BySelf<'s, ProductKey, Diff> {
    by_self(effects.clone().flat_map(product), name, |product| product.route())
}
