//! Identities of events, by which a repeat is recognised after a restart too.

use super::{Pair, Table};
use crate::ids::IdentityKey;
use crate::rules::Rules;
use crate::time::{Diff, Millis};

/// How much longer than repeats are recognised an identity is kept: records may be read later than they were written.
const READ_LATE_MS: Millis = 60_000;

/// The table of identities. Key: the identity of an event. Value: the time of the event's record. Difference: the number of
/// such records. A row leaves the table once the event can have no repeat any more. It has rows only while events are counted.
pub struct Identities;

impl Table for Identities {
    const NAME: &'static str = "identities";
    const NUMBER: u8 = 10;
    type Key = IdentityKey;
    type Value = Millis;
    type Diff = Diff;
    type Row = (IdentityKey, Millis);

    const REFERS: bool = false;

    fn route(identity: &IdentityKey) -> u64 {
        identity.route()
    }

    fn expiry((_, at): &Pair<Self>, diff: &Diff, rules: &Rules) -> Option<(Millis, Diff)> {
        Some((kept_until(*at, rules.events.dedup_ms), -diff))
    }
}

/// Until when the identity of an event is kept whose record is of `at`.
pub(crate) fn kept_until(at: Millis, dedup_ms: Millis) -> Millis {
    at.saturating_add(dedup_ms).saturating_add(READ_LATE_MS)
}
