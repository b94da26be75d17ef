//! Cuts of the real engine while it is fed: each cut holds exactly the updates up to its tick, both by its base and by
//! its delta logs. An engine of any number of workers that starts from it shows the oracle's lists as of that tick.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dataflow::cut::{Cut, Cuts, DeltaLog};
use dataflow::engine::{GiveRows, Restore, Settings};
use dataflow::ids::{ProductKey, RowKey, UserKey};
use dataflow::inputs::Inputs;
use dataflow::merchandising::{RuleId, RuleVersion};
use dataflow::rules::{CoViews, Rules};
use dataflow::short_text::ShortText;
use dataflow::stamp::Stamp;
use dataflow::tables::{
    Activity, Catalogue, CatalogueRow, ErasedUntil, Erasures, EventPurchaseRow, EventPurchases, Interactions, LineRow,
    Lines, MerchRules, MetadataValues, OrderRow, Orders, SessionEvent, SessionEvents, Stamps, ValueTally,
};
use dataflow::time::{Diff, ServiceClock, Time};

use crate::given::{Handed, History, Tick, Update, World, metadata_of};
use crate::live::{DOMAIN, Shared, UPDATES_PER_WORKER, rules, settings};
use crate::processes;
use crate::retention::is_kept;
use crate::seen::{Oracle, look};

const PATIENCE: Duration = Duration::from_secs(300);

/// After each cut every worker gives so many updates more: some cuts are under way, however fast the engine is.
const UPDATES_PER_CUT: usize = UPDATES_PER_WORKER / 4;

/// The base collections, row by row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rows {
    stamps: BTreeMap<(UserKey, ProductKey), Stamp>,
    orders: BTreeMap<OrderRow, Diff>,
    lines: BTreeMap<LineRow, Diff>,
    catalogue: BTreeMap<CatalogueRow, Diff>,
    interactions: BTreeMap<(UserKey, ProductKey), Activity>,
    event_purchases: BTreeMap<EventPurchaseRow, Diff>,
    sessions: BTreeMap<(UserKey, SessionEvent), Diff>,
    metadata: BTreeMap<((UserKey, ShortText), ShortText), ValueTally>,
    rules: BTreeMap<RuleId, RuleVersion>,
    erasures: BTreeMap<UserKey, ErasedUntil>,
}

impl Rows {
    fn stamp(&mut self, pair: (UserKey, ProductKey), stamp: Stamp) {
        let held = self.stamps.entry(pair).or_insert(stamp);
        *held = stamp.max(*held);
    }

    fn interacted(&mut self, pair: (UserKey, ProductKey), activity: Activity) {
        self.interactions.entry(pair).or_default().add(activity);
    }

    fn stated(&mut self, row: ((UserKey, ShortText), ShortText), tally: ValueTally) {
        self.metadata.entry(row).or_default().add(tally);
    }

    fn rule(&mut self, (rule, version): (RuleId, RuleVersion)) {
        let held = self.rules.entry(rule).or_insert(version);
        *held = version.max(*held);
    }

    fn erased(&mut self, (user, until): (UserKey, ErasedUntil)) {
        let held = self.erasures.entry(user).or_insert(until);
        *held = until.max(*held);
    }

