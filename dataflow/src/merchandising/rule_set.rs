//! [`RuleSet`]: all rules as of one time, ready to be applied.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::RandomState;

use super::list_rules::{Cap, ListRules, Pin};
use super::{MerchAction, MerchList, MerchRule, RuleId};
use crate::ids::ProductKey;
use crate::time::Time;

type ByProduct = HashMap<ProductKey, RuleId, RandomState>;

/// The effective rules as of a time.
#[derive(Debug, Default)]
pub struct RuleSet {
    /// Products on no list.
    off_lists: ByProduct,
    /// Products that histories leave out too.
    off_histories: ByProduct,
    lists: BTreeMap<MerchList, ListRules>,
    has_rules: bool,
    /// The next time at which a rule begins or ends.
    next_edge: Time,
}

/// Why a rule does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// It begins later.
    NotYet,
    /// It has ended.
    Over,
    /// This rule has the position.
    Position(RuleId),
    /// This rule pins the same product in the same list.
    Product(RuleId),
    /// This rule hides the product.
    Hidden(RuleId),
    /// The product cannot be bought.
    Unavailable,
    /// The product counts as deleted from the catalogue.
    Deleted,
    /// The list is that of the product itself.
    Itself,
}

impl RuleSet {
    /// The rules as of `as_of`, given in the order of their ids.
    #[must_use]
    pub fn new(rules: &[(RuleId, MerchRule)], as_of: Time) -> Self {
        let mut set = RuleSet { next_edge: Time::MAX, ..RuleSet::default() };
        for (id, rule) in rules {
            let edges = [rule.from, rule.until].into_iter().filter(|edge| *edge > as_of);
            set.next_edge = edges.chain([set.next_edge]).min().unwrap_or(Time::MAX);
            if !rule.is_effective(as_of) {
                continue;
            }
            set.has_rules = true;
            match rule.action {
                MerchAction::Hide(product) => {
                    set.off_lists.entry(product).or_insert(*id);
                    set.off_histories.entry(product).or_insert(*id);
                }
                MerchAction::OutOfStock(product) => {
                    set.off_lists.entry(product).or_insert(*id);
                }
                MerchAction::Pin(_, list, _) | MerchAction::Bury(_, list) | MerchAction::Cap(_, list, _) => {
                    set.lists.entry(list).or_default();
                }
            }
        }
        let effective: Vec<&(RuleId, MerchRule)> = rules.iter().filter(|(_, rule)| rule.is_effective(as_of)).collect();
        for (list, of_list) in &mut set.lists {
            effective.iter().for_each(|(id, rule)| of_list.add(*id, rule.action, *list));
        }
        set
    }

    /// Whether no rule is effective.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.has_rules
    }

    /// The next time at which a rule begins or ends.
    #[must_use]
    pub fn next_edge(&self) -> Time {
        self.next_edge
    }

    /// Whether the product is on no list.
    #[must_use]
    pub fn is_off_lists(&self, product: ProductKey) -> bool {
        !self.off_lists.is_empty() && self.off_lists.contains_key(&product)
    }

    /// Whether histories leave the product out.
    #[must_use]
    pub fn is_off_histories(&self, product: ProductKey) -> bool {
        !self.off_histories.is_empty() && self.off_histories.contains_key(&product)
    }

    /// The products on no list.
    pub fn off_lists(&self) -> impl ExactSizeIterator<Item = ProductKey> + '_ {
        self.off_lists.keys().copied()
    }

    /// The pins, buries and caps of a list, if it has any.
    #[must_use]
    pub fn of_list(&self, list: MerchList) -> Option<&ListRules> {
        match list {
            MerchList::SimilarTo(_) => self.lists.get(&list).or_else(|| self.lists.get(&MerchList::Similar)),
            _ => self.lists.get(&list),
        }
    }

    /// The lists that pins, buries and caps are about.
    pub fn lists(&self) -> impl Iterator<Item = MerchList> + '_ {
        self.lists.keys().copied()
    }

    /// The effective pins that do nothing, and why. `kept_off` returns why the catalogue keeps a product off all lists, if it
    /// does.
    pub fn idle_pins(&self, kept_off: impl Fn(ProductKey) -> Option<Idle>) -> BTreeMap<RuleId, Idle> {
        let hidden = |product| self.off_lists.get(product).map(|hide| Idle::Hidden(*hide));
        let products: BTreeSet<ProductKey> =
            self.lists.values().flat_map(|list| &list.pins).map(|pin| pin.product).collect();
        let kept_off: BTreeMap<ProductKey, Idle> = products
            .iter()
            .filter_map(|product| Some((*product, hidden(product).or_else(|| kept_off(*product))?)))
            .collect();
        let mut idle = BTreeMap::new();
        for (list, of_list) in &self.lists {
            let mut standing = Vec::new();
            for pin in &of_list.pins {
                let itself = (*list == MerchList::SimilarTo(pin.product)).then_some(Idle::Itself);
                match itself.or_else(|| kept_off.get(&pin.product).copied()).or_else(|| pin.lost_to(&standing)) {
                    None => standing.push(pin),
                    // A rule about all lists of similar products may lose in one of them and stand in the others.
                    Some(why) if pin.is_own => drop(idle.insert(pin.rule, why)),
                    Some(_) => {}
                }
            }
        }
        idle
    }
}

