//! Merchandising rules: what a shop's staff change during the day. They are rows, unlike the business numbers of
//! [`rules`](crate::rules).
//!
//! ```text
//! PUT /v1/rules/{rule} ─▶ durable log ─▶ base table (id, latest version) ─┬▶ effective hides ─▶ joined before the first k
//!                                                                       └▶ rule book (every worker) ─▶ ListRules ─▶ reading
//! ```
//! A rule is effective as of a tick `t` if `from <= t < until`. Hides change what lists are made of; pins, buries and
//! caps ([`ListRules`]) arrange a list when it is read. A rule is of the lists of the shop, of those of the shadow, or of both.

mod id_text;
mod list_rules;
mod rule_set;
mod rule_text;

use std::fmt;

use differential_dataflow::difference::{IsZero, Monoid, Semigroup};
use serde::{Deserialize, Serialize};

use crate::ids::{CategoryKey, ProductKey};
use crate::rules::ListSet;
use crate::time::{Millis, Time};
use crate::trace::arranged::{PlainColumn, Storable};

pub use id_text::IdText;
pub use list_rules::{Arranged, Arrangement, ListRules, Move, Moved, ProductFacts};
pub use rule_set::{Idle, RuleSet};
pub use rule_text::{RuleFault, RuleKind, RuleText};

/// The most rules that a rule set may hold. A write of a further one is refused.
pub const RULES_MAX: usize = 1000;

/// The longest id of a rule, in bytes.
pub const RULE_ID_BYTES_MAX: usize = 32;

/// How the ids of rules begin that come from a topic of rules. No other rule has such an id.
pub const TOPIC_RULES: &str = "topic.";

/// How the ids of rules begin that come from a table of rules. No other rule has such an id.
pub const TABLE_RULES: &str = "table.";

/// The last position at which a product can be pinned, and the most products to which a category can be capped.
pub const POSITION_MAX: u8 = 100;

/// The id of a rule: 1 to 32 bytes, each an ASCII letter, a digit, `.`, `_` or `-`. Ids are ordered as texts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RuleId([u8; RULE_ID_BYTES_MAX]);

impl RuleId {
    /// The id with this text, if the text can be an id.
    #[must_use]
    pub fn of(text: &str) -> Option<RuleId> {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let mut bytes = [0; RULE_ID_BYTES_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        (!text.is_empty() && text.bytes().all(is_fit)).then_some(RuleId(bytes))
    }

    /// The id of the rule with this key in a topic of rules, if the key can be one: at most 26 bytes.
    #[must_use]
    pub fn of_topic(key: &str) -> Option<RuleId> {
        RuleId::after(TOPIC_RULES, key)
    }

    /// The id of the rule with this id in a table of rules, if it can be one: at most 26 bytes.
    #[must_use]
    pub fn of_table(id: &str) -> Option<RuleId> {
        RuleId::after(TABLE_RULES, id)
    }

    fn after(beginning: &str, id: &str) -> Option<RuleId> {
        if id.is_empty() { None } else { RuleId::of(&format!("{beginning}{id}")) }
    }

    /// Whether it is the id of a rule from a topic of rules.
    #[must_use]
    pub fn is_of_topic(&self) -> bool {
        self.text().starts_with(TOPIC_RULES)
    }

    /// Whether it is the id of a rule from a table of rules.
    #[must_use]
    pub fn is_of_table(&self) -> bool {
        self.text().starts_with(TABLE_RULES)
    }

    /// Whether the rule is written as an event of its own, not by a topic or a table.
    #[must_use]
    pub fn is_of_event(&self) -> bool {
        !self.is_of_topic() && !self.is_of_table()
    }

    /// The text of the id.
    #[must_use]
    pub fn text(&self) -> &str {
        let len = self.0.iter().position(|byte| *byte == 0).unwrap_or(RULE_ID_BYTES_MAX);
        std::str::from_utf8(&self.0[..len]).unwrap_or_default()
    }

    /// The number that routes this rule to its worker.
    #[must_use]
    pub fn route(&self) -> u64 {
        // FNV-1a.
        self.0.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    }
}

impl fmt::Debug for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RuleId({})", self.text())
    }
}

/// The list that a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MerchList {
    /// The general best sellers.
    BestSellers,
    /// The best sellers of a category.
    Category(CategoryKey),
    /// The similar products of every product.
    Similar,
    /// The similar products of one product.
    SimilarTo(ProductKey),
    /// The recommendations of all kinds of pages, for users and visitors.
    ForYou,
    /// The products that a user may buy again.
    BuyAgain,
    /// Best sellers for a user.
    Recommendations,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MerchAction {
    /// The product is on no list, and histories leave it out.
    Hide(ProductKey),
    /// The product is on no list, but stays in histories.
    OutOfStock(ProductKey),
    /// The product stands at this position of the list, counted from 1.
    Pin(ProductKey, MerchList, u8),
    /// The product stands after all others of the list.
    Bury(ProductKey, MerchList),
    /// The list has at most this many products of the category.
    Cap(CategoryKey, MerchList, u8),
}

impl MerchAction {
    /// The products that the rule names: that which it moves, and that whose list it is about.
    #[must_use]
    pub fn products(self) -> [Option<ProductKey>; 2] {
        let of_list = |list| if let MerchList::SimilarTo(product) = list { Some(product) } else { None };
        match self {
            MerchAction::Hide(product) | MerchAction::OutOfStock(product) => [Some(product), None],
            MerchAction::Pin(product, list, _) | MerchAction::Bury(product, list) => [Some(product), of_list(list)],
            MerchAction::Cap(_, list, _) => [None, of_list(list)],
        }
    }
}

