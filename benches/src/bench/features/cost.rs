//! The processor time of an event and the memory, with features off and on in turns.

use std::time::Duration;

use crate::bench::lookups::{BUSY_EVENTS_PER_S, stop};
use crate::child;
use crate::context::Context;
use crate::figures::Figures;
use crate::machine::{cpu_s, resident_bytes, rest};
use crate::product::Product;
use crate::topic::PARTITIONS;

use super::ON;

/// Idle merging and the allocator give memory back within this time.
const SETTLING: Duration = Duration::from_secs(4);

/// How long traffic runs before it is measured.
const WARM_UP: Duration = Duration::from_secs(2);

const MIB: f64 = (1 << 20) as f64;

/// What one turn cost.
struct Cost {
    /// Processor time of an event while the topic is read.
    backfill_us: f64,
    /// The same while 50 k events a second arrive.
    live_us: f64,
    live_per_s: f64,
    mib: f64,
}

pub(super) fn run(context: &Context, topic: &str, events: u64, figures: &mut Figures) -> anyhow::Result<()> {
    let (mut off, mut on) = (Vec::new(), Vec::new());
    for turn in 0..context.repeats(1, 3) {
        off.push(once(context, topic, events, &format!("off-{turn}"), "")?);
        on.push(once(context, topic, events, &format!("on-{turn}"), ON)?);
    }
    report("features_cpu", "us", [&off, &on], |cost| cost.live_us, figures);
    report("features_backfill_cpu", "us", [&off, &on], |cost| cost.backfill_us, figures);
    report("features_memory", "mib", [&off, &on], |cost| cost.mib, figures);
    let per_s: Vec<f64> = off.iter().chain(&on).map(|cost| cost.live_per_s).collect();
    figures.spread("features_events_per_s", &per_s);
    Ok(())
}

/// Both sides of a figure, and their ratio.
fn report(name: &str, unit: &str, [off, on]: [&[Cost]; 2], of: fn(&Cost) -> f64, figures: &mut Figures) {
    let each = |costs: &[Cost]| costs.iter().map(of).collect::<Vec<f64>>();
    let off = figures.spread(&format!("{name}_off_{unit}"), &each(off));
    let on = figures.spread(&format!("{name}_{unit}"), &each(on));
    figures.put(&format!("{name}_to_histories"), on / off);
}

fn once(context: &Context, topic: &str, events: u64, turn: &str, sections: &str) -> anyhow::Result<Cost> {
    let live = format!("features-live-{turn}");
    context.broker().create_topic(&live, PARTITIONS);
    let mut product = Product::on_topics(context, 1, &[topic, &live], sections)?;
    product.wait_read(topic, events)?;
    let (pid, count) = (product.pid(), events as f64);
    let backfill_us = cpu_s(pid) * 1e6 / count;
    rest(SETTLING);
    let mib = resident_bytes(pid) / MIB;
    let visitors = child::spawn(&["traffic", context.broker().bootstrap(), &live, BUSY_EVENTS_PER_S, "--all-types"])?;
    rest(WARM_UP);
    let (cpu, read) = (cpu_s(pid), product.events()?);
    let span = Duration::from_secs(if context.quick { 5 } else { 10 });
    rest(span);
    let (cpu, read) = (cpu_s(pid) - cpu, product.events()? - read);
    stop(visitors);
    product.stop();
    Ok(Cost { backfill_us, live_us: cpu * 1e6 / read, live_per_s: read / span.as_secs_f64(), mib })
}
