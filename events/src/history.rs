//! The changes that events make in the graph's inputs: views and removals change a history, other kinds are counted.

use dataflow::dictionary::KeyCache;
use dataflow::ids::{ProductKey, UserKey};
use dataflow::inputs::Inputs;
use dataflow::source_status::SourceStatus;
use dataflow::time::Millis;

use crate::{DeadLetter, Event, EventKind, Malformed, RawRecord};

/// A change of one user's history, in keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryChange {
    user: UserKey,
    product: ProductKey,
    at: Millis,
    removal: bool,
}

impl HistoryChange {
    /// The change that a decoded record makes; none if its kind changes no history, which is counted by kind.
    ///
    /// # Errors
    /// The dead letter of a record that is malformed, or whose product has the key of another product; it is counted by
    /// its reason. Boxed, because it is rare and large.
    pub fn of(
        record: &RawRecord<'_>,
        event: Result<Event<'_>, Malformed>,
        keys: &mut KeyCache,
        status: &SourceStatus,
    ) -> Result<Option<HistoryChange>, Box<DeadLetter>> {
        let refused = |letter: DeadLetter| {
            status.rejected(letter.reason);
            Box::new(letter)
        };
        let event = event.map_err(|malformed| refused(record.refuse(malformed)))?;
        let (removal, product) = match (event.kind, &event.product) {
            (EventKind::View, Some(product)) => (false, product),
            (EventKind::Removal, Some(product)) => (true, product),
            (kind, _) => {
                status.ignored(kind.name());
                return Ok(None);
            }
        };
        let user = keys.user(&event.user);
        let product = keys.product(product).map_err(|collision| refused(record.refuse(collision)))?;
        Ok(Some(HistoryChange { user, product, at: event.at, removal }))
    }

    /// Gives the change to the inputs.
    pub fn apply(self, inputs: &mut Inputs) {
        match self.removal {
            true => inputs.removal(self.user, self.product, self.at),
            false => inputs.view(self.user, self.product, self.at),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dataflow::dictionary::Dictionary;
    use dataflow::ids::Ids;
    use dataflow::source_status::{SourceRegistry, SourceView};

    use super::*;
    use crate::TimeBounds;

    const NOW: Millis = 1_800_000_000_000;

    #[test]
    fn views_and_removals_change_histories_and_all_else_is_counted() {
        let dictionary = Arc::new(Dictionary::new(Ids::new([0; 16])));
        let (mut keys, registry) = (KeyCache::new(dictionary.clone()), SourceRegistry::default());
        let status = registry.source("events");
        let mut change = |payload: &str| {
            let time = Some(NOW.into());
            let record = RawRecord { stream: "views", partition: 3, offset: 7, time, payload: payload.as_bytes() };
            HistoryChange::of(&record, record.decode(&TimeBounds::around(NOW)), &mut keys, &status)
        };
        let view = |kind: &str| format!(r#"{{"event_type":"{kind}","user_id":"ada","product_id":"lamp"}}"#);
        let removal = r#"{"event":"ProductRemoved","userid":"ada","properties":{"productid":"lamp"}}"#;
        let (user, product) = (dictionary.user("ada"), dictionary.product("lamp").expect("nothing collides with it"));
        for (payload, removal) in [(&*view("view"), false), (removal, true)] {
            assert_eq!(change(payload), Ok(Some(HistoryChange { user, product, at: NOW, removal })));
        }
        let others = ["add_to_cart", "click", "purchase", "remove_from_cart", "search"];
        others.iter().for_each(|kind| assert_eq!(change(&view(kind)), Ok(None)));
        let letter = change("{}").expect_err("it is no event");
        assert_eq!((&*letter.stream, letter.partition, letter.offset, letter.reason), ("views", 3, 7, "missing_field"));
        let SourceView { ignored, rejected, .. } = registry.snapshot().pop().expect("there is one source");
        assert_eq!(ignored.into_iter().collect::<Vec<_>>(), others.map(|kind| (kind, 1)));
        assert_eq!(rejected.into_iter().collect::<Vec<_>>(), [("missing_field", 1)]);
    }
}
