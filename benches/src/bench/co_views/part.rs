//! The measured process: loads views into the graph, then sends views at a steady rate, then asks for recommendations.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use dataflow::ids::{ProductKey, UserKey};
use dataflow::index_reader::Scorer;
use dataflow::rules::{CoViews, Rules};
use serde::{Deserialize, Serialize};
use vitrine::generate::{Rng, Shop};

use crate::lab::{Lab, LabClock, Row};
use crate::machine::{cpu_s, resident_bytes, rest};
use crate::numbers::percentile;
use crate::shop::{PRODUCTS, USERS, shop};

/// Idle merging and the allocator give memory back within this time.
const SETTLING: Duration = Duration::from_secs(4);
/// How long views are sent at a steady rate.
const LIVE: Duration = Duration::from_secs(8);
/// Views are sent this often.
const ROUND: Duration = Duration::from_millis(5);
/// How many recommendations are asked for.
const ASKS: usize = 5_000;
/// How many products the bot views before its views are timed.
const BOT_PRODUCTS: usize = 1_000_000;
/// How many single views are timed.
const SINGLE: usize = 300;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct CoViewsArgs {
    mode: Mode,
    events: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    Off,
    On,
}

/// The measurements. Times are of CPU, but those of recommendations and of single views are of the wall clock.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Learned {
    pub(crate) load_us: f64,
    pub(crate) bytes_per_pair: f64,
    pub(crate) live_5k_us: f64,
    pub(crate) live_50k_us: f64,
    pub(crate) for_you_p50_us: f64,
    pub(crate) for_you_p99_us: f64,
    pub(crate) for_you_any_user_p50_us: f64,
    pub(crate) for_you_any_user_p99_us: f64,
    pub(crate) ordinary_view_us: f64,
    pub(crate) bot_view_us: f64,
    pub(crate) bot_removal_us: f64,
}

/// Loads and measures.
pub(crate) fn run_part(args: &CoViewsArgs) -> Learned {
    let co_views = CoViews { enabled: args.mode == Mode::On, ..CoViews::OFF };
    let mut lab = Lab::start_with(1, LabClock::wall(), Rules { co_views, ..Rules::default() });
    let visitors = Visitors::new(&lab);
    let mut learned = Learned::default();
    let (own, rows) = (std::process::id(), visitors.views(args.events, "backfill"));
    let pairs = rows.iter().map(|(user, product)| (user, product)).collect::<HashSet<_>>().len();
    let (memory, cpu) = (resident_bytes(own), cpu_s(own));
    lab.load(visitors.rows(rows));
    learned.load_us = 1e6 * (cpu_s(own) - cpu) / args.events as f64;
    rest(SETTLING);
    learned.bytes_per_pair = (resident_bytes(own) - memory) / pairs as f64;
    learned.live_5k_us = visitors.live(&mut lab, 5_000);
    learned.live_50k_us = visitors.live(&mut lab, 50_000);
    if args.mode == Mode::On {
        let by_traffic: Vec<UserKey> =
            visitors.views(ASKS, "asking").into_iter().map(|(user, _)| visitors.users[user as usize]).collect();
        let any: Vec<UserKey> = visitors.users.iter().step_by(visitors.users.len() / ASKS).copied().collect();
        [learned.for_you_p50_us, learned.for_you_p99_us] = ask(&lab, &co_views, &by_traffic);
        [learned.for_you_any_user_p50_us, learned.for_you_any_user_p99_us] = ask(&lab, &co_views, &any);
    }
    lab.stop();
    if args.mode == Mode::On {
        bot(args.events / 5, &mut learned);
    }
    learned
}

/// The shop and the keys of its users and products.
struct Visitors {
    shop: Shop,
    users: Arc<[UserKey]>,
    products: Arc<[ProductKey]>,
}

impl Visitors {
    fn new(lab: &Lab) -> Self {
        Visitors { shop: shop(0), users: lab.users(USERS as usize), products: lab.products(PRODUCTS as usize) }
    }

