//! Session events: the events of sessions that a gap may still begin or end at.

use serde::{Deserialize, Serialize};

use super::{ColumnReader, ColumnWriter, Columns, Table};
use crate::ids::{ProductKey, RowKey, UserKey};
use crate::time::{Diff, Millis};
use crate::trace::arranged::{EraseRule, UserRows};

/// The table of session events. Key: user. Value: the event. Difference: the number of such events. A row leaves the table
/// when its gap is settled ([`crate::sessions`]). It has rows only while features are on.
pub struct SessionEvents;

impl Table for SessionEvents {
    const NAME: &'static str = "session_events";
    const NUMBER: u8 = 13;
    type Key = UserKey;
    type Value = SessionEvent;
    type Diff = Diff;
    type Row = (UserKey, SessionEvent);

    const OF_FEATURES: bool = true;

    fn route(user: &UserKey) -> u64 {
        user.route()
    }

    fn products(_: &UserKey, event: &SessionEvent, _: &Diff) -> [Option<ProductKey>; 2] {
        [Some(event.page), None]
    }

    /// As for interactions: all rows that were given up to the tick of an erasure are gone.
    fn erasure() -> Option<EraseRule<UserKey, SessionEvent, Diff>> {
        Some(EraseRule {
            subject: |user, event, _| Some((*user, event.at)),
            by_user: Some(UserRows::KEYED),
            taken_out: |copies, _| Some(-copies),
            dated: |_, _| {},
            is_void: |_| false,
        })
    }
}

/// An event of a session of a user. Events are in the order of their sessions, and within a session in the order of their own
/// times, ties in the order of the times of their records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionEvent {
    /// The session.
    pub session: RowKey,
    /// The time of the event.
    pub at: Millis,
    /// The time of its record, not before `at`.
    pub recorded: Millis,
    /// The product whose page the event opened; [`ProductKey::NONE`] if it opened none, or states how long the user stayed.
    pub page: ProductKey,
}

impl Columns for SessionEvent {
    const WIDTH: usize = 4;

    fn write(&self, to: &mut impl ColumnWriter) {
        to.write(&self.session);
        to.write(&self.at);
        to.write(&self.recorded);
        to.write(&self.page);
    }

    fn read<R: ColumnReader>(from: &mut R) -> Result<Self, R::Error> {
        Ok(SessionEvent { session: from.read()?, at: from.read()?, recorded: from.read()?, page: from.read()? })
    }
}
