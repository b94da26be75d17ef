//! Features of users: what they cost beside histories alone, how fast they are answered beside a bare hyper, and how soon a user
//! is erased.
//!
//! ```text
//! by turns: features off, on ─▶ a topic of events of all types is read ─▶ memory ─▶ 50 k events a second ─▶ CPU of an event
//! features on                ─▶ GET and POST beside a bare hyper ─▶ 50 k events a second ─▶ erasures
//! ```
//! The live events of each turn go to a topic of their own, so that both sides read the same.

mod answers;
mod cost;
mod erasures;

use crate::context::Context;
use crate::event_mix::EventMix;
use crate::figures::Figures;

/// The section that switches features on.
pub(super) const ON: &str = "[features]\nenabled = \"on\"\n";

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let events = if context.quick { 500_000 } else { 2_000_000 };
    let topic = context.topic_of(EventMix::AllTypes, "features", events, figures)?;
    cost::run(context, &topic, events, figures)?;
    answers::run(context, &topic, events, figures)?;
    erasures::run(context, &topic, events, figures)
}