    /// Random views: a user and a product each.
    fn views(&self, count: usize, purpose: &str) -> Vec<(u32, u32)> {
        let mut rng: Rng = self.shop.rng(purpose);
        (0..count).map(|_| self.shop.view(0, &mut rng)).map(|view| (view.user, view.product)).collect()
    }

    /// The views as rows, the last of them made now.
    fn rows(&self, views: Vec<(u32, u32)>) -> impl ExactSizeIterator<Item = Row> + Send + use<> {
        let (users, products) = (self.users.clone(), self.products.clone());
        let start = vitrine::clock::wall_ms() - views.len() as u64;
        (start..)
            .zip(views)
            .map(move |(at, (user, product))| Row::View(users[user as usize], products[product as usize], at))
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// CPU microseconds of a view, of this whole process, while `rate` views a second are sent.
    fn live(&self, lab: &mut Lab, rate: usize) -> f64 {
        let per_round = rate * ROUND.as_millis() as usize / 1000;
        let rounds = (LIVE.as_millis() / ROUND.as_millis()) as usize;
        let views = self.views(rounds * per_round, &format!("live at {rate}"));
        let own = std::process::id();
        let (cpu, start) = (cpu_s(own), Instant::now());
        for (round, views) in (1..).zip(views.chunks(per_round)) {
            lab.give(0, self.rows(views.to_vec()));
            rest((ROUND * round).saturating_sub(start.elapsed()));
        }
        lab.settle();
        1e6 * (cpu_s(own) - cpu) / views.len() as f64
    }
}

/// The median and the 99th percentile of recommendations for these users, in microseconds.
fn ask(lab: &Lab, co_views: &CoViews, users: &[UserKey]) -> [f64; 2] {
    let mut scorer = Scorer::new(co_views);
    let ask = |user: &UserKey| {
        let start = Instant::now();
        let scored = lab.reader().wide_view(*user).for_you(*user, &[], 10, &mut scorer, |_| true);
        std::hint::black_box(scored);
        1e6 * start.elapsed().as_secs_f64()
    };
    let times: Vec<f64> = users.iter().map(ask).collect();
    [50.0, 99.0].map(|percent| percentile(&times, percent))
}

/// Single views of a bot that has viewed a million products, and of ordinary users. Counts change in every tick, on a
/// clock of microseconds: so a view's cost holds all that follows from it.
fn bot(events: usize, learned: &mut Learned) {
    let co_views = CoViews { enabled: true, every_ms: 1, ..CoViews::OFF };
    let mut lab = Lab::start_with(1, LabClock::micros(), Rules { co_views, ..Rules::default() });
    let visitors = Visitors::new(&lab);
    lab.load(visitors.rows(visitors.views(events, "before the bot")));
    let (bot, all) = (lab.dictionary().user("bot"), lab.products(BOT_PRODUCTS + SINGLE));
    let mut now = vitrine::clock::wall_ms();
    let start = now - BOT_PRODUCTS as u64;
    let first = (start..).zip(&all[..BOT_PRODUCTS]).map(|(at, product)| Row::View(bot, *product, at));
    lab.load(first.collect::<Vec<_>>().into_iter());
    let (mut ordinary, mut bots, mut removals) = (Vec::new(), Vec::new(), Vec::new());
    for (number, (user, product)) in visitors.views(SINGLE, "beside the bot").into_iter().enumerate() {
        now += 1;
        let (user, product) = (visitors.users[user as usize], visitors.products[product as usize]);
        let next = all[BOT_PRODUCTS + number];
        ordinary.push(1e6 * lab.sight(Row::View(user, product, now)).as_secs_f64());
        bots.push(1e6 * lab.sight(Row::View(bot, next, now)).as_secs_f64());
        removals.push(1e6 * lab.sight(Row::Removal(bot, next, now)).as_secs_f64());
    }
    let [ordinary, bots, removals] = [ordinary, bots, removals].map(|times| percentile(&times, 50.0));
    (learned.ordinary_view_us, learned.bot_view_us, learned.bot_removal_us) = (ordinary, bots, removals);
    lab.stop();
}
