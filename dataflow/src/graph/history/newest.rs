//! The latest places of every user's history, maintained from stamps without a second arrangement of all stamps.
//!
//! ```text
//! (user -> product, Stamp) ──▶ newest ──▶ (user -> Place): the latest places
//!        source trace           │  ▲ output trace: the places before the tick
//! ```
//! A history consists of the `depth` products with the latest stamps. Removed products keep their places among them, so
//! the history depends only on the set of stamps: a removal never brings back a product from below the depth. The
//! operator keeps the first places up to the place of the `visible_max`-th product that is not removed.
//!
//! Erased products have no places. An erasure is later than every event that it covers, so the products that still have
//! places come before them.
//!
//! A stamp only grows, and so does the number of stamps that are later than it. So the kept places of the next tick are
//! among the kept places and the changes of the tick, and the cost does not depend on how many products the user ever
//! viewed. Only if removals leave fewer than `visible_max` visible products above the last kept place are the user's
//! stamps read again. With `visible_max` equal to `depth` this never happens.
//!
//! # Expiry
//! As of a time, a place counts if less than `history_ms` have passed since its event. The last place expires first, so places
//! that are not kept have expired before. A change has the time of its expiry, also between two ticks. While a place will expire
//! ([`Expiries`]), the operator holds a capability of the first incomplete time. A capability of the next expiry would let
//! operators downstream pass times that no tick has reached, once the input is closed.

use differential_dataflow::consolidation::consolidate;
use differential_dataflow::operators::reduce::{ReduceTactic, reduce_with_tactic};
use differential_dataflow::trace::BatchReader;
use differential_dataflow::trace::cursor::{Cursor, Navigable, cursor_list};
use timely::progress::Antichain;

use super::expiries::Expiries;
use super::place::Place;
use crate::ids::{ProductKey, UserKey};
use crate::ops::list::ListChanges;
use crate::ops::runs::{add_row, add_up};
use crate::stamp::Stamp;
use crate::time::{Diff, Millis, Time};
use crate::trace::arranged::{ByKey, ValBatch};

type StampBatch = ValBatch<UserKey, ProductKey, Stamp>;
type PlaceBatch = ValBatch<UserKey, Place, Diff>;
type StampCursor = <StampBatch as Navigable>::Cursor;
type PlaceCursor = <PlaceBatch as Navigable>::Cursor;

/// Which places are kept.
#[derive(Clone, Copy)]
pub(super) struct Kept {
    /// The number of places that a history consists of.
    pub(super) depth: usize,
    /// The number of visible products after which no more places are kept.
    pub(super) visible_max: usize,
    /// How long an event counts.
    pub(super) history_ms: Millis,
}

/// The latest places of every user.
pub(super) fn newest<'s>(
    stamps: ByKey<'s, UserKey, ProductKey, Stamp>,
    kept: Kept,
    name: &str,
) -> ByKey<'s, UserKey, Place, Diff> {
    reduce_with_tactic(stamps, name, Newest { kept, expiries: Expiries::default() })
}

struct Newest {
    kept: Kept,
    expiries: Expiries,
}

