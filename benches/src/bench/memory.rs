//! Memory per stored (user, product) and per order line, each in a fresh process of its own.

mod part;
mod served;

use std::path::Path;

use crate::child;
use crate::context::Context;
use crate::figures::Figures;

pub(crate) use part::{MemoryArgs, MemoryUse, run_part};

/// (user, product) pairs, 25 products a user.
pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let lines = if context.quick { 250_000 } else { 1_250_000 };
    if let Some(bench) = context.bench()? {
        graph(&bench, context.quick, lines, figures)?;
    }
    served::run(context, lines, figures)
}

/// In a graph without Kafka, PostgreSQL and HTTP, by the program of the measured build.
fn graph(bench: &Path, quick: bool, lines: usize, figures: &mut Figures) -> anyhow::Result<()> {
    let pairs = if quick { 1_000_000 } else { 5_000_000 };
    let memory_use: MemoryUse = child::output_of(bench, &["memory", "pairs", &pairs.to_string()])?;
    figures.put("bytes_per_pair", memory_use.bytes);
    figures.put("bytes_per_pair_peak", memory_use.bytes_peak);
    figures.put("pairs_load_s", memory_use.load_s);

    let memory_use: MemoryUse = child::output_of(bench, &["memory", "lines", &lines.to_string()])?;
    figures.put("bytes_per_order_line", memory_use.bytes);
    figures.put("bytes_per_order_line_peak", memory_use.bytes_peak);
    figures.put("order_lines_load_s", memory_use.load_s);
    Ok(())
}
