//! Random histories: small domains, so that collisions are frequent, and times on and around every edge.

use std::collections::BTreeMap;

use dataflow::rules::{BuyAgain, CoViews, DAY_MS, Deleted, Rules, Weighting};
use dataflow::tables::Placed;
use dataflow::time::{Diff, Millis, Time};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::given::{Domain, Handed, History, In, Tick, Update};
use crate::merchandising::{Version, version};

/// Ticks open at 0 like in the engine; the first one closes here, far enough from 0 for old orders. Views are about it.
const START: Time = 100 * DAY_MS;

/// Rules with small numbers, so that lists are full and edges frequent.
pub(crate) fn small() -> impl Strategy<Value = History> {
    let rules = prop_oneof![
        4 => Just((3, 50, 2)),
        1 => (1usize..=4, 1..=60u64, 1usize..=3),
    ];
    let deleted = (prop_oneof![Just(Deleted::InHistories), Just(Deleted::Hidden), Just(Deleted::Shown)], any::<bool>());
    let domain = Domain { users: 6, products: 8, categories: 4, orders: 6 };
    let learned = (below_the_list(), prop_oneof![Just(CoViews::OFF), co_views()], any::<bool>());
    (rules, deleted, learned, history_ms()).prop_flat_map(
        move |(rules, (deleted, missing_is_deleted), (below, co_views, enabled), history_ms)| {
            let (list_size, window_ms, categories_max) = rules;
            let (history_depth, buy_again) = (list_size + below, BuyAgain { enabled });
            let base = Rules { list_size, history_depth, history_ms, co_views, buy_again, ..Rules::default() };
            let rules = Rules { window_ms, categories_max, deleted, missing_is_deleted, ..base };
            histories(domain, rules, 1..14, 12)
        },
    )
}

/// How many more products a history has than its list.
fn below_the_list() -> impl Strategy<Value = usize> {
    prop_oneof![2 => Just(0), 4 => 1..5usize, 1 => Just(200)]
}

/// How long a view counts: often about as long as the ticks of a history take.
fn history_ms() -> impl Strategy<Value = Millis> {
    prop_oneof![1 => Just(Millis::MAX), 2 => 1..=80u64]
}

/// Co-views with small numbers, so that rows are longer than what is kept.
fn co_views() -> impl Strategy<Value = CoViews> {
    let weighting = prop_oneof![Just(Weighting::Clicks), Just(Weighting::Films)];
    let every_ms = prop_oneof![Just(1), Just(5), 2..100u64];
    (every_ms, 0..5usize, 1..9usize, 1..6usize, weighting).prop_map(
        |(every_ms, distance, similar, newest, weighting)| CoViews {
            enabled: true,
            every_ms,
            distance,
            similar,
            newest,
            weighting,
        },
    )
}

/// Many views and removals: late and repeated ones, histories longer than their depth, and a user with more events than
/// all others.
pub(crate) fn viewing() -> impl Strategy<Value = History> {
    let domain = Domain { users: 8, products: 40, categories: 1, orders: 1 };
    let event = (0..3 * domain.users, 0..domain.products, 0..60u64, prop::bool::weighted(0.15), any::<u8>());
    let size = prop_oneof![5 => 0..8usize, 1 => 100..200usize];
    let tick = size.prop_flat_map(move |size| vec(event.clone(), size));
    let rules =
        (1..5usize, 0..25usize, history_ms(), co_views()).prop_map(|(list_size, below, history_ms, co_views)| Rules {
            list_size,
            history_depth: list_size + below,
            history_ms,
            co_views,
            ..Rules::default()
        });
    (rules, vec((tick, 1..12u64), 1..30)).prop_map(move |(rules, ticks)| {
        let mut next = START;
        let ticks = ticks.into_iter().map(|(events, pause)| {
            next += pause;
            let given = events.into_iter().map(|(user, product, late, is_removal, hand)| {
                // The last user stands for several.
                let (user, at) = (user.min(domain.users - 1), next.saturating_sub(late));
                let update =
                    if is_removal { Update::Removal { user, product, at } } else { Update::View { user, product, at } };
                Handed { hand: usize::from(hand), update }
            });
            Tick { given: given.collect(), next }
        });
        History { domain, rules, ticks: ticks.collect() }
    })
}

