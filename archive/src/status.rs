//! The state of the archiver, for readiness, metrics and the status page.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sources::kafka::upstream::{Ends, PartitionId};

/// The state of the archiver at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// What is wrong now, in words; none if everything works. It is tried again for ever.
    pub trouble: Option<String>,
    /// By topic and partition.
    pub partitions: BTreeMap<PartitionId, PartitionStatus>,
    /// Records that became durable since the start.
    pub records: u64,
    /// Files that became durable since the start.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Failed requests to the store since the start.
    pub failures: u64,
    /// Offsets that their topic had deleted before they were read, since the start.
    pub lost: u64,
    /// Memory for files that are not written yet.
    pub memory_bytes: u64,
    /// Files in the directory or bucket that are not of the archive, as of the start.
    pub foreign: u64,
}

/// The state of one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionStatus {
    /// The offset after the last durable one.
    pub durable: i64,
    /// The offset that is read next.
    pub next: i64,
    /// The end of the partition when it was last looked up.
    pub end: i64,
    /// The first offset that the partition still had then.
    pub low: i64,
    /// Whether the archiver skips the topic, because the topic was made anew and has none of the archived records.
    pub is_withheld: bool,
    /// Whether the topic has deleted records since the start.
    pub is_shrinking: bool,
    /// The time of the oldest records that are not durable, or since when they wait, in milliseconds since the epoch.
    pub oldest_ms: Option<u64>,
}

impl PartitionStatus {
    /// A partition of which it is not known yet how much is in the archive: nothing, as far as is known.
    pub(crate) fn unsurveyed(Ends { low, high }: Ends) -> PartitionStatus {
        PartitionStatus { durable: low, next: low, end: high, low, ..PartitionStatus::default() }
    }

    /// Offsets that are in the topic and not durable in the archive.
    #[must_use]
    pub fn lag(&self) -> i64 {
        (self.end - self.archived().max(self.low)).max(0)
    }

    /// The offset up to which the records of the topic are durable.
    fn archived(&self) -> i64 {
        if self.is_withheld { self.low } else { self.durable }
    }

    /// Why records may soon be deleted before they are durable, in words: the oldest are older than half the age at which the
    /// topic deletes them, or the topic deletes records and has few left before the first that is not durable, fewer than a
    /// tenth of all.
    #[must_use]
    pub fn loss_warning(&self, retention: Option<Duration>, wall_ms: u64) -> Option<String> {
        let lag = self.lag();
        if lag == 0 {
            return None;
        }
        let age = Duration::from_millis(wall_ms.saturating_sub(self.oldest_ms.unwrap_or(wall_ms)));
        if let Some(retention) = retention.filter(|retention| age > *retention / 2) {
            let (age, retention) = (age.as_secs(), retention.as_secs());
            return Some(format!(
                "{lag} are not archived, the oldest for {age} s, and the topic deletes its records after {retention} s"
            ));
        }
        let is_close = self.is_shrinking && self.archived() - self.low < (self.end - self.low) / 10;
        is_close.then(|| format!("{lag} are not archived, and the topic deletes its oldest"))
    }
}

/// The state, written by the archiver and read by anybody.
#[derive(Clone, Debug, Default)]
pub struct SharedStatus(Arc<Mutex<Status>>);

impl SharedStatus {
    /// A copy of the state.
    #[must_use]
    pub fn get(&self) -> Status {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_record_of_a_topic_that_was_made_anew_is_archived() {
        let status = PartitionStatus { durable: 300, next: 300, end: 250, low: 0, ..Default::default() };
        assert_eq!(status.lag(), 0);
        assert_eq!(PartitionStatus { is_withheld: true, ..status }.lag(), 250);
        assert_eq!(PartitionStatus { is_withheld: true, end: 450, low: 100, ..status }.lag(), 350);
    }

    #[test]
    fn a_loss_is_warned_of_before_it_happens() {
        const HOUR: u64 = 3_600_000;
        let day = Some(Duration::from_secs(86_400));
        let status = PartitionStatus { durable: 500, end: 900, low: 100, oldest_ms: Some(HOUR), ..Default::default() };
        assert_eq!(status.loss_warning(day, 12 * HOUR), None);
        let warning = status.loss_warning(day, 14 * HOUR).unwrap();
        assert!(warning.contains("400 are not archived, the oldest for 46800 s"), "{warning}");
        assert_eq!(status.loss_warning(None, 999 * HOUR), None, "it keeps them for ever, as far as is known");
        assert_eq!(PartitionStatus { durable: 900, ..status }.loss_warning(day, 99 * HOUR), None);
        // By size: the topic deletes records, and the first one that is not durable is near its beginning.
        let shrinking = PartitionStatus { is_shrinking: true, ..status };
        assert_eq!(shrinking.loss_warning(None, 2 * HOUR), None);
        assert!(PartitionStatus { low: 460, ..shrinking }.loss_warning(None, 2 * HOUR).is_some());
    }
}
