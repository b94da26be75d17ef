//! Times of scenarios: written relative to the present, so that no story becomes outdated.

use chrono::{DateTime, SecondsFormat};

/// Replaces `@now` and `@seconds`, each with or without a distance such as `-5m`, everywhere in the text.
pub(crate) fn expand(text: &str, now_ms: u64) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let word = rest.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(rest.len());
        let form = &rest[..word];
        if !["now", "seconds"].contains(&form) {
            expanded.push('@');
            continue;
        }
        rest = &rest[word..];
        let (distance_ms, length) = distance(rest);
        rest = &rest[length..];
        let at_ms = now_ms.checked_add_signed(distance_ms).expect("a story plays after 1970");
        expanded.push_str(&written(form, at_ms));
    }
    expanded + rest
}

fn written(form: &str, at_ms: u64) -> String {
    if form == "seconds" {
        return format!("{}.{:03}", at_ms / 1000, at_ms % 1000);
    }
    let time = DateTime::from_timestamp_millis(at_ms.cast_signed()).expect("a story plays before the year 9999");
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The distance at the beginning of the text in milliseconds, and how long its text is; no distance is 0.
fn distance(text: &str) -> (i64, usize) {
    let Some(sign) = text.chars().next().filter(|sign| "+-".contains(*sign)) else { return (0, 0) };
    let digits = text[1..].find(|letter: char| !letter.is_ascii_digit()).map_or(text.len(), |at| at + 1);
    let unit = text[digits..].find(|letter: char| !letter.is_ascii_lowercase()).map_or(text.len(), |at| digits + at);
    let Ok(count) = text[1..digits].parse::<i64>() else { return (0, 0) };
    let unit_ms = match &text[digits..unit] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        other => panic!("`{other}` is no unit of time"),
    };
    (if sign == '-' { -count * unit_ms } else { count * unit_ms }, unit)
}
