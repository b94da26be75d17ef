//! How often each value stood in the metadata of a user's events, and how often it is an attribute of the products that the user
//! viewed.

use super::ReadView;
use super::features::Definition;
use crate::graph::user_metadata::keep_shown;
use crate::graph::{MetadataOthers, UserMetadata};
use crate::ids::UserKey;
use crate::publish::{Snapshot, rows};
use crate::short_text::ShortText;
use crate::tables::ValueTally;

/// The value under which events with values that are not shown count.
pub const OTHER: &str = "other";

/// A user's events with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ValueFeatures {
    /// The key.
    pub key: ShortText,
    /// The value under it.
    pub value: ShortText,
    /// The number of events.
    pub events: u64,
}

impl ValueFeatures {
    /// The name of the value among the values of a feature: `KEY=VALUE`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}={}", self.key.as_str(), self.value.as_str())
    }
}

impl ReadView<'_> {
    /// Adds the values in the metadata of a user's events that are shown, in the order of their keys and values.
    pub(super) fn metadata_in(&self, snapshot: &Snapshot, user: UserKey, shown: &mut Vec<ValueFeatures>) {
        let definition = self.definition();
        let mut tallies: Vec<(ShortText, ValueTally)> = Vec::new();
        for key in definition.rules.metadata.iter() {
            rows::values(snapshot.indexes.get::<UserMetadata>(), &(user, key), self.as_of(), &mut tallies);
            definition.show(key, &mut tallies, shown);
        }
        shown.sort_unstable();
    }

    /// How many events of all users count as [`OTHER`] under a key of metadata because of its values, by key. A key without such
    /// events is left out.
    #[must_use]
    pub fn metadata_others(&self) -> Vec<(ShortText, u64)> {
        let sums = rows::all_values(self.snapshot().indexes.get::<MetadataOthers>(), self.as_of()).into_iter();
        sums.map(|((key, ()), events)| (key, events.unsigned_abs() as u64)).collect()
    }
}

impl Definition<'_> {
    /// Adds the values of a key that are shown, if they last.
    pub(super) fn show(
        &self,
        key: ShortText,
        tallies: &mut Vec<(ShortText, ValueTally)>,
        shown: &mut Vec<ValueFeatures>,
    ) {
        let latest = tallies.iter().filter_map(|(_, tally)| tally.last_at()).max();
        if latest.is_some_and(|at| self.lasts(at)) {
            show(key, tallies, self.rules.values_max, shown);
        }
    }
}

/// Adds the values of a key whose first events are the earliest, ties by value, up to `most` of them, and the events with any
/// other value.
fn show(key: ShortText, tallies: &mut Vec<(ShortText, ValueTally)>, most: usize, shown: &mut Vec<ValueFeatures>) {
    let mut others = keep_shown(tallies, most);
    let other = ShortText::of(OTHER);
    for (value, tally) in tallies {
        let more = if *value == other { std::mem::take(&mut others) } else { 0 };
        shown.push(ValueFeatures { key, value: *value, events: tally.events() + more });
    }
    if others > 0 {
        shown.push(ValueFeatures { key, value: other, events: others });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use differential_dataflow::difference::Semigroup as _;

    use super::*;

    fn shown(events: &[(&str, u64)], most: usize) -> Vec<(String, u64)> {
        let mut tallies = BTreeMap::<ShortText, ValueTally>::new();
        for (value, at) in events {
            for value in ["", value] {
                tallies.entry(ShortText::of(value)).or_default().plus_equals(&ValueTally::of(*at));
            }
        }
        let mut found = Vec::new();
        show(ShortText::of("device"), &mut tallies.into_iter().collect(), most, &mut found);
        found.into_iter().map(|of| (of.name(), of.events)).collect()
    }

    #[test]
    fn the_values_that_came_first_are_shown_and_the_rest_is_other() {
        let of =
            |rows: &[(&str, u64)]| rows.iter().map(|(name, events)| ((*name).to_owned(), *events)).collect::<Vec<_>>();
        let events = [("web", 5), ("app", 9), ("tv", 7), ("web", 1), ("kiosk", 9)];
        let all = of(&[("device=web", 2), ("device=tv", 1), ("device=app", 1), ("device=kiosk", 1)]);
        assert_eq!(shown(&events, 4), all);
        assert_eq!(shown(&events, 2), of(&[("device=web", 2), ("device=tv", 1), ("device=other", 2)]));
        assert_eq!(shown(&[("other", 1), ("web", 2)], 1), of(&[("device=other", 2)]));
        assert_eq!(shown(&[], 2), of(&[]));
    }
}
