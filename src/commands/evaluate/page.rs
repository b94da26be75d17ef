//! The results as a table and as a page.

use chrono::{DateTime, SecondsFormat};
use dataflow::time::Time;
use models::evaluation::NAMES;
use models::report::{Bar, Bars, Lines, Report, Series};

use super::tallies::Tallies;

/// The measures that are drawn, by their place in [`NAMES`].
const DRAWN: [usize; 2] = [0, 1];

const NOTES: [&str; 4] = [
    "Each view of a product that was not in the user's history asks for the lists as they were just before it; then it is \
     learned. Views of users without a history ask nothing.",
    "recall@10: the share of asks whose list has the product viewed. NDCG@10 counts 1 / log2(place + 1), MRR@10 counts \
     1 / place. Novelty: the mean of -log2 of the products' shares of all views. New: viewed for the first time within the last \
     24 hours. Coverage: the share of all products viewed so far that were in any list.",
    "Intervals hold the mean in 95 of 100 cases: normal approximation over users, whose asks are not independent.",
    "Offline measures count what people found without these lists. They compare lists; they do not tell how many people would \
     follow a recommendation.",
];

/// The report of an evaluation from `from` to `until`.
pub(super) fn report(tallies: &Tallies, (from, until): (Time, Time), chain: &str) -> Report {
    let measured = tallies.measured();
    let asks = measured.first().map_or(0, |(_, measured)| measured.asks);
    let (repeated, first) = tallies.not_asked();
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let mut columns = vec!["source".to_owned()];
    columns.extend(NAMES.map(str::to_owned));
    columns.extend(["coverage".to_owned(), "empty lists".to_owned()]);
    let rows = measured.iter().map(|(name, measured)| {
        let mut row = vec![(*name).to_owned()];
        row.extend(measured.means.iter().map(|mean| format!("{:.4} ±{:.4}", mean.mean, (mean.high - mean.low) / 2.0)));
        row.extend([format!("{:.4}", measured.coverage), measured.empty.to_string()]);
        row
    });
    let bars = DRAWN.map(|measure| Bars {
        title: NAMES[measure].to_owned(),
        bars: measured
            .iter()
            .map(|(name, measured)| {
                let mean = measured.means[measure];
                Bar { name: (*name).to_owned(), value: mean.mean, bounds: Some((mean.low.max(0.0), mean.high)) }
            })
            .collect(),
    });
    let days: Vec<(Time, Vec<f64>)> = tallies.by_day().collect();
    let series = measured.iter().enumerate().map(|(place, (name, _))| Series {
        name: (*name).to_owned(),
        values: days.iter().map(|(_, recalls)| recalls.get(place).copied()).collect(),
    });
    let lines = Lines {
        title: "recall@10 by day".into(),
        places: days.iter().map(|(day, _)| time(*day).chars().take(10).collect()).collect(),
        series: series.collect(),
    };
    Report {
        title: "Evaluation of lists".into(),
        facts: vec![
            fact("From", time(from)),
            fact("Until", time(until)),
            fact("Chain", chain.to_owned()),
            fact("Asks", asks.to_string()),
            fact("Views of products in the user's history, which ask nothing", repeated.to_string()),
            fact("Views of users without a history, which ask nothing", first.to_string()),
        ],
        columns,
        rows: rows.collect(),
        bars: bars.into(),
        lines: if days.len() > 1 { vec![lines] } else { Vec::new() },
        notes: NOTES.map(str::to_owned).into(),
    }
}

/// Milliseconds since the epoch as a readable time.
fn time(millis: Time) -> String {
    let time = i64::try_from(millis).ok().and_then(DateTime::from_timestamp_millis);
    time.map_or_else(|| format!("{millis} ms"), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}
