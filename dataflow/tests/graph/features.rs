//! Features that are dropped some days after their latest events are compared with a plain recomputation from all events, as of
//! every tick: with late events, erasures, ticks of days, and starts from cuts and their logs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use dataflow::cut::{Cuts, DeltaLog};
use dataflow::dictionary::Dictionary;
use dataflow::graph::Plan;
use dataflow::ids::{Ids, ProductKey, UserKey};
use dataflow::index_reader::UserFeatures;
use dataflow::rules::{DAY_MS, Features, KeyNames, Rules};
use dataflow::short_text::ShortText;
use dataflow::stepped::SteppedGraph;
use dataflow::tables::{
    Activity, ErasedUntil, Erasures, Interaction, Interactions, MetadataValues, Pair, Table, ValueTally,
};
use dataflow::time::{Millis, Time};

const USERS: usize = 3;
const PRODUCTS: usize = 3;
const KEYS: [&str; 2] = ["device", "referrer"];
const START: Time = 100 * DAY_MS;

/// What an event counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    /// A product, or none.
    Product(Option<usize>),
    /// A key of metadata and a value.
    Metadata(usize, usize),
}

/// What happens after a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Nothing,
    Show,
    Cut,
    /// A cut, from which a new graph starts.
    Restart,
}

/// Events with their users and how long before the end of the tick they were, erasures likewise, and the length of the tick.
type Tick = (Vec<(usize, Of, Time)>, Vec<(usize, Time)>, Time, Then);

fn around_days() -> impl Strategy<Value = Time> {
    (0..5u64, 0..3u64).prop_map(|(days, ms)| days * DAY_MS + ms)
}

fn tick() -> impl Strategy<Value = Tick> {
    let of = prop_oneof![
        3 => (0..=PRODUCTS).prop_map(|product| Of::Product(Some(product).filter(|product| *product < PRODUCTS))),
        2 => (0..KEYS.len(), 0..2usize).prop_map(|(key, value)| Of::Metadata(key, value)),
    ];
    let late = prop_oneof![3 => 0..3u64, 2 => around_days()];
    let length = prop_oneof![3 => 1..4u64, 3 => around_days().prop_map(|length| length.max(1)), 1 => 1..DAY_MS];
    let then = prop_oneof![
        2 => Just(Then::Nothing),
        3 => Just(Then::Show),
        2 => Just(Then::Cut),
        1 => Just(Then::Restart),
    ];
    let erasure = vec((0..USERS, around_days()), 1..2);
    let erasures = prop_oneof![7 => Just(Vec::new()), 1 => erasure];
    (vec((0..USERS, of, late), 0..6), erasures, length, then)
}

/// An event: its user, what it counts for, its time, and when the tick was opened in which it was given.
type Given = (usize, Of, Millis, Time);

/// Everything that was given.
#[derive(Default)]
struct Story {
    events: Vec<Given>,
    /// User, the time up to which, and when the tick was opened.
    erasures: Vec<(usize, Millis, Time)>,
}

impl Story {
    /// Whether erasures leave an event: it is later than those before it, and those in its tick and after it say no more.
    fn is_left(&self, &(user, _, at, opened): &Given) -> bool {
        let all = || self.erasures.iter().filter(|erasure| erasure.0 == user);
        let before = all().filter(|erasure| erasure.2 < opened).map(|erasure| erasure.1).max();
        Some(at) > before && all().filter(|erasure| erasure.2 >= opened).all(|erasure| Some(erasure.1) <= before)
    }

