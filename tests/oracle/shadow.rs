//! The shadow: the same recomputation with the second numbers and rules.

use dataflow::ids::UserKey;
use dataflow::index_reader::IndexReader;
use dataflow::rules::{Deleted, Shadow};
use proptest::prelude::*;

use crate::given::{History, World};
use crate::seen::{Sample, Seen, look_at_lists, look_at_lists_of};

/// The same history, often with a shadow.
pub(crate) fn with_shadow(histories: impl Strategy<Value = History>) -> impl Strategy<Value = History> {
    let deleted = prop_oneof![
        Just(None),
        Just(Some(Deleted::InHistories)),
        Just(Some(Deleted::Hidden)),
        Just(Some(Deleted::Shown))
    ];
    let missing = prop_oneof![Just(None), any::<bool>().prop_map(Some)];
    let numbers = (0..6usize, 0..60u64, 0..4usize, deleted, missing);
    (histories, prop::option::weighted(0.7, numbers)).prop_map(|(history, numbers)| {
        let Some((list_size, window_ms, categories_max, deleted, missing_is_deleted)) = numbers else {
            return history;
        };
        let mut rules = history.rules;
        rules.shadow = Shadow {
            enabled: true,
            // A shadow asks for no more than what is kept.
            list_size: list_size.min(rules.history_depth),
            window_ms: window_ms.min(rules.window_ms),
            categories_max,
            deleted,
            missing_is_deleted,
            ..Shadow::OFF
        };
        History { rules, ..history }
    })
}

/// The shadow's lists of a user, if there is a shadow.
pub(crate) fn look_at_shadow(reader: &IndexReader, user: UserKey, samples: &mut Vec<Sample>) {
    wrapped(reader, samples, |shadow, samples| look_at_lists_of(shadow, user, samples));
}

/// The shadow's lists that every worker holds, if there is a shadow.
pub(crate) fn look_at_lists_in_shadow(reader: &IndexReader, world: &World, samples: &mut Vec<Sample>) {
    wrapped(reader, samples, |shadow, samples| look_at_lists(&shadow.view_any(), world, samples));
}

/// Adds what `look` sees of the shadow.
fn wrapped(reader: &IndexReader, samples: &mut Vec<Sample>, look: impl FnOnce(&IndexReader, &mut Vec<Sample>)) {
    let Some(shadow) = reader.in_shadow() else { return };
    let mut seen = Vec::new();
    look(&shadow, &mut seen);
    samples
        .extend(seen.into_iter().map(|Sample { as_of, seen }| Sample { as_of, seen: Seen::InShadow(Box::new(seen)) }));
}
