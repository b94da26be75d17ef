//! The time zone of times that are stored without one: `timestamp` and `date` columns.
//!
//! The server itself returns when its clocks change, so that its rules apply, also for local times that were skipped or
//! repeated. A zone is a list of local times from which on clocks are ahead of UTC by another number of seconds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::GenericClient;
use postgres::error::SqlState;
use postgres::types::Type;

/// The zone that every server knows.
pub(crate) const UTC: &str = "UTC";

/// How long the rules are kept: they may be updated while the server runs.
const KNOWN_FOR: Duration = Duration::from_secs(3600);

/// The calendar, and with it the last rule of each zone, repeats after 400 years.
const CYCLE_S: i64 = 146_097 * 86_400;

/// The first local time that is not queried: 2438-01-01. From 400 years before it on, no rule changes.
const ASKED_UNTIL_S: i64 = 14_768_611_200;

const SET: &str = "SELECT set_config('timezone', $1, true)";

/// The seconds by which clocks are ahead of UTC, at the first local time and at every change. A change between two times five
/// days apart is found by halving: since 1970 no zone has changed its clocks forward and back within a week.
const CHANGES: &str = "
    WITH RECURSIVE
        probe (at) AS (SELECT generate_series(timestamp '1969-12-25', timestamp '2438-01-05', interval '5 days')),
        shown AS (SELECT at, extract(epoch FROM at - (at::timestamptz AT TIME ZONE 'UTC'))::int AS ahead FROM probe),
        change (low, high, before) AS (
            SELECT low, high, before
            FROM (SELECT lag(at) OVER by_time AS low, at AS high, lag(ahead) OVER by_time AS before, ahead
                  FROM shown WINDOW by_time AS (ORDER BY at)) AS pairs
            WHERE before <> ahead
            UNION ALL
            SELECT CASE WHEN ahead = before THEN middle ELSE low END, CASE WHEN ahead = before THEN high ELSE middle END, before
            FROM change,
                 LATERAL (SELECT date_trunc('second', low + (high - low) / 2) AS middle) AS halves,
                 LATERAL (SELECT extract(epoch FROM middle - (middle::timestamptz AT TIME ZONE 'UTC'))::int AS ahead) AS at_middle
            WHERE high - low > interval '1 second')
    SELECT extract(epoch FROM at)::bigint, extract(epoch FROM at - (at::timestamptz AT TIME ZONE 'UTC'))::int
    FROM (SELECT min(at) AS at FROM probe
          UNION ALL
          SELECT high FROM change WHERE high - low <= interval '1 second') AS changes
    ORDER BY 1";

/// The rules of one zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Zone {
    /// Local seconds since the epoch, and by how many seconds clocks are ahead of UTC from then on; in order.
    changes: Vec<(i64, i32)>,
}

