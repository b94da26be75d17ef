//! How often each value stood in the metadata of a user's events: the rows behind the feature `user_metadata`.
//!
//! ```text
//! metadata values ─▶ user metadata (with the owner of the user) ─▶ the values that are shown, chosen when features are read
//! ```
//! The index is the arranged table itself.

use super::index::{Index, Placement, Published, Wiring};
use crate::ids::UserKey;
use crate::rules::Rules;
use crate::short_text::ShortText;
use crate::tables::{MetadataValues, ValueTally};
use crate::time::Diff;

/// The index of metadata values. Key: user, and a key of metadata. Row: a value, or the empty text for events with any value;
/// difference: the events. Changes with events, each of which is also an interaction.
pub struct UserMetadata;

impl Index for UserMetadata {
    const NAME: &'static str = "user_metadata";
    const PLACEMENT: Placement = Placement::Sharded;
    const IN_ORDER: bool = false;
    const OF_FEATURES: bool = true;
    type Key = (UserKey, ShortText);
    type Row = (ShortText, ValueTally);
    type Stored = ShortText;
    type Count = ValueTally;

    fn is_on(rules: &Rules) -> bool {
        rules.features.enabled && !rules.features.metadata.is_empty()
    }

    fn route((user, _): &(UserKey, ShortText)) -> u64 {
        user.route()
    }

    fn read(value: &ShortText, tally: ValueTally) -> Option<((ShortText, ValueTally), Diff)> {
        tally.last_at().map(|_| ((*value, tally), 1))
    }

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        Published::unlisted(wiring.by_key::<MetadataValues>())
    }
}

/// Keeps the values of a user and a key whose first events are the earliest, ties by value, up to `most` of them; returns the
/// number of events with any other value. The row of the empty text has all events.
pub(crate) fn keep_shown(values: &mut Vec<(ShortText, ValueTally)>, most: usize) -> u64 {
    // What an erasure has taken out may still be stored.
    values.retain(|(_, tally)| tally.last_at().is_some());
    let all: u64 = values.iter().filter(|(value, _)| value.is_empty()).map(|(_, tally)| tally.events()).sum();
    values.retain(|(value, _)| !value.is_empty());
    values.sort_unstable_by_key(|(value, tally)| (tally.first_at(), *value));
    values.truncate(most);
    all.saturating_sub(values.iter().map(|(_, tally)| tally.events()).sum())
}
