//! The real engine under readers that never pause: every observation equals the oracle's state as of its `as_of`,
//! `as_of` never goes back, and a write is visible once its position is reported as covered.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use dataflow::engine::{Engine, Settings};
use dataflow::feed::{Feed, FeedProgress, Position, WorkerContext};
use dataflow::index_reader::IndexReader;
use dataflow::inputs::Inputs;
use dataflow::rules::{BuyAgain, CoViews, Features, KeyNames, PurchaseSource, Rules};
use dataflow::tables::{Interaction, Placed};
use dataflow::tick_scheduler::TickPolicy;
use dataflow::time::{ServiceClock, Time};

use crate::given::{Domain, Handed, History, In, METADATA, Tick, Update, World};
use crate::merchandising::{Action, On, Version};
use crate::processes;
use crate::seen::{Oracle, Sample, look_at_lists, look_at_similar, look_at_user};

pub(crate) const DOMAIN: Domain = Domain { users: 6, products: 8, categories: 4, orders: 12 };
const WINDOW_MS: u64 = 50;
pub(crate) const UPDATES_PER_WORKER: usize = 800;
const READERS: usize = 2;

/// Moves on by one millisecond whenever it is asked.
struct Countdown(AtomicU64);

impl ServiceClock for Countdown {
    fn now(&self) -> Time {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// What was given at which tick, and which ticks there were.
#[derive(Default)]
pub(crate) struct Log {
    opened: BTreeSet<Time>,
    pub(crate) given: Vec<(Time, Update)>,
    /// For each worker, the ticks of its updates.
    fed: Vec<Vec<Time>>,
}

pub(crate) struct Shared {
    pub(crate) world: World,
    log: Mutex<Log>,
    /// So many updates each worker may give by now.
    allowed: AtomicUsize,
}

impl Shared {
    pub(crate) fn new(workers: usize) -> Arc<Shared> {
        let log = Mutex::new(Log { fed: vec![Vec::new(); workers], ..Log::default() });
        Arc::new(Shared { world: World::new(DOMAIN), log, allowed: AtomicUsize::new(UPDATES_PER_WORKER) })
    }

    /// Lets each worker give so many updates in all, and no more until this is raised.
    pub(crate) fn allow(&self, updates: usize) {
        self.allowed.store(updates.min(UPDATES_PER_WORKER), Ordering::SeqCst);
    }

    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().expect("nobody panics with this lock")
    }
}

/// A shop and its visitors: the first worker's feed changes all tables, every worker's feed brings events.
struct Shop {
    shared: Arc<Shared>,
    context: WorkerContext,
    random: u64,
    fed: usize,
    orders: Vec<Option<Update>>,
    lines: BTreeSet<(usize, usize)>,
    catalogue: BTreeSet<(usize, In)>,
}

impl Shop {
    fn new(shared: Arc<Shared>, context: WorkerContext, seed: u64) -> Self {
        let random = seed.wrapping_add(context.index as u64);
        let orders = vec![None; DOMAIN.orders];
        Shop { shared, context, random, fed: 0, orders, lines: BTreeSet::new(), catalogue: BTreeSet::new() }
    }

    fn chance(&mut self, of: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as usize % of
    }

