//! Two builds in turns: the same benchmarks, and the ratio of each figure of this build to the other's.
//!
//! ```text
//! round 0: this, other   round 1: other, this   …   ─▶ a ratio a round ─▶ median, smallest, largest
//! ```
//! The two turns of a round follow each other, so that other load on the machine affects both; the order changes from round
//! to round, because a topic that other measurements write to grows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::bench::{self, Name};
use crate::context::Context;
use crate::figures::{Figures, shown};
use crate::numbers::median;

/// The figures of both builds, by name and round: this build's and the other's.
#[derive(Debug, Default)]
pub(crate) struct Pairs(BTreeMap<String, Vec<[f64; 2]>>);

/// Runs the benchmarks with each of two programs, this build's first.
pub(crate) fn run(context: &mut Context, programs: [&Path; 2], chosen: &[Name], rounds: u32) -> anyhow::Result<Pairs> {
    let mut pairs = Pairs::default();
    for name in chosen {
        for round in 0..rounds as usize {
            let mut both = [Figures::default(), Figures::default()];
            for turn in 0..2 {
                let side = (round + turn) % 2;
                eprintln!("bench: {name:?}, round {round}, {}", programs[side].display());
                context.vitrine = programs[side].to_owned();
                context.turn += 1;
                bench::run(*name, context, &mut both[side])?;
            }
            pairs.add(&both);
        }
    }
    Ok(pairs)
}

impl Pairs {
    /// Adds one round: the figures that both builds have.
    fn add(&mut self, [this, other]: &[Figures; 2]) {
        let others: BTreeMap<&str, f64> = other.middles().collect();
        for (name, value) in this.middles() {
            if let Some(other) = others.get(name) {
                self.0.entry(name.to_owned()).or_default().push([value, *other]);
            }
        }
    }

    /// Per figure: both medians and the ratios, `NAME`, `other_NAME` and `ratio_NAME` with its smallest and largest.
    pub(crate) fn figures(&self) -> Figures {
        let mut figures = Figures::default();
        for (name, rounds) in &self.0 {
            figures.put(name, median(&side(rounds, 0)));
            figures.put(&format!("other_{name}"), median(&side(rounds, 1)));
            figures.spread(&format!("ratio_{name}"), &ratios(rounds));
        }
        figures
    }

    /// A line per figure.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, cells: [&str; 5]| {
            let [this, other, middle, least, most] = cells;
            writeln!(text, "{name:<36} {this:>10} {other:>10} {middle:>8} {least:>8} {most:>8}")
                .expect("a String takes everything");
        };
        line("figure", ["this", "other", "ratio", "min", "max"]);
        for (name, rounds) in &self.0 {
            let ratios = ratios(rounds);
            let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
            let most = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let cells = [median(&side(rounds, 0)), median(&side(rounds, 1)), median(&ratios), least, most];
            line(name, cells.map(shown).each_ref().map(String::as_str));
        }
        text
    }
}

fn side(rounds: &[[f64; 2]], side: usize) -> Vec<f64> {
    rounds.iter().map(|round| round[side]).collect()
}

fn ratios(rounds: &[[f64; 2]]) -> Vec<f64> {
    rounds.iter().map(|[this, other]| this / other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_paired_by_round_and_only_common_figures_count() {
        let mut pairs = Pairs::default();
        // The machine is twice as slow in the second round; the ratio is not affected.
        for (slow, alone) in [(1.0, "only_this"), (2.0, "only_this"), (3.0, "only_this")] {
            let mut both = [Figures::default(), Figures::default()];
            both[0].spread("cpu_s", &[2.0 * slow]);
            both[1].spread("cpu_s", &[4.0 * slow]);
            both[0].put(alone, 1.0);
            pairs.add(&both);
        }
        let figures = pairs.figures();
        let json: serde_json::Value = serde_json::from_str(&figures.json()).unwrap();
        let expected = serde_json::json!({
            "cpu_s": 4.0, "other_cpu_s": 8.0, "ratio_cpu_s": 0.5, "ratio_cpu_s_min": 0.5, "ratio_cpu_s_max": 0.5,
        });
        assert_eq!(json, expected);
        assert!(pairs.table().contains("cpu_s"));
    }
}
