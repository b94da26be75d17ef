//! 120 simulated days of a shop, through what is remembered of the tables and through the graph: what is held after the
//! fourth window is what was held after the second, though the shop itself forgets nothing.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dataflow::dictionary::Dictionary;
use dataflow::engine::{Engine, Settings};
use dataflow::feed::{Feed, FeedProgress, Position, WorkerContext};
use dataflow::ids::Ids;
use dataflow::inputs::Inputs;
use dataflow::rules::{DAY_MS, Rules};
use dataflow::tables::{LineRow, Lines, OrderRow, Orders};
use dataflow::time::{ServiceClock, Time};

use crate::postgres::rows::order_window::OrderWindow;
use crate::postgres::rows::row_edit::RowEdit;
use crate::postgres::rows::table_cache::{ChangeSet, TableCache};

const HOUR_MS: u64 = 3_600_000;
const START: Time = 20_000 * DAY_MS;
const DAYS: u64 = 120;
const ORDERS_AN_HOUR: u64 = 20;
const LINES_AN_ORDER: u64 = 2;
const PRODUCTS: u64 = 500;
const USERS: u64 = 300;
const PATIENCE: Duration = Duration::from_secs(120);

/// What a window holds when it is full, and what a sweep may be late by.
const ORDERS_MAX: u64 = (30 * 24 + 5) * ORDERS_AN_HOUR;

/// A clock of simulated time, moved on by the shop.
#[derive(Default)]
struct Simulated(AtomicU64);

impl ServiceClock for Simulated {
    fn now(&self) -> Time {
        // A millisecond each time it is asked, so that ticks close while nothing happens.
        START + self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// What is held at the end of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    orders: usize,
    lines: usize,
}

/// A shop whose tables only grow and whose old rows are changed and deleted all the time, an hour at a time.
struct Shop {
    cache: TableCache,
    dictionary: Arc<Dictionary>,
    clock: Arc<Simulated>,
    /// Hours that may be simulated so far, and those that have been.
    until: Arc<AtomicUsize>,
    hours: Arc<AtomicUsize>,
    held: Arc<Mutex<Held>>,
}

impl Shop {
    fn line(&self, number: u64, line: u64) -> LineRow {
        let product = format!("product {}", (number * 7 + line * 13) % PRODUCTS);
        let row = format!("{number} {line}");
        LineRow {
            order: self.dictionary.order(&number.to_string()),
            product: self.dictionary.product(&product).expect("few ids do not collide"),
            row: self.dictionary.row([row.as_bytes()]),
        }
    }

    fn order(&self, number: u64, created_at: Time) -> OrderRow {
        let user = self.dictionary.user(&format!("user {}", number % USERS));
        OrderRow::counting(self.dictionary.order(&number.to_string()), user, created_at)
    }

    fn hour(&mut self, hour: u64) -> ChangeSet {
        let now = START + hour * HOUR_MS;
        let span = OrderWindow { now, kept_ms: Rules::default().orders_kept_ms() };
        let mut change = ChangeSet::default();
        let mut edits = Vec::new();
        for number in hour * ORDERS_AN_HOUR..(hour + 1) * ORDERS_AN_HOUR {
            edits.push(RowEdit::Order(self.order(number, now)));
            edits.extend((0..LINES_AN_ORDER).map(|line| RowEdit::Line(self.line(number, line))));
        }
        // Orders of 45 days ago are changed with their lines, those of 50 days ago deleted: all have left the window.
        for (days, gone) in [(45, false), (50, true)] {
            let Some(then) = hour.checked_sub(days * 24) else { continue };
            let number = then * ORDERS_AN_HOUR;
            if gone {
                edits.push(RowEdit::LineDeleted(self.line(number, 0).row));
                edits.push(RowEdit::OrderDeleted(self.order(number, 0).order));
            } else {
                edits.push(RowEdit::Order(self.order(number, START + then * HOUR_MS)));
                for number in number..number + ORDERS_AN_HOUR {
                    let lines = (0..LINES_AN_ORDER).map(|line| self.line(number, line));
                    edits.extend(lines.map(|line| RowEdit::LineUpdated { from: line.row, line }));
                }
            }
        }
        self.cache.transact(edits, span, &mut change);
        self.cache.sweep(span, &mut change);
        *self.held.lock().unwrap() = Held { orders: self.cache.orders.len(), lines: self.cache.lines.len() };
        change
    }
}

impl Feed for Shop {
    fn feed(&mut self, inputs: &mut Inputs, _budget: usize) -> FeedProgress {
        let hours = self.hours.load(Ordering::SeqCst);
        if hours == self.until.load(Ordering::SeqCst) {
            return FeedProgress::default();
        }
        let change = self.hour(hours as u64);
        let records = change.len();
        change.orders.into_iter().for_each(|(row, diff)| inputs.update::<Orders>(row, diff));
        change.lines.into_iter().for_each(|(row, diff)| inputs.update::<Lines>(row, diff));
        self.hours.store(hours + 1, Ordering::SeqCst);
        self.clock.0.fetch_max((hours as u64 + 1) * HOUR_MS, Ordering::SeqCst);
        FeedProgress { records, ..FeedProgress::default() }
    }

