//! Memory in the course of two years, on a clock that the benchmark sets: it should follow the users who are active and the
//! views that count, and not the views that there ever were.
//!
//! ```text
//! quarter   1        │ 2           │ 3     │ 4         of the two years
//!           growing  │ first       │       │ last      ─▶ years_rss_growth: the last to the second
//! ```
//! Every user views a product a day, another one each time, for half a year. Then another user takes the place, so that the
//! number of active users stays the same. Views count for 90 days. Resident memory is read once a day. The keys of all users are
//! made before the first day, so the growth is that of the graph, without the table of keys.

use std::time::Instant;

use anyhow::ensure;
use dataflow::graph::History;
use dataflow::ids::UserKey;
use dataflow::rules::{DAY_MS, Rules};
use dataflow::time::ServiceClock as _;

use crate::context::Context;
use crate::figures::Figures;
use crate::lab::{Lab, LabClock, Row};
use crate::machine::resident_bytes;
use crate::numbers::median;
use crate::shop::PRODUCTS;

const DAYS: usize = 730;
const QUARTERS: usize = 4;
/// How long a user is active.
const ACTIVE_DAYS: usize = 182;
const HISTORY_DAYS: u64 = 90;
/// The clock is set so often a day, and each time as many of the users view a product.
const STEPS: usize = 4;
const MIB: f64 = (1 << 20) as f64;

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let active = if context.quick { 2_000 } else { 20_000 };
    let rules = Rules { history_ms: HISTORY_DAYS * DAY_MS, ..Rules::default() };
    let mut lab = Lab::start_with(1, LabClock::by_hand(), rules);
    let (users, products) = (lab.users(active + active * DAYS / ACTIVE_DAYS + 1), lab.products(PRODUCTS as usize));
    let (start, own, mut samples) = (Instant::now(), std::process::id(), Vec::with_capacity(DAYS));
    for day in 0..DAYS {
        let first = active * day / ACTIVE_DAYS;
        for step in 0..STEPS {
            lab.slide(DAY_MS / STEPS as u64);
            let now = lab.lab_clock().now();
            let views = (first..first + active).skip(step).step_by(STEPS).map(|user| {
                let product = (user * 7919 + day * 104_729) % products.len();
                Row::View(users[user], products[product], now - (user - first) as u64)
            });
            lab.load(views.collect::<Vec<_>>().into_iter());
        }
        samples.push(resident_bytes(own));
    }
    figures.put("years_wall_s", start.elapsed().as_secs_f64());
    figures.put("years_views", (active * DAYS) as f64);
    let quarters: Vec<f64> = samples.chunks(DAYS.div_ceil(QUARTERS)).map(median).collect();
    for (number, quarter) in (1..).zip(&quarters) {
        figures.put(&format!("years_rss_mib_{number}"), quarter / MIB);
    }
    figures.put("years_rss_growth", quarters[QUARTERS - 1] / quarters[1]);
    let shown = |user: UserKey| {
        let mut rows = Vec::new();
        lab.reader().view(user).rows::<History>(&user, &mut rows);
        rows.len()
    };
    let (old, new) = (shown(users[0]), shown(users[active + active * (DAYS - 1) / ACTIVE_DAYS - active / 2]));
    ensure!((old, new) == (0, 10), "the first user has {old} views, and one who is active has {new}");
    lab.stop();
    Ok(())
}
