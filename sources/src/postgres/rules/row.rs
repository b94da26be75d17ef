//! Rows of the table as rules.

use std::collections::BTreeMap;

use dataflow::dictionary::Dictionary;
use dataflow::merchandising::{MerchRule, RULES_MAX, RuleFault, RuleId, RuleText};
use dataflow::time::Millis;
use events::{Refusal, time_from_text};
use serde_json::{Map, Value as Json};

use crate::fault::Fault;
use crate::postgres::names::RuleTable;

/// The number of columns that are read.
pub(super) const COLUMNS: usize = 10;

/// The columns in the order of [`RuleTable::columns`].
const RULE_ID: usize = 0;
const RULE: usize = 1;
const PRODUCT: usize = 2;
const CATEGORY: usize = 3;
const LIST: usize = 4;
const POSITION: usize = 5;
const N: usize = 6;
const FROM: usize = 7;
const UNTIL: usize = 8;
const SET: usize = 9;

/// A value as the server writes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum CellText {
    Null,
    Is(String),
    NotUtf8,
}

/// The values of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RuleRow(pub(super) [CellText; COLUMNS]);

/// What the rows of a table make.
#[derive(Debug, Default)]
pub(super) struct ReadRules<'r> {
    /// The rules, at most [`RULES_MAX`].
    pub(super) rules: BTreeMap<RuleId, MerchRule>,
    /// The rows that are no rules, and why.
    pub(super) refused: Vec<(&'r RuleRow, Refusal)>,
}

/// Why a row is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum RuleRowFault {
    #[error("`{0}` is no id of a rule: 1 to 26 letters, digits, dots, underscores or hyphens")]
    Id(String),
    #[error("`{0}` must be a whole number that is not negative")]
    Number(String),
    #[error("`{0}` must be a time since 1970, such as 2026-11-27T00:00:00Z")]
    Edge(String),
    #[error("{0}")]
    Rule(RuleFault<Fault<'static>>),
    #[error("another row has the same `{0}`")]
    Twice(String),
    #[error("there are {RULES_MAX} rules, and there may not be more: delete rows whose ids are lower")]
    TooMany,
}

impl From<RuleRowFault> for Refusal {
    fn from(fault: RuleRowFault) -> Self {
        let detail = fault.to_string();
        match fault {
            RuleRowFault::TooMany => Refusal { reason: "too_many_rules", detail },
            RuleRowFault::Rule(RuleFault::Id(field, fault)) => {
                Refusal { reason: fault.reason(), detail: format!("in the field `{field}`: {fault}") }
            }
            _ => Refusal { reason: "invalid_rule", detail },
        }
    }
}

/// The rules of the rows. The result does not depend on the order in which the server gives the rows: of rows with one id the
/// first by its values counts, and of too many rules those with the lowest ids.
pub(super) fn decode<'r>(rows: &'r [RuleRow], table: &RuleTable, dictionary: &Dictionary) -> ReadRules<'r> {
    let mut rows: Vec<&RuleRow> = rows.iter().collect();
    rows.sort_unstable();
    let mut read = ReadRules::default();
    for row in rows {
        let rule = row.rule(table, dictionary).and_then(|(id, rule)| {
            if read.rules.contains_key(&id) {
                return Err(RuleRowFault::Twice(table.rule_id.clone()).into());
            }
            if read.rules.len() == RULES_MAX {
                return Err(RuleRowFault::TooMany.into());
            }
            Ok((id, rule))
        });
        match rule {
            Ok((id, rule)) => {
                read.rules.insert(id, rule);
            }
            Err(refusal) => read.refused.push((row, refusal)),
        }
    }
    read
}

