//! Memory by rows and by updates: samples of a phase, and the figures of two phases together.

use std::time::Duration;

use super::{MIB, updates};
use crate::figures::Figures;
use crate::machine::resident_bytes;
use crate::numbers::median;
use crate::product::Product;

/// The number of parts of a phase; the first part and the last part are compared.
const PARTS: usize = 4;

/// The measurements of one moment.
pub(super) struct Sample {
    resident_bytes: f64,
    updates: f64,
}

impl Sample {
    /// The measurements now.
    pub(super) fn of(product: &Product) -> anyhow::Result<Sample> {
        Ok(Sample { resident_bytes: resident_bytes(product.pid()), updates: updates(product)? })
    }
}

/// A time in which the number of rows stays.
pub(super) struct Phase {
    pub(super) warm_up: Duration,
    /// At the beginning and at the end.
    pub(super) rows: [f64; 2],
    pub(super) samples: Vec<Sample>,
}

impl Phase {
    /// This phase's figures.
    pub(super) fn report(&self, number: u32, figures: &mut Figures) {
        let mut put = |name: &str, value| figures.put(&format!("churn_{name}_{number}"), value);
        let [first, last] = self.ends();
        put("warm_up_s", self.warm_up.as_secs_f64());
        put("rows", self.rows());
        put("rows_moved", (self.rows[1] - self.rows[0]).abs() / self.rows());
        put("updates_per_row", (last.updates - first.updates) / self.rows());
        put("rss_mib_first", first.resident_bytes / MIB);
        put("rss_mib_last", last.resident_bytes / MIB);
        put("rss_growth", self.growth());
        put("bytes_per_update", (last.resident_bytes - first.resident_bytes) / (last.updates - first.updates));
    }

    fn rows(&self) -> f64 {
        f64::midpoint(self.rows[0], self.rows[1])
    }

    fn growth(&self) -> f64 {
        let [first, last] = self.ends();
        last.resident_bytes / first.resident_bytes
    }

    /// The medians of the first part and of the last part.
    fn ends(&self) -> [Sample; 2] {
        let part = self.samples.len().div_ceil(PARTS);
        let end = |samples: &[Sample]| Sample {
            resident_bytes: median(&samples.iter().map(|sample| sample.resident_bytes).collect::<Vec<_>>()),
            updates: median(&samples.iter().map(|sample| sample.updates).collect::<Vec<_>>()),
        };
        [end(&self.samples[..part]), end(&self.samples[self.samples.len() - part..])]
    }
}

/// The line through the results of the phases, and how far a sample lies above it.
pub(super) fn line(phases: &[Phase], figures: &mut Figures) {
    let growth = phases.iter().map(Phase::growth).fold(f64::NEG_INFINITY, f64::max);
    figures.put("churn_rss_growth", growth);
    if let [few, many] = phases {
        let [bytes_few, bytes_many] = [few, many].map(|phase| phase.ends()[1].resident_bytes);
        let per_row = (bytes_many - bytes_few) / (many.rows() - few.rows());
        let base = bytes_few - per_row * few.rows();
        let above = |phase: &Phase, sample: &Sample| sample.resident_bytes / (base + per_row * phase.rows());
        let each = phases.iter().flat_map(|phase| phase.samples.iter().map(move |sample| above(phase, sample)));
        figures.put("churn_bytes_per_row", per_row);
        figures.put("churn_base_mib", base / MIB);
        figures.put("churn_rss_to_line_max", each.fold(f64::NEG_INFINITY, f64::max));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(rows: f64, mib: [f64; 8]) -> Phase {
        let sample = |(number, mib): (usize, f64)| Sample { resident_bytes: mib * MIB, updates: number as f64 * MIB };
        let samples = mib.into_iter().enumerate().map(sample).collect();
        Phase { warm_up: Duration::ZERO, rows: [rows, rows], samples }
    }

    #[test]
    fn memory_is_told_by_rows_and_by_updates() {
        let mut figures = Figures::default();
        let phases = [
            phase(MIB, [150.0, 150.0, 400.0, 150.0, 150.0, 150.0, 150.0, 150.0]),
            phase(2.0 * MIB, [200.0, 200.0, 210.0, 220.0, 230.0, 240.0, 250.0, 250.0]),
        ];
        for (number, phase) in (1..).zip(&phases) {
            phase.report(number, &mut figures);
        }
        line(&phases, &mut figures);
        let json: serde_json::Value = serde_json::from_str(&figures.json()).unwrap();
        assert_eq!((&json["churn_rss_growth_1"], &json["churn_rss_growth"]), (&1.0.into(), &1.25.into()));
        assert_eq!((&json["churn_base_mib"], &json["churn_bytes_per_row"]), (&50.0.into(), &100.0.into()));
        // 400 MiB where the line is at 150; 50 MiB more after six times 1 MiB updates.
        assert_eq!((&json["churn_rss_to_line_max"], &json["churn_bytes_per_update_2"]), (&2.667.into(), &8.333.into()));
    }
}
