//! How many events count as `other` under each key of metadata, because their user had too many values before.
//!
//! ```text
//! metadata values ─▶ a user's events with values that are not shown, of each key ─▶ sums by key (in every worker)
//! ```

use super::index::{Index, Placement, Published, Wiring};
use super::user_metadata::keep_shown;
use crate::ops::periods::{Periods, compare};
use crate::rules::Rules;
use crate::short_text::ShortText;
use crate::tables::{MetadataValues, ValueTally};
use crate::time::Diff;

/// The index of events that count as `other`. Key: a key of metadata. Row: nothing. Difference: the number of the events, of all
/// users. Changes with events and erasures; a key without such events has no row.
pub struct MetadataOthers;

impl Index for MetadataOthers {
    const NAME: &'static str = "metadata_others";
    const PLACEMENT: Placement = Placement::Replicated;
    type Key = ShortText;
    type Row = ();
    type Stored = ();
    type Count = Diff;

    fn is_on(rules: &Rules) -> bool {
        rules.features.enabled && !rules.features.metadata.is_empty()
    }

    /// The few keys need no spreading: every worker has all of them.
    fn route(_: &ShortText) -> u64 {
        0
    }

    fn read((): &(), events: Diff) -> Option<((), Diff)> {
        Some(((), events))
    }

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        let most = wiring.rules().features.values_max;
        let mut values = Vec::new();
        let mut others = move |rows: &[(ShortText, ValueTally)]| {
            values.clear();
            values.extend_from_slice(rows);
            Diff::try_from(keep_shown(&mut values, most)).unwrap_or(Diff::MAX)
        };
        let rows = wiring.by_key::<MetadataValues>();
        let changes = compare(rows, Periods::TICKS, "MetadataOthers", move |(_, key), before, after, changes| {
            let more = others(after) - others(before);
            changes.extend((more != 0).then_some(((*key, ()), more)));
        });
        Published::replicated(wiring, changes)
    }
}
