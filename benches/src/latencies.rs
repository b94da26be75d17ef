//! Latencies from a write to the first answer that shows it, and the search in an answer.

use std::time::Instant;

use crate::figures::Figures;
use crate::numbers::{ms, percentile};

/// The measured latencies, in milliseconds.
#[derive(Default)]
pub(crate) struct Latencies {
    since_sent: Vec<f64>,
    since_acknowledged: Vec<f64>,
}

impl Latencies {
    /// Records the moment at which a write is visible, with the moments at which it was sent and acknowledged.
    pub(crate) fn note(&mut self, [sent, acknowledged]: [Instant; 2], at: Instant) {
        self.since_sent.push(ms(at.duration_since(sent)));
        // The write may be visible before its writer gets the acknowledgement.
        self.since_acknowledged.push(ms(at.saturating_duration_since(acknowledged)));
    }

    /// Adds the latencies of another measurement.
    pub(crate) fn append(&mut self, other: Latencies) {
        self.since_sent.extend(other.since_sent);
        self.since_acknowledged.extend(other.since_acknowledged);
    }

    /// A percentile of the latencies since the acknowledgement.
    pub(crate) fn acknowledged_ms(&self, percent: f64) -> f64 {
        percentile(&self.since_acknowledged, percent)
    }

    /// The usual percentiles of both.
    pub(crate) fn report(&self, name: &str, figures: &mut Figures) {
        for (rank, percent) in [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("max", 100.0)] {
            figures.put(&format!("{name}_{rank}_ms"), self.acknowledged_ms(percent));
            figures.put(&format!("{name}_from_send_{rank}_ms"), percentile(&self.since_sent, percent));
        }
    }
}

/// Whether an answer has these bytes somewhere.
pub(crate) fn contains(answer: &[u8], needle: &[u8]) -> bool {
    answer.windows(needle.len()).any(|window| window == needle)
}