    /// Of the events of a user that belong together, those that count: an event that was too old when it was given does not,
    /// and none that was there before a day on which all of them were.
    fn counted(&self, user: usize, together: impl Fn(&Of) -> bool, days: u64, as_of: Time) -> Vec<(Of, Millis)> {
        let is_old = |at: Millis, now: Time| at / DAY_MS + days < now / DAY_MS;
        let latest = |counted: &[(Of, Millis)]| counted.iter().map(|(_, at)| *at).max();
        let own = self.events.iter().filter(|event| event.0 == user && together(&event.1) && event.3 <= as_of);
        let mut ticks: BTreeMap<Time, Vec<(Of, Millis)>> = BTreeMap::new();
        for event in own.filter(|event| self.is_left(event) && !is_old(event.2, event.3)) {
            ticks.entry(event.3).or_default().push((event.1, event.2));
        }
        let mut counted: Vec<(Of, Millis)> = Vec::new();
        for (opened, events) in ticks {
            if latest(&counted).is_some_and(|at| is_old(at, opened)) {
                counted.clear();
            }
            counted.extend(events);
        }
        if latest(&counted).is_some_and(|at| is_old(at, as_of)) { Vec::new() } else { counted }
    }

    fn features(&self, user: usize, days: u64, as_of: Time) -> Shown {
        let mut shown = Shown::default();
        for product in (0..PRODUCTS).map(Some).chain([None]) {
            let counted = self.counted(user, |of| *of == Of::Product(product), days, as_of);
            shown.last = shown.last.max(counted.iter().map(|(_, at)| *at).max());
            if let Some(product) = product.filter(|_| !counted.is_empty()) {
                shown.clicks.insert(product, counted.len() as u64);
            }
        }
        for (key, name) in KEYS.iter().enumerate() {
            for (of, _) in self.counted(user, |of| matches!(of, Of::Metadata(of, _) if *of == key), days, as_of) {
                let Of::Metadata(_, value) = of else { unreachable!() };
                *shown.metadata.entry(format!("{name}={value}")).or_default() += 1;
            }
        }
        shown
    }
}

/// What is shown of a user.
#[derive(Debug, Default, PartialEq, Eq)]
struct Shown {
    last: Option<Millis>,
    clicks: BTreeMap<usize, u64>,
    metadata: BTreeMap<String, u64>,
}

/// The rows of a checkpoint: all of a cut, and the changes since.
#[derive(Clone, Default)]
struct Stored {
    interactions: Vec<(Pair<Interactions>, Activity)>,
    metadata: Vec<(Pair<MetadataValues>, ValueTally)>,
    erasures: Vec<(Pair<Erasures>, ErasedUntil)>,
}

impl Stored {
    fn add(&mut self, mut log: DeltaLog) {
        fn rows<T: Table>(log: &mut DeltaLog) -> impl Iterator<Item = (Pair<T>, T::Diff)> {
            log.take::<T>().into_iter().map(|(row, _, diff)| (row, diff))
        }
        self.interactions.extend(rows::<Interactions>(&mut log));
        self.metadata.extend(rows::<MetadataValues>(&mut log));
        self.erasures.extend(rows::<Erasures>(&mut log));
    }
}

struct Shop {
    rules: Rules,
    dictionary: Arc<Dictionary>,
    users: Vec<UserKey>,
    products: Vec<ProductKey>,
    graph: SteppedGraph,
    cuts: Arc<Cuts>,
    stored: Stored,
    cut_at: Time,
}

impl Shop {
    fn new(days: u64) -> Self {
        let dictionary = Arc::new(Dictionary::new(Ids::new([1; 16])));
        let features = Features { enabled: true, days, metadata: KeyNames::of(&KEYS), ..Features::OFF };
        let rules = Rules { features, ..Rules::default() };
        let users = (0..USERS).map(|user| dictionary.user(&user.to_string())).collect();
        let products = (0..PRODUCTS).map(|product| dictionary.product(&product.to_string()).unwrap()).collect();
        let cuts = Arc::new(Cuts::new(1, 1 << 20));
        let mut graph = start(rules, &dictionary, &cuts, None);
        graph.advance_to(START);
        Shop { rules, dictionary, users, products, graph, cuts, stored: Stored::default(), cut_at: 0 }
    }

    fn give(&mut self, (user, of, at): (usize, Of, Millis)) {
        let (user, inputs) = (self.users[user], self.graph.inputs());
        match of {
            Of::Product(product) => {
                let product = product.map_or(ProductKey::NONE, |product| self.products[product]);
                inputs.interaction(user, product, Interaction::Click, at);
            }
            Of::Metadata(key, value) => {
                inputs.metadata(user, (ShortText::of(KEYS[key]), ShortText::of(&value.to_string())), at);
            }
        }
    }

