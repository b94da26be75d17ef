//! Memory is bounded by what is live: four million changes of a thousand rows leave the indexes as small as they were.
//!
//! Every kind of row is churned: views seen again, removed and seen again, lines and orders changed in place and taken
//! back, products moved from category to category. What is published is counted; what is not (the arrangements inside
//! the graph, the window, batches held for readers) can hide nowhere but in the process's resident memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dataflow::dictionary::Dictionary;
use dataflow::engine::{Engine, Settings};
use dataflow::feed::{Feed, FeedProgress, Position, WorkerContext};
use dataflow::ids::{Ids, RowKey};
use dataflow::index_reader::IndexReader;
use dataflow::inputs::Inputs;
use dataflow::tables::{Catalogue, CatalogueRow, LineRow, Lines, OrderRow, Orders};
use dataflow::tick_scheduler::TickPolicy;
use dataflow::time::{ServiceClock, Time};

const UPDATES: usize = 4_000_000;
const WARM_UP: usize = 500_000;
const WORKERS: usize = 2;

const USERS: usize = 40;
const PRODUCTS: usize = 300;
const VIEWS_PER_USER: usize = 10;
const ORDERS: usize = 300;
const CATEGORIES: usize = 20;

/// Rows that are live at any time, at most: pairs viewed, order lines, catalogue rows.
const LIVE_ROWS: usize = USERS * VIEWS_PER_USER + ORDERS + PRODUCTS;

/// Published updates to live rows. Replicated indexes count once a worker, and the batches of the last few ticks, in
/// which a row changed many times, are merged a little later.
const UPDATES_TO_LIVE_ROWS_MAX: usize = 20;

/// Growth of resident memory after the warm-up, in KiB. A leak of one small update a change would be ten times this.
const GROWTH_KIB_MAX: usize = 8 * 1024;

/// The service clock: real time, so that ticks close like in a running service.
struct SinceStart(Instant);

impl ServiceClock for SinceStart {
    fn now(&self) -> Time {
        let elapsed = u64::try_from(self.0.elapsed().as_millis()).expect("a test does not take that long");
        1_000_000_000 + elapsed
    }
}

/// Changes one row after the other, for ever the same ones.
struct Churn {
    context: WorkerContext,
    turn: usize,
    fed: Arc<AtomicUsize>,
    orders: Vec<Option<(OrderRow, LineRow)>>,
    catalogue: Vec<Option<CatalogueRow>>,
}

impl Churn {
    /// A number for each worker's own `n`, like partitions have their own keys.
    fn own(&self, n: usize) -> usize {
        n * WORKERS + self.context.index
    }

    /// Feeds one change of each kind of row; returns how many updates that made.
    fn turn(&mut self, inputs: &mut Inputs) -> usize {
        let tick = inputs.tick();
        self.turn += 1;
        self.event(inputs, tick) + self.order(inputs, tick) + self.catalogue(inputs)
    }

    fn event(&mut self, inputs: &mut Inputs, tick: Time) -> usize {
        let ids = &self.context.dictionary;
        let user = self.own(self.turn % (USERS / WORKERS));
        let viewed = user * VIEWS_PER_USER + self.turn / USERS % VIEWS_PER_USER;
        let viewed = ids.product(&format!("product {}", viewed % PRODUCTS)).expect("few ids do not collide");
        let user = ids.user(&format!("user {user}"));
        match self.turn % 7 {
            0 => inputs.removal(user, viewed, tick),
            _ => inputs.view(user, viewed, tick),
        }
        1
    }

    fn order(&mut self, inputs: &mut Inputs, tick: Time) -> usize {
        let (place, mut updates) = (self.turn % (ORDERS / WORKERS), 0);
        if let Some((order, line)) = self.orders[place].take() {
            inputs.update::<Lines>(line, -1);
            inputs.update::<Orders>(order, -1);
            updates += 2;
        }
        if !self.turn.is_multiple_of(5) {
            let ids = &self.context.dictionary;
            let order = ids.order(&format!("order {}", self.own(place)));
            let user = ids.user(&format!("user {}", self.turn % USERS));
            let product =
                ids.product(&format!("product {}", self.turn / 3 % PRODUCTS)).expect("few ids do not collide");
            let rows = (OrderRow::counting(order, user, tick), LineRow { order, product, row: RowKey::NONE });
            inputs.update::<Orders>(rows.0, 1);
            inputs.update::<Lines>(rows.1, 1);
            self.orders[place] = Some(rows);
            updates += 2;
        }
        updates
    }