    /// The rows as of a tick, after the updates of each tick up to it and what erasures take out of them.
    fn as_of(tick: Time, given: &[(Time, Update)], world: &World) -> Rows {
        let (mut rows, mut by_tick) = (Rows::default(), BTreeMap::<Time, Vec<Update>>::new());
        given
            .iter()
            .filter(|given| given.0 <= tick)
            .for_each(|(at, update)| by_tick.entry(*at).or_default().push(*update));
        for updates in by_tick.values() {
            let before = rows.erasures.clone();
            let known = |user: UserKey| before.get(&user).map_or(0, |until| until.0);
            for update in updates {
                match update {
                    Update::Interaction { user, at, .. }
                    | Update::Session { user, at, .. }
                    | Update::Metadata { user, at, .. }
                        if *at <= known(world.users[*user]) => {}
                    update => rows.give(world, *update),
                }
            }
            let grown: BTreeSet<UserKey> =
                rows.erasures.iter().filter(|(user, until)| until.0 > known(**user)).map(|(user, _)| *user).collect();
            rows.interactions.retain(|(user, _), _| !grown.contains(user));
            rows.sessions.retain(|(user, _), _| !grown.contains(user));
            rows.metadata.retain(|((user, _), _), _| !grown.contains(user));
        }
        let until = rows.erasures.clone();
        let until = |user: &UserKey| until.get(user).map_or(0, |until| until.0);
        rows.stamps.retain(|(user, _), stamp| stamp.event_at() > Some(until(user)));
        let is_erased = |row: &EventPurchaseRow| rows.erasures.get(&row.user).is_some_and(|until| row.at <= until.0);
        rows.event_purchases.retain(|row, _| !is_erased(row) && is_kept(row.at, tick, &rules()));
        rows
    }

    fn give(&mut self, world: &World, update: Update) {
        match update {
            Update::View { user, product, at } => {
                self.stamp((world.users[user], world.products[product]), Stamp::view(at));
            }
            Update::Removal { user, product, at } => {
                self.stamp((world.users[user], world.products[product]), Stamp::removal(at));
            }
            Update::Interaction { user, product, interaction, at } => {
                self.interacted((world.users[user], world.product(product)), Activity::of(interaction, at));
            }
            Update::Session { user, session, page, at, recorded } => {
                let event = world.session_event(session, page, at, recorded);
                add(&mut self.sessions, (world.users[user], event), 1);
            }
            Update::Metadata { user, key, value, at } => {
                let (key, value) = metadata_of(key, value);
                let of_key = (world.users[user], key);
                self.stated((of_key, ShortText::EMPTY), ValueTally::of(at));
                self.stated((of_key, value), ValueTally::of(at));
            }
            Update::EventPurchase { order, user, product, at } => {
                add(&mut self.event_purchases, world.event_purchase(order, user, product, at), 1);
            }
            Update::Order { order, user, placed, diff } => {
                add(&mut self.orders, OrderRow { order: world.orders[order], user: world.users[user], placed }, diff);
            }
            Update::Line { order, product, diff } => {
                let (order, product) = (world.orders[order], world.products[product]);
                add(&mut self.lines, LineRow { order, product, row: RowKey::NONE }, diff);
            }
            Update::Catalogue { product, category, diff } => {
                let (product, category) = (world.products[product], world.category(category));
                add(&mut self.catalogue, CatalogueRow { product, category }, diff);
            }
            Update::Rule(version) => self.rule(version.keyed(world)),
            Update::Erasure { user, at } => self.erased((world.users[user], ErasedUntil(at))),
            Update::TickEnd { .. } => {}
        }
    }

    /// Without the products of each user that have expired, or are behind the depth of a history. A table may have forgotten
    /// them.
    fn in_histories(&self, tick: Time) -> Rows {
        let (Rules { history_depth: depth, history_ms, .. }, mut latest) = (rules(), BTreeMap::<_, Vec<_>>::new());
        let counts = |stamp: &Stamp| stamp.event_at().is_some_and(|at| at.saturating_add(history_ms) > tick);
        for (&(user, product), &stamp) in self.stamps.iter().filter(|(_, stamp)| counts(stamp)) {
            latest.entry(user).or_default().push((Reverse(stamp), product));
        }
        let mut rows = Rows { stamps: BTreeMap::new(), ..self.clone() };
        for (user, mut stamps) in latest {
            stamps.sort_unstable();
            stamps.truncate(depth);
            rows.stamps.extend(stamps.into_iter().map(|(Reverse(stamp), product)| ((user, product), stamp)));
        }
        rows
    }

