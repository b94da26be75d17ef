//! Sessions: the time that a user spent on a page, as the gap to the next event of the same session.
//!
//! ```text
//! events of sessions ─▶ session events (with the owner of the user) ─┬▶ gaps so far, made when features are read
//!                        ▲ rows that are settled leave               └▶ Settling ─▶ interactions: gaps for ever
//!                        └──────────────────────────────────────────────┘ (a worker, for the users that it owns)
//! ```
//! # Definition
//! The events of a session are in the order of their times (see [`SessionEvent`]). A view that does not state how long the
//! user stayed has a gap to the next event, if the record of that event is at most [`HELD_MS`] later than the view's. The last
//! event has none. So a gap depends on the events alone, not on the order in which partitions are read,
//! unless an event is late or among very many of its session (see below).
//!
//! # What is held
//! An event that is given in a tick more than [`HELD_MS`] after its time is *late*: it opens and ends no gap, and is counted. (In a
//! replay, whose ticks are few, an event is also late if it counts from more than [`HELD_MS`] after its time.)
//! So once an event is that old, nothing comes before it any more: the gaps that end there are final. They are added to the
//! interactions, in the tick in which the rows leave the table, so that no reader sees a difference. The last event of a session
//! leaves when no event could follow it in time. When this happens changes no value: it is only a matter of memory, which has
//! the events of the last hour and the last event of each session of the last two hours.
//!
//! Of a session with very many events, as of a bot, only the last `events_max` are held that long. The gaps of the others become
//! final as soon as about twice as many are held. No value changes then either, but an event that comes late among those has a
//! gap to the next event that is held.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::RandomState;

use crate::ids::{ProductKey, UserKey};
use crate::tables::SessionEvent;
use crate::time::{Diff, Millis, Time};

/// How long after an event its session is held, in time of records.
pub const HELD_MS: Millis = 60 * 60 * 1000;

/// Users are looked at again at multiples of this time.
const LOOK_MS: Millis = 60 * 1000;

/// Users whose rows are settled in one tick at most: some dozens of microseconds each.
const USERS_MAX: usize = 256;

/// The same while users have been due for [`BEHIND_MS`], as during a backfill, whose ticks are large.
const USERS_MAX_BEHIND: usize = 16 * USERS_MAX;

/// See [`USERS_MAX_BEHIND`].
const BEHIND_MS: Millis = 5 * LOOK_MS;

/// The rows of a user in their order, with the number of each.
pub type Rows = [(SessionEvent, Diff)];

/// The time between a view and the next event of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The product that was viewed.
    pub product: ProductKey,
    /// The time of the view.
    pub at: Millis,
    /// How long, in milliseconds.
    pub ms: Millis,
}

/// Whether an event that comes at this time is late.
#[must_use]
pub fn is_late(at: Millis, now: Time) -> bool {
    at.saturating_add(HELD_MS) < now
}

/// Calls `give` with every gap of a user's rows, which come in their order.
pub fn each_gap(rows: impl Iterator<Item = (SessionEvent, Diff)>, give: &mut dyn FnMut(Gap)) {
    let mut rows = rows.peekable();
    while let Some(row) = rows.next() {
        gaps_of(row, rows.peek().map(|(next, _)| next), give);
    }
}

/// The gaps that begin at one row; `next` is the event of the next row, if there is one.
fn gaps_of((event, copies): (SessionEvent, Diff), next: Option<&SessionEvent>, give: &mut dyn FnMut(Gap)) {
    if event.page == ProductKey::NONE {
        return;
    }
    let gap = |ms| Gap { product: event.page, at: event.at, ms };
    // Of equal events, each is the next one of the one before.
    (1..copies).for_each(|_| give(gap(0)));
    if let Some(next) = next.filter(|next| next.session == event.session)
        && next.recorded <= event.recorded.saturating_add(HELD_MS)
    {
        give(gap(next.at - event.at));
    }
}

/// The next event of the same session, in another row.
fn next(rows: &Rows, nth: usize) -> Option<&SessionEvent> {
    rows.get(nth + 1).map(|(next, _)| next).filter(|next| next.session == rows[nth].0.session)
}

/// From which tick on a row can be settled, as far as is known now.
fn settled_at(rows: &Rows, nth: usize) -> Time {
    let event = rows[nth].0;
    match next(rows, nth) {
        Some(next) => next.at.saturating_add(HELD_MS),
        None => event.recorded.saturating_add(2 * HELD_MS),
    }
}

