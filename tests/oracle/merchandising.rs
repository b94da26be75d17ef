//! Merchandising rules, as they are given and as they are defined. Shares no code with the graph or its readers except ids
//! and the names of what a rule does.

use std::collections::{BTreeMap, BTreeSet};

use dataflow::ids::{CategoryKey, ProductKey};
use dataflow::inputs::Inputs;
use dataflow::merchandising::{MerchAction, MerchList, MerchRule, RuleId, RuleScope, RuleVersion};
use dataflow::rules::{ListSet, Rules};
use dataflow::tables::MerchRules;
use dataflow::time::{Millis, Time};
use proptest::prelude::*;

use crate::given::{Domain, World};
use crate::plain::Shelves;

/// What a rule does; ids are numbers within the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Action {
    Hide(usize),
    OutOfStock(usize),
    Pin(usize, On, u8),
    Bury(usize, On),
    Cap(usize, On, u8),
}

/// The list that a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum On {
    BestSellers,
    Category(usize),
    Similar,
    SimilarTo(usize),
    ForYou,
    BuyAgain,
    Recommendations,
}

/// A version of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) rule: usize,
    pub(crate) at: Millis,
    /// What it does, from when and until when; `None` if it is deleted.
    pub(crate) does: Option<(Action, Millis, Millis)>,
    /// Whether it is for the lists of the shop only, or for those of the shadow only; `None` if it is for both.
    pub(crate) only: Option<ListSet>,
}

/// How many rules there are.
const RULES: usize = 6;

impl Version {
    /// Gives the version to a worker's inputs.
    pub(crate) fn give(self, world: &World, inputs: &mut Inputs) {
        let (rule, version) = self.keyed(world);
        inputs.update::<MerchRules>((rule, ()), version);
    }

    /// The version in keys.
    pub(crate) fn keyed(self, world: &World) -> (RuleId, RuleVersion) {
        let list = |on| match on {
            On::BestSellers => MerchList::BestSellers,
            On::Category(category) => MerchList::Category(world.categories[category]),
            On::Similar => MerchList::Similar,
            On::SimilarTo(product) => MerchList::SimilarTo(world.products[product]),
            On::ForYou => MerchList::ForYou,
            On::BuyAgain => MerchList::BuyAgain,
            On::Recommendations => MerchList::Recommendations,
        };
        let action = |action| match action {
            Action::Hide(product) => MerchAction::Hide(world.products[product]),
            Action::OutOfStock(product) => MerchAction::OutOfStock(world.products[product]),
            Action::Pin(product, on, position) => MerchAction::Pin(world.products[product], list(on), position),
            Action::Bury(product, on) => MerchAction::Bury(world.products[product], list(on)),
            Action::Cap(category, on, most) => MerchAction::Cap(world.categories[category], list(on), most),
        };
        let scope = match self.only {
            None => RuleScope::Both,
            Some(ListSet::Live) => RuleScope::Live,
            Some(ListSet::Shadow) => RuleScope::Shadow,
        };
        let rule = self.does.map(|(does, from, until)| MerchRule { action: action(does), from, until, scope });
        (RuleId::of(&format!("rule-{}", self.rule)).expect("an id"), RuleVersion { at: self.at, rule })
    }
}

/// A version with a time about `start`, often one that begins or ends while ticks close.
pub(crate) fn version(domain: Domain, start: Time) -> impl Strategy<Value = Version> {
    let (product, category) = (0..domain.products, 0..domain.categories);
    let on = prop_oneof![
        3 => Just(On::BestSellers),
        2 => category.clone().prop_map(On::Category),
        1 => Just(On::Similar),
        1 => product.clone().prop_map(On::SimilarTo),
        1 => Just(On::ForYou),
        1 => Just(On::BuyAgain),
        2 => Just(On::Recommendations),
    ];
    let action = prop_oneof![
        3 => product.clone().prop_map(Action::Hide),
        2 => product.clone().prop_map(Action::OutOfStock),
        4 => (product.clone(), on.clone(), 1..5u8).prop_map(|(product, on, position)| Action::Pin(product, on, position)),
        2 => (product, on.clone()).prop_map(|(product, on)| Action::Bury(product, on)),
        2 => (category, on, 0..3u8).prop_map(|(category, on, most)| Action::Cap(category, on, most)),
    ];
    let from = prop_oneof![1 => Just(0), 1 => (0..60u64).prop_map(move |from| start + from)];
    let until = prop_oneof![1 => Just(Millis::MAX), 1 => (1..90u64).prop_map(move |until| start + until)];
    let does = prop::option::weighted(0.8, (action, from, until));
    let only = prop_oneof![3 => Just(None), 1 => Just(Some(ListSet::Live)), 1 => Just(Some(ListSet::Shadow))];
    (0..RULES, 0..30u64, does, only).prop_map(move |(rule, at, does, only)| Version {
        rule,
        at: start + at,
        does,
        only,
    })
}

/// The rules that are effective at one time, in the order of their ids.
#[derive(Debug, Default)]
pub(crate) struct Ruling(Vec<Action>);