impl RuleRow {
    fn rule(&self, table: &RuleTable, dictionary: &Dictionary) -> Result<(RuleId, MerchRule), Refusal> {
        let columns = NamedValues { row: self, table };
        let id = columns.text(RULE_ID)?.ok_or_else(|| columns.missing(RULE_ID))?;
        let id = RuleId::of_table(id).ok_or_else(|| RuleRowFault::Id(columns.name(RULE_ID)))?;
        let owned = |at| columns.text(at).map(|text| text.map(str::to_owned));
        let text = RuleText {
            rule: owned(RULE)?.ok_or_else(|| columns.missing(RULE))?,
            product: owned(PRODUCT)?,
            category: owned(CATEGORY)?,
            list: owned(LIST)?,
            position: columns.number(POSITION)?,
            n: columns.number(N)?,
            from: columns.edge(FROM, "-infinity")?,
            until: columns.edge(UNTIL, "infinity")?,
            set: owned(SET)?,
        };
        let product = |text: &str| -> Result<_, Fault<'static>> { Ok(dictionary.product(text)?) };
        let category = |text: &str| -> Result<_, Fault<'static>> { Ok(dictionary.category(text)?) };
        let rule = text.keyed(product, category).map_err(RuleRowFault::Rule)?;
        Ok((id, rule))
    }

    /// The values as one JSON object, for the dead letter.
    pub(super) fn to_json(&self, table: &RuleTable) -> String {
        let values = self.0.iter().zip(table.columns()).filter_map(|(text, (_, column))| {
            let value = match text {
                CellText::Is(text) => Json::from(text.as_str()),
                CellText::Null | CellText::NotUtf8 => Json::Null,
            };
            Some((column?.to_owned(), value))
        });
        Json::Object(values.collect::<Map<_, _>>()).to_string()
    }
}

/// The values of a row with the names of their columns.
struct NamedValues<'a> {
    row: &'a RuleRow,
    table: &'a RuleTable,
}

impl<'a> NamedValues<'a> {
    fn name(&self, at: usize) -> String {
        let (setting, column) = self.table.columns()[at];
        column.unwrap_or(setting).to_owned()
    }