impl Zone {
    /// Whether the server knows a zone with this name.
    pub(crate) fn is_known(client: &mut impl GenericClient, name: &str) -> Result<bool, postgres::Error> {
        // A transaction of its own, or a savepoint of the open one: settings and failures end with it.
        let mut transaction = client.transaction()?;
        let set = transaction.query_typed(SET, &[(&name, Type::TEXT)]);
        transaction.rollback()?;
        match set {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some(&SqlState::INVALID_PARAMETER_VALUE) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn read(client: &mut impl GenericClient, name: &str) -> Result<Zone, postgres::Error> {
        if name == UTC {
            return Ok(Zone::default());
        }
        let mut transaction = client.transaction()?;
        transaction.query_typed(SET, &[(&name, Type::TEXT)])?;
        let rows = transaction.query_typed(CHANGES, &[])?;
        transaction.rollback()?;
        Ok(Zone { changes: rows.iter().map(|row| (row.get(0), row.get(1))).collect() })
    }

    /// The time in UTC, in seconds since the epoch, when clocks show this local time.
    pub(crate) fn to_utc(&self, local_s: i64) -> i64 {
        if self.changes.is_empty() {
            return local_s;
        }
        let asked = match local_s {
            ..ASKED_UNTIL_S => local_s,
            _ => local_s - ((local_s - ASKED_UNTIL_S) / CYCLE_S + 1) * CYCLE_S,
        };
        local_s - self.ahead(asked)
    }

    fn ahead(&self, local_s: i64) -> i64 {
        let after = self.changes.partition_point(|(from, _)| *from <= local_s);
        // Times before the first change are before the epoch, and older than any window.
        self.changes.get(after.saturating_sub(1)).map_or(0, |(_, ahead)| i64::from(*ahead))
    }

    /// The local times, in milliseconds, that are later than `utc_ms`: those of the ranges (first and last millisecond), and
    /// all from the returned one on.
    pub(crate) fn after(&self, utc_ms: i64) -> (Vec<(i64, i64)>, i64) {
        // Clocks are less than a day from UTC.
        let (low, high) = (utc_ms - DAY_MS, utc_ms + DAY_MS);
        let changes = self.changes.iter().map(|(from, _)| from * 1000).filter(|from| (low..high).contains(from));
        let edges: Vec<i64> = [low].into_iter().chain(changes).chain([high]).collect();
        let mut ranges = Vec::new();
        for pair in edges.windows(2) {
            let ahead = pair[0].div_euclid(1000) - self.to_utc(pair[0].div_euclid(1000));
            let first = (utc_ms + ahead * 1000 + 1).max(pair[0]);
            if first < pair[1] {
                ranges.push((first, pair[1] - 1));
            }
        }
        match ranges.pop() {
            // The last range has no end: from a day later on every time is later.
            Some((first, _)) => (ranges, first),
            None => (ranges, high),
        }
    }

    /// The first midnight in local time, in milliseconds, that is later than `utc_ms`.
    pub(crate) fn first_day_after(&self, utc_ms: i64) -> i64 {
        let before = utc_ms.div_euclid(DAY_MS) * DAY_MS - DAY_MS;
        let later = |midnight: &i64| self.to_utc(midnight.div_euclid(1000)) * 1000 > utc_ms;
        (0..3).map(|days| before + days * DAY_MS).find(later).unwrap_or(before + 3 * DAY_MS)
    }
}

const DAY_MS: i64 = 86_400_000;

/// The zones that were read.
#[derive(Default)]
pub(crate) struct Zones(HashMap<String, (Instant, Arc<Zone>)>);

impl Zones {
    /// The zone with this name, which the server knows; UTC if none is needed.
    pub(crate) fn get(
        &mut self,
        client: &mut impl GenericClient,
        name: Option<&str>,
    ) -> Result<Arc<Zone>, postgres::Error> {
        let name = name.unwrap_or(UTC);
        if let Some((at, zone)) = self.0.get(name)
            && at.elapsed() < KNOWN_FOR
        {
            return Ok(zone.clone());
        }
        let zone = Arc::new(Zone::read(client, name)?);
        // One zone is in use; another name takes its place.
        self.0.clear();
        self.0.insert(name.to_owned(), (Instant::now(), zone.clone()));
        Ok(zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2024-03-31 and 2024-10-27 in Berlin.
    fn berlin() -> Zone {
        Zone { changes: vec![(0, 3600), (1_711_854_000, 7200), (1_729_994_400, 3600)] }
    }

    #[test]
    fn local_times_are_those_of_the_zone() {
        let zone = berlin();
        // 2024-07-01 12:00 in summer, 2024-12-01 12:00 in winter.
        assert_eq!((zone.to_utc(1_719_835_200), zone.to_utc(1_733_054_400)), (1_719_828_000, 1_733_050_800));
        // Skipped: 02:30 counts as winter time. Twice: 02:30 is the second one.
        assert_eq!((zone.to_utc(1_711_852_200), zone.to_utc(1_729_996_200)), (1_711_848_600, 1_729_992_600));
        assert_eq!(Zone::default().to_utc(5), 5);
        let far = ASKED_UNTIL_S + 5;
        assert_eq!(zone.to_utc(far), far - 3600);
    }

    proptest! {
        #[test]
        fn local_times_after_a_time_are_those_that_are_later(
            change in prop::sample::select(vec![0i64, 1_711_854_000, 1_729_994_400]), offset in -200_000i64..200_000,
            local in -200_000i64..200_000
        ) {
            let (zone, utc_ms) = (berlin(), (change + offset) * 1000 + 7);
            let local_ms = (change + local) * 1000 + 3;
            let (ranges, rest) = zone.after(utc_ms);
            let found = local_ms >= rest || ranges.iter().any(|(first, last)| (*first..=*last).contains(&local_ms));
            let later = zone.to_utc(local_ms.div_euclid(1000)) * 1000 + 3 > utc_ms;
            prop_assert_eq!(found, later, "{:?} {}", ranges, rest);
        }
    }
}