    fn catalogue(&mut self, inputs: &mut Inputs) -> usize {
        let ids = &self.context.dictionary;
        let place = self.turn % (PRODUCTS / WORKERS);
        let product = ids.product(&format!("product {}", self.own(place))).expect("few ids do not collide");
        let category =
            ids.category(&format!("category {}", self.turn / 11 % CATEGORIES)).expect("few ids do not collide");
        let row = CatalogueRow { product, category };
        inputs.update::<Catalogue>(row, 1);
        let before = self.catalogue[place].replace(row);
        before.into_iter().for_each(|before| inputs.update::<Catalogue>(before, -1));
        1 + usize::from(before.is_some())
    }
}

impl Feed for Churn {
    fn feed(&mut self, inputs: &mut Inputs, budget: usize) -> FeedProgress {
        const TURN_MAX: usize = 8;
        let mut records = 0;
        while records + TURN_MAX <= budget.min(500) {
            records += self.turn(inputs);
        }
        self.fed.fetch_add(records, Ordering::Relaxed);
        FeedProgress { records, ..FeedProgress::default() }
    }

    fn positions(&self, out: &mut Vec<Position>) {
        out.push(Position::new("churn", self.context.index as i32, self.turn as i64));
    }
}

fn start(fed: &Arc<AtomicUsize>) -> Engine {
    let fed = fed.clone();
    Engine::start(Settings {
        workers: WORKERS,
        ticks: TickPolicy { batch_max: 4_000, ..TickPolicy::default() },
        ..Settings::new(
            Arc::new(Dictionary::new(Ids::new([0; 16]))),
            Arc::new(SinceStart(Instant::now())),
            Arc::new(move |context| {
                let (orders, catalogue) = (vec![None; ORDERS], vec![None; PRODUCTS]);
                vec![Box::new(Churn { context, turn: 0, fed: fed.clone(), orders, catalogue }) as Box<dyn Feed>]
            }),
            1000,
        )
    })
    .expect("threads can be started")
}

/// Resident memory of this process, in KiB.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("this test runs on Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux says how much is resident");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number of KiB")
}

fn published(reader: &IndexReader) -> usize {
    reader.index_sizes().iter().map(|(_, size)| size.updates).sum()
}

#[test]
fn a_churn_of_few_rows_does_not_grow() {
    let fed = Arc::new(AtomicUsize::new(0));
    let engine = start(&fed);
    let reader = engine.reader().clone();
    let (mut warm_kib, mut most_kib, mut most_updates) = (None, 0, 0);
    let deadline = Instant::now() + Duration::from_secs(600);
    while fed.load(Ordering::Relaxed) < UPDATES {
        assert!(Instant::now() < deadline, "only {} updates were taken in time", fed.load(Ordering::Relaxed));
        std::thread::park_timeout(Duration::from_millis(5));
        if fed.load(Ordering::Relaxed) >= WARM_UP {
            let kib = resident_kib();
            warm_kib.get_or_insert(kib);
            most_kib = most_kib.max(kib);
            most_updates = most_updates.max(published(&reader));
        }
    }
    let warm_kib = warm_kib.expect("the warm-up is shorter than the whole");
    let ticks = engine.tick_counter().ticks();
    println!("{ticks} ticks, {warm_kib} KiB after the warm-up, {most_kib} KiB at most, {most_updates} updates at most");
    engine.stop().expect("no worker panicked");
    assert!(most_updates <= LIVE_ROWS * UPDATES_TO_LIVE_ROWS_MAX, "{most_updates} updates of {LIVE_ROWS} live rows");
    assert!(most_kib <= warm_kib + GROWTH_KIB_MAX, "grew from {warm_kib} to {most_kib} KiB");
}