    /// Takes a cut of the tick that was closed, and stores what it holds; returns whether it was the changes.
    fn cut(&mut self) -> bool {
        let tick = self.graph.tick() - 1;
        self.graph.graph().cut(&self.cuts, tick);
        self.graph.settle();
        let mut cut = self.cuts.wait(Duration::ZERO).expect("there is one worker");
        let part = cut.parts.remove(0);
        let before = std::mem::replace(&mut self.cut_at, tick);
        if let Some(log) = part.delta_log.filter(|log| log.after == before) {
            self.stored.add(log);
            return true;
        }
        self.stored = Stored::default();
        part.base.rows::<Interactions>(|row, diff| self.stored.interactions.push((row, diff)));
        part.base.rows::<MetadataValues>(|row, diff| self.stored.metadata.push((row, diff)));
        part.base.rows::<Erasures>(|row, diff| self.stored.erasures.push((row, diff)));
        false
    }

    fn restart(&mut self) {
        self.cuts = Arc::new(Cuts::new(1, 1 << 20));
        self.graph = start(self.rules, &self.dictionary, &self.cuts, Some(self.cut_at));
        let (stored, inputs) = (self.stored.clone(), self.graph.inputs());
        stored.interactions.into_iter().for_each(|(row, diff)| inputs.update::<Interactions>(row, diff));
        stored.metadata.into_iter().for_each(|(row, diff)| inputs.update::<MetadataValues>(row, diff));
        stored.erasures.into_iter().for_each(|(row, diff)| inputs.update::<Erasures>(row, diff));
        self.graph.advance_to(self.cut_at + 1);
        self.graph.keep_log(1 << 20);
        self.graph.settle();
    }

    fn shown(&self, user: usize, as_of: Time) -> Shown {
        let view = self.graph.reader().view_as_of(self.users[user], as_of).expect("it was closed since the last time");
        let UserFeatures { last_at, products, metadata, .. } = view.features(self.users[user], None);
        let number = |key: ProductKey| self.products.iter().position(|product| *product == key).unwrap();
        Shown {
            last: last_at,
            clicks: products.iter().map(|of| (number(of.product), of.activity.clicks())).collect(),
            metadata: metadata.iter().map(|of| (of.name(), of.events)).collect(),
        }
    }
}

/// A graph that starts, from what is stored as of a tick if there is one.
fn start(rules: Rules, dictionary: &Arc<Dictionary>, cuts: &Arc<Cuts>, restored_at: Option<Time>) -> SteppedGraph {
    let plan = Plan { cuts: Some(cuts.clone()), restored_at, ..Plan::new(rules, dictionary.clone()) };
    let mut graph = SteppedGraph::of(plan, 1000);
    match restored_at {
        Some(tick) => graph.advance_to(tick),
        None => graph.keep_log(1 << 20),
    }
    graph
}

/// Runs all ticks; returns how many cuts stored changes only.
fn run(ticks: &[Tick], days: u64) -> Result<usize, TestCaseError> {
    let (mut shop, mut story, mut closed, mut changes) = (Shop::new(days), Story::default(), BTreeSet::new(), 0);
    for (events, erasures, length, then) in ticks {
        let opened = shop.graph.tick();
        let end = opened + length;
        for (user, of, late) in events {
            let at = end - 1 - late;
            shop.give((*user, *of, at));
            story.events.push((*user, *of, at, opened));
        }
        for (user, ago) in erasures {
            shop.graph.inputs().erasure(shop.users[*user], end - ago);
            story.erasures.push((*user, end - ago, opened));
        }
        shop.graph.advance_to(end);
        closed.insert((end - 1, story.events.len(), story.erasures.len()));
        match then {
            Then::Nothing => continue,
            Then::Show => shop.graph.settle(),
            Then::Cut | Then::Restart => changes += usize::from(shop.cut()),
        }
        let now = |events: usize, erasures: usize| Story {
            events: story.events[..events].to_vec(),
            erasures: story.erasures[..erasures].to_vec(),
        };
        for (as_of, events, erasures) in std::mem::take(&mut closed) {
            for user in 0..USERS {
                let right = now(events, erasures).features(user, days, as_of);
                prop_assert_eq!(shop.shown(user, as_of), right, "user {} as of {}", user, as_of);
            }
        }
        if *then == Then::Restart {
            shop.restart();
            for user in 0..USERS {
                let right = story.features(user, days, end - 1);
                prop_assert_eq!(shop.shown(user, end - 1), right, "user {} restored as of {}", user, end - 1);
            }
        }
    }
    Ok(changes)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn features_last_some_days_after_their_latest_events(
        ticks in vec(tick(), 1..20),
        days in prop_oneof![1 => Just(0), 4 => 1..4u64],
    ) {
        // For ever is longer than all ticks together.
        run(&ticks, if days == 0 { 100_000 } else { days })?;
    }
}

