//! [`RuleSet`]: all rules as of one time, ready to be applied.

use std::collections::{BTreeMap, HashMap};

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
    idle: BTreeMap<RuleId, Idle>,
    effective: usize,
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
                set.idle.insert(*id, if rule.from > as_of { Idle::NotYet } else { Idle::Over });
                continue;
            }
            set.effective += 1;
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
            effective.iter().for_each(|(id, rule)| of_list.add(*id, rule.action, *list, &mut set.idle));
            of_list.pins.sort_unstable_by_key(|pin| pin.position);
            for pin in &of_list.pins {
                set.off_lists.get(&pin.product).map(|hide| set.idle.insert(pin.rule, Idle::Hidden(*hide)));
            }
        }
        set
    }

    /// Whether no rule is effective.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.effective == 0
    }

    /// The number of effective rules, those included that do nothing because another rule contradicts them.
    #[must_use]
    pub fn effective(&self) -> usize {
        self.effective
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

    /// Why a rule does nothing, if it does nothing.
    #[must_use]
    pub fn idle(&self, rule: RuleId) -> Option<Idle> {
        self.idle.get(&rule).copied()
    }
}

impl ListRules {
    /// Adds a rule of this list. Of contradicting pins, the one that was added first stays.
    fn add(&mut self, rule: RuleId, action: MerchAction, own: MerchList, idle: &mut BTreeMap<RuleId, Idle>) {
        let is_about = |list| list == own || (list == MerchList::Similar && matches!(own, MerchList::SimilarTo(_)));
        match action {
            MerchAction::Pin(product, list, position) if is_about(list) => {
                let taken = self.pins.iter().find(|pin| pin.position == position);
                let again = self.pins.iter().find(|pin| pin.product == product);
                let lost = taken.map(|pin| Idle::Position(pin.rule)).or(again.map(|pin| Idle::Product(pin.rule)));
                match lost {
                    // A rule about all lists of similar products may lose in one of them and stand in the others.
                    Some(lost) if list == own => drop(idle.insert(rule, lost)),
                    Some(_) => {}
                    None => self.pins.push(Pin { rule, product, position }),
                }
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
        let early = RuleSet::new(&rules, 9);
        let idle = ["a", "b", "c", "d", "e", "f"].map(|rule| early.idle(id(rule)));
        let [b, e] = ["b", "e"].map(id);
        let expected =
            [Some(Idle::NotYet), None, Some(Idle::Position(b)), Some(Idle::Product(b)), None, Some(Idle::Hidden(e))];
        assert_eq!((idle, early.next_edge(), early.effective()), (expected, 10, 5));
        let later = RuleSet::new(&rules, 10);
        assert_eq!(later.idle(id("b")), Some(Idle::Position(id("a"))));
        assert_eq!(later.idle(id("c")), Some(Idle::Position(id("a"))));
        assert_eq!((later.idle(id("d")), later.next_edge()), (None, 20), "the lamp is not pinned elsewhere now");
        assert!(later.is_off_lists(mug) && later.is_off_histories(mug) && !later.is_off_lists(lamp));
        assert_eq!(RuleSet::new(&rules, 20).idle(id("d")), Some(Idle::Over));
    }
}
