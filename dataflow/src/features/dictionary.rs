//! docs/data-dictionary.md, printed from the declarations.

use std::fmt::Write as _;

use super::{FEATURES, Feature};
use crate::freshness::InputKind;

const INTRODUCTION: &str = "# Data dictionary

Generated from the declarations of the features in the code (`dataflow/src/features.rs`).

Features say what each user did with each product and each category, and how, for models that are served. `features.enabled = \"on\"`
switches them on. [HTTP](http.md) shows how to ask for them.

## Inputs

| input | holds | described in |
|---|---|---|
| events | views, clicks, additions to carts, purchases, removals and searches, from topics, files and `POST /v1/events` | [Events](events.md) |
| tables | orders, their lines, and the catalogue with the categories and attributes of the products | [Getting started](getting-started.md) |

## Features
";

const RULES: &str = "
## Rules for all features

- **One time.** All values of an answer are as of one tick, `as_of`. A feature changes in the tick in which its record is
  read.
- **Order does not matter.** Late and reordered events give the same values, as long as the features last. A changed or deleted
  order, a changed line, and a product that moves to another category change the values at once.
- **How long features last.** Counts and times of a user and a product last until the user has done nothing with the product
  on `features.days` (365) whole days in UTC after the day of the latest event. At the beginning of the next day they are
  dropped whole, and so are the sums that they are part of; a later event begins with 1. As long as the user comes back in
  time, older events stay. Events without a product last likewise, and so do the values of a user and a key of metadata, all of them
  together. An event that is already older when it is read counts in no feature, and neither does a gap that is longer. So of events that come days late, the order may
  matter: an event that would have bridged a silence does not bring back what was dropped before it was read. An event
  counts as read when its tick was opened; while the past is read at a start, a tick may have the records of several days, and a
  silence within them is not noticed.
- **Gaps.** The events of a session are in the order of their times, ties in the order of the times of their records,
  whichever topics and partitions they come from. A view with a session (`session_id`) and without
  `metadata.time_on_page_ms` has a gap to the next event of the same user and session, if the record of that event is at most
  one hour later than the view's. The last event of a session has none. An event that is read more than one hour after its
  time opens and ends no gap, and is counted (`late_for_session` in the status of the source). If a session has far more than
  `features.sessions.events_max` events in an hour, as of a bot, the gaps of its older pages are final at once, and an event that
  comes late among them has a gap to the next event that is still held.
- **Nothing happened.** A count of an unknown user or product is 0, and a mean or a time is null. Maps over products or
  categories leave out values that are 0 or null.
- **Only events read while features are on count.** If features are switched on later, events that were read before that are
  not in the counts.
- **Orders have no window.** An order counts for exactly `features.days` (365) days since its own time, or for `rules.window_days`
  if these are more; with `features.days = 0` it counts for ever. It does so for itself: later orders of the user do not prolong
  it. A purchase event likewise. In copies of features ([sinks](sinks.md)) an order may stay up to a day longer, as it does in memory.
  An order that several purchase events name counts once, from the earliest of those that count.
- **Values of metadata.** A value is a text, a number as it is written, `true` or `false`. An empty text, null, an array and an object
  are none. Of a longer text the first 31 bytes are the value, cut between two characters. An event counts once under a key,
  whatever its type, also a purchase of several products. Which values are shown depends on the times of the events alone, not on
  the order in which they are read. Of a user and a key, four times `features.values_max` values are held, those with the earliest first
  events. If a late event moves another value among them, that value's earlier events may stay in `other`, so these two numbers may
  differ between runs. The sum over all values of a key is exact.
- **Several categories.** The counts of a product that is in several categories are in the sum of each of them.
- **Attributes** are those of the column `models.content.attributes_column` of the products, or of the field `attributes` of the store: a
  JSON object, or a text such as `colour=red, size=42`. A value is a text, a number, `true` or `false`, of at most 31 bytes as above;
  of a list, each element is a value, and the views of the product are in the sum of each. Attributes do not pass through the
  graph: they are read every `features.attributes_every_s`, and `as_of` says nothing of them. Before the first reading the
  feature of a user with views is null, copies of it are left as they are, and `GET /v1/features` says null as the `as_of` of the feature.

## Rows of users

What a shop knows of its users (`demographics`) is no feature of the graph. It is a field of the user's row in the
[store](services.md), as it is now: `POST /v1/features` answers with it beside the features if the question has
`\"demographics\": true`, `GET /v1/users/{user}` with the row, and `GET /v1/export/users` with all rows. These need a key with the
scope `write`, because features are also for keys that a page carries. An [erasure](erasure.md) removes the row.
";

/// The text of docs/data-dictionary.md.
#[must_use]
pub fn data_dictionary() -> String {
    let mut text =
        format!("{INTRODUCTION}\n| feature | key | type | unit | input | definition |\n|---|---|---|---|---|---|\n");
    for feature in &FEATURES {
        let Feature { name, kind, unit, definition, .. } = feature;
        let (key, kind, input) = (feature.key().join(", "), kind.name(), input(feature.input));
        writeln!(text, "| `{name}` | {key} | {kind} | {unit} | {input} | {definition} |")
            .expect("a String takes everything");
    }
    text + RULES
}

/// The name of an input in descriptions.
fn input(input: InputKind) -> &'static str {
    match input {
        InputKind::Views => "events",
        InputKind::Shop => "tables",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Set to 1, the file is written instead of compared.
    const UPDATE: &str = "VITRINE_UPDATE_FILES";

    #[test]
    fn the_documentation_is_as_the_declarations_print_it() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/data-dictionary.md");
        if std::env::var(UPDATE).is_ok_and(|value| value == "1") {
            std::fs::write(&path, data_dictionary()).expect("the file is written");
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(found, data_dictionary(), "{UPDATE}=1 cargo test -p vitrine-dataflow dictionary writes the file");
    }
}
