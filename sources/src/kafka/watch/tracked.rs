//! What the watcher remembers of a partition from look to look.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::kafka::assignments::{Assignments, PartitionProgress};
use crate::kafka::fingerprint::{Ends, Fingerprint};

/// A partition that gives nothing for this long, though there are records to give, is started again.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A partition that is read, or was.
pub(super) struct Tracked {
    pub(super) assignments: Arc<Assignments>,
    pub(super) place: Arc<PartitionProgress>,
    /// A record read some time ago, to be compared at the next look. None before the first look at what was read.
    pub(super) sample: Option<Fingerprint>,
    pub(super) absent: bool,
    /// Its first offset, as it was seen last.
    pub(super) low: i64,
    /// Where it was, and when it was last seen to move or to have nothing to give.
    pub(super) moved: (i64, Instant),
}

impl Tracked {
    /// Why the partition is to be started again, if it is: an error of its reader, or its silence. One that waits with a
    /// refused record is not silent: started again, it would refuse the same record once more.
    pub(super) fn failure(&mut self, next: i64, ends: Ends) -> Option<String> {
        if next != self.moved.0 || ends.high <= next {
            self.moved = (next, Instant::now());
        }
        let silent = self.has_stood() && !self.place.is_held();
        let silence = || format!("nothing has come for {} s, though there are records", SILENCE_MAX.as_secs());
        self.place.take_failure().or_else(|| silent.then(silence))
    }

    /// Whether it has long stood before a refused record that nobody takes.
    pub(super) fn is_held_up(&self) -> bool {
        self.has_stood() && self.place.is_held()
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
    fn one_that_waits_with_a_refused_record_is_not_silent() {
        let long_ago = Instant::now().checked_sub(SILENCE_MAX).unwrap();
        let (assignments, place) =
            (Arc::new(Assignments::new(0, Waker::of_this_thread())), Arc::new(PartitionProgress::new(5, 9)));
        let mut tracked = Tracked { assignments, place, sample: None, absent: false, low: 0, moved: (5, long_ago) };
        let ends = Ends { low: 0, high: 9 };
        tracked.place.hold(true);
        assert_eq!((tracked.failure(5, ends), tracked.is_held_up()), (None, true));
        tracked.place.hold(false);
        assert!(tracked.failure(5, ends).is_some_and(|reason| reason.contains("nothing has come for 30 s")));
        assert!(!tracked.is_held_up());
        assert_eq!(tracked.failure(6, ends), None, "it has moved");
        tracked.place.hold(true);
        assert!(!tracked.is_held_up(), "not for long");
    }
}
