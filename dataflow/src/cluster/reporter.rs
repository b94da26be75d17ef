//! Decides when a worker of a process other than the leader's reports: only when the report changes what the leader
//! does.

use super::messages::ProgressMessage;
use crate::feed::FeedProgress;
use crate::time::Time;

/// Whether the sources of a process are live, and by kind of input, whether the sources that provide it are heard.
type How = (bool, [bool; 2]);

/// The reports that a worker has sent.
pub(crate) struct Reporter {
    worker: usize,
    /// The least change of the number of unread records that is reported.
    step: usize,
    /// The last tick in which fed records were reported, and the last tick that was reported as full.
    fed: Time,
    full: Time,
    last: Option<(usize, Option<Time>, How)>,
}

impl Reporter {
    /// For worker `worker` of `peers`, whose sources count as far behind at `behind_min` records together.
    pub(crate) fn new(worker: usize, peers: usize, behind_min: usize) -> Self {
        Reporter { worker, step: (behind_min / peers).max(1), fed: 0, full: 0, last: None }
    }

    /// The report to send after `fed` was fed in `tick`, if one is due. `all` was fed by the whole process; the other
    /// arguments say whether this is the limit of the process, and how its sources are doing.
    pub(crate) fn after(
        &mut self,
        fed: FeedProgress,
        tick: Time,
        all: usize,
        is_full: bool,
        how: How,
    ) -> Option<ProgressMessage> {
        let state = (fed.waiting / self.step, fed.reached, how);
        let first = fed.records > 0 && tick > self.fed;
        let full = is_full && tick > self.full;
        if !first && !full && self.last == Some(state) {
            return None;
        }
        self.last = Some(state);
        self.fed = if first { tick } else { self.fed };
        self.full = if full { tick } else { self.full };
        // Another worker of this process reports the records that it fed itself.
        let told = if fed.records > 0 || full { all.max(fed.records) } else { 0 };
        let (live, heard) = how;
        Some(ProgressMessage {
            worker: self.worker,
            fed: told,
            waiting: fed.waiting,
            reached: fed.reached,
            live,
            heard,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(records: usize, waiting: usize, reached: Option<Time>) -> FeedProgress {
        FeedProgress { records, waiting, reached }
    }

    #[test]
    fn only_what_changes_the_leaders_mind_is_reported() {
        let mut reporter = Reporter::new(3, 4, 400);
        let mut after = |fed, tick, all, is_full| reporter.after(fed, tick, all, is_full, (true, [true; 2]));
        let first = after(fed(0, 0, None), 1, 0, false).expect("the leader has not heard of this worker yet");
        assert_eq!((first.worker, first.fed, first.reached), (3, 0, None));
        assert_eq!(after(fed(0, 0, None), 1, 0, false), None);
        assert_eq!(after(fed(2, 0, None), 1, 5, false).map(|report| report.fed), Some(5));
        assert_eq!(after(fed(2, 50, None), 1, 7, false), None, "that something was fed is known");
        assert_eq!(after(fed(1, 0, None), 2, 1, false).map(|report| report.fed), Some(1), "another tick");
        assert_eq!(after(fed(0, 130, None), 2, 1, false).map(|report| report.waiting), Some(130));
        assert_eq!(after(fed(0, 130, Some(9)), 2, 1, false).map(|report| report.reached), Some(Some(9)));
        assert_eq!(after(fed(0, 130, Some(9)), 2, 80, true).map(|report| report.fed), Some(80), "no more fits");
        assert_eq!(after(fed(0, 130, Some(9)), 2, 80, true), None);
        let mut after = |live, heard| reporter.after(fed(0, 130, Some(9)), 2, 80, false, (live, heard));
        let away = after(false, [true; 2]);
        assert_eq!(away.map(|report| report.live), Some(false), "something here is not live any more");
        let away = after(false, [false, true]);
        assert_eq!(away.map(|report| report.heard), Some([false, true]), "and nothing is heard of it");
    }
}
