//! One worker compared with two: the backfill from Kafka, and the graph alone.

use std::sync::Arc;
use std::time::Instant;

use dataflow::time::ServiceClock as _;

use super::backfill::{each, once, views};
use crate::context::Context;
use crate::figures::Figures;
use crate::lab::{Lab, LabClock, Row};
use crate::numbers::median;
use crate::shop::{PRODUCTS, USERS, shop};

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let repeats = context.repeats(2, 3);
    let views = views(context);
    // This process has the graph of its own build only.
    if !context.in_turns {
        graph(views as usize, repeats, figures);
    }

    let topic = context.topic("backfill", views, figures)?;
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..repeats {
        one.push(once(context, &topic, views, 1)?);
        two.push(once(context, &topic, views, 2)?);
    }
    let one_s = figures.spread("scale_1_worker_wall_s", &each(&one, |run| run.wall_s));
    let two_s = figures.spread("scale_2_workers_wall_s", &each(&two, |run| run.wall_s));
    figures.put("scale_2_workers_cpu_s", median(&each(&two, |run| run.cpu_s)));
    figures.put("scale_2_workers", one_s / two_s);
    Ok(())
}

/// The same views, created before and fed in this process, so that nothing else uses the second core.
fn graph(views: usize, repeats: usize, figures: &mut Figures) {
    let shop = shop(views as u64);
    let drawn: Arc<[(u32, u32)]> = shop.views().map(|view| (view.user, view.product)).collect();
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..repeats {
        one.push(graph_s(&drawn, 1));
        two.push(graph_s(&drawn, 2));
    }
    let (one_s, two_s) = (figures.spread("graph_1_worker_s", &one), figures.spread("graph_2_workers_s", &two));
    figures.put("graph_views_per_s", views as f64 / one_s);
    figures.put("scale_2_workers_graph", one_s / two_s);
}

fn graph_s(drawn: &Arc<[(u32, u32)]>, workers: usize) -> f64 {
    let mut lab = Lab::start(workers, LabClock::wall());
    // A millisecond apart, up to now, so that they count in histories.
    let first_at = lab.lab_clock().now() - drawn.len() as u64;
    let (users, products) = (lab.users(USERS as usize), lab.products(PRODUCTS as usize));
    let start = Instant::now();
    for worker in 0..workers {
        let (drawn, users, products) = (drawn.clone(), users.clone(), products.clone());
        let share = (worker..drawn.len()).step_by(workers);
        lab.give(
            worker,
            share.map(move |number| {
                let (user, product) = drawn[number];
                Row::View(users[user as usize], products[product as usize], first_at + number as u64)
            }),
        );
    }
    lab.settle();
    let seconds = start.elapsed().as_secs_f64();
    lab.stop();
    seconds
}
