//! The merchandising rules that are effective: what begins and ends as versions are written and time passes.
//!
//! ```text
//! (rule, version) ──to one worker──▶ ┌──────────┐
//! "now" marks ──────broadcast──────▶ │ schedule │ ──▶ effects, +1 when one begins, -1 when it ends
//!                                    └──────────┘
//! ```
//! The edge moves only by "now" marks, as that of the [`window`](super::window). A tick looks only at the rules that were
//! written in it, and at those whose beginning or end the edge has passed. Rules are few, so one worker has all of them: each
//! effect is given once, however many rules have it.

use std::collections::{BTreeMap, BTreeSet};

use differential_dataflow::difference::Semigroup as _;
use differential_dataflow::{AsCollection, VecCollection};
use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;

use crate::ids::ProductKey;
use crate::merchandising::{MerchAction, MerchList, RuleId, RuleVersion};
use crate::rules::ListSet;
use crate::time::{Diff, Time};

/// One effect of the effective rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// The product is on no list.
    OffLists(ProductKey),
    /// Histories leave the product out.
    OffHistories(ProductKey),
    /// The product is pinned in a list.
    Pinned(ProductKey),
    /// The list has this rule.
    OfList(MerchList, RuleId, MerchAction),
}

/// The input of one tick.
#[derive(Default)]
struct Round {
    versions: Vec<(RuleId, RuleVersion)>,
    now: Option<Time>,
}

/// The effects of the effective rules of a set of lists, each once, in one worker. The latest version of a rule counts,
/// whatever set it is for.
pub fn effects<'s>(
    versions: VecCollection<'s, Time, (RuleId, ()), RuleVersion>,
    now: StreamVec<'s, Time, Time>,
    set: ListSet,
) -> VecCollection<'s, Time, Effect, Diff> {
    let route = Exchange::new(|_: &((RuleId, ()), Time, RuleVersion)| 0);
    versions
        .inner
        .binary_frontier::<_, CapacityContainerBuilder<Vec<(Effect, Time, Diff)>>, _, _, _, _>(
            now,
            route,
            Pipeline,
            "EffectiveRules",
            move |_, _| {
                let mut rounds: BTreeMap<Time, (Capability<Time>, Round)> = BTreeMap::new();
                let mut schedule = Schedule::new(set);
                move |(versions, version_frontier), (marks, mark_frontier), output| {
                    versions.for_each(|capability, data| {
                        for ((rule, ()), time, version) in data.drain(..) {
                            let round =
                                rounds.entry(time).or_insert_with(|| (capability.delayed(&time, 0), Round::default()));
                            round.1.versions.push((rule, version));
                        }
                    });
                    marks.for_each(|capability, data| {
                        let time = *capability.time();
                        let round =
                            rounds.entry(time).or_insert_with(|| (capability.delayed(&time, 0), Round::default()));
                        round.1.now = round.1.now.max(data.drain(..).max());
                    });
                    while let Some(first) = rounds.first_entry() {
                        if version_frontier.less_equal(first.key()) || mark_frontier.less_equal(first.key()) {
                            break;
                        }
                        let (time, (capability, round)) = first.remove_entry();
                        let mut session = output.session(&capability);
                        for (change, diff) in schedule.turn(round) {
                            session.give((change, time, diff));
                        }
                    }
                }
            },
        )
        .as_collection()
}

/// All rules.
struct Schedule {
    /// The lists that the effects are for.
    set: ListSet,
    now: Time,
    versions: BTreeMap<RuleId, RuleVersion>,
    /// The beginnings and ends of rules that are still to come.
    edges: BTreeSet<(Time, RuleId)>,
    effective: BTreeMap<RuleId, MerchAction>,
    /// How many effective rules have each effect.
    effects: BTreeMap<Effect, usize>,
}

impl Schedule {
    /// No rules.
    fn new(set: ListSet) -> Schedule {
        Schedule {
            set,
            now: 0,
            versions: BTreeMap::new(),
            edges: BTreeSet::new(),
            effective: BTreeMap::new(),
            effects: BTreeMap::new(),
        }
    }

    /// Takes the versions of one tick, then moves the edge; returns the effects that begin and end.
    fn turn(&mut self, round: Round) -> Vec<(Effect, Diff)> {
        let mut touched: BTreeSet<RuleId> = BTreeSet::new();
        for (rule, version) in round.versions {
            let known = self.versions.entry(rule).or_default();
            let before = *known;
            known.plus_equals(&version);
            if *known != before {
                touched.insert(rule);
                for edge in edges(&before) {
                    self.edges.remove(&(edge, rule));
                }
                self.edges.extend(edges(&version).map(|edge| (edge, rule)));
            }
        }
        self.now = self.now.max(round.now.unwrap_or(0));
        while let Some((_, rule)) = self.edges.first().filter(|(edge, _)| *edge <= self.now).copied() {
            self.edges.pop_first();
            touched.insert(rule);
        }
        let mut changes = Vec::new();
        for rule in touched {
            let wanted = self.versions.get(&rule).and_then(|version| version.in_set(self.set).rule);
            let wanted = wanted.filter(|wanted| wanted.is_effective(self.now)).map(|wanted| wanted.action);
            let before = match wanted {
                Some(action) => self.effective.insert(rule, action),
                None => self.effective.remove(&rule),
            };
            if before != wanted {
                self.change(before.map(|action| (rule, action)), -1, &mut changes);
                self.change(wanted.map(|action| (rule, action)), 1, &mut changes);
            }
        }
        changes
    }

