//! What is to be reached, and by which figure it is judged. Nothing here fails a run: figures are reported.

use std::fmt;

/// A figure with the bound it should keep and the one it aims at.
pub(crate) struct Target {
    /// The figure's name.
    pub(crate) name: &'static str,
    /// What it should keep.
    pub(crate) least: Bound,
    /// What it aims at.
    pub(crate) aim: Bound,
}

/// From which side a figure is bounded.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    /// Smaller is better.
    AtMost(f64),
    /// Larger is better.
    AtLeast(f64),
}

use Bound::{AtLeast, AtMost};

pub(crate) const TARGETS: [Target; 10] = [
    Target { name: "backfill_cpu_to_floor", least: AtMost(3.0), aim: AtMost(1.5) },
    Target { name: "lookups_to_hyper", least: AtLeast(0.8), aim: AtLeast(0.95) },
    Target { name: "lookup_p99_ms_busy", least: AtMost(5.0), aim: AtMost(1.0) },
    Target { name: "freshness_p50_ms", least: AtMost(10.0), aim: AtMost(1.0) },
    Target { name: "freshness_p99_ms", least: AtMost(50.0), aim: AtMost(5.0) },
    Target { name: "bytes_per_pair", least: AtMost(100.0), aim: AtMost(40.0) },
    Target { name: "slide_second_ms", least: AtMost(5.0), aim: AtMost(1.0) },
    Target { name: "slide_day_ms", least: AtMost(200.0), aim: AtMost(30.0) },
    Target { name: "scale_2_workers", least: AtLeast(1.4), aim: AtLeast(1.8) },
    Target { name: "bot_to_ordinary", least: AtMost(5.0), aim: AtMost(1.0) },
];

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AtMost(bound) => write!(f, "≤ {bound}"),
            AtLeast(bound) => write!(f, "≥ {bound}"),
        }
    }
}