/// Many ticks, so that batches merge and times are compacted while they are read.
pub(crate) fn long() -> impl Strategy<Value = History> {
    (history_ms(), co_views()).prop_flat_map(|(history_ms, co_views)| {
        let base = Rules { list_size: 3, history_depth: 5, history_ms, ..Rules::default() };
        let rules = Rules { window_ms: 200, categories_max: 2, co_views, ..base };
        histories(Domain { users: 6, products: 8, categories: 4, orders: 12 }, rules, 150..300, 6)
    })
}

/// The default rules, and more products than a list holds.
pub(crate) fn default_rules() -> impl Strategy<Value = History> {
    let domain = Domain { users: 3, products: 30, categories: 5, orders: 30 };
    any::<bool>().prop_flat_map(move |enabled| {
        histories(domain, Rules { buy_again: BuyAgain { enabled }, ..Rules::default() }, 1..8, 90)
    })
}

fn histories(
    domain: Domain,
    rules: Rules,
    ticks: std::ops::Range<usize>,
    updates_max: usize,
) -> impl Strategy<Value = History> {
    let tick = (vec((any::<u8>(), wish(domain, rules.window_ms)), 0..updates_max), pause(rules.window_ms));
    vec(tick, ticks).prop_map(move |wishes| Writer::write(domain, rules, wishes))
}

/// Milliseconds from one tick to the next: mostly few, sometimes the window or more.
fn pause(window_ms: Millis) -> impl Strategy<Value = Millis> {
    prop_oneof![
        3 => Just(1),
        6 => 1..=8u64,
        2 => 1..=window_ms,
        1 => window_ms.saturating_sub(1).max(1)..=window_ms + 1,
        1 => 2 * window_ms..=4 * window_ms,
    ]
}

/// What the writer of a history is asked for; it leaves out what would take away a row that is not there.
#[derive(Clone, Debug)]
enum Wish {
    View {
        user: usize,
        product: usize,
        at: Millis,
    },
    Removal {
        user: usize,
        product: usize,
        at: Millis,
    },
    /// The same event once more.
    Again(Index),
    /// An order appears, or is changed in place; beside another row of the same id if `beside`.
    Order {
        order: usize,
        user: usize,
        created: Created,
        counts: bool,
        beside: bool,
    },
    /// An order has another status, whatever it has.
    Status {
        order: usize,
        counts: bool,
    },
    /// An order disappears, its lines first, afterwards or not at all.
    NoOrder {
        order: usize,
        lines: Lines,
    },
    Line {
        order: usize,
        product: usize,
        copies: Diff,
    },
    NoLine(Index),
    /// A line is changed to another product, in one tick.
    OtherLine {
        line: Index,
        product: usize,
    },
    /// A product comes into the catalogue, or is changed there: it is in these categories, or in none.
    Product {
        product: usize,
        into: Vec<In>,
        copies: Diff,
    },
    /// A product is deleted from the catalogue.
    NoProduct {
        product: usize,
    },
    /// A merchandising rule is written.
    Rule(Version),
}

#[derive(Clone, Copy, Debug)]
enum Lines {
    First,
    Afterwards,
    Kept,
}

/// When an order was created.
#[derive(Clone, Debug)]
enum Created {
    /// So that it leaves the window so many (less one) milliseconds around the end of some tick.
    Leaves(Index, Millis),
    /// So long before the end of this tick.
    Ago(Millis),
    /// So long after it.
    In(Millis),
}

fn created(window_ms: Millis) -> impl Strategy<Value = Created> {
    prop_oneof![
        4 => (any::<Index>(), 0..=2u64).prop_map(|(tick, around)| Created::Leaves(tick, around)),
        3 => (0..window_ms).prop_map(Created::Ago),
        1 => (window_ms..3 * window_ms).prop_map(Created::Ago),
        1 => (1..2 * window_ms).prop_map(Created::In),
    ]
}