    fn of_base(cut: &Cut) -> Rows {
        let mut rows = Rows::default();
        for part in &cut.parts {
            part.base.rows::<Stamps>(|pair, stamp| rows.stamp(pair, stamp));
            part.base.rows::<Orders>(|row, diff| add(&mut rows.orders, row, diff));
            part.base.rows::<Lines>(|row, diff| add(&mut rows.lines, row, diff));
            part.base.rows::<Interactions>(|pair, activity| rows.interacted(pair, activity));
            part.base.rows::<SessionEvents>(|row, diff| add(&mut rows.sessions, row, diff));
            part.base.rows::<MetadataValues>(|row, tally| rows.stated(row, tally));
            part.base.rows::<EventPurchases>(|row, diff| add(&mut rows.event_purchases, row, diff));
            part.base.rows::<Catalogue>(|row, diff| add(&mut rows.catalogue, row, diff));
            part.base.rows::<MerchRules>(|(rule, ()), version| rows.rule((rule, version)));
            part.base.rows::<Erasures>(|(user, ()), until| rows.erased((user, until)));
        }
        rows
    }

    fn take(&mut self, delta_log: &mut DeltaLog) {
        let (stamps, interactions) = (delta_log.take::<Stamps>(), delta_log.take::<Interactions>());
        stamps.into_iter().for_each(|(pair, _, stamp)| self.stamp(pair, stamp));
        interactions.into_iter().for_each(|(pair, _, activity)| self.interacted(pair, activity));
        let (orders, bought) = (delta_log.take::<Orders>(), delta_log.take::<EventPurchases>());
        let sessions = delta_log.take::<SessionEvents>();
        sessions.into_iter().for_each(|(row, _, diff)| add(&mut self.sessions, row, diff));
        let metadata = delta_log.take::<MetadataValues>();
        metadata.into_iter().for_each(|(row, _, tally)| self.stated(row, tally));
        orders.into_iter().for_each(|(row, _, diff)| add(&mut self.orders, row.into(), diff));
        bought.into_iter().for_each(|(row, _, diff)| add(&mut self.event_purchases, row.into(), diff));
        let (lines, catalogue) = (delta_log.take::<Lines>(), delta_log.take::<Catalogue>());
        lines.into_iter().for_each(|(row, _, diff)| add(&mut self.lines, row.into(), diff));
        catalogue.into_iter().for_each(|(row, _, diff)| add(&mut self.catalogue, row.into(), diff));
        let (rules, erasures) = (delta_log.take::<MerchRules>(), delta_log.take::<Erasures>());
        rules.into_iter().for_each(|((rule, ()), _, version)| self.rule((rule, version)));
        erasures.into_iter().for_each(|((user, ()), _, until)| self.erased((user, until)));
    }

    /// Gives every `peers`-th row, from the `worker`-th on.
    fn restore(&self, worker: usize, peers: usize, inputs: &mut Inputs) {
        let share = move |nth: usize| nth % peers == worker;
        let stamps = self.stamps.iter().enumerate().filter(|(nth, _)| share(*nth));
        stamps.for_each(|(_, (&(user, product), &stamp))| inputs.update::<Stamps>((user, product), stamp));
        let interactions = self.interactions.iter().enumerate().filter(|(nth, _)| share(*nth));
        interactions.for_each(|(_, (pair, activity))| inputs.update::<Interactions>(*pair, *activity));
        let orders = self.orders.iter().enumerate().filter(|(nth, _)| share(*nth));
        orders.for_each(|(_, (row, diff))| inputs.update::<Orders>(*row, *diff));
        let sessions = self.sessions.iter().enumerate().filter(|(nth, _)| share(*nth));
        sessions.for_each(|(_, (row, diff))| inputs.update::<SessionEvents>(*row, *diff));
        let metadata = self.metadata.iter().enumerate().filter(|(nth, _)| share(*nth));
        metadata.for_each(|(_, (row, tally))| inputs.update::<MetadataValues>(*row, *tally));
        let bought = self.event_purchases.iter().enumerate().filter(|(nth, _)| share(*nth));
        bought.for_each(|(_, (row, diff))| inputs.update::<EventPurchases>(*row, *diff));
        let lines = self.lines.iter().enumerate().filter(|(nth, _)| share(*nth));
        lines.for_each(|(_, (row, diff))| inputs.update::<Lines>(*row, *diff));
        let catalogue = self.catalogue.iter().enumerate().filter(|(nth, _)| share(*nth));
        catalogue.for_each(|(_, (row, diff))| inputs.update::<Catalogue>(*row, *diff));
        let rules = self.rules.iter().enumerate().filter(|(nth, _)| share(*nth));
        rules.for_each(|(_, (rule, version))| inputs.update::<MerchRules>((*rule, ()), *version));
        let erasures = self.erasures.iter().enumerate().filter(|(nth, _)| share(*nth));
        erasures.for_each(|(_, (user, until))| inputs.update::<Erasures>((*user, ()), *until));
    }
}