impl ListRules {
    /// Adds a rule, if it is of this list.
    fn add(&mut self, rule: RuleId, action: MerchAction, own: MerchList) {
        let is_about = |list| list == own || (list == MerchList::Similar && matches!(own, MerchList::SimilarTo(_)));
        match action {
            MerchAction::Pin(product, list, position) if is_about(list) => {
                self.pins.push(Pin { rule, product, position, is_own: list == own });
            }
            MerchAction::Bury(product, list) if is_about(list) => {
                self.buried.entry(product).or_insert(rule);
            }
            MerchAction::Cap(category, list, most) if is_about(list) => self.caps.push(Cap { rule, category, most }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary::Dictionary;
    use crate::ids::Ids;
    use crate::merchandising::RuleScope;
    use crate::time::Millis;

    #[test]
    fn of_contradicting_pins_the_lower_id_wins_and_the_other_one_is_named() {
        let dictionary = Dictionary::new(Ids::new([3; 16]));
        let [lamp, chair, mug] = ["lamp", "chair", "mug"].map(|id| dictionary.product(id).unwrap());
        let id = |text| RuleId::of(text).unwrap();
        let always = |action| MerchRule { action, from: 0, until: Millis::MAX, scope: RuleScope::Both };
        let pin = |product, position| MerchAction::Pin(product, MerchList::BestSellers, position);
        let rules = [
            (id("a"), MerchRule { from: 10, ..always(pin(mug, 1)) }),
            (id("b"), always(pin(lamp, 1))),
            (id("c"), always(pin(chair, 1))),
            (id("d"), MerchRule { until: 20, ..always(pin(lamp, 2)) }),
            (id("e"), always(MerchAction::Hide(mug))),
            (id("f"), always(pin(mug, 3))),
        ];
        let idle = |as_of| Vec::from_iter(RuleSet::new(&rules, as_of).idle_pins(|_| None));
        let [a, b, c, d, e, f] = ["a", "b", "c", "d", "e", "f"].map(id);
        let (lost, hidden) = ([(c, Idle::Position(b)), (d, Idle::Product(b))], Idle::Hidden(e));
        assert_eq!(idle(9), [lost.as_slice(), &[(f, hidden)]].concat());
        assert_eq!(idle(10), [[(a, hidden)].as_slice(), &lost, &[(f, hidden)]].concat(), "a keeps no position");
        assert_eq!(idle(20), [(a, hidden), lost[0], (f, hidden)], "d is over");
        let [early, later] = [9, 10].map(|as_of| RuleSet::new(&rules, as_of));
        assert_eq!((early.next_edge(), later.next_edge()), (10, 20));
        assert!(later.is_off_lists(mug) && later.is_off_histories(mug) && !later.is_off_lists(lamp));
    }

    #[test]
    fn a_pin_whose_product_cannot_be_shown_does_nothing_and_leaves_its_position() {
        let dictionary = Dictionary::new(Ids::new([3; 16]));
        let [lamp, chair, mug] = ["lamp", "chair", "mug"].map(|id| dictionary.product(id).unwrap());
        let id = |text| RuleId::of(text).unwrap();
        let pin = |rule, product, list, position| {
            let action = MerchAction::Pin(product, list, position);
            (id(rule), MerchRule { action, from: 0, until: Millis::MAX, scope: RuleScope::Both })
        };
        let similar = MerchList::SimilarTo(lamp);
        let rules = [
            pin("a", lamp, MerchList::BestSellers, 1),
            pin("b", chair, MerchList::BestSellers, 1),
            pin("c", mug, MerchList::BestSellers, 1),
            pin("d", lamp, similar, 1),
            pin("e", mug, similar, 1),
            pin("f", mug, MerchList::Similar, 2),
        ];
        let set = RuleSet::new(&rules, 0);
        let why = |product| {
            let unavailable = (product == lamp).then_some(Idle::Unavailable);
            unavailable.or((product == chair).then_some(Idle::Deleted))
        };
        let expected = [(id("a"), Idle::Unavailable), (id("b"), Idle::Deleted), (id("d"), Idle::Itself)];
        assert_eq!(Vec::from_iter(set.idle_pins(why)), expected, "f loses in one list of similar products only");
        let contradicted = [(id("b"), Idle::Position(id("a"))), (id("c"), Idle::Position(id("a")))];
        assert_eq!(Vec::from_iter(set.idle_pins(|_| None)), [contradicted.as_slice(), &expected[2..]].concat());
    }
}