/// One row of an arranged list, and whether the list has it by itself.
pub(crate) type Row = (ProductKey, bool);

impl Ruling {
    /// The rules for the lists of a set. Of several versions of a rule the one with the latest time counts, of several of one time
    /// the greatest.
    pub(crate) fn new(world: &World, versions: impl Iterator<Item = Version>, as_of: Time, set: ListSet) -> Ruling {
        let mut latest: BTreeMap<usize, (RuleVersion, Version)> = BTreeMap::new();
        for version in versions {
            let keyed = version.keyed(world).1;
            let known = latest.entry(version.rule).or_insert((keyed, version));
            *known = if keyed > known.0 { (keyed, version) } else { *known };
        }
        let of_set = latest.into_values().map(|(_, version)| version);
        let of_set = of_set.filter(|version| version.only.is_none_or(|only| only == set));
        let does = of_set.filter_map(|version| version.does);
        Ruling(does.filter(|(_, from, until)| (*from..*until).contains(&as_of)).map(|(action, ..)| action).collect())
    }

    /// The products on no list, and those that histories leave out too.
    pub(crate) fn hidden(&self, world: &World) -> (BTreeSet<ProductKey>, BTreeSet<ProductKey>) {
        let hides = self.0.iter().filter_map(|action| match action {
            Action::Hide(product) => Some(world.products[*product]),
            _ => None,
        });
        let out = self.0.iter().filter_map(|action| match action {
            Action::OutOfStock(product) => Some(world.products[*product]),
            _ => None,
        });
        (hides.clone().chain(out).collect(), hides.collect())
    }

    /// A list under its rules: a slot at a time, the product that is pinned to it, or the next of the others.
    pub(crate) fn arrange(
        &self,
        world: &World,
        list: On,
        rows: &[ProductKey],
        may_pin: impl Fn(ProductKey) -> bool,
        is_of: impl Fn(ProductKey, CategoryKey) -> bool,
    ) -> Vec<Row> {
        let is_about = |on: On| on == list || on == On::Similar && matches!(list, On::SimilarTo(_));
        let mut pins: BTreeMap<u8, ProductKey> = BTreeMap::new();
        for action in &self.0 {
            let Action::Pin(product, on, position) = *action else { continue };
            let (product, is_itself) = (world.products[product], list == On::SimilarTo(product));
            let is_free = !pins.contains_key(&position) && !pins.values().any(|pinned| *pinned == product);
            // A product is not similar to itself.
            if is_about(on) && !is_itself && is_free && may_pin(product) {
                pins.insert(position, product);
            }
        }
        let buried: BTreeSet<ProductKey> = self
            .0
            .iter()
            .filter_map(|action| match *action {
                Action::Bury(product, on) if is_about(on) => Some(world.products[product]),
                _ => None,
            })
            .collect();
        let free = |product: &&ProductKey| !pins.values().any(|pinned| pinned == *product);
        let first = rows.iter().filter(free).filter(|product| !buried.contains(product));
        let last = rows.iter().filter(free).filter(|product| buried.contains(product));
        let caps: Vec<(CategoryKey, usize)> = self
            .0
            .iter()
            .filter_map(|action| match *action {
                Action::Cap(category, on, most) if is_about(on) => {
                    Some((world.categories[category], usize::from(most)))
                }
                _ => None,
            })
            .collect();
        let mut others: Vec<ProductKey> = Vec::new();
        for product in first.chain(last) {
            let has = |category| others.iter().chain(pins.values()).filter(|of| is_of(**of, category)).count();
            if caps.iter().all(|(category, most)| !is_of(*product, *category) || has(*category) < *most) {
                others.push(*product);
            }
        }
        let (mut others, mut arranged) = (others.into_iter(), Vec::new());
        for slot in 1.. {
            let next = pins.remove(&slot).or_else(|| others.next());
            let Some(product) = next.or_else(|| pins.pop_first().map(|(_, product)| product)) else { break };
            arranged.push((product, rows.contains(&product)));
        }
        arranged
    }
}

impl Shelves {
    /// A list of products that have or have not a row of their own, under its merchandising rules.
    pub(crate) fn arranged(&self, world: &World, on: On, rows: &[ProductKey], rules: &Rules) -> Vec<Row> {
        let is_of = |product, category| self.categories_of.get(&product).is_some_and(|of| of.contains(&category));
        self.ruling.arrange(world, on, rows, |product| self.may_show(product, rules), is_of)
    }

    /// A best-seller list as people see it.
    pub(crate) fn listed(&self, world: &World, on: On, rules: &Rules) -> Vec<(ProductKey, u64)> {
        let which = if let On::Category(category) = on { Some(world.categories[category]) } else { None };
        let rows: Vec<ProductKey> = self.best(which).iter().map(|(product, _)| *product).collect();
        let mut arranged = self.arranged(world, on, &rows, rules);
        arranged.truncate(rules.list_size);
        arranged.into_iter().map(|(product, _)| self.with_buyers(product)).collect()
    }
}