impl ReduceTactic<StampBatch, PlaceBatch> for Newest {
    fn retire(
        &mut self,
        source: Vec<StampBatch>,
        output: Vec<PlaceBatch>,
        input: Vec<StampBatch>,
        lower: &Antichain<Time>,
        upper: &Antichain<Time>,
        held: &Antichain<Time>,
    ) -> (Vec<(Time, PlaceBatch)>, Antichain<Time>) {
        // A closed input has no more ticks: nothing expires any more.
        let end = upper.as_option().copied();
        let due = end.map(|end| self.expiries.take_before(end)).unwrap_or_default();
        let is_idle = due.is_empty() && input.iter().all(BatchReader::is_empty);
        let Some(time) = held.as_option().filter(|_| !is_idle) else {
            return (Vec::new(), self.held(end));
        };
        let mut changes = ListChanges::new();
        let mut state = NewestState::new(source, output, self.kept);
        let mut arrived: Vec<(Time, ProductKey, Stamp)> = Vec::new();
        let mut due = due.into_iter().peekable();
        let (mut cursor, storage) = cursor_list(input);
        while let Some(user) = due.peek().copied().into_iter().chain(cursor.get_key(&storage).copied()).min() {
            arrived.clear();
            if cursor.get_key(&storage) == Some(&user) {
                while let Some(product) = cursor.get_val(&storage) {
                    cursor.map_times(&storage, |at, stamp| arrived.push((*at, *product, *stamp)));
                    cursor.step_val(&storage);
                }
                cursor.step_key(&storage);
            }
            arrived.sort_unstable_by_key(|(at, ..)| *at);
            state.seek(&user);
            let looked_at = if due.next_if_eq(&user).is_some() { None } else { state.next_expiry() };
            state.go_through(&arrived, end, &mut changes);
            changes.end_key();
            let wanted = state.next_expiry().filter(|wanted| looked_at.is_none_or(|looked_at| looked_at > *wanted));
            wanted.into_iter().for_each(|wanted| self.expiries.note(user, wanted));
        }
        (vec![(*time, changes.done(lower, upper))], self.held(end))
    }
}

impl Newest {
    /// The time from which on changes may follow without input; none if nothing expires or the input is closed.
    fn held(&self, end: Option<Time>) -> Antichain<Time> {
        end.filter(|_| !self.expiries.are_none()).into_iter().collect()
    }
}

/// One user's places, and the batches from which they are read. Users come in ascending order, so cursors only move
/// forward.
struct NewestState {
    source: Vec<(StampCursor, StampBatch)>,
    output: Vec<(PlaceCursor, PlaceBatch)>,
    kept: Kept,
    user: UserKey,
    /// The time that has been reached.
    now: Time,
    /// The user's places, latest first.
    places: Vec<Place>,
    /// The places before that time.
    before: Vec<Place>,
    rows: Vec<(Place, Diff)>,
}

