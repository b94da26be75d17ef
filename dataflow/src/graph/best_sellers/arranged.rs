//! Best-seller lists under their merchandising rules, for the change feed. Readers arrange a list when they read it, with
//! the same [`ListRules`](crate::merchandising::ListRules).
//!
//! ```text
//! first k ─┬────────────────────────────────────────────────────────────┬▶ changes
//!          └▶ of lists with rules ─┬─▶ taken out ───────────────────────┤
//! effective rules ─────────────────┴▶ (list -> its items) ─▶ arranged ──┘
//! ```
//! The items of a list are its rows, its rules, and what must be known of their products. Without rules there are none.

use std::collections::{BTreeMap, BTreeSet};

use differential_dataflow::VecCollection;
use differential_dataflow::operators::CountTotal;
use serde::{Deserialize, Serialize};

use super::{BestSellers, ListId, Seller};
use crate::graph::index::{Index, List, Wiring};
use crate::ids::{CategoryKey, ProductKey};
use crate::merchandising::{Arranged, MerchAction, MerchList, MerchRule, ProductFacts, RuleId, RuleScope, RuleSet};
use crate::ops::list::for_each_difference;
use crate::ops::periods::{Periods, compare};
use crate::rules::Rules;
use crate::tables::Catalogue;
use crate::time::{Diff, Millis, Time};
use crate::trace::arranged::{ByKey, by_key, by_self};

/// What must be known to arrange a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum Item {
    Row(Seller),
    Rule(RuleId, MerchAction),
    /// The buyers of a pinned product.
    Buyers(ProductKey, u64),
    /// A row in the catalogue of a product that is in the list, or pinned there.
    Catalogue(ProductKey, CategoryKey),
    /// This pinned product is on no list.
    Hidden(ProductKey),
}

type Items<'s> = VecCollection<'s, Time, (ListId, Item), Diff>;

/// The changes of the lists as people see them.
pub(super) fn arranged<'s>(
    lists: ByKey<'s, ListId, Seller, Diff>,
    wiring: &Wiring<'s>,
) -> VecCollection<'s, Time, (ListId, Seller), Diff> {
    let live = wiring.live();
    let rules = live.merchandising.of_lists().flat_map(|(list, rule)| Some((list_of(list)?, rule)));
    let ruled = by_self(rules.clone().map(|(list, _)| list), "RulesOfList", BestSellers::route).count_total();
    let ruled = by_self(ruled.map(|(list, _)| list), "ListsWithRules", BestSellers::route);
    let rows = lists.clone().join_core(ruled, |list, row, &()| Some((*list, *row)));
    let others = lists.as_collection(|list, row| (*list, *row)).concat(rows.clone().negate());
    let pins = rules.clone().flat_map(|(list, (_, action))| match action {
        MerchAction::Pin(product, ..) => Some((product, list)),
        _ => None,
    });
    let pins = by_key(pins, "PinsByProduct", |product: &ProductKey| product.route());
    let listed = by_key(rows.clone().map(|(list, row)| (row.product, list)), "RuledRows", |product: &ProductKey| {
        product.route()
    });
    let of_catalogue = |products: ByKey<'s, ProductKey, ListId, Diff>| -> Items<'s> {
        products.join_core(wiring.by_key::<Catalogue>(), |product, list, category| {
            Some((*list, Item::Catalogue(*product, *category)))
        })
    };
    let hidden = pins
        .clone()
        .join_core(live.merchandising.off_lists(), |product, list, &()| Some((*list, Item::Hidden(*product))));
    let buyers = pins.clone().join_core(live.buyers_by_product.clone(), |product, list, buyers| {
        Some((*list, Item::Buyers(*product, u64::try_from(*buyers).unwrap_or(0))))
    });
    let items = rows.map(|(list, row)| (list, Item::Row(row)));
    let items = items.concat(rules.map(|(list, (rule, action))| (list, Item::Rule(rule, action))));
    let items = items.concat(of_catalogue(listed)).concat(of_catalogue(pins)).concat(hidden).concat(buyers);
    let (items, business) = (by_key(items, "ListItems", BestSellers::route), *wiring.rules());
    let arranged = compare(items, Periods::TICKS, "ArrangedLists", move |list: &ListId, before, after, changes| {
        let [before, after] = [before, after].map(|items| list_of_items(*list, items, &business));
        for_each_difference(&before, &after, |row, diff| changes.push(((*list, *row), diff)));
    });
    others.concat(arranged)
}

/// The best-seller list with this name in rules.
fn list_of(list: MerchList) -> Option<ListId> {
    match list {
        MerchList::BestSellers => Some(ListId::General),
        MerchList::Category(category) => Some(ListId::Category(category)),
        _ => None,
    }
}

/// The rows of the arranged list, in their natural order; empty if the list has no rule.
fn list_of_items(list: ListId, items: &[(Item, Diff)], business: &Rules) -> Vec<Seller> {
    let (mut rows, mut rules, mut buyers) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut known = KnownProducts { business, hidden: BTreeSet::new(), catalogue: BTreeMap::new() };
    for (item, copies) in items {
        match *item {
            Item::Row(row) => rows.push(row),
            Item::Rule(rule, action) => {
                let always = MerchRule { action, from: 0, until: Millis::MAX, scope: RuleScope::Live };
                rules.push((rule, always));
            }
            Item::Buyers(product, count) => drop(buyers.insert(product, count)),
            Item::Catalogue(product, category) => {
                known.catalogue.entry(product).or_default().push((category, *copies));
            }
            Item::Hidden(product) => drop(known.hidden.insert(product)),
        }
    }
    let set = RuleSet::new(&rules, 0);
    let Some(rules) = BestSellers::merch_list(&list).and_then(|list| set.of_list(list)) else { return Vec::new() };
    let arrangement = rules.arrange(rows, business.list_size, |row| row.product, &known);
    let row = |row| match row {
        Arranged::Own(row) => row,
        Arranged::Pinned(product) => Seller::new(buyers.get(&product).copied().unwrap_or(0), product),
    };
    let mut rows: Vec<Seller> = arrangement.rows.into_iter().map(row).collect();
    rows.sort_unstable();
    rows
}

/// The products in the items of a list.
struct KnownProducts<'a> {
    business: &'a Rules,
    hidden: BTreeSet<ProductKey>,
    catalogue: BTreeMap<ProductKey, Vec<(CategoryKey, Diff)>>,
}

impl KnownProducts<'_> {
    fn rows(&self, product: ProductKey) -> &[(CategoryKey, Diff)] {
        self.catalogue.get(&product).map_or(&[], Vec::as_slice)
    }
}

impl ProductFacts for KnownProducts<'_> {
    fn may_pin(&self, product: ProductKey) -> bool {
        self.business.may_list(self.rows(product)) && !self.hidden.contains(&product)
    }

    fn is_of(&self, product: ProductKey, category: CategoryKey) -> bool {
        self.rows(product).iter().any(|(row, _)| *row == category)
    }
}