    /// Counts the effects of a rule that begins or ends, and notes those that the first rule brings or the last one takes.
    fn change(&mut self, rule: Option<(RuleId, MerchAction)>, diff: Diff, changes: &mut Vec<(Effect, Diff)>) {
        for effect in rule.into_iter().flat_map(|(rule, action)| effects_of(rule, action)) {
            let count = self.effects.entry(effect).or_default();
            let before = *count;
            *count = count.saturating_add_signed(diff);
            if before.min(*count) == 0 {
                changes.push((effect, diff));
            }
            if *count == 0 {
                self.effects.remove(&effect);
            }
        }
    }
}

/// The effects of a rule.
fn effects_of(rule: RuleId, action: MerchAction) -> impl Iterator<Item = Effect> {
    let effects = match action {
        MerchAction::Hide(product) => [Some(Effect::OffLists(product)), Some(Effect::OffHistories(product))],
        MerchAction::OutOfStock(product) => [Some(Effect::OffLists(product)), None],
        MerchAction::Pin(product, list, _) => [Some(Effect::Pinned(product)), Some(Effect::OfList(list, rule, action))],
        MerchAction::Bury(_, list) | MerchAction::Cap(_, list, _) => [Some(Effect::OfList(list, rule, action)), None],
    };
    effects.into_iter().flatten()
}

/// When a version begins and ends.
fn edges(version: &RuleVersion) -> impl Iterator<Item = Time> + use<> {
    version.rule.into_iter().flat_map(|rule| [rule.from, rule.until])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merchandising::{MerchRule, RuleScope};
    use crate::time::Millis;

    fn version(at: Millis, span: Option<(Millis, Millis)>) -> RuleVersion {
        RuleVersion {
            at,
            rule: span.map(|(from, until)| MerchRule {
                action: MerchAction::Hide(ProductKey::default()),
                from,
                until,
                scope: RuleScope::Both,
            }),
        }
    }

    fn turn(schedule: &mut Schedule, versions: &[RuleVersion], now: Time) -> Vec<Diff> {
        let rule = RuleId::of("sale").unwrap();
        let versions = versions.iter().map(|version| (rule, *version)).collect();
        let changes = schedule.turn(Round { versions, now: Some(now) }).into_iter();
        changes.filter(|(effect, _)| matches!(effect, Effect::OffLists(_))).map(|(_, diff)| diff).collect()
    }

    #[test]
    fn a_rule_begins_and_ends_in_the_very_millisecond() {
        let mut schedule = Schedule::new(ListSet::Live);
        assert_eq!(turn(&mut schedule, &[version(1, Some((10, 20)))], 9), []);
        assert_eq!(turn(&mut schedule, &[], 10), [1]);
        assert_eq!(turn(&mut schedule, &[], 19), []);
        assert_eq!(turn(&mut schedule, &[], 20), [-1]);
        assert!(schedule.edges.is_empty());
        assert_eq!(turn(&mut schedule, &[version(2, Some((21, 30)))], 31), [], "all of it between two ticks");
    }

    #[test]
    fn the_latest_version_counts_and_leaves_no_edge_of_an_earlier_one() {
        let mut schedule = Schedule::new(ListSet::Live);
        assert_eq!(turn(&mut schedule, &[version(5, Some((0, 100))), version(4, None)], 1), [1]);
        assert_eq!(turn(&mut schedule, &[version(5, Some((0, 100)))], 2), [], "a repetition");
        assert_eq!(turn(&mut schedule, &[version(6, None)], 3), [-1]);
        assert_eq!(turn(&mut schedule, &[version(5, Some((0, 100)))], 4), []);
        assert!(schedule.edges.is_empty() && schedule.effective.is_empty() && schedule.effects.is_empty());
    }

    #[test]
    fn of_two_versions_of_one_time_both_sets_follow_the_same_one() {
        let of_scope = |scope| {
            let mut version = version(7, Some((0, 100)));
            version.rule.as_mut().unwrap().scope = scope;
            version
        };
        let versions = [RuleScope::Live, RuleScope::Shadow].map(of_scope);
        let mut latest = versions[0];
        latest.plus_equals(&versions[1]);
        for (set, order) in
            [(ListSet::Live, [0, 1]), (ListSet::Live, [1, 0]), (ListSet::Shadow, [0, 1]), (ListSet::Shadow, [1, 0])]
        {
            let mut schedule = Schedule::new(set);
            for place in order {
                turn(&mut schedule, &[versions[place]], 8);
            }
            assert_eq!(!schedule.effects.is_empty(), latest.in_set(set).rule.is_some(), "{set:?} {order:?}");
        }
    }

    #[test]
    fn an_effect_of_two_rules_is_given_once() {
        let mut schedule = Schedule::new(ListSet::Live);
        let product = ProductKey::default();
        let mut turn = |rule: &str, at, action: Option<MerchAction>| {
            let rule_of = |action| MerchRule { action, from: 0, until: Millis::MAX, scope: RuleScope::Both };
            let version = RuleVersion { at, rule: action.map(rule_of) };
            schedule.turn(Round { versions: vec![(RuleId::of(rule).unwrap(), version)], now: Some(at) })
        };
        let (hide, out) = (MerchAction::Hide(product), MerchAction::OutOfStock(product));
        assert_eq!(turn("a", 1, Some(out)), [(Effect::OffLists(product), 1)]);
        assert_eq!(turn("b", 2, Some(hide)), [(Effect::OffHistories(product), 1)]);
        assert_eq!(turn("a", 3, None), []);
        assert_eq!(
            turn("b", 4, Some(out)),
            [(Effect::OffLists(product), -1), (Effect::OffHistories(product), -1), (Effect::OffLists(product), 1)]
        );
        assert_eq!(turn("b", 5, None), [(Effect::OffLists(product), -1)]);
    }
}