fn wish(domain: Domain, window_ms: Millis) -> impl Strategy<Value = Wish> {
    let (users, products, orders) = (0..domain.users, 0..domain.products, 0..domain.orders);
    let seen = || (users.clone(), products.clone(), 0..20u64);
    let lines = prop_oneof![Just(Lines::First), Just(Lines::Afterwards), Just(Lines::Kept)];
    let status = prop::bool::weighted(0.8);
    let order = (orders.clone(), users.clone(), created(window_ms), status, prop::bool::weighted(0.1));
    let category = (0..domain.categories).prop_map(In::Category);
    let into = vec(prop_oneof![6 => category, 1 => Just(In::None), 1 => Just(In::Unavailable)], 1..3);
    let product = (products.clone(), into, 1..=2isize);
    prop_oneof![
        9 => seen().prop_map(|(user, product, at)| Wish::View { user, product, at }),
        4 => seen().prop_map(|(user, product, at)| Wish::Removal { user, product, at }),
        1 => any::<Index>().prop_map(Wish::Again),
        8 => order.prop_map(|(order, user, created, counts, beside)| Wish::Order { order, user, created, counts, beside }),
        2 => (orders.clone(), any::<bool>()).prop_map(|(order, counts)| Wish::Status { order, counts }),
        2 => (orders.clone(), lines).prop_map(|(order, lines)| Wish::NoOrder { order, lines }),
        9 => (orders, products.clone(), 1..=2isize).prop_map(|(order, product, copies)| Wish::Line { order, product, copies }),
        2 => any::<Index>().prop_map(Wish::NoLine),
        1 => (any::<Index>(), products.clone()).prop_map(|(line, product)| Wish::OtherLine { line, product }),
        7 => product.prop_map(|(product, into, copies)| Wish::Product { product, into, copies }),
        2 => products.prop_map(|product| Wish::NoProduct { product }),
        3 => version(domain, START).prop_map(Wish::Rule),
    ]
}

/// Turns wishes into updates, knowing which rows are there.
struct Writer {
    window_ms: Millis,
    /// The end of every tick, and of the one being written.
    ends: Vec<Time>,
    end: Time,
    events: Vec<Update>,
    orders: BTreeMap<(usize, usize, Placed), Diff>,
    lines: BTreeMap<(usize, usize), Diff>,
    catalogue: BTreeMap<(usize, In), Diff>,
    written: Vec<Update>,
}

impl Writer {
    fn write(domain: Domain, rules: Rules, wishes: Vec<(Vec<(u8, Wish)>, Millis)>) -> History {
        let steps = wishes.iter().scan(START, |next, (_, pause)| {
            let opened = *next;
            *next += pause;
            Some(opened)
        });
        let nexts: Vec<Time> = steps.collect();
        let mut writer = Writer {
            window_ms: rules.window_ms,
            ends: nexts.iter().map(|next| next - 1).collect(),
            end: 0,
            events: Vec::new(),
            orders: BTreeMap::new(),
            lines: BTreeMap::new(),
            catalogue: BTreeMap::new(),
            written: Vec::new(),
        };
        let mut ticks = Vec::new();
        for ((wishes, _), next) in wishes.into_iter().zip(nexts) {
            writer.end = next - 1;
            let mut given = Vec::new();
            for (hand, wish) in wishes {
                writer.grant(wish);
                let hands = usize::from(hand)..;
                given.extend(hands.zip(writer.written.drain(..)).map(|(hand, update)| Handed { hand, update }));
            }
            ticks.push(Tick { given, next });
        }
        History { domain, rules, ticks }
    }

