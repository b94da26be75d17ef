//! Whether the names in a rule are known, and the nearest known name to an unknown one.

use dataflow::dictionary::Dictionary;
use dataflow::index_reader::IndexReader;
use dataflow::merchandising::{RuleFault, RuleText};

use crate::problem::Problem;

/// Similarity from which a name counts as near; below it, a hint would mislead.
const LIKENESS_MIN: f64 = 0.6;

/// The most names that are compared with an unknown one.
const COMPARED_MAX: usize = 100_000;

/// The kind of an id that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Unknown {
    #[error("no event and no row of the catalogue has named this product")]
    Product,
    #[error("no product of this category is known")]
    Category,
}

/// Checks a rule and the names in it.
///
/// # Errors
/// When the fields do not make a rule, or a product, a category or a list is not known. The error names the nearest name.
pub(super) async fn check_names(reader: &IndexReader, rule: &RuleText) -> Result<(), Problem> {
    let dictionary = reader.dictionary();
    let product = |id: &str| dictionary.find_product(id).ok_or(Unknown::Product);
    let category = |id: &str| dictionary.find_category(id).ok_or(Unknown::Category);
    let Err(wrong) = rule.keyed(product, category) else { return Ok(()) };
    let near = match wrong {
        RuleFault::Id(field, kind) => {
            let given = given_id(rule, field).to_owned();
            let dictionary = dictionary.clone();
            // Many names are compared: this is done outside the serving threads.
            let search = tokio::task::spawn_blocking(move || near_id(&dictionary, &given, kind));
            search.await.expect("comparing names does not panic")
        }
        RuleFault::List => {
            let given = rule.list.as_deref().unwrap_or_default();
            nearest(given, RuleText::lists()).filter(|near| *near != given).map(str::to_owned)
        }
        _ => None,
    };
    let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    Err(Problem::BadRule { field: field_of(wrong), reason: format!("{wrong}{near}") })
}

/// The field at fault.
fn field_of(wrong: RuleFault<Unknown>) -> Option<&'static str> {
    match wrong {
        RuleFault::Kind => Some("rule"),
        RuleFault::List => Some("list"),
        RuleFault::Never => Some("until"),
        RuleFault::Scope => Some("set"),
        RuleFault::Missing(field)
        | RuleFault::Superfluous(field)
        | RuleFault::OutOfBounds(field, _)
        | RuleFault::Length(field)
        | RuleFault::Id(field, _) => Some(field),
    }
}

/// The id that a field holds.
fn given_id<'a>(rule: &'a RuleText, field: &str) -> &'a str {
    let id = match field {
        "list" => rule.list.as_deref().and_then(|list| list.split_once(':')).map(|(_, id)| id),
        "category" => rule.category.as_deref(),
        _ => rule.product.as_deref(),
    };
    id.unwrap_or_default()
}

/// The known id that is nearest to `given`, among the first that the dictionary has.
fn near_id(dictionary: &Dictionary, given: &str, kind: Unknown) -> Option<String> {
    let (mut best, mut compared) = (None, 0);
    let mut compare = |id: &str| {
        compared += 1;
        let likeness = likeness(given, id);
        if likeness >= best.as_ref().map_or(LIKENESS_MIN, |(known, _)| *known) {
            best = Some((likeness, id.to_owned()));
        }
        compared < COMPARED_MAX
    };
    match kind {
        Unknown::Product => dictionary.each_product(&mut compare),
        Unknown::Category => dictionary.each_category(&mut compare),
    }
    best.map(|(_, id)| id)
}

/// The error of a body with a field that it does not have; it names the field that may be meant.
pub(in crate::endpoints) fn unknown_field(given: &str, fields: &'static [&'static str]) -> Problem {
    Problem::UnknownField { near: nearest(given, fields.iter().copied()), fields }
}

/// The word that is nearest to `given`, if one is near.
pub(super) fn nearest<'a>(given: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = words.into_iter().map(|word| (likeness(given, word), word));
    let near = near.filter(|(likeness, _)| *likeness >= LIKENESS_MIN);
    near.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, word)| word)
}

fn likeness(given: &str, known: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(given, known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow::ids::Ids;

    #[test]
    fn a_slip_is_recognised_and_another_name_is_not() {
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        for id in ["product-393", "product-17", "lamp"] {
            dictionary.product(id).expect("no collision");
        }
        dictionary.category("tea").expect("no collision");
        assert_eq!(near_id(&dictionary, "product-39", Unknown::Product).as_deref(), Some("product-393"));
        assert_eq!(near_id(&dictionary, "chair", Unknown::Product), None);
        assert_eq!(near_id(&dictionary, "tee", Unknown::Category).as_deref(), Some("tea"));
        assert_eq!(nearest("best-sellers", RuleText::lists()), Some("bestsellers"));
    }
}
