//! Half of all orders on one product, compared with orders spread evenly: does one hot product slow the rest?

use std::collections::VecDeque;
use std::time::Instant;

use dataflow::ids::{ProductKey, RowKey};
use dataflow::tables::LineRow;
use dataflow::time::ServiceClock as _;

use crate::context::Context;
use crate::figures::Figures;
use crate::lab::{Lab, LabClock, Row};
use crate::numbers::{median, ms};
use crate::orders::{Choice, Orders};

const DAY_MS: u64 = 86_400_000;
const ORDERS_WATCHED: usize = 500;

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let (lines, repeats) = if context.quick { (250_000, 2) } else { (1_250_000, 3) };
    for (workers, name) in [(1, "hot_product_to_ordinary"), (2, "hot_product_to_ordinary_2_workers")] {
        let (mut even, mut hot) = (Vec::new(), Vec::new());
        for _ in 0..repeats {
            even.push(load_s(workers, lines, Choice::Uniform));
            hot.push(load_s(workers, lines, Choice::HalfOnOne));
        }
        figures.put(&format!("order_lines_per_s_{workers}_workers"), lines as f64 / median(&even));
        figures.put(name, median(&hot) / median(&even));
    }
    watch(lines, figures);
    Ok(())
}

/// Seconds until all lines are visible, fed to the workers in equal shares.
fn load_s(workers: usize, lines: usize, choice: Choice) -> f64 {
    let mut lab = Lab::start(workers, LabClock::wall());
    let mut orders = Orders::new(&mut lab, choice);
    let now = lab.lab_clock().now();
    let shares: Vec<_> =
        (0..workers).map(|_| orders.spread(lines / workers, now - 29 * DAY_MS..now).collect::<Vec<_>>()).collect();
    let start = Instant::now();
    for (worker, rows) in shares.into_iter().enumerate() {
        lab.give(worker, rows.into_iter());
    }
    lab.settle();
    let seconds = start.elapsed().as_secs_f64();
    lab.stop();
    seconds
}

/// One more line of the hot product and of an ordinary one, after half of all lines went to the hot one.
fn watch(lines: usize, figures: &mut Figures) {
    let mut lab = Lab::start(1, LabClock::micros());
    let mut orders = Orders::new(&mut lab, Choice::HalfOnOne);
    // On this clock the window spans a month of microseconds; nothing expires while it is watched.
    let now = lab.lab_clock().now();
    lab.load(orders.spread(lines, now..now + 1));
    let hot = orders.hot_product();
    let cold = lab.products(2)[1];
    let mut one_line = |product: ProductKey| {
        let mut rows = VecDeque::new();
        orders.one(now, 0, &mut rows);
        let Some(row @ Row::Order(order)) = rows.pop_front() else { unreachable!("an order begins with its row") };
        lab.sight(row);
        1e3 * ms(lab.sight(Row::Line(LineRow { order: order.order, product, row: RowKey::NONE })))
    };
    let (mut cold_us, mut hot_us) = (Vec::new(), Vec::new());
    for _ in 0..ORDERS_WATCHED {
        cold_us.push(one_line(cold));
        hot_us.push(one_line(hot));
    }
    let (cold, hot) = (figures.spread("ordinary_line_us", &cold_us), figures.spread("hot_line_us", &hot_us));
    figures.put("hot_line_to_ordinary", hot / cold);
    lab.stop();
}
