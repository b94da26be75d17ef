//! Co-views: what they cost in CPU and memory while views are read, and how long recommendations take.
//!
//! The product reads a topic with co-views on and off in turns. The graph alone, in processes of its own, takes the same
//! views without sessions, in which every pair of products is as good as random: the worst case.

mod part;

use crate::bench::backfill::{each, once_with, views};
use crate::child;
use crate::context::Context;
use crate::figures::Figures;

pub(crate) use part::{CoViewsArgs, Learned, run_part};

/// The section that switches co-views on.
const ON: &str = "[models.co_views]\nenabled = \"on\"\n";

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let events = views(context).to_string();
    let off: Learned = child::output(&["co-views", "off", &events])?;
    let on: Learned = child::output(&["co-views", "on", &events])?;
    figures.put("co_views_graph_us_per_event", on.load_us);
    figures.put("co_views_graph_us_per_event_off", off.load_us);
    figures.put("co_views_bytes_per_pair", on.bytes_per_pair);
    figures.put("co_views_bytes_per_pair_off", off.bytes_per_pair);
    for (name, on, off) in [
        ("co_views_live_5k_us", on.live_5k_us, off.live_5k_us),
        ("co_views_live_50k_us", on.live_50k_us, off.live_50k_us),
    ] {
        figures.put(name, on - off);
        figures.put(&format!("{name}_with_history"), on);
    }
    figures.put("for_you_p50_us", on.for_you_p50_us);
    figures.put("for_you_p99_us", on.for_you_p99_us);
    figures.put("for_you_any_user_p50_us", on.for_you_any_user_p50_us);
    figures.put("for_you_any_user_p99_us", on.for_you_any_user_p99_us);
    figures.put("co_views_bot_to_ordinary", on.bot_view_us / on.ordinary_view_us);
    figures.put("co_views_bot_view_us", on.bot_view_us);
    figures.put("co_views_bot_removal_us", on.bot_removal_us);
    backfills(context, figures)
}

/// The product with co-views on and off, in turns.
fn backfills(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let views = views(context);
    let topic = context.topic("backfill", views, figures)?;
    let (mut off, mut on) = (Vec::new(), Vec::new());
    for _ in 0..if context.quick { 1 } else { 3 } {
        off.push(once_with(context, &topic, views, 1, "")?);
        on.push(once_with(context, &topic, views, 1, ON)?);
    }
    let off = figures.spread("co_views_backfill_off_cpu_s", &each(&off, |backfill| backfill.cpu_s));
    let on = figures.spread("co_views_backfill_cpu_s", &each(&on, |backfill| backfill.cpu_s));
    figures.put("co_views_backfill_to_off", on / off);
    Ok(())
}
