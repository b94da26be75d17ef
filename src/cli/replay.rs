//! `vitrine replay`.

use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, NaiveTime};
use clap::Args;

use super::ConfigArgs;
use crate::config::Request;

const HELP: &str = "\
Examples:
  vitrine replay --config vitrine.toml --from 2026-11-01 --until 2026-11-20
  vitrine replay --set files.dir=data --from 2026-11-20T00:00:00Z --until 2026-11-20T12:00:00Z --every 1h --out lists
  vitrine replay --config vitrine.toml --from 1795132800000 --until 1795132800000 --workers 4

Every step S (--from, then every --every, and --until) is written to DIR as lists-S.parquet and lists-S.jsonl: the \
histories, the best sellers of each category and the general best sellers as they were at S. A row holds as_of, list \
(bestsellers, category or history), id (of the category or the user), rank, product, viewed_at (of a history) and buyers.

A record counts from the time of its event, and not before the records ahead of it in its partition. So the output depends only on the records: it is the same, to the byte, for any number of \
workers. Topics are read from their first record on: --from is the first step that is written, not the first record \
that counts. Orders count from created_at for the length of the window. Rows of the database that have been \
deleted cannot be replayed, and catalogue and changed rows count as they are now.

Records that cannot be used are counted by reason and written to DIR as dead-letters.jsonl. A DIR that holds other \
files than those of the same replay is refused.";

/// The largest number of steps of a replay. Each step writes two files.
const STEPS_MAX: u64 = 100_000;

/// Smaller numbers of milliseconds are rejected: they were probably meant as seconds.
const LEAST_MILLIS: u64 = 100_000_000_000;

/// The last millisecond of the year 9999, the last one that can be written.
const LAST_MILLIS: u64 = 253_402_300_799_999;

/// Flags of `vitrine replay`.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct ReplayArgs {
    /// First step: RFC 3339, a date (midnight UTC), or milliseconds since the epoch
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: u64,
    /// Last step, written in the same forms
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: u64,
    /// Time from one step to the next: 30s, 15m, 1h, 1d, 1w
    #[arg(long, value_name = "SPAN", default_value = "1d", value_parser = span)]
    pub every: u64,
    /// Directory for the files; created if it does not exist
    #[arg(short, long, value_name = "DIR", default_value = "replay")]
    pub out: PathBuf,
    /// Worker threads of the dataflow
    #[arg(short, long, value_name = "N")]
    pub workers: Option<u32>,
    /// Where settings come from.
    #[command(flatten)]
    pub settings: ConfigArgs,
}

impl ReplayArgs {
    /// The configuration to load.
    pub fn request(&self) -> Request {
        self.settings.request(&[("--workers", "dataflow.workers", self.workers.map(|workers| workers.to_string()))])
    }

    /// The times that are written, in milliseconds since the epoch.
    ///
    /// # Errors
    /// A message that says why these flags contradict each other.
    pub fn steps(&self) -> Result<Vec<u64>, String> {
        let ReplayArgs { from, until, every, .. } = *self;
        if from > until {
            return Err("--from is after --until".into());
        }
        let whole = (until - from) / every;
        if whole >= STEPS_MAX {
            return Err(format!("there would be {} steps, more than {STEPS_MAX}: choose a longer --every", whole + 1));
        }
        let mut steps: Vec<u64> = (0..=whole).map(|step| from + step * every).collect();
        if !steps.ends_with(&[until]) {
            steps.push(until);
        }
        Ok(steps)
    }
}

/// Reads a time in milliseconds since the epoch, from any of three forms.
pub(super) fn time(text: &str) -> Result<u64, String> {
    const FORMS: &str = "write it as 2026-11-20T10:15:00Z, 2026-11-20 or milliseconds since the epoch";
    let millis = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let millis = text.parse().map_err(|_| FORMS)?;
        if millis < LEAST_MILLIS {
            return Err("milliseconds since the epoch have twelve digits or more".into());
        }
        millis
    } else {
        let midnight = NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|date| date.and_time(NaiveTime::MIN).and_utc());
        let time =
            midnight.or_else(|_| DateTime::parse_from_rfc3339(text).map(|time| time.to_utc())).map_err(|_| FORMS)?;
        u64::try_from(time.timestamp_millis()).map_err(|_| "the time is before 1970")?
    };
    if (1..=LAST_MILLIS).contains(&millis) {
        Ok(millis)
    } else {
        Err("the time must be in the years 1970 to 9999".into())
    }
}

fn span(text: &str) -> Result<u64, String> {
    const FORMS: &str = "write it as a number and a unit: 500ms, 30s, 15m, 1h, 1d or 1w";
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 7 * 86_400_000,
        _ => return Err(FORMS.into()),
    };
    let number: u64 = number.parse().map_err(|_| FORMS)?;
    number
        .checked_mul(unit)
        .filter(|span| (1..=LAST_MILLIS).contains(span))
        .ok_or_else(|| "the span must be from 1ms to 8000 years".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;
    const MIDNIGHT: u64 = 1_795_132_800_000;

    #[test]
    fn times_are_read_in_three_forms() {
        for text in ["1795132800000", "2026-11-20", "2026-11-20T00:00:00Z", "2026-11-20T01:00:00+01:00"] {
            assert_eq!(time(text), Ok(MIDNIGHT), "{text}");
        }
        assert_eq!(time("2026-11-20T00:00:00.007Z"), Ok(MIDNIGHT + 7));
        for bad in ["", "now", "1795132800", "1969-12-31", "99999999999999999999", "2026-11-20T00:00:00", "-1"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn spans_have_a_unit() {
        for (text, millis) in [("500ms", 500), ("30s", 30_000), ("15m", 900_000), ("2h", 7_200_000), ("1d", DAY)] {
            assert_eq!(span(text), Ok(millis), "{text}");
        }
        for bad in ["", "1", "d", "0d", "1 d", "1.5h", "-1h", "99999999999999999999w", "999999999999w"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_last_step_is_always_the_end() {
        let args = |from, until, every| ReplayArgs {
            from,
            until,
            every,
            out: PathBuf::new(),
            workers: None,
            settings: ConfigArgs::default(),
        };
        assert_eq!(args(10, 10, DAY).steps(), Ok(vec![10]));
        assert_eq!(args(10, 30, 10).steps(), Ok(vec![10, 20, 30]));
        assert_eq!(args(10, 35, 10).steps(), Ok(vec![10, 20, 30, 35]));
        assert!(args(11, 10, DAY).steps().is_err());
        assert!(args(1, 1 + STEPS_MAX, 1).steps().is_err());
    }
}
