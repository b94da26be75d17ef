//! Merchandising rules, each with its latest version.

use super::Table;
use crate::ids::ProductKey;
use crate::merchandising::{RuleId, RuleVersion};

/// The table of merchandising rules. Key: the rule's id. Value: nothing. Difference: a version of the rule; the latest
/// one counts.
pub struct MerchRules;

impl Table for MerchRules {
    const NAME: &'static str = "merch_rules";
    const NUMBER: u8 = 11;
    type Key = RuleId;
    type Value = ();
    type Diff = RuleVersion;
    type Row = (RuleId, ());

    fn route(rule: &RuleId) -> u64 {
        rule.route()
    }

    fn products(_: &RuleId, (): &(), version: &RuleVersion) -> [Option<ProductKey>; 2] {
        version.rule.map_or([None; 2], |rule| rule.action.products())
    }
}