fn add<T: Ord>(rows: &mut BTreeMap<T, Diff>, row: T, diff: Diff) {
    let copies = rows.entry(row).or_default();
    *copies += diff;
    if *copies == 0 {
        rows.retain(|_, copies| *copies != 0);
    }
}

/// A clock that stands still, so that no tick closes after the one that was restored.
struct Still(Time);

impl ServiceClock for Still {
    fn now(&self) -> Time {
        self.0
    }
}

/// Cuts until all has been given and cut; each is compared with what had been given.
fn cut_under_way(processes: usize, workers: usize, seed: u64) -> (Arc<Shared>, Vec<(Time, Rows)>) {
    let peers = processes * workers;
    let shared = Shared::new(peers);
    shared.allow(UPDATES_PER_CUT);
    let settings = || Settings { journal_max: Some(usize::MAX), ..settings(&shared, rules(), workers, seed) };
    let engines = processes::start_or_alone(processes, |_| settings());
    let cuts: Vec<Arc<Cuts>> = engines.iter().map(|engine| engine.cuts().expect("cuts are wanted").clone()).collect();
    let mut taken = Vec::new();
    let mut noted = Rows::default();
    let mut before = 0;
    loop {
        let all_given = shared.log().given.len() == peers * UPDATES_PER_WORKER;
        let mut cut = cuts[0].take(PATIENCE).expect("ticks close");
        for other in &cuts[1..] {
            let other = other.wait(PATIENCE).expect("the other processes cut where the first one does");
            assert_eq!(other.tick, cut.tick);
            cut.parts.extend(other.parts);
        }
        assert!(cut.tick > before, "a cut is of a later tick than the one before");
        assert_eq!(cut.parts.len(), peers);
        let base = Rows::of_base(&cut);
        // After an erasure a worker gives up its journal: the next checkpoint holds all rows.
        let journals: Option<Vec<&mut DeltaLog>> = cut.parts.iter_mut().map(|part| part.delta_log.as_mut()).collect();
        match journals {
            Some(journals) => journals.into_iter().for_each(|delta_log| {
                assert_eq!(delta_log.after, before, "a journal begins where the one before ended");
                noted.take(delta_log);
            }),
            None => {
                let is_erasure =
                    |(at, update): &(Time, Update)| *at > before && matches!(update, Update::Erasure { .. });
                assert!(shared.log().given.iter().any(is_erasure), "there is room for everything");
                noted = base.clone();
            }
        }
        before = cut.tick;
        taken.push((cut.tick, base, noted.clone()));
        if all_given {
            break;
        }
        shared.allow((taken.len() + 1) * UPDATES_PER_CUT);
    }
    processes::stop(engines);
    let log = shared.log();
    let judged = taken.into_iter().map(|(tick, base, noted)| {
        let given = Rows::as_of(tick, &log.given, &shared.world);
        assert_eq!(base.in_histories(tick), given.in_histories(tick), "what the cut at {tick} holds");
        let known = |(pair, stamp): (_, &Stamp)| given.stamps.get(pair) == Some(stamp);
        assert!(base.stamps.iter().all(known), "the cut at {tick} holds a stamp that nobody gave");
        assert_eq!(noted.in_histories(tick), given.in_histories(tick), "what the journals up to {tick} come to");
        (tick, base)
    });
    let judged = judged.collect();
    drop(log);
    (shared, judged)
}