    fn grant(&mut self, wish: Wish) {
        match wish {
            Wish::View { user, product, at } => self.event(Update::View { user, product, at: START + at }),
            Wish::Removal { user, product, at } => self.event(Update::Removal { user, product, at: START + at }),
            Wish::Again(event) => self.written.extend((!self.events.is_empty()).then(|| *event.get(&self.events))),
            Wish::Order { order, user, created, counts, beside } => {
                if !beside {
                    self.no_order(order);
                }
                let created_at = self.created_at(created);
                self.order((order, user, Placed::new(created_at, counts)), 1);
            }
            Wish::Status { order, counts } => {
                for ((order, user, placed), copies) in self.no_order(order) {
                    self.order((order, user, Placed::new(placed.created_at(), counts)), copies);
                }
            }
            Wish::NoOrder { order, lines } => {
                if matches!(lines, Lines::First) {
                    self.no_lines(order);
                }
                self.no_order(order);
                if matches!(lines, Lines::Afterwards) {
                    self.no_lines(order);
                }
            }
            Wish::Line { order, product, copies } => self.line((order, product), copies),
            Wish::NoLine(line) => {
                if let Some((row, _)) = self.some_line(&line) {
                    self.line(row, -1);
                }
            }
            Wish::OtherLine { line, product } => {
                if let Some((row, copies)) = self.some_line(&line) {
                    self.line(row, -copies);
                    self.line((row.0, product), copies);
                }
            }
            Wish::Product { product, into, copies } => {
                self.no_product(product);
                into.into_iter().for_each(|category| self.category((product, category), copies));
            }
            Wish::Rule(version) => self.event(Update::Rule(version)),
            Wish::NoProduct { product } => {
                if self.no_product(product) {
                    self.category((product, In::Deleted), 1);
                }
            }
        }
    }

    fn created_at(&self, created: Created) -> Millis {
        match created {
            Created::Leaves(tick, around) => tick.get(&self.ends) + around - 1 - self.window_ms,
            Created::Ago(ago) => self.end - ago,
            Created::In(ahead) => self.end + ahead,
        }
    }

    fn event(&mut self, event: Update) {
        self.events.push(event);
        self.written.push(event);
    }

    fn some_line(&self, line: &Index) -> Option<((usize, usize), Diff)> {
        let lines: Vec<_> = self.lines.iter().map(|(row, copies)| (*row, *copies)).collect();
        (!lines.is_empty()).then(|| *line.get(&lines))
    }

    /// Takes the order's rows out.
    fn no_order(&mut self, order: usize) -> Vec<((usize, usize, Placed), Diff)> {
        let rows: Vec<_> = self.orders.iter().filter(|(row, _)| row.0 == order).map(|(row, n)| (*row, *n)).collect();
        rows.iter().for_each(|(row, copies)| self.order(*row, -copies));
        rows
    }

    fn no_lines(&mut self, order: usize) {
        let rows: Vec<_> = self.lines.iter().filter(|(row, _)| row.0 == order).map(|(row, n)| (*row, *n)).collect();
        rows.into_iter().for_each(|(row, copies)| self.line(row, -copies));
    }

    /// Takes the product's rows out; whether there were any.
    fn no_product(&mut self, product: usize) -> bool {
        let rows: Vec<_> =
            self.catalogue.iter().filter(|(row, _)| row.0 == product).map(|(row, n)| (*row, *n)).collect();
        rows.iter().for_each(|(row, copies)| self.category(*row, -copies));
        !rows.is_empty()
    }

    fn order(&mut self, row: (usize, usize, Placed), diff: Diff) {
        add(&mut self.orders, row, diff);
        self.written.push(Update::Order { order: row.0, user: row.1, placed: row.2, diff });
    }

    fn line(&mut self, row: (usize, usize), diff: Diff) {
        add(&mut self.lines, row, diff);
        self.written.push(Update::Line { order: row.0, product: row.1, diff });
    }

    fn category(&mut self, row: (usize, In), diff: Diff) {
        add(&mut self.catalogue, row, diff);
        self.written.push(Update::Catalogue { product: row.0, category: row.1, diff });
    }
}

fn add<K: Ord>(rows: &mut BTreeMap<K, Diff>, row: K, diff: Diff) {
    let copies = rows.entry(row).or_default();
    *copies += diff;
    assert!(*copies >= 0, "no row is taken away more often than it was added");
    rows.retain(|_, copies| *copies > 0);
}