/// A rule: what it does, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MerchRule {
    /// What it does.
    pub action: MerchAction,
    /// The first time at which it is effective; 0 if it has no beginning.
    pub from: Millis,
    /// The first time at which it is no longer effective; [`Millis::MAX`] if it has no end.
    pub until: Millis,
    /// The lists that it is for.
    pub scope: RuleScope,
}

/// Which lists a rule is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RuleScope {
    /// The lists of the shop and of the shadow.
    #[default]
    Both,
    /// The lists of the shop only.
    Live,
    /// The lists of the shadow only.
    Shadow,
}

impl RuleScope {
    /// The words that stand for them, in the order of the variants.
    pub const WORDS: [&'static str; 3] = ["both", "live", "shadow"];

    /// The word that stands for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        RuleScope::WORDS[self as usize]
    }

    /// The one that a word stands for.
    #[must_use]
    pub fn find(word: &str) -> Option<RuleScope> {
        [RuleScope::Both, RuleScope::Live, RuleScope::Shadow].into_iter().find(|scope| scope.word() == word)
    }

    /// Whether a rule is for the lists of a set.
    #[must_use]
    pub fn has(self, set: ListSet) -> bool {
        match self {
            RuleScope::Both => true,
            RuleScope::Live => set == ListSet::Live,
            RuleScope::Shadow => set == ListSet::Shadow,
        }
    }
}

impl MerchRule {
    /// Whether it is effective at a time.
    #[must_use]
    pub fn is_effective(&self, now: Time) -> bool {
        self.from <= now && now < self.until
    }
}

/// The difference that carries the latest version of a rule, combined by maximum: the version with the latest time
/// wins, whatever the order and repetition of writes. A deleted rule keeps its version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RuleVersion {
    /// When it was written.
    pub at: Millis,
    /// The rule; `None` if it was deleted.
    pub rule: Option<MerchRule>,
}

impl RuleVersion {
    /// The version as it is for the lists of a set: for a rule of other lists, that of a deleted rule.
    #[must_use]
    pub fn in_set(self, set: ListSet) -> RuleVersion {
        RuleVersion { rule: self.rule.filter(|rule| rule.scope.has(set)), ..self }
    }
}

impl IsZero for RuleVersion {
    fn is_zero(&self) -> bool {
        *self == RuleVersion::default()
    }
}

impl Semigroup for RuleVersion {
    fn plus_equals(&mut self, other: &Self) {
        *self = (*self).max(*other);
    }
}

impl Storable for RuleVersion {
    type Column = PlainColumn<RuleVersion>;
}

impl Monoid for RuleVersion {
    fn zero() -> Self {
        RuleVersion::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_texts_in_the_order_of_texts() {
        let longest = "x".repeat(RULE_ID_BYTES_MAX);
        for text in ["a", "Sale_2026-11.b", &longest] {
            assert_eq!(RuleId::of(text).map(|id| id.text().to_owned()).as_deref(), Some(text));
        }
        for text in ["", "a b", "ä", "a/b", &format!("{longest}x")] {
            assert_eq!(RuleId::of(text), None, "{text}");
        }
        let of_topic = RuleId::of_topic("sale").unwrap();
        assert_eq!((of_topic.text(), of_topic.is_of_topic()), ("topic.sale", true));
        assert!(!RuleId::of("topical").unwrap().is_of_topic());
        let of_table = RuleId::of_table("sale").unwrap();
        assert_eq!((of_table.text(), of_table.is_of_table(), of_table.is_of_topic()), ("table.sale", true, false));
        assert_eq!([of_topic, of_table, RuleId::of("sale").unwrap()].map(|id| id.is_of_event()), [false, false, true]);
        for of in [RuleId::of_topic, RuleId::of_table] {
            assert_eq!(["", "a b", &"x".repeat(27)].map(of), [None; 3]);
        }
        let mut ids = ["b", "a.1", "a", "B", "aa"].map(|text| RuleId::of(text).unwrap());
        ids.sort_unstable();
        assert_eq!(ids.map(|id| id.text().to_owned()), ["B", "a", "a.1", "aa", "b"]);
    }

    #[test]
    fn the_latest_version_wins_in_any_order() {
        let action = MerchAction::Hide(ProductKey::default());
        let rule = MerchRule { action, from: 0, until: Millis::MAX, scope: RuleScope::Both };
        let versions = [RuleVersion { at: 1, rule: Some(rule) }, RuleVersion { at: 2, rule: None }];
        for [mut one, other] in [versions, [versions[1], versions[0]]] {
            one.plus_equals(&other);
            one.plus_equals(&RuleVersion::zero());
            assert_eq!(one, versions[1]);
        }
        assert!(rule.is_effective(0) && !MerchRule { until: 5, ..rule }.is_effective(5));
        assert!(!MerchRule { from: 5, ..rule }.is_effective(4) && MerchRule { from: 5, ..rule }.is_effective(5));
    }

    #[test]
    fn a_rule_of_other_lists_is_as_deleted() {
        let action = MerchAction::Hide(ProductKey::default());
        let version =
            |scope| RuleVersion { at: 7, rule: Some(MerchRule { action, from: 0, until: Millis::MAX, scope }) };
        let deleted = RuleVersion { at: 7, rule: None };
        for (scope, live, shadow) in
            [(RuleScope::Both, true, true), (RuleScope::Live, true, false), (RuleScope::Shadow, false, true)]
        {
            let is_seen = |set| version(scope).in_set(set) == version(scope);
            assert_eq!((is_seen(ListSet::Live), is_seen(ListSet::Shadow)), (live, shadow));
            assert_eq!(RuleScope::find(scope.word()), Some(scope));
        }
        assert_eq!(version(RuleScope::Live).in_set(ListSet::Shadow), deleted);
        assert_eq!(RuleScope::find("all"), None);
    }
}
