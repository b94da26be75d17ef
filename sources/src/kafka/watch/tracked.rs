//! A partition as the watcher remembers it from look to look.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflow::feed::StreamFingerprint;

use crate::kafka::assignments::{Assignments, PartitionProgress};
use crate::kafka::fingerprint::Ends;

/// A partition that gives no record for this long, although there are some, is started again.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A partition that is read, or was.
pub(super) struct Tracked {
    pub(super) assignments: Arc<Assignments>,
    pub(super) progress: Arc<PartitionProgress>,
    /// A record read some time ago, to be compared at the next look. None before the first look at what was read.
    pub(super) sample: Option<StreamFingerprint>,
    pub(super) absent: bool,
    /// Its first offset, as it was seen last.
    pub(super) low: i64,
    /// Its position, and when it last moved or was at the end.
    pub(super) moved: (i64, Instant),
    /// While it is read from the archive: up to this offset.
    pub(super) archived_to: Option<i64>,
    /// The archive has not said yet where reading goes on: the next look asks it again.
    pub(super) asks_archive: bool,
    /// Where reading the archive has failed last, and why.
    pub(super) archive_failure: Option<(i64, String)>,
}

impl Tracked {
    /// A partition that is not read yet and begins at this position.
    pub(super) fn new(assignments: Arc<Assignments>, progress: Arc<PartitionProgress>, low: i64, next: i64) -> Tracked {
        Tracked {
            assignments,
            progress,
            sample: None,
            absent: false,
            low,
            moved: (next, Instant::now()),
            archived_to: None,
            asks_archive: false,
            archive_failure: None,
        }
    }

    /// Why the partition must be started again, if it must: an error of its reader, or its silence. A partition that waits
    /// with a dead letter is not silent: started again, it would refuse the same record once more. Nor is one whose feed `waits`.
    pub(super) fn failure(&mut self, next: i64, ends: Ends, waits: bool) -> Option<String> {
        if next != self.moved.0 || ends.high <= next || waits {
            self.moved = (next, Instant::now());
        }
        let silent = self.has_stood() && !self.progress.is_blocked();
        let silence = || format!("nothing has come for {} s, though there are records", SILENCE_MAX.as_secs());
        self.progress.take_failure().or_else(|| silent.then(silence))
    }

    /// The reason why the archive cannot be read at this position, if there is one. It holds until the position has moved.
    pub(super) fn archive_trouble(&mut self, next: i64, failure: Option<String>) -> Option<&str> {
        match failure {
            Some(reason) => self.archive_failure = Some((next, reason)),
            None => self.archive_failure = self.archive_failure.take().filter(|(at, _)| next <= *at),
        }
        self.archive_failure.as_ref().map(|(_, reason)| reason.as_str())
    }

    /// Whether it has long waited with a dead letter that is not taken.
    pub(super) fn is_blocked(&self) -> bool {
        self.has_stood() && self.progress.is_blocked()
    }

    fn has_stood(&self) -> bool {
        self.moved.1.elapsed() >= SILENCE_MAX
    }
}

#[cfg(test)]
mod tests {
    use dataflow::feed::Waker;

    use super::*;

    #[test]
    fn a_partition_that_waits_with_a_dead_letter_is_not_silent() {
        let long_ago = Instant::now().checked_sub(SILENCE_MAX).unwrap();
        let (assignments, progress) =
            (Arc::new(Assignments::new(0, Waker::of_this_thread())), Arc::new(PartitionProgress::new(5, 9)));
        let mut tracked = Tracked { moved: (5, long_ago), ..Tracked::new(assignments, progress, 0, 5) };
        let ends = Ends { low: 0, high: 9 };
        tracked.progress.set_blocked(true);
        assert_eq!((tracked.failure(5, ends, false), tracked.is_blocked()), (None, true));
        tracked.progress.set_blocked(false);
        assert!(tracked.failure(5, ends, false).is_some_and(|reason| reason.contains("nothing has come for 30 s")));
        assert!(!tracked.is_blocked());
        tracked.moved.1 = long_ago;
        assert_eq!(tracked.failure(5, ends, true), None, "its feed waits");
        assert_eq!(tracked.failure(6, ends, false), None, "it has moved");
        tracked.progress.set_blocked(true);
        assert!(!tracked.is_blocked(), "not for long");
    }

    #[test]
    fn the_reason_of_the_archive_holds_until_reading_has_gone_on() {
        let (assignments, progress) =
            (Arc::new(Assignments::new(0, Waker::of_this_thread())), Arc::new(PartitionProgress::new(5, 9)));
        let mut tracked = Tracked::new(assignments, progress, 3, 5);
        assert_eq!(tracked.archive_trouble(5, None), None);
        assert_eq!(tracked.archive_trouble(6, Some("a corrupt footer".into())), Some("a corrupt footer"));
        // The archive is listed, and the file is read again.
        for _ in 0..2 {
            assert_eq!(tracked.archive_trouble(6, None), Some("a corrupt footer"));
        }
        assert_eq!(tracked.archive_trouble(6, Some("503".into())), Some("503"));
        assert_eq!(tracked.archive_trouble(7, None), None);
        assert_eq!(tracked.archive_trouble(6, None), None);
    }
}