#[test]
fn a_pair_leaves_as_a_whole_at_the_beginning_of_a_day_and_does_not_come_back() {
    let lamp = Of::Product(Some(0));
    let (noon, mut shop) = (START + DAY_MS / 2, Shop::new(2));
    let mut shown_at = |at: Time, given: Option<Millis>| {
        given.into_iter().for_each(|event| shop.give((0, lamp, event)));
        shop.graph.advance_to(at + 1);
        shop.graph.settle();
        shop.shown(0, at).clicks.get(&0).copied().unwrap_or(0)
    };
    assert_eq!(shown_at(noon, Some(noon)), 1);
    assert_eq!(shown_at(noon + DAY_MS, Some(noon - 1)), 2, "it comes late");
    assert_eq!(shown_at(START + 3 * DAY_MS - 1, None), 2, "two whole days after it");
    assert_eq!(shown_at(START + 3 * DAY_MS, None), 0);
    assert_eq!(shown_at(START + 3 * DAY_MS + 1, Some(noon)), 0, "it is too old when it is read");
    assert_eq!(shown_at(START + 3 * DAY_MS + 2, Some(START + DAY_MS)), 1, "what is gone does not come back");
    assert_eq!(shown_at(noon + 3 * DAY_MS, Some(noon + 3 * DAY_MS)), 2, "the events of a pair that is not silent stay");
    assert_eq!(shown_at(noon + 5 * DAY_MS, None), 2);
    assert_eq!(shown_at(START + 6 * DAY_MS, None), 0);
}

#[test]
fn a_cut_on_another_day_than_the_one_before_holds_all_rows() {
    let of = |at: usize| vec![(at % USERS, Of::Product(Some(0)), 0)];
    let cuts = |lengths: &[Time]| {
        let ticks: Vec<Tick> =
            lengths.iter().enumerate().map(|(at, length)| (of(at), Vec::new(), *length, Then::Cut)).collect();
        run(&ticks, 1).unwrap()
    };
    assert_eq!(cuts(&[5, 5, 5, 5]), 3);
    assert_eq!(cuts(&[5, 5, DAY_MS, 5]), 2);
}

#[test]
fn a_batch_may_begin_before_the_day_on_which_a_row_leaves_and_end_after_the_next_event() {
    let (lamp, mug) = (Of::Product(Some(0)), Of::Product(Some(1)));
    let tick = |events: &[(usize, Of)], length, then| {
        let events = events.iter().map(|(user, of)| (*user, *of, 0)).collect();
        (events, Vec::new(), length, then)
    };
    // The rows of the second user are due because of the mug, when the lamp has another day. They are read with the next batch.
    let ticks = [
        tick(&[(1, mug)], 1, Then::Show),
        tick(&[], DAY_MS - 1, Then::Show),
        tick(&[(1, lamp)], DAY_MS, Then::Show),
        tick(&[(0, lamp)], 10, Then::Nothing),
        tick(&[], DAY_MS, Then::Nothing),
        tick(&[(1, lamp)], 10, Then::Show),
    ];
    run(&ticks, 1).unwrap();
}
