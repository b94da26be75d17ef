//! The inputs of one worker: each record that a source gives becomes an update at the worker's current tick.

mod expiring;
mod forgetting;
mod repeats;
mod sorted;

use std::sync::Arc;

use differential_dataflow::VecCollection;
use differential_dataflow::input::{Input, InputSession};
use timely::dataflow::Scope;

use crate::cluster::messages::{PositionsMessage, ProgressMessage, TickMessage};
use crate::cut::delta_log::DeltaLogWriter;
use crate::cut::{DeltaLog, FillLevel};
use crate::dictionary::{Dictionary, KeyCache, Name};
use crate::feed::position::Position;
use crate::graph_part::GraphPart;
use crate::ids::{IdentityKey, ProductKey, UserKey};
use crate::rules::{EventUse, Rules, day_of};
use crate::sessions::{Gap, Settled, is_late};
use crate::short_text::ShortText;
use crate::stamp::Stamp;
use crate::tables::identities::kept_ms;
use crate::tables::{
    self, Activity, Collections, ErasedUntil, Erasures, EventPurchaseRow, EventPurchases, Family, Identities,
    Interaction, Interactions, MetadataValues, Nothing, Pair, SessionEvent, SessionEvents, Stamps, Table, Tables,
    ValueTally,
};
use crate::time::{Diff, Millis, Time};

use expiring::{Due, ExpiringRows, NoRows, TakeUntil};
use forgetting::Forgetting;
use repeats::{Reading, Repeats};
use sorted::SortedSession;

/// The write side of the graph in one worker.
pub struct Inputs {
    keys: KeyCache,
    tables: Tables<Sessions>,
    names: InputSession<Time, Name, Diff>,
    tick_messages: InputSession<Time, TickMessage, Diff>,
    control: Option<ControlInputs>,
    delta_log: Option<DeltaLogWriter>,
    /// The rows that this worker takes out by itself.
    expiring: Tables<ExpiringRows>,
    repeats: Repeats,
    forgetting: Forgetting,
    rules: Rules,
    /// The part of the graph that takes the rows.
    part: GraphPart,
    used: EventUse,
    /// When the rows that are given now become visible: the open tick, or a tick that was begun within it.
    tick: Time,
}

/// Messages, only for other processes.
struct ControlInputs {
    worker: usize,
    reports: InputSession<Time, ProgressMessage, Diff>,
    positions: InputSession<Time, PositionsMessage, Diff>,
}

/// The streams that the inputs feed.
pub(crate) struct InputStreams<'s> {
    pub(crate) tables: Tables<Collections<'s>>,
    pub(crate) names: VecCollection<'s, Time, Name, Diff>,
    pub(crate) tick_messages: VecCollection<'s, Time, TickMessage, Diff>,
    /// Only if there are other processes.
    pub(crate) control: Option<ControlStreams<'s>>,
}

/// See [`crate::cluster`].
pub(crate) struct ControlStreams<'s> {
    pub(crate) reports: VecCollection<'s, Time, ProgressMessage, Diff>,
    pub(crate) positions: VecCollection<'s, Time, PositionsMessage, Diff>,
}