/// Starts from a cut, and compares everything that shows with the oracle.
fn go_on_from(shared: &Shared, (tick, rows): &(Time, Rows), processes: usize, workers: usize) {
    let (share, empty) = (Arc::new(rows.clone()), Shared::new(processes * workers));
    let give: GiveRows = Arc::new(move |worker: usize, peers: usize, calls: usize, inputs: &mut Inputs| {
        if calls == 0 {
            share.restore(worker, peers, inputs);
        }
        calls == 0
    });
    let settings = || Settings {
        restore: Some(Restore { tick: *tick, give: give.clone() }),
        clock: Arc::new(Still(*tick)),
        open_feeds: Arc::new(|_| Vec::new()),
        ..settings(&empty, rules(), workers, 0)
    };
    let engines = processes::start_or_alone(processes, |_| settings());
    let mut samples = Vec::new();
    for engine in &engines {
        let snapshots = engine.reader().snapshots().clone();
        let shows = snapshots.wait_until(PATIENCE, || snapshots.closed() > *tick);
        assert!(
            shows,
            "what was restored as of {tick} shows; {} is closed on {processes} times {workers} workers",
            snapshots.closed()
        );
        samples.extend(look(engine.reader(), &shared.world));
    }
    processes::stop(engines);
    let log = shared.log();
    let mut by_tick: BTreeMap<Time, Vec<Update>> = BTreeMap::new();
    log.given
        .iter()
        .filter(|given| given.0 <= *tick)
        .for_each(|given| by_tick.entry(given.0).or_default().push(given.1));
    // One tick, as the restored one is; where those before it begin is only marked.
    let begun = |(next, updates): (Time, Vec<Update>)| [Update::TickEnd { next }].into_iter().chain(updates);
    let given = by_tick.into_iter().flat_map(begun).map(|update| Handed { hand: 0, update });
    let ticks = vec![Tick { given: given.collect(), next: tick + 1 }];
    // A period of co-views ends at the restored tick.
    let rules = Rules { co_views: CoViews { every_ms: 1, ..rules().co_views }, ..rules() };
    let history = History { domain: DOMAIN, rules, ticks };
    let mut oracle = Oracle::new(&shared.world, &history);
    for sample in &samples {
        assert_eq!(sample.as_of, *tick);
        oracle.judge(sample).unwrap_or_else(|wrong| panic!("restored on {processes} times {workers} workers: {wrong}"));
    }
}

fn cuts_hold_their_tick_and_can_be_gone_on_from(processes: usize, workers: usize, seed: u64) {
    let (shared, cuts) = cut_under_way(processes, workers, seed);
    assert!(cuts.len() > 2, "there were cuts while the engine was fed");
    for (nth, cut) in cuts.iter().enumerate() {
        let (processes, workers) = [(1, 1), (2, 1), (1, 4), (1, 2), (2, 2), (3, 1)][nth % 6];
        go_on_from(&shared, cut, processes, workers);
    }
}

#[test]
fn cuts_of_one_worker() {
    cuts_hold_their_tick_and_can_be_gone_on_from(1, 1, 5);
}

#[test]
fn cuts_of_two_workers() {
    cuts_hold_their_tick_and_can_be_gone_on_from(1, 2, 6);
}

#[test]
fn cuts_of_four_workers() {
    cuts_hold_their_tick_and_can_be_gone_on_from(1, 4, 7);
}

#[test]
fn cuts_of_two_processes_of_two_workers() {
    cuts_hold_their_tick_and_can_be_gone_on_from(2, 2, 10);
}
