//! What the reader, the feed and the owner of the source tell each other without waiting: how far each of them is.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

use dataflow::feed::Fed;
use dataflow::time::Time;

/// Stands for no time.
const NONE: u64 = 0;

/// Before the first transaction has come nothing is known of the time that was reached: the least there is.
const UNKNOWN: u64 = 1;

/// All numbers only ever say "at least this far".
#[derive(Default)]
pub(super) struct Flow {
    /// Rows of changes that wait for the feed.
    rows: AtomicUsize,
    /// Changes handed over, and changes fed.
    handed: AtomicU64,
    fed: AtomicU64,
    /// The place in the log after everything fed.
    place: AtomicI64,
    /// Up to here the log holds nothing of ours that was not fed.
    quiet: AtomicI64,
    /// The owner has made this durable.
    acknowledged: AtomicI64,
    /// Where the server's log ends.
    end: AtomicI64,
    /// The rows are those of no place in the log.
    stale: AtomicBool,
    /// The time the changes fed have reached, while catching up.
    reached: AtomicU64,
    /// The source was live once.
    caught_up: AtomicBool,
}

impl Flow {
    /// For a source that begins with all rows.
    pub(super) fn fresh() -> Flow {
        let flow = Flow::default();
        flow.reached.store(Fed::UNDATED, Ordering::Relaxed);
        flow
    }

    /// For a source that goes on at `place`.
    pub(super) fn resuming(place: i64) -> Flow {
        let flow = Flow::default();
        flow.place.store(place, Ordering::Relaxed);
        flow.acknowledged.store(place, Ordering::Relaxed);
        flow.end.store(place, Ordering::Relaxed);
        flow.reached.store(UNKNOWN, Ordering::Relaxed);
        flow
    }

    /// A change of so many rows is on its way to the feed.
    pub(super) fn hand(&self, rows: usize) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.handed.fetch_add(1, Ordering::Relaxed);
    }

    /// The change was fed, and with it everything before `place`.
    pub(super) fn feed(&self, rows: usize, place: i64, whole: bool) {
        self.rows.fetch_sub(rows, Ordering::Relaxed);
        self.place.store(place, Ordering::Relaxed);
        if whole {
            self.stale.store(false, Ordering::Relaxed);
            // What was said of another slot's log.
            self.quiet.store(place, Ordering::Relaxed);
        }
        self.fed.fetch_add(1, Ordering::Release);
    }

    /// Rows that wait.
    pub(super) fn rows(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }

    /// Whether every change handed over was fed.
    pub(super) fn is_empty(&self) -> bool {
        self.fed.load(Ordering::Acquire) == self.handed.load(Ordering::Relaxed)
    }

    /// The log up to `place` has nothing of ours beyond what was handed over. Does nothing while some of it waits.
    pub(super) fn quiet(&self, place: i64) {
        if self.is_empty() {
            self.quiet.fetch_max(place, Ordering::Relaxed);
        }
    }

    /// Where a later reader would go on; 0 if it has to read everything anew.
    pub(super) fn next(&self) -> i64 {
        if self.stale.load(Ordering::Relaxed) { 0 } else { self.fed_place() }
    }

    /// The place in the log after everything fed.
    pub(super) fn fed_place(&self) -> i64 {
        self.place.load(Ordering::Relaxed).max(self.quiet.load(Ordering::Relaxed))
    }

    /// From now on the rows are those of no place in the log, until all tables have been read again.
    pub(super) fn stale(&self) {
        self.stale.store(true, Ordering::Relaxed);
    }

    /// The owner keeps everything before `place`.
    pub(super) fn acknowledge(&self, place: i64) {
        self.acknowledged.fetch_max(place, Ordering::Relaxed);
    }

    /// How far the owner keeps everything.
    pub(super) fn acknowledged(&self) -> i64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// The server's log goes to there at least.
    pub(super) fn ends(&self, end: i64) {
        self.end.fetch_max(end, Ordering::Relaxed);
    }

    /// Where the server's log ends, as far as is known.
    pub(super) fn end(&self) -> i64 {
        self.end.load(Ordering::Relaxed)
    }

    /// The changes fed have come to this time, and there are more; none: the source is live.
    pub(super) fn reach(&self, time: Option<Time>) {
        if time.is_none() {
            self.caught_up.store(true, Ordering::Relaxed);
        }
        self.reached.store(time.map_or(NONE, |time| time.max(UNKNOWN)), Ordering::Relaxed);
    }

    /// The tables cannot be followed now, or, where that `lasts`, before somebody has mended something.
    pub(super) fn lose(&self, lasts: bool) {
        if lasts || self.caught_up.load(Ordering::Relaxed) {
            self.reached.store(NONE, Ordering::Relaxed);
        }
    }

    /// The time the changes fed have come to, while catching up.
    pub(super) fn reached(&self) -> Option<Time> {
        Some(self.reached.load(Ordering::Relaxed)).filter(|time| *time != NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_log_moves_the_place_only_when_nothing_waits() {
        let flow = Flow::resuming(5);
        flow.hand(3);
        flow.quiet(20);
        assert_eq!((flow.next(), flow.rows()), (5, 3));
        flow.feed(3, 10, false);
        assert_eq!((flow.next(), flow.rows()), (10, 0));
        flow.quiet(20);
        assert_eq!(flow.next(), 20);
    }

    #[test]
    fn time_waits_for_a_source_that_goes_on_and_was_not_reached_yet() {
        let [fresh, resumed] = [Flow::fresh(), Flow::resuming(5)];
        [&fresh, &resumed].iter().for_each(|flow| flow.lose(false));
        assert_eq!((fresh.reached(), resumed.reached()), (Some(Fed::UNDATED), Some(UNKNOWN)));
        resumed.reach(None);
        resumed.reach(Some(9));
        resumed.lose(false);
        assert_eq!(resumed.reached(), None, "it was live before");
        fresh.lose(true);
        assert_eq!(fresh.reached(), None, "somebody has to mend it");
    }

    #[test]
    fn rows_of_no_place_are_read_anew() {
        let flow = Flow::resuming(5);
        flow.quiet(9);
        flow.stale();
        assert_eq!((flow.next(), flow.fed_place()), (0, 9));
        flow.hand(1);
        flow.feed(1, 7, true);
        assert_eq!(flow.next(), 7);
    }
}