impl Inputs {
    /// `in_cluster`: whether there are other processes, which need messages beside the rows.
    pub(crate) fn new<'s>(
        scope: Scope<'s, Time>,
        dictionary: Arc<Dictionary>,
        (rules, part): (&Rules, GraphPart),
        in_cluster: bool,
    ) -> (Inputs, InputStreams<'s>) {
        let mut tables_in = Tables::make(&mut NewSessions);
        let tables = tables_in.map_mut(&mut IntoScope(scope));
        let (names_in, names) = scope.new_collection();
        let (marks_in, tick_messages) = scope.new_collection();
        let (control_in, control) = in_cluster.then(|| control(scope)).unzip();
        let inputs = Inputs {
            keys: KeyCache::new(dictionary),
            tables: tables_in,
            names: names_in,
            tick_messages: marks_in,
            control: control_in,
            delta_log: None,
            expiring: Tables::make(&mut NoRows),
            repeats: Repeats::new(rules.events.dedup_ms),
            forgetting: Forgetting::new(kept_ms(rules.events.dedup_ms)),
            rules: *rules,
            part,
            used: rules.event_use(),
            tick: Time::MIN,
        };
        (inputs, InputStreams { tables, names, tick_messages, control })
    }

    /// The dictionary of ids and keys.
    #[must_use]
    pub fn dictionary(&self) -> &Arc<Dictionary> {
        self.keys.dictionary()
    }

    /// Maps ids to keys, for the worker's own thread.
    pub fn keys(&mut self) -> &mut KeyCache {
        &mut self.keys
    }

    /// The open tick: all records given now become visible when it closes.
    #[must_use]
    pub fn tick(&self) -> Time {
        self.tick
    }

    /// Adds a difference to a row of a table: copies of the row, or for stamps the latest view or removal.
    pub fn update<T: Table>(&mut self, row: impl Into<Pair<T>>, diff: T::Diff) {
        if self.part == GraphPart::Features && !T::OF_FEATURES {
            return;
        }
        let row = row.into();
        if let Some((at, back)) = T::expiry(&row, &diff, (&self.rules, self.tick)) {
            self.expiring.get_mut::<T>().push(at, row, back);
        }
        self.give::<T>(row, diff);
    }

    fn give<T: Table>(&mut self, row: Pair<T>, diff: T::Diff) {
        if let Some(delta_log) = &mut self.delta_log {
            delta_log.note::<T>(row, self.tick, diff);
        }
        self.tables.get_mut::<T>().update(row, self.tick, diff);
    }

    /// A user viewed a product at `at`.
    pub fn view(&mut self, user: UserKey, product: ProductKey, at: Millis) {
        self.update::<Stamps>((user, product), Stamp::view(at));
    }

    /// A user's views of a product up to `at` must be removed.
    pub fn removal(&mut self, user: UserKey, product: ProductKey, at: Millis) {
        self.update::<Stamps>((user, product), Stamp::removal(at));
    }

    /// Nothing of a user counts any more that was at `at` or before.
    pub fn erasure(&mut self, user: UserKey, at: Millis) {
        self.update::<Erasures>((user, ()), ErasedUntil(at));
    }

    /// Which events change rows, beside views and removals; and what maps their ids to keys.
    pub fn event_use_and_keys(&mut self) -> (&EventUse, &mut KeyCache) {
        (&self.used, &mut self.keys)
    }

    /// Whether an event at `at` counts for features if it is given in the open tick.
    fn counts_for_features(&self, at: Millis) -> bool {
        self.rules.features.enabled && self.rules.features.last_until(at, self.tick())
    }

    /// Whether features that were there at the first tick are still there at the other. If not, the updates between these ticks do
    /// not say what has become of them.
    pub(crate) fn drop_no_features_between(&self, one: Time, other: Time) -> bool {
        !self.rules.features.are_dropped() || day_of(one) == day_of(other)
    }

    /// A user did something with a product at `at`, or something without a product ([`ProductKey::NONE`]). Without
    /// features this changes nothing, and neither if `at` is too long ago for them.
    pub fn interaction(&mut self, user: UserKey, product: ProductKey, interaction: Interaction, at: Millis) {
        if self.counts_for_features(at) {
            self.update::<Interactions>((user, product), Activity::of(interaction, at));
        }
    }

    /// An event of a user at `at` had this value under a key of its metadata. Without features this changes nothing, and neither
    /// if `at` is too long ago for them.
    pub fn metadata(&mut self, user: UserKey, (key, value): (ShortText, ShortText), at: Millis) {
        if self.counts_for_features(at) {
            let (event, of_key) = (ValueTally::of(at), (user, key));
            self.update::<MetadataValues>((of_key, ShortText::EMPTY), event);
            self.update::<MetadataValues>((of_key, value), event);
        }
    }

    /// An event of a session of a user; whether it came in time, so that gaps may begin or end there. Without features this
    /// changes nothing.
    pub fn session_event(&mut self, user: UserKey, event: SessionEvent) -> bool {
        let in_time = !is_late(event.at, self.tick());
        if in_time && self.rules.features.enabled {
            self.update::<SessionEvents>((user, event), 1);
        }
        in_time
    }

    /// Takes out the rows of a user's sessions that are settled, and adds their gaps to the interactions.
    pub(crate) fn settle(&mut self, user: UserKey, Settled { rows, gaps }: Settled) {
        rows.into_iter().for_each(|(event, copies)| self.update::<SessionEvents>((user, event), -copies));
        for Gap { product, at, ms } in gaps {
            self.update::<Interactions>((user, product), Activity::of_gap(at, ms));
        }
    }

    /// An event says that a user bought a product. If the rules count no purchase events, this changes nothing.
    pub fn event_purchase(&mut self, row: EventPurchaseRow) {
        if self.used.purchases {
            self.update::<EventPurchases>(row, 1);
        }
    }

    /// Whether an event whose record is of `at` repeats one that this worker has read or learned. If it does not, it is
    /// remembered.
    pub fn is_repeat(&mut self, identity: IdentityKey, at: Millis) -> bool {
        let reading = self.repeats.read(identity, at, self.tick);
        if reading == Reading::New {
            // It leaves the table when it is forgotten.
            self.give::<Identities>((identity, at), 1);
        }
        reading == Reading::Repeat
    }

    /// Remembers an event that was read before a restart, whichever worker holds its row: any worker may read its repeat.
    pub fn learn_identity(&mut self, (identity, at): (IdentityKey, Millis)) {
        if self.used.identities {
            self.repeats.learn(identity, at, self.tick);
        }
    }

    /// The time that the sources have reached which are behind; none if no source is. The identities of events whose repeats may
    /// be among the records that they have not read are kept.
    pub fn hold_identities(&mut self, behind: Option<Time>) {
        self.forgetting.hold(behind);
    }

    /// Up to which time identities have been forgotten.
    #[must_use]
    pub fn forgotten_until(&self) -> Time {
        self.forgetting.until()
    }

    /// Starts to log updates for the next cut, up to `max` of them.
    pub(crate) fn keep_delta_log(&mut self, max: usize) {
        self.delta_log = Some(DeltaLogWriter::new(max, self.tick() - 1));
    }

    /// The fill level of the delta log.
    pub(crate) fn fill_level(&self) -> FillLevel {
        self.delta_log.as_ref().map_or(FillLevel::Low, DeltaLogWriter::fill_level)
    }

    /// All updates up to `tick` since the previous cut; `None` if the log overflowed.
    pub(crate) fn cut(&mut self, tick: Time) -> Option<DeltaLog> {
        self.delta_log.as_mut()?.cut(tick)
    }

    /// Moves the window's edge to `message.now` when the open tick closes, which makes the other processes close
    /// theirs. One worker of the cluster calls this.
    pub(crate) fn send_tick_message(&mut self, message: TickMessage) {
        self.tick_messages.update(message, 1);
    }

    /// Sends tick messages before the open tick closes.
    pub(crate) fn flush_tick_messages(&mut self) {
        self.tick_messages.flush();
    }

    /// Reports the progress of this worker's sources to the leader, which is in another process.
    pub(crate) fn report(&mut self, report: ProgressMessage) {
        if let Some(control) = &mut self.control {
            control.reports.update(report, 1);
            control.reports.flush();
        }
    }

    /// Sends the other processes the positions from which this worker's sources continue after the open tick.
    pub(crate) fn announce_positions(&mut self, positions: &[Position]) {
        if let Some(control) = &mut self.control {
            control.positions.update((control.worker, positions.to_vec()), 1);
        }
    }

    /// Sends the other processes the names that this process saw first. Every worker does this when it closes a tick:
    /// so the other processes have the name of every row of the tick.
    pub(crate) fn announce_names(&mut self) {
        for name in self.keys.dictionary().take_fresh() {
            self.names.update(name, 1);
        }
    }

    /// Begins `tick` within the open tick: rows that are given from now on have this time. They stay in memory until the open tick is
    /// closed. Only for [`GraphPart::Features`].
    pub(crate) fn begin_tick(&mut self, tick: Time) {
        self.take_out_due(tick);
        self.tick = tick;
    }

    /// Takes out what leaves by itself before `tick`.
    fn take_out_due(&mut self, tick: Time) {
        let now = tick.saturating_sub(1);
        let read = self.forgetting.close(now);
        self.repeats.forget(read).into_iter().for_each(|row| self.give::<Identities>(row, -1));
        let due = self.expiring.map_mut(&mut TakeUntil { now, read });
        due.map(&mut GiveDue(self));
    }

    /// Closes the open tick and opens `tick`.
    pub(crate) fn advance_to(&mut self, tick: Time) {
        self.take_out_due(tick);
        self.tick = tick;
        self.tables.map_mut(&mut AdvanceTo(tick));
        self.names.advance_to(tick);
        self.tick_messages.advance_to(tick);
        if let Some(control) = &mut self.control {
            control.reports.advance_to(tick);
            control.positions.advance_to(tick);
        }
        self.flush();
    }

    /// Hands the updates to the operators, which may start to sort them before the tick closes.
    pub(crate) fn flush(&mut self) {
        self.tables.map_mut(&mut Flush);
        self.names.flush();
        self.tick_messages.flush();
        if let Some(control) = &mut self.control {
            control.reports.flush();
            control.positions.flush();
        }
    }
}

