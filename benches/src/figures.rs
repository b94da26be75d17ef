//! Named figures: collected by the benchmarks, written as one flat JSON object and shown as a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::numbers::median;
use crate::targets::{TARGETS, Target};

/// The measurements, by name. Names end in their unit where they have one.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<String, f64>);

impl Figures {
    /// Adds one figure.
    pub(crate) fn put(&mut self, name: &str, value: f64) {
        eprintln!("bench:   {name} = {}", shown(value));
        self.0.insert(name.to_owned(), rounded(value));
    }

    /// Adds the median, the smallest and the largest of repeated measurements; returns the median.
    pub(crate) fn spread(&mut self, name: &str, values: &[f64]) -> f64 {
        let middle = median(values);
        self.put(name, middle);
        self.put(&format!("{name}_min"), values.iter().copied().fold(f64::INFINITY, f64::min));
        self.put(&format!("{name}_max"), values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        middle
    }

    /// The names and values, without the smallest and largest of repeated measurements.
    pub(crate) fn middles(&self) -> impl Iterator<Item = (&str, f64)> {
        let middles = self.0.iter().filter(|(name, _)| !name.ends_with("_min") && !name.ends_with("_max"));
        middles.map(|(name, value)| (name.as_str(), *value))
    }

    /// All figures as one flat JSON object. Figures that could not be measured are null.
    pub(crate) fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(&self.0).expect("names and numbers always serialise");
        text.push('\n');
        text
    }

    /// Figures with a target first, then all others.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        let mut line = |cells: [&str; 4]| {
            writeln!(text, "{:<34} {:>12} {:>12} {:>12}", cells[0], cells[1], cells[2], cells[3])
                .expect("a String takes everything");
        };
        line(["to reach", "measured", "at least", "aim"]);
        for Target { name, least, aim } in &TARGETS {
            if let Some(value) = self.0.get(*name) {
                let aim = aim.map(|aim| aim.to_string()).unwrap_or_default();
                line([name, &shown(*value), &least.to_string(), &aim]);
            }
        }
        line(["", "", "", ""]);
        line(["further figures", "measured", "", ""]);
        for (name, value) in self.0.iter().filter(|(name, _)| TARGETS.iter().all(|target| target.name != *name)) {
            line([name, &shown(*value), "", ""]);
        }
        text
    }
}

/// Four significant digits: no measurement here has more.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let digits = 3 - value.abs().log10().floor() as i32;
    let factor = 10_f64.powi(digits.clamp(-12, 12));
    (value * factor).round() / factor
}

/// A value as it is printed.
pub(crate) fn shown(value: f64) -> String {
    rounded(value).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_digits_are_kept() {
        assert_eq!([1_234_567.0, 0.012_345_6, 9.999_96].map(shown), ["1235000", "0.01235", "10"]);
    }

    #[test]
    fn a_spread_is_three_figures_of_one_object() {
        let mut figures = Figures::default();
        figures.spread("backfill_wall_s", &[3.0, 1.0, 2.0]);
        let json: serde_json::Value = serde_json::from_str(&figures.json()).unwrap();
        let expected =
            serde_json::json!({"backfill_wall_s": 2.0, "backfill_wall_s_min": 1.0, "backfill_wall_s_max": 3.0});
        assert_eq!(json, expected);
    }
}