    fn next(&mut self, now: Time) -> Update {
        if self.chance(80) == 0 {
            let user = self.chance(DOMAIN.users);
            // An erasure up to time 0 is none.
            return Update::Erasure { user, at: (now + 4).saturating_sub(self.chance(20) as u64).max(1) };
        }
        let kind = if self.context.index == 0 { self.chance(11) } else { self.chance(5) };
        let (product, user, order) =
            (self.chance(DOMAIN.products), self.chance(DOMAIN.users), self.chance(DOMAIN.orders));
        match kind {
            0 | 1 => Update::View { user, product, at: now + self.chance(9) as u64 },
            2 => Update::Removal { user, product, at: now + self.chance(9) as u64 },
            3 if self.chance(3) == 0 => {
                // A gap of this session may end here; the views of other tests begin some.
                let (session, at) = (self.chance(2), now + self.chance(9) as u64);
                Update::Session { user, session, page: None, at, recorded: at }
            }
            3 if self.chance(3) == 0 => {
                let (key, value) = (self.chance(METADATA.len()), self.chance(6));
                Update::Metadata { user, key, value, at: now + self.chance(9) as u64 }
            }
            3 => {
                let interaction =
                    [Interaction::View { time_on_page_ms: Some(9) }, Interaction::Click, Interaction::AddToCart]
                        [self.chance(3)];
                let product = (self.chance(9) > 0).then_some(product);
                Update::Interaction { user, product, interaction, at: now + self.chance(9) as u64 }
            }
            4 => {
                let at = (now + 9).saturating_sub(self.chance(WINDOW_MS as usize + 9) as u64);
                Update::EventPurchase { order, user, product, at }
            }
            5 | 6 => match self.orders[order].take() {
                Some(Update::Order { order, user, placed, .. }) => Update::Order { order, user, placed, diff: -1 },
                _ => {
                    let created_at = (now + 9).saturating_sub(self.chance(WINDOW_MS as usize + 9) as u64);
                    let placed = Placed::new(created_at, self.chance(5) > 0);
                    let row = Update::Order { order, user, placed, diff: 1 };
                    self.orders[order] = Some(row);
                    row
                }
            },
            7 | 8 => {
                let diff = if toggle(&mut self.lines, (order, product)) { 1 } else { -1 };
                Update::Line { order, product, diff }
            }
            9 => Update::Rule(self.rule(now, product)),
            _ => {
                let category = self.chance(DOMAIN.categories + 1);
                let category = if category < DOMAIN.categories { In::Category(category) } else { In::None };
                let diff = if toggle(&mut self.catalogue, (product, category)) { 1 } else { -1 };
                Update::Catalogue { product, category, diff }
            }
        }
    }
}

impl Shop {
    /// A version of one of a few merchandising rules, which begins and ends soon.
    fn rule(&mut self, now: Time, product: usize) -> Version {
        let action = match self.chance(4) {
            0 => Action::Hide(product),
            1 => Action::OutOfStock(product),
            2 => Action::Pin(product, On::BestSellers, 1 + self.chance(3) as u8),
            _ => Action::Bury(product, On::Recommendations),
        };
        let (from, rule) = (now + self.chance(40) as u64, self.chance(4));
        let until = from + 1 + self.chance(200) as u64;
        Version { rule, at: now, does: (self.chance(4) > 0).then_some((action, from, until)), only: None }
    }
}

/// Whether the row is there now.
fn toggle<R: Copy + Ord>(rows: &mut BTreeSet<R>, row: R) -> bool {
    rows.insert(row) || !rows.remove(&row)
}

impl Feed for Shop {
    fn feed(&mut self, inputs: &mut Inputs, budget: usize) -> FeedProgress {
        let shared = self.shared.clone();
        let mut log = shared.log();
        let tick = inputs.tick();
        if self.context.index == 0 {
            log.opened.insert(tick);
        }
        // Silence, single events, small bursts; and now and then as if very much were waiting, so that ticks grow.
        let left = shared.allowed.load(Ordering::SeqCst) - self.fed;
        let records = [0, 0, 1, 1, 5][self.chance(5)].min(budget).min(left);
        for _ in 0..records {
            let update = self.next(tick);
            shared.world.give(update, inputs);
            log.given.push((tick, update));
            log.fed[self.context.index].push(tick);
        }
        self.fed += records;
        let far_behind = self.fed % 400 > 200 && self.fed < UPDATES_PER_WORKER;
        FeedProgress { records, waiting: if far_behind { 10_000 } else { 0 }, reached: None }
    }

