//! Merchandising rules as readers apply them: the one place from which answers, exports and replays get them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::ReadView;
use crate::graph::{List, PinnedSellers, ProductCategories, RuleBook};
use crate::ids::{CategoryKey, ProductKey};
use crate::merchandising::{
    Arranged, Arrangement, Idle, ListRules, MerchList, MerchRule, Move, ProductFacts, RuleId, RuleSet,
};
use crate::publish::{Snapshot, rows};
use crate::rules::ListSet;
use crate::time::{Diff, Time};

/// The rule set that was made last, shared by all readers of a process. Rules change rarely.
#[derive(Default)]
pub(super) struct RuleSetCache(ArcSwapOption<CachedSet>);

/// A rule set, and the states that have it.
struct CachedSet {
    /// See [`Snapshot::rules_version`].
    version: Time,
    from: Time,
    until: Time,
    /// `None` if no rule is effective.
    set: Option<Arc<RuleSet>>,
}

impl RuleSetCache {
    /// The effective rules of a state for the lists of a set, which must be the same in all calls; `None` if there are none.
    pub(super) fn get(&self, snapshot: &Snapshot, as_of: Time, lists: ListSet) -> Option<Arc<RuleSet>> {
        let version = snapshot.rules_version;
        if version == 0 {
            return None;
        }
        let known = self.0.load();
        let fits = |known: &CachedSet| known.version == version && (known.from..known.until).contains(&as_of);
        if let Some(known) = known.as_ref().filter(|known| fits(known)) {
            return known.set.clone();
        }
        let set = RuleSet::new(&rule_book(snapshot, as_of, lists), as_of);
        let until = set.next_edge();
        let set = (!set.is_empty()).then(|| Arc::new(set));
        // While changes are published that this state does not show yet, the version is not that of this state.
        if version <= as_of + 1 {
            self.0.store(Some(Arc::new(CachedSet { version, from: as_of, until, set: set.clone() })));
        }
        set
    }
}

/// All rules for the lists of a set, effective or not, in the order of their ids.
fn rule_book(snapshot: &Snapshot, as_of: Time, lists: ListSet) -> Vec<(RuleId, MerchRule)> {
    let rows = rows::all_values(snapshot.indexes.get::<RuleBook>(), as_of).into_iter();
    rows.filter_map(|((rule, ()), version)| Some((rule, version.in_set(lists).rule?))).collect()
}

impl ReadView<'_> {
    /// All merchandising rules with the times at which they were written, for whichever lists, effective or not, in the order
    /// of their ids.
    #[must_use]
    pub fn rule_book(&self) -> Vec<(RuleId, MerchRule, Time)> {
        let rows = rows::all_values(self.snapshot().indexes.get::<RuleBook>(), self.as_of()).into_iter();
        rows.filter_map(|((rule, ()), version)| Some((rule, version.rule?, version.at))).collect()
    }

    /// The time of a rule's latest version, also if that deleted the rule; 0 if there was never such a rule.
    #[must_use]
    pub fn rule_written_at(&self, rule: RuleId) -> Time {
        let mut versions = Vec::new();
        rows::values(self.snapshot().indexes.get::<RuleBook>(), &rule, self.as_of(), &mut versions);
        versions.first().map_or(0, |((), version)| version.at)
    }

    /// The effective merchandising rules; `None` if there are none.
    #[must_use]
    pub fn rule_set(&self) -> Option<&RuleSet> {
        self.rule_set.as_deref()
    }

    /// The pins, buries and caps of a list, if it has any.
    #[must_use]
    pub fn list_rules(&self, list: MerchList) -> Option<&ListRules> {
        self.rule_set()?.of_list(list)
    }

    /// Whether the rules let a product be on a list: no merchandising rule hides it, it can be bought, and it was not deleted,
    /// or deleted products are shown.
    #[must_use]
    pub fn may_show(&self, product: ProductKey) -> bool {
        let mut rows = Vec::new();
        self.rows::<ProductCategories>(&product, &mut rows);
        self.rules().may_list(&rows) && self.rule_set().is_none_or(|set| !set.is_off_lists(product))
    }

    /// The effective pins that do nothing, and why.
    #[must_use]
    pub fn idle_pins(&self) -> BTreeMap<RuleId, Idle> {
        self.rule_set().map(|set| set.idle_pins(|product| self.kept_off(product))).unwrap_or_default()
    }

    /// Why the catalogue keeps a product off all lists, if it does.
    fn kept_off(&self, product: ProductKey) -> Option<Idle> {
        let mut rows = Vec::new();
        self.rows::<ProductCategories>(&product, &mut rows);
        let is_unavailable = rows.iter().any(|(category, _)| *category == CategoryKey::UNAVAILABLE);
        let why = if is_unavailable { Idle::Unavailable } else { Idle::Deleted };
        (!self.rules().may_list(&rows)).then_some(why)
    }

    /// The distinct buyers in the window of a product that is pinned somewhere.
    #[must_use]
    pub fn buyers_of_pinned(&self, product: ProductKey) -> u64 {
        let mut buyers = Vec::new();
        self.rows::<PinnedSellers>(&product, &mut buyers);
        buyers.first().map_or(0, |(buyers, _)| *buyers)
    }

    /// The first `size` rows of a list that is made when it is asked for, as people see them: under the rules of `list`, and
    /// none if there are too few to show. `find` gives at most as many first rows without these rules as it is asked for; it
    /// gives fewer only if there are no more. `product` reads a row's product.
    pub fn arranged<R>(
        &self,
        list: MerchList,
        size: usize,
        mut find: impl FnMut(usize) -> Vec<R>,
        product: impl Fn(&R) -> ProductKey,
    ) -> Arrangement<R> {
        let whole = size.max(self.rules().items_min);
        let arrangement = match self.list_rules(list) {
            None => Arrangement::unchanged(find(whole)),
            Some(rules) => rules.fill(whole, find, product, &ProductsFor { view: self, list }),
        };
        arrangement.shown(size, self.rules().items_min)
    }

    /// Arranges the rows of a published list under its rules; returns the changes.
    pub(super) fn arrange<L: List>(&self, key: &L::Key, rows: &mut Vec<(L::Row, Diff)>) -> Vec<Move> {
        let Some(rules) = L::merch_list(key).and_then(|list| self.list_rules(list)) else { return Vec::new() };
        let own = std::mem::take(rows);
        let arrangement = rules.arrange(own, self.rules().list_size, |(row, _)| L::product(row), self);
        rows.extend(arrangement.rows.into_iter().filter_map(|row| match row {
            Arranged::Own(row) => Some(row),
            Arranged::Pinned(product) => L::pinned(product, self.buyers_of_pinned(product)).map(|row| (row, 1)),
        }));
        arrangement.moves
    }
}

/// The products that pins may add to a list that is made when it is asked for.
struct ProductsFor<'a> {
    view: &'a ReadView<'a>,
    list: MerchList,
}

impl ProductFacts for ProductsFor<'_> {
    fn may_pin(&self, product: ProductKey) -> bool {
        // A product is not similar to itself.
        self.list != MerchList::SimilarTo(product) && self.view.may_pin(product)
    }

    fn is_of(&self, product: ProductKey, category: CategoryKey) -> bool {
        self.view.is_of(product, category)
    }
}

impl ProductFacts for ReadView<'_> {
    fn may_pin(&self, product: ProductKey) -> bool {
        self.may_show(product)
    }

    fn is_of(&self, product: ProductKey, category: CategoryKey) -> bool {
        let mut rows = Vec::new();
        self.categories_of(product, &mut rows);
        rows.iter().any(|(row, _)| *row == category)
    }
}