/// The users whose rows may have to be settled, by the time from which on.
#[derive(Debug)]
pub struct Settling {
    /// Rows of one session that are held until their gaps are final by themselves.
    events_max: usize,
    due: BTreeMap<Time, BTreeSet<UserKey>>,
    /// The users who have rows.
    held: HashMap<UserKey, HeldRows, RandomState>,
    /// Users who have had enough new rows for a session with too many events.
    crowded: Vec<UserKey>,
    /// The tick in which rows were settled last.
    settled_in: Time,
    /// Whether all users that are due are settled together.
    all_together: bool,
}

/// About how many rows a user has.
#[derive(Clone, Copy, Debug)]
struct HeldRows {
    rows: usize,
    /// At how many the user is looked at again.
    look_at: usize,
}

/// What becomes of a user's rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The rows that leave the table.
    pub rows: Vec<(SessionEvent, Diff)>,
    /// Their gaps, which are final.
    pub gaps: Vec<Gap>,
}

impl Settling {
    /// No users yet. The last `events_max` events of a session are held in any case.
    #[must_use]
    pub fn new(events_max: usize) -> Self {
        let (due, held) = (BTreeMap::new(), HashMap::default());
        Settling { events_max, due, held, crowded: Vec::new(), settled_in: 0, all_together: false }
    }

    /// The same, and all users that are due are settled in one tick: for a pass over the past, in which a tick may be long.
    #[must_use]
    pub fn all_together(self) -> Self {
        Settling { all_together: true, ..self }
    }

    /// Takes a row that has come to a user.
    pub fn note(&mut self, user: UserKey, event: &SessionEvent) {
        let held = self.held.entry(user).or_insert(HeldRows { rows: 0, look_at: 2 * self.events_max });
        held.rows += 1;
        if held.rows == held.look_at {
            self.crowded.push(user);
        }
        self.look_at(user, event.at.saturating_add(HELD_MS));
    }

    fn look_at(&mut self, user: UserKey, from: Time) {
        self.due.entry(from.saturating_add(1).next_multiple_of(LOOK_MS)).or_default().insert(user);
    }

    /// The users to settle, given the state as of `closed`; the rows that leave will leave in the open tick `tick`. None while
    /// the state does not show yet what was settled last.
    pub fn take_due(&mut self, closed: Time, tick: Time) -> Vec<UserKey> {
        let mut users = Vec::new();
        if closed < self.settled_in {
            return users;
        }
        let first_due = self.due.keys().next().copied().unwrap_or(closed);
        let is_behind = first_due.saturating_add(BEHIND_MS) <= closed;
        let most = match is_behind {
            _ if self.all_together => usize::MAX,
            true => USERS_MAX_BEHIND,
            false => USERS_MAX,
        };
        users.extend(self.crowded.drain(..most.min(self.crowded.len())));
        while users.len() < most
            && let Some(mut first) = self.due.first_entry().filter(|first| *first.key() <= closed)
        {
            // In the order of keys, so that runs over the same events settle the same users in the same tick.
            users.extend(std::iter::from_fn(|| first.get_mut().pop_first()).take(most - users.len()));
            if first.get().is_empty() {
                first.remove();
            }
        }
        if !users.is_empty() {
            users.sort_unstable();
            users.dedup();
            self.settled_in = tick;
        }
        users
    }

    /// Settles the rows of a user as of `closed`, and looks at the user again when the others may be settled.
    pub fn settle(&mut self, user: UserKey, rows: &Rows, closed: Time) -> Settled {
        let (mut settled, mut again) = (Settled::default(), Time::MAX);
        for nth in 0..rows.len() {
            let from = settled_at(rows, nth);
            let has_many_after =
                rows.get(nth + self.events_max).is_some_and(|row| row.0.session == rows[nth].0.session);
            if from <= closed || has_many_after {
                settled.rows.push(rows[nth]);
                gaps_of(rows[nth], next(rows, nth), &mut |gap| settled.gaps.push(gap));
            } else {
                again = again.min(from);
            }
        }
        if again < Time::MAX {
            self.look_at(user, again);
        }
        match rows.len() - settled.rows.len() {
            0 => _ = self.held.remove(&user),
            // Many sessions are not looked at again for each event.
            rows => _ = self.held.insert(user, HeldRows { rows, look_at: rows + self.events_max }),
        }
        settled
    }
}

#[cfg(test)]
mod tests;