impl NewestState {
    fn new(source: Vec<StampBatch>, output: Vec<PlaceBatch>, kept: Kept) -> Self {
        NewestState {
            source: source.into_iter().map(|batch| (batch.cursor(), batch)).collect(),
            output: output.into_iter().map(|batch| (batch.cursor(), batch)).collect(),
            kept,
            user: UserKey::default(),
            now: Time::MIN,
            places: Vec::new(),
            before: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Reads the places of `user` as they were before the tick.
    fn seek(&mut self, user: &UserKey) {
        self.user = *user;
        self.rows.clear();
        let mut in_order = 0;
        for (cursor, batch) in &mut self.output {
            cursor.seek_key(batch, user);
            if cursor.get_key(batch) != Some(user) {
                continue;
            }
            cursor.each_value(batch, Time::MAX, |place, copies| add_row(&mut self.rows, in_order, *place, copies));
            if in_order == 0 {
                in_order = self.rows.len();
            }
        }
        if self.rows.len() > in_order {
            add_up(&mut self.rows);
        }
        self.places.clear();
        self.places.extend(self.rows.iter().filter(|(_, copies)| *copies > 0).map(|(place, _)| *place));
    }

    /// When the last place expires.
    fn next_expiry(&self) -> Option<Time> {
        self.places.last().map(|last| last.expiry(self.kept.history_ms))
    }

    /// Goes through the times before `end` at which stamps have arrived or places expire, and adds the changes of the places.
    fn go_through(
        &mut self,
        arrived: &[(Time, ProductKey, Stamp)],
        end: Option<Time>,
        changes: &mut ListChanges<UserKey, Place>,
    ) {
        let mut start = 0;
        loop {
            let expiry = self.next_expiry().filter(|expiry| end.is_some_and(|end| *expiry < end));
            let arrival = arrived.get(start).map(|(at, ..)| *at);
            let Some(now) = arrival.into_iter().chain(expiry).min() else { return };
            self.before.clone_from(&self.places);
            self.now = now;
            while self.places.pop_if(|last| last.expiry(self.kept.history_ms) <= now).is_some() {}
            let until = start + arrived[start..].partition_point(|(at, ..)| *at <= now);
            if until > start {
                self.apply(&arrived[..until], start);
            }
            start = until;
            changes.replace(&self.user, &self.before, &self.places, now);
        }
    }

    /// Applies the stamps from `start` on; earlier stamps were applied at earlier ticks of this batch.
    fn apply(&mut self, arrived: &[(Time, ProductKey, Stamp)], start: usize) {
        // A tick may bring a million products of one user, for example at a restart; the places must not grow with
        // them.
        let trim_at = 2 * self.kept.depth.min(self.kept.visible_max);
        // All places up to the last kept one are known. Those behind it may be left out.
        let mut last = self.places.last().copied().filter(|_| self.is_full());
        for &(_, product, stamp) in &arrived[start..] {
            let place = Place::new(stamp, product);
            if last.is_some_and(|last| place > last) || place.expiry(self.kept.history_ms) <= self.now {
                continue;
            }
            // A product without a kept place had its earlier stamps behind the last one: this stamp is its latest.
            if let Some(known) = self.places.iter().position(|known| known.product == product) {
                if self.places[known] <= place {
                    continue;
                }
                self.places.remove(known);
            }
            let rank = self.places.partition_point(|known| *known < place);
            self.places.insert(rank, place);
            if self.places.len() > trim_at {
                self.keep_first();
                last = self.places.last().copied().filter(|_| self.is_full()).or(last);
            }
        }
        self.keep_first();
        if last.is_some() && !self.is_full() {
            self.read_all(arrived);
        }
    }

    /// Whether there may be places that are not kept.
    fn is_full(&self) -> bool {
        let Kept { depth, visible_max, .. } = self.kept;
        let visible = || self.places.iter().filter(|place| place.is_visible()).count();
        self.places.len() >= depth || visible_max < depth && visible() >= visible_max
    }

    /// Leaves the first `depth` places, up to the place of the last visible product that is kept.
    fn keep_first(&mut self) {
        let Kept { depth, visible_max, .. } = self.kept;
        while self.places.pop_if(|last| last.is_erased()).is_some() {}
        self.places.truncate(depth);
        if visible_max < self.places.len() {
            let mut visible = self.places.iter().enumerate().filter(|(_, place)| place.is_visible());
            if let Some((last, _)) = visible.nth(visible_max - 1) {
                self.places.truncate(last + 1);
            }
        }
    }

    /// Reads all stamps of the user: products from behind the last kept place must move up.
    fn read_all(&mut self, arrived: &[(Time, ProductKey, Stamp)]) {
        let mut stamps: Vec<(ProductKey, Stamp)> =
            arrived.iter().map(|(_, product, stamp)| (*product, *stamp)).collect();
        for (cursor, batch) in &mut self.source {
            cursor.seek_key(batch, &self.user);
            if cursor.get_key(batch) != Some(&self.user) {
                continue;
            }
            cursor.rewind_vals(batch);
            while let Some(product) = cursor.get_val(batch) {
                cursor.map_times(batch, |_, stamp| stamps.push((*product, *stamp)));
                cursor.step_val(batch);
            }
        }
        consolidate(&mut stamps);
        self.places.clear();
        let places = stamps.into_iter().map(|(product, stamp)| Place::new(stamp, product));
        self.places.extend(places.filter(|place| place.expiry(self.kept.history_ms) > self.now));
        if self.places.len() > self.kept.depth {
            self.places.select_nth_unstable(self.kept.depth);
            self.places.truncate(self.kept.depth);
        }
        self.places.sort_unstable();
        self.keep_first();
    }
}
