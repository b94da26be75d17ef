//! The nearest known name to an unknown one.

use super::setting;

/// Similarity from which a name counts as near; below it, a hint would mislead.
const LIKENESS_MIN: f64 = 0.6;

/// The nearest setting to a full key: the same name in another section first, then the least edits.
pub(super) fn setting(key: &str) -> Option<String> {
    let name = key.rsplit_once('.').map_or(key, |(_, name)| name);
    let same_name = |known: &str| known.rsplit_once('.').is_some_and(|(_, last)| last == name);
    best(key, setting::settings().map(|setting| setting.key), |known| if same_name(known) { 0.3 } else { 0.0 })
}

/// The nearest section.
pub(super) fn section(name: &str) -> Option<String> {
    best(name, setting::sections().map(|section| section.name), |_| 0.0)
}

fn best(wanted: &str, known: impl Iterator<Item = &'static str>, bonus: impl Fn(&str) -> f64) -> Option<String> {
    known
        .map(|known| (strsim::normalized_damerau_levenshtein(wanted, known) + bonus(known), known))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, known)| known.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_and_wrong_sections_are_recognised() {
        assert_eq!(setting("server.lisen").as_deref(), Some("server.listen"));
        assert_eq!(setting("server.workers").as_deref(), Some("dataflow.workers"));
        assert_eq!(setting("postgres.tables.orders.userid").as_deref(), Some("postgres.tables.orders.user_id"));
        assert_eq!(section("kafak").as_deref(), Some("kafka"));
        assert_eq!(setting("something.else_entirely"), None);
    }
}