    fn positions(&self, out: &mut Vec<Position>) {
        out.push(Position::new("soak", 0, self.hours.load(Ordering::SeqCst) as i64));
    }
}

#[test]
fn after_four_windows_no_more_is_held_than_after_two() {
    let (clock, dictionary) = (Arc::new(Simulated::default()), Arc::new(Dictionary::new(Ids::new([5; 16]))));
    let (until, hours) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let held = Arc::new(Mutex::new(Held { orders: 0, lines: 0 }));
    let open_feeds = {
        let (clock, until, held) = (clock.clone(), until.clone(), held.clone());
        Arc::new(move |worker: WorkerContext| {
            let (clock, until, hours, held) = (clock.clone(), until.clone(), hours.clone(), held.clone());
            let shop = || Shop {
                cache: TableCache::of_log(None),
                dictionary: worker.dictionary.clone(),
                clock,
                until,
                hours,
                held,
            };
            (worker.index == 0).then(|| Box::new(shop()) as Box<dyn Feed>).into_iter().collect()
        })
    };
    let engine = Engine::start(Settings {
        workers: 2,
        journal_max: Some(0),
        ..Settings::new(dictionary, clock, open_feeds, 1000)
    })
    .unwrap();
    let cuts = engine.cuts().unwrap().clone();
    // In the graph and in what is remembered, at the end of the second window, the third and the fourth.
    let mut seen = Vec::new();
    for days in [60, 90, DAYS] {
        let hours = usize::try_from(days * 24).unwrap();
        until.store(hours, Ordering::SeqCst);
        let shown = Position::new("soak", 0, hours as i64);
        assert!(
            engine.reader().snapshots().wait_until(PATIENCE, || engine.reader().snapshots().covers(&shown)),
            "{days} days"
        );
        let cut = cuts.take(PATIENCE).expect("ticks close");
        let (mut orders, mut lines) = (0, 0);
        for part in &cut.parts {
            part.base.rows::<Orders>(|_, diff| orders += diff);
            part.base.rows::<Lines>(|_, diff| lines += diff);
        }
        let held = *held.lock().unwrap();
        assert_eq!(
            (orders, lines),
            (held.orders as isize, held.lines as isize),
            "the graph follows what is remembered"
        );
        seen.push(held);
    }
    engine.stop().unwrap();
    assert!(seen.iter().all(|held| *held == seen[0]), "what is held grows: {seen:?}");
    assert!(seen[0].orders as u64 <= ORDERS_MAX, "{seen:?}");
    assert!(seen[0].lines as u64 <= ORDERS_MAX * LINES_AN_ORDER, "{seen:?}");
    assert!(seen[0].orders as u64 >= 30 * 24 * ORDERS_AN_HOUR - ORDERS_AN_HOUR, "the window is full: {seen:?}");
}