/// Takes rows out of the tables in the open tick.
struct GiveDue<'a>(&'a mut Inputs);

impl tables::Map<Due, Nothing> for GiveDue<'_> {
    fn map<T: Table>(&mut self, due: tables::Rows<T>) {
        due.into_iter().for_each(|(row, diff)| self.0.give::<T>(row, diff));
    }
}

/// The inputs of the tables.
struct Sessions;

impl Family for Sessions {
    type Of<T: Table> = SortedSession<T>;
}

struct NewSessions;

impl tables::Make<Sessions> for NewSessions {
    fn make<T: Table>(&mut self) -> SortedSession<T> {
        SortedSession::new()
    }
}

struct IntoScope<'s>(Scope<'s, Time>);

impl<'s> tables::MapMut<Sessions, Collections<'s>> for IntoScope<'s> {
    fn map<T: Table>(&mut self, session: &mut SortedSession<T>) -> VecCollection<'s, Time, Pair<T>, T::Diff> {
        session.collection(self.0)
    }
}

struct AdvanceTo(Time);

impl tables::MapMut<Sessions, Nothing> for AdvanceTo {
    fn map<T: Table>(&mut self, session: &mut SortedSession<T>) {
        session.advance_to(self.0);
    }
}

struct Flush;

impl tables::MapMut<Sessions, Nothing> for Flush {
    fn map<T: Table>(&mut self, session: &mut SortedSession<T>) {
        session.flush();
    }
}

fn control(scope: Scope<'_, Time>) -> (ControlInputs, ControlStreams<'_>) {
    let (reports_in, reports) = scope.new_collection();
    let (positions_in, positions) = scope.new_collection();
    let inputs = ControlInputs { worker: scope.index(), reports: reports_in, positions: positions_in };
    (inputs, ControlStreams { reports, positions })
}
