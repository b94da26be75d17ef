//! Identities of events, by which a repeat is recognised after a restart too.

use super::{Pair, Table};
use crate::ids::IdentityKey;
use crate::rules::Rules;
use crate::time::{Diff, Millis, Time};

/// How much longer than repeats are recognised an identity is kept: records may be read later than they were written.
const READ_LATE_MS: Millis = 60_000;

/// Identities are forgotten at multiples of this time, many at a time.
const SPAN_MS: Millis = 64;

/// The table of identities. Key: the identity of an event. Value: the time of the event's record. Difference: the number of
/// such records. A row leaves the table once the event can have no repeat any more, by the time that the worker's sources have
/// reached (`kept_until`). It has rows only while events are counted.
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

    const LEAVES_AS_READ: bool = true;

    fn expiry((_, at): &Pair<Self>, diff: &Diff, (rules, given): (&Rules, Time)) -> Option<(Millis, Diff)> {
        Some((kept_until((*at, given), rules.events.dedup_ms), -diff))
    }
}

/// Until when the identity of an event is kept whose record is of `at`, and that is given in a tick. Records may be written
/// long after their times: the repeat of an old record may come as late after it as that of a new one.
pub(crate) fn kept_until((at, given): (Millis, Time), dedup_ms: Millis) -> Millis {
    let until = at.max(given).saturating_add(kept_ms(dedup_ms));
    until.checked_next_multiple_of(SPAN_MS).unwrap_or(Millis::MAX)
}

/// How long the identity of an event is kept that is read as soon as it is recorded.
pub(crate) fn kept_ms(dedup_ms: Millis) -> Millis {
    dedup_ms.saturating_add(READ_LATE_MS)
}
