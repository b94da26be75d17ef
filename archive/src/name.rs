//! The names of objects: they are the position of the archive.
//!
//! ```text
//! views/date=2026-11-29/hour=05/3-1000-1999.parquet        offsets 1000 to 1999 of partition 3: the segment's own file
//! views/date=2026-11-29/hour=04/3-1000-1999.part.parquet   its records that are dated an hour earlier
//! ```

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate};
use sources::kafka::upstream::PartitionId;

use crate::settings::Format;

/// The end of the name of a file that is being written. [`Dir`](crate::store::Dir) renames it when it is durable.
pub(crate) const UNFINISHED: &str = ".unfinished";

const HOUR_MS: u64 = 3_600_000;

/// The latest hour that has a name: the last one of the year 9999.
const LAST_HOUR: u64 = 70_389_527;

/// An hour of UTC: the number of hours since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(u64);

impl Hour {
    /// The hour of a time in milliseconds since the epoch. Times after the year 9999 count to its last hour.
    #[must_use]
    pub fn of(ms: u64) -> Hour {
        Hour((ms / HOUR_MS).min(LAST_HOUR))
    }

    /// Its beginning in milliseconds since the epoch.
    pub(crate) fn start_ms(self) -> i64 {
        i64::try_from(self.0 * HOUR_MS).unwrap_or(i64::MAX)
    }

    fn parse(date: &str, hour: &str) -> Option<Hour> {
        let date = NaiveDate::parse_from_str(date.strip_prefix("date=")?, "%Y-%m-%d").ok()?;
        let hour: u32 = hour.strip_prefix("hour=")?.parse().ok()?;
        let start = date.and_hms_opt(hour, 0, 0)?.and_utc().timestamp_millis();
        u64::try_from(start).ok().map(Hour::of)
    }
}

impl fmt::Display for Hour {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = DateTime::from_timestamp_millis(self.start_ms()).unwrap_or_default();
        write!(out, "{}", time.format("date=%Y-%m-%d/hour=%H"))
    }
}

/// What a file is to its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Records of a further hour. Written before the closing file.
    Part,
    /// The file that is written last: with it the segment is complete.
    Closing,
}

/// The name of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    /// Topic and partition.
    pub id: PartitionId,
    /// The hour of its records.
    pub hour: Hour,
    /// The first offset of its segment.
    pub first: i64,
    /// The last offset of its segment, which may be that of a record that cannot be read: aborted, or compacted away.
    pub last: i64,
    /// What the file is to its segment.
    pub role: Role,
    /// The format of the file.
    pub format: Format,
}

impl ObjectName {
    /// Reads a name; none if the archive would not write that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<ObjectName> {
        let mut parts = text.split('/');
        let (topic, date, hour, file) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (stem, format) = Format::of_file(file)?;
        let (range, role) = match stem.strip_suffix(".part") {
            Some(range) => (range, Role::Part),
            None => (stem, Role::Closing),
        };
        let mut numbers = range.split('-');
        let partition = numbers.next()?.parse().ok()?;
        let (first, last) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        let id = PartitionId { topic: Arc::from(topic), partition };
        let name = ObjectName { id, hour: Hour::parse(date, hour)?, first, last, role, format };
        // Only the form in which the name is written: no sign, no further zeros, nothing behind it.
        (name.first <= name.last && name.to_string() == text).then_some(name)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ObjectName { id: PartitionId { topic, partition }, hour, first, last, role, format } = self;
        let part = if *role == Role::Part { ".part" } else { "" };
        write!(out, "{topic}/{hour}/{partition}-{first}-{last}{part}.{}", format.extension())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in [
            "views/date=2026-11-29/hour=05/3-1000-1999.parquet",
            "views.jsonl/date=1970-01-01/hour=00/0-0-0.jsonl.zst",
            "a_b-c/date=9999-12-31/hour=23/12-5-7.part.parquet",
        ] {
            let name = ObjectName::parse(text).expect(text);
            assert_eq!(name.to_string(), text);
        }
        assert_eq!(Hour::of(u64::MAX).to_string(), "date=9999-12-31/hour=23");
    }

    #[test]
    fn any_other_name_is_foreign() {
        for text in [
            "views/date=2026-11-29/hour=05/3-1000-1999.parquet.unfinished",
            "views/date=2026-11-29/hour=05/3-1000-999.parquet",
            "views/date=2026-11-29/hour=05/3-01000-1999.parquet",
            "views/date=2026-11-29/hour=05/-3-1000-1999.parquet",
            "views/date=2026-11-29/hour=05/3-1000-1999-5.parquet",
            "views/date=2026-11-29/hour=24/3-1000-1999.parquet",
            "views/date=2026-02-30/hour=05/3-1000-1999.parquet",
            "views/date=2026-11-29/hour=5/3-1000-1999.parquet",
            "views/date=2026-11-29/hour=05/3-1000-1999.csv",
            "views/date=2026-11-29/hour=05/x/3-1000-1999.parquet",
            "views/_SUCCESS",
            "",
        ] {
            assert_eq!(ObjectName::parse(text), None, "{text}");
        }
    }
}