    fn text(&self, at: usize) -> Result<Option<&'a str>, Refusal> {
        match &self.row.0[at] {
            CellText::Null => Ok(None),
            CellText::Is(text) => Ok(Some(text)),
            CellText::NotUtf8 => Err(Fault::NotUtf8 { column: &self.name(at) }.into()),
        }
    }

    fn missing(&self, at: usize) -> Refusal {
        Fault::Missing { column: &self.name(at) }.into()
    }

    fn number(&self, at: usize) -> Result<Option<u64>, Refusal> {
        let Some(text) = self.text(at)? else { return Ok(None) };
        let number = text.parse().map_err(|_| RuleRowFault::Number(self.name(at)))?;
        Ok(Some(number))
    }

    /// A time; none for the one that is the same as no time.
    fn edge(&self, at: usize, none: &str) -> Result<Option<Millis>, Refusal> {
        let Some(text) = self.text(at)?.filter(|text| *text != none) else { return Ok(None) };
        let at = time_from_text(text).map_err(|_| RuleRowFault::Edge(self.name(at)))?;
        Ok(Some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow::ids::Ids;

    fn dictionary() -> Dictionary {
        Dictionary::new(Ids::new([7; 16]))
    }

    /// A row with these values, and NULL in the other columns.
    fn row(values: &[(usize, &str)]) -> RuleRow {
        let mut row = RuleRow(std::array::from_fn(|_| CellText::Null));
        values.iter().for_each(|(at, text)| row.0[*at] = CellText::Is((*text).to_owned()));
        row
    }

    fn hide(id: &str, product: &str) -> RuleRow {
        row(&[(RULE_ID, id), (RULE, "hide"), (PRODUCT, product)])
    }

    /// The reasons why rows are refused.
    fn refusals(rows: &[RuleRow]) -> Vec<(&'static str, String)> {
        let refused = decode(rows, &RuleTable::default(), &dictionary()).refused;
        refused.into_iter().map(|(_, Refusal { reason, detail })| (reason, detail)).collect()
    }

    #[test]
    fn a_row_is_a_rule_as_over_http() {
        let pin = row(&[
            (RULE_ID, "advent"),
            (RULE, "pin"),
            (PRODUCT, "tea"),
            (LIST, "category:leaves"),
            (POSITION, "3"),
            (FROM, "-infinity"),
            (UNTIL, "2026-12-25T00:00:00.000Z"),
            (SET, "live"),
        ]);
        let dictionary = dictionary();
        let (rows, table) = ([pin], RuleTable::default());
        let read = decode(&rows, &table, &dictionary);
        assert!(read.refused.is_empty());
        let (id, rule) = read.rules.first_key_value().expect("a rule");
        let some = |text: &str| Some(text.to_owned());
        let text = RuleText {
            rule: "pin".into(),
            product: some("tea"),
            list: some("category:leaves"),
            position: Some(3),
            until: Some(1_798_156_800_000),
            set: some("live"),
            ..RuleText::default()
        };
        assert_eq!((id.text(), RuleText::of(rule, &dictionary)), ("table.advent", text));
        let payload: Json = serde_json::from_str(&rows[0].to_json(&table)).expect("it is JSON");
        assert_eq!(
            (&payload["position"], &payload["valid_from"], &payload["n"]),
            (&"3".into(), &"-infinity".into(), &Json::Null)
        );
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter() {
        let rows = [hide("b", "mug"), hide("a", "mug"), hide("a", "cup"), hide("c", "")];
        let reversed: Vec<RuleRow> = rows.iter().rev().cloned().collect();
        let (dictionary, table) = (dictionary(), RuleTable::default());
        let [one, other] = [&rows[..], &reversed[..]].map(|rows| decode(rows, &table, &dictionary));
        assert_eq!((&one.rules, &one.refused), (&other.rules, &other.refused));
        assert_eq!(one.rules.keys().map(RuleId::text).collect::<Vec<_>>(), ["table.a", "table.b"]);
        let cup = RuleText::of(&one.rules[&RuleId::of_table("a").expect("an id")], &dictionary);
        assert_eq!(cup.product.as_deref(), Some("cup"));
        let refused: Vec<_> = one.refused.iter().map(|(row, refusal)| (&row.0[RULE_ID], refusal.reason)).collect();
        let id = |text: &str| CellText::Is(text.into());
        assert_eq!(refused, [(&id("a"), "invalid_rule"), (&id("c"), "invalid_rule")]);
    }

    #[test]
    fn what_is_no_rule_is_refused_with_the_column_and_the_reason() {
        let pin = [(RULE_ID, "a"), (RULE, "pin"), (PRODUCT, "tea"), (LIST, "bestsellers")];
        let mut not_utf8 = hide("a", "tea");
        not_utf8.0[PRODUCT] = CellText::NotUtf8;
        for (row, reason, words) in [
            (row(&[(RULE, "hide"), (PRODUCT, "tea")]), "missing_field", "`rule_id` is missing"),
            (row(&[(RULE_ID, "a"), (PRODUCT, "tea")]), "missing_field", "`rule` is missing"),
            (hide("a b", "tea"), "invalid_rule", "`rule_id` is no id of a rule"),
            (hide(&"x".repeat(27), "tea"), "invalid_rule", "1 to 26"),
            (row(&[(RULE_ID, "a"), (RULE, "hide")]), "invalid_rule", "`product` is missing"),
            (row(&[&pin[..], &[(POSITION, "first")]].concat()), "invalid_rule", "`position` must be a whole number"),
            (row(&[&pin[..], &[(POSITION, "0")]].concat()), "invalid_rule", "from 1 to 100"),
            (
                row(&[&pin[..], &[(POSITION, "1"), (UNTIL, "-infinity")]].concat()),
                "invalid_rule",
                "`valid_until` must be",
            ),
            (row(&[&pin[..], &[(POSITION, "1"), (FROM, "soon")]].concat()), "invalid_rule", "`valid_from` must be"),
            (hide("a", &"x".repeat(257)), "invalid_rule", "`product` must have 1 to 256 bytes"),
            (not_utf8, "not_utf8", "`product_id` is not UTF-8"),
        ] {
            let refused = refusals(std::slice::from_ref(&row));
            assert!(
                refused.len() == 1 && refused[0].0 == reason && refused[0].1.contains(words),
                "{row:?}: {refused:?}"
            );
        }
    }

    #[test]
    fn rules_of_a_table_are_bounded() {
        let rows: Vec<RuleRow> = (0..=RULES_MAX).map(|number| hide(&format!("{number:04}"), "tea")).collect();
        let (dictionary, table) = (dictionary(), RuleTable::default());
        let read = decode(&rows, &table, &dictionary);
        assert_eq!((read.rules.len(), read.refused.len()), (RULES_MAX, 1));
        assert_eq!((read.refused[0].0, read.refused[0].1.reason), (&rows[RULES_MAX], "too_many_rules"));
    }
}