    fn positions(&self, out: &mut Vec<Position>) {
        out.push(position(self.context.index, self.fed));
    }
}

fn position(worker: usize, fed: usize) -> Position {
    Position::new(format!("worker {worker}"), 0, fed as i64)
}

/// What a reader saw: samples; and what it was told is covered (worker, how many updates) by a time.
#[derive(Default)]
struct Watched {
    samples: Vec<Sample>,
    covered: Vec<(usize, usize, Time)>,
}

/// Reads what one process shows until all is shown, or `failed`.
fn watch(reader: &IndexReader, world: &World, workers: usize, failed: &AtomicBool) -> Watched {
    let (mut watched, mut latest) = (Watched::default(), 0);
    let users: Vec<_> = world.users.iter().filter(|user| reader.owner_elsewhere(**user).is_none()).collect();
    assert!(!users.is_empty(), "every process holds some users");
    let mut fed = vec![0; workers];
    let mut turn = 0;
    while fed.iter().any(|fed| *fed < UPDATES_PER_WORKER) && !failed.load(Ordering::SeqCst) {
        turn += 1;
        let (user, worker) = (*users[turn % users.len()], turn % workers);
        while fed[worker] < UPDATES_PER_WORKER && reader.snapshots().covers(&position(worker, fed[worker] + 1)) {
            fed[worker] += 1;
        }
        let before = watched.samples.len();
        look_at_user(reader, user, &mut watched.samples);
        look_at_lists(&reader.view_any(), world, &mut watched.samples);
        look_at_similar(reader, world, &mut watched.samples);
        let seen = &watched.samples[before..];
        let moved = seen[0].as_of > latest;
        for sample in seen {
            assert!(sample.as_of >= latest, "time went back from {latest} to {}", sample.as_of);
            latest = sample.as_of;
        }
        watched.covered.push((worker, fed[worker], latest));
        // Most looks at a time already seen are not kept, only made.
        if !moved && turn % 16 != 0 {
            watched.samples.truncate(before);
        }
    }
    watched
}

/// How long a view counts: less than a run takes.
const HISTORY_MS: u64 = 150;

/// Small numbers, and everything that is learned.
pub(crate) fn rules() -> Rules {
    let co_views = CoViews { enabled: true, every_ms: 7, similar: 3, newest: 2, ..CoViews::OFF };
    let metadata = KeyNames::of(&METADATA);
    let features = Features { enabled: true, days: 1, metadata, values_max: 2, ..Features::OFF };
    let buy_again = BuyAgain { enabled: true };
    let (list_size, history_depth) = (3, 5);
    let base = Rules { purchases: PurchaseSource::Both, history_ms: HISTORY_MS, ..Rules::default() };
    Rules { list_size, history_depth, window_ms: WINDOW_MS, categories_max: 2, co_views, buy_again, features, ..base }
}

pub(crate) fn settings(shared: &Arc<Shared>, rules: Rules, workers: usize, seed: u64) -> Settings {
    let feeds_of = shared.clone();
    Settings {
        workers,
        rules,
        ticks: TickPolicy { tick_ms: 1, idle_tick_ms: 20, tick_ms_max: 60, batch_max: 100, behind_min: 1000 },
        ..Settings::new(
            shared.world.dictionary.clone(),
            Arc::new(Countdown(AtomicU64::new(1_000_000))),
            Arc::new(move |context| vec![Box::new(Shop::new(feeds_of.clone(), context, seed)) as Box<dyn Feed>]),
            1000,
        )
    }
}

fn engine(shared: &Arc<Shared>, rules: Rules, workers: usize, seed: u64) -> Engine {
    Engine::start(settings(shared, rules, workers, seed)).expect("threads can be started")
}

fn readers_see_only_closed_ticks(processes: usize, workers: usize, seed: u64) {
    let rules = rules();
    let peers = processes * workers;
    let shared = Shared::new(peers);
    let engines = processes::start_or_alone(processes, |_| settings(&shared, rules, workers, seed));
    let (reader, late) = (engines[0].reader().clone(), AtomicBool::new(false));
    let shelves: Vec<IndexReader> = engines.iter().map(|engine| engine.reader().clone()).collect();
    let watched: Vec<std::thread::Result<Watched>> = std::thread::scope(|scope| {
        let watch = |reader| watch(reader, &shared.world, peers, &late);
        let readers = (0..READERS.max(processes)).map(|reader| &shelves[reader % processes]);
        let readers: Vec<_> = readers.map(|reader| scope.spawn(move || watch(reader))).collect();
        let deadline = Instant::now() + Duration::from_secs(300);
        while !readers.iter().all(|reader| reader.is_finished()) {
            std::thread::park_timeout(Duration::from_millis(1));
            late.store(Instant::now() > deadline, Ordering::SeqCst);
        }
        readers.into_iter().map(|reader| reader.join()).collect()
    });
    // The tick after the last one seen must be known before the oracle can be asked.
    let next_is_open = || shared.log().opened.last().is_some_and(|tick| *tick >= reader.snapshots().closed());
    let ticking = reader.snapshots().wait_until(Duration::from_secs(300), next_is_open);
    // Workers are stopped before anything is judged: a test that fails must end, too.
    processes::stop(engines);
    assert!(ticking, "silence closes ticks too");
    assert!(!late.load(Ordering::SeqCst), "not all that was fed has come to show");
    let watched: Vec<Watched> =
        watched.into_iter().map(|watched| watched.expect("a reader saw something impossible")).collect();
    judge(&shared, rules, &watched);
}

fn judge(shared: &Shared, rules: Rules, watched: &[Watched]) {
    let log = shared.log();
    let opened: Vec<Time> = log.opened.iter().copied().collect();
    let given_in = |tick: Time| {
        let given = log.given.iter().filter(move |given| given.0 == tick);
        given.map(|given| Handed { hand: 0, update: given.1 }).collect()
    };
    let ticks = opened.windows(2).map(|tick| Tick { given: given_in(tick[0]), next: tick[1] }).collect();
    let history = History { domain: DOMAIN, rules, ticks };
    let mut oracle = Oracle::new(&shared.world, &history);
    for sample in watched.iter().flat_map(|watched| &watched.samples) {
        oracle.judge(sample).unwrap_or_else(|wrong| panic!("{wrong}"));
    }
    for &(worker, fed, as_of) in watched.iter().flat_map(|watched| &watched.covered) {
        if let Some(tick) = fed.checked_sub(1).map(|update| log.fed[worker][update]) {
            assert!(tick <= as_of, "an update of tick {tick} was said to be covered as of {as_of}");
        }
    }
}

#[test]
fn readers_of_one_worker_see_only_closed_ticks() {
    readers_see_only_closed_ticks(1, 1, 1);
}

#[test]
fn readers_of_two_workers_see_only_closed_ticks() {
    readers_see_only_closed_ticks(1, 2, 2);
}

#[test]
fn readers_of_four_workers_see_only_closed_ticks() {
    readers_see_only_closed_ticks(1, 4, 3);
}

#[test]
fn readers_of_two_processes_see_only_closed_ticks() {
    readers_see_only_closed_ticks(2, 1, 8);
}

#[test]
fn readers_of_three_processes_of_two_workers_see_only_closed_ticks() {
    readers_see_only_closed_ticks(3, 2, 9);
}

#[test]
fn a_dropped_engine_ends_its_workers() {
    let shared = Shared::new(2);
    let (ended, end) = std::sync::mpsc::channel();
    let engine = engine(&shared, Rules::default(), 2, 4);
    std::thread::spawn(move || {
        drop(engine);
        ended.send(()).expect("the test waits");
    });
    end.recv_timeout(Duration::from_secs(300)).expect("nobody is left to stop these workers");
}
