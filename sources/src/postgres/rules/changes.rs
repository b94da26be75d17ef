//! The rules that the graph has from the table, and what a reading changes in them.

use std::collections::BTreeMap;

use dataflow::merchandising::{MerchRule, RuleId, RuleVersion};
use dataflow::time::Millis;

/// The rules of the last reading.
#[derive(Debug, Default)]
pub(super) struct TableRules {
    rules: BTreeMap<RuleId, MerchRule>,
    /// The time of the latest version: later versions are later, whatever the clock shows.
    latest: Millis,
}

impl TableRules {
    /// The rules of a table among all that are in the graph. A deleted rule has no more than the time of its deletion.
    pub(super) fn resumed(rules: impl IntoIterator<Item = (RuleId, RuleVersion)>) -> TableRules {
        let mut resumed = TableRules::default();
        for (id, version) in rules.into_iter().filter(|(id, _)| id.is_of_table()) {
            resumed.latest = resumed.latest.max(version.at);
            resumed.rules.extend(version.rule.map(|rule| (id, rule)));
        }
        resumed
    }

    /// Takes the rules of a reading at `now`; returns the versions of the rules that are new, differ or are gone.
    pub(super) fn take(&mut self, read: BTreeMap<RuleId, MerchRule>, now: Millis) -> Vec<(RuleId, RuleVersion)> {
        let at = now.max(self.latest.saturating_add(1));
        let gone = self.rules.keys().filter(|id| !read.contains_key(*id)).map(|id| (*id, None));
        let changed = read.iter().filter(|(id, rule)| self.rules.get(*id) != Some(*rule));
        let changed = changed.map(|(id, rule)| (*id, Some(*rule)));
        let versions: Vec<_> = gone.chain(changed).map(|(id, rule)| (id, RuleVersion { at, rule })).collect();
        if !versions.is_empty() {
            self.latest = at;
        }
        self.rules = read;
        versions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow::ids::ProductKey;
    use dataflow::merchandising::{MerchAction, RuleScope};

    const AT: Millis = 1_731_000_000_120;

    fn rule(from: Millis) -> MerchRule {
        let action = MerchAction::Hide(ProductKey::default());
        MerchRule { action, from, until: Millis::MAX, scope: RuleScope::Both }
    }

    fn id(text: &str) -> RuleId {
        RuleId::of_table(text).expect("an id")
    }

    #[test]
    fn only_what_has_changed_gets_a_version_and_each_is_later_than_the_ones_before() {
        let mut rules = TableRules::default();
        let version = |at, rule| RuleVersion { at, rule };
        let read = |rules: &[(&str, Millis)]| rules.iter().map(|(text, from)| (id(text), rule(*from))).collect();
        let given = rules.take(read(&[("a", 1), ("b", 1)]), AT);
        assert_eq!(given, [(id("a"), version(AT, Some(rule(1)))), (id("b"), version(AT, Some(rule(1))))]);
        assert!(rules.take(read(&[("a", 1), ("b", 1)]), AT + 9).is_empty());
        // The clock shows the same time, and one is deleted, one changed, one new.
        let given = rules.take(read(&[("b", 2), ("c", 1)]), AT);
        let expected = [("a", None), ("b", Some(rule(2))), ("c", Some(rule(1)))];
        assert_eq!(given, expected.map(|(text, rule)| (id(text), version(AT + 1, rule))));
    }

    #[test]
    fn a_restart_goes_on_from_the_rules_of_a_checkpoint() {
        let version = |at, rule| RuleVersion { at, rule };
        let ahead = AT + 60_000;
        let of_event = (RuleId::of("sale").expect("an id"), version(ahead + 7, Some(rule(1))));
        let held = [(id("a"), version(AT, Some(rule(1)))), (id("b"), version(AT, Some(rule(1)))), of_event];
        let mut rules = TableRules::resumed(held.into_iter().chain([(id("gone"), version(ahead, None))]));
        let read = BTreeMap::from([(id("b"), rule(1)), (id("gone"), rule(1))]);
        let given = rules.take(read, AT);
        let expected = [(id("a"), version(ahead + 1, None)), (id("gone"), version(ahead + 1, Some(rule(1))))];
        assert_eq!(given, expected, "the rule of an event is not its own, and the unchanged one keeps its version");
    }
}
