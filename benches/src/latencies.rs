//! How long writes take until an answer shows them, and how an answer is looked through.

use std::time::Instant;

use crate::figures::Figures;
use crate::numbers::{ms, percentile};

/// What one way of showing took, in milliseconds.
#[derive(Default)]
pub(crate) struct Latencies {
    since_sent: Vec<f64>,
    since_acknowledged: Vec<f64>,
}

impl Latencies {
    /// Notes that a write shows at a moment, by when it was sent and when its writer was told that it is kept.
    pub(crate) fn note(&mut self, [sent, acknowledged]: [Instant; 2], at: Instant) {
        self.since_sent.push(ms(at.duration_since(sent)));
        // It may be seen before its writer hears of it.
        self.since_acknowledged.push(ms(at.saturating_duration_since(acknowledged)));
    }

    /// The usual ranks of both.
    pub(crate) fn report(&self, name: &str, figures: &mut Figures) {
        for (rank, percent) in [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("max", 100.0)] {
            figures.put(&format!("{name}_{rank}_ms"), percentile(&self.since_acknowledged, percent));
            figures.put(&format!("{name}_from_send_{rank}_ms"), percentile(&self.since_sent, percent));
        }
    }
}

/// Whether an answer has these bytes somewhere.
pub(crate) fn contains(answer: &[u8], needle: &[u8]) -> bool {
    answer.windows(needle.len()).any(|window| window == needle)
}
