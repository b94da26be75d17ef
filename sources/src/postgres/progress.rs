//! The progress of the reader, the feed and the owner of the source, shared without locks.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

use dataflow::feed::FeedProgress;
use dataflow::time::Time;

/// Stands for no time.
const NONE: u64 = 0;

/// Before the first transaction the time that was reached is unknown: the smallest time stands for it.
const UNKNOWN: u64 = 1;

/// All numbers are lower bounds.
#[derive(Default)]
pub(crate) struct ReaderProgress {
    /// Rows of changes that wait for the feed.
    rows: AtomicUsize,
    /// Changes handed over, and changes fed.
    handed: AtomicU64,
    fed: AtomicU64,
    /// The place in the log after everything fed.
    place: AtomicI64,
    /// Up to here every change of our tables has been fed.
    quiet: AtomicI64,
    /// The place that the owner has made durable.
    acknowledged: AtomicI64,
    /// Whether the rows that the owner made durable last belong to no place: a later process reads all tables again.
    placeless: AtomicBool,
    /// The end of the server's log.
    end: AtomicI64,
    /// How often the rows have lost their place in the log, and up to which of these times a reading has restored it.
    spoilt: AtomicU64,
    mended: AtomicU64,
    /// The time the changes fed have reached, while catching up.
    reached: AtomicU64,
    /// Whether the source was live once.
    caught_up: AtomicBool,
}

impl ReaderProgress {
    /// For a source that begins with all rows.
    pub(crate) fn fresh() -> ReaderProgress {
        let progress = ReaderProgress::default();
        progress.reached.store(FeedProgress::UNDATED, Ordering::Relaxed);
        progress
    }

    /// For a source that continues at `place`.
    pub(crate) fn resuming(place: i64) -> ReaderProgress {
        let progress = ReaderProgress::default();
        progress.place.store(place, Ordering::Relaxed);
        progress.acknowledged.store(place, Ordering::Relaxed);
        progress.placeless.store(place == 0, Ordering::Relaxed);
        progress.end.store(place, Ordering::Relaxed);
        progress.reached.store(UNKNOWN, Ordering::Relaxed);
        progress
    }

    /// A change with this number of rows is on its way to the feed.
    pub(crate) fn hand(&self, rows: usize) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.handed.fetch_add(1, Ordering::Relaxed);
    }

    /// The change was fed, and with it everything before `place`. If the tables were read for it, `reading` is the number of
    /// [spoils](ReaderProgress::spoils) at that reading.
    pub(crate) fn feed(&self, rows: usize, place: i64, reading: Option<u64>) {
        self.rows.fetch_sub(rows, Ordering::Relaxed);
        self.place.store(place, Ordering::Relaxed);
        if let Some(mended) = reading {
            self.mended.fetch_max(mended, Ordering::Relaxed);
            // Known values belong to the log of the earlier slot, perhaps of a server that was restored since.
            self.quiet.store(place, Ordering::Relaxed);
            self.acknowledged.fetch_min(place, Ordering::Relaxed);
            self.end.store(place, Ordering::Relaxed);
        }
        self.fed.fetch_add(1, Ordering::Release);
    }

    /// Rows that wait for the feed.
    pub(crate) fn rows(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }

    /// Whether every change handed over was fed.
    pub(crate) fn is_empty(&self) -> bool {
        self.fed.load(Ordering::Acquire) == self.handed.load(Ordering::Relaxed)
    }

    /// Every change of our tables up to `place` has been handed over. Does nothing while some of them wait.
    pub(crate) fn quiet(&self, place: i64) {
        if self.is_empty() {
            self.quiet.fetch_max(place, Ordering::Relaxed);
        }
    }

    /// Where a later reader would continue; 0 if it has to read all tables again.
    pub(crate) fn next(&self) -> i64 {
        if self.is_stale() { 0 } else { self.fed_place() }
    }

    /// The place in the log after everything fed.
    pub(crate) fn fed_place(&self) -> i64 {
        self.place.load(Ordering::Relaxed).max(self.quiet.load(Ordering::Relaxed))
    }

    /// From now on the rows belong to no place in the log, until all tables have been read again.
    pub(crate) fn stale(&self) {
        self.spoilt.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that happened.
    pub(crate) fn spoils(&self) -> u64 {
        self.spoilt.load(Ordering::Relaxed)
    }

    fn is_stale(&self) -> bool {
        self.spoils() > self.mended.load(Ordering::Relaxed)
    }

    /// The owner keeps everything before `place`; 0: it keeps rows of no place. A place that has not been fed belongs to the
    /// log of a server that was restored since.
    pub(crate) fn acknowledge(&self, place: i64) {
        self.placeless.store(place == 0, Ordering::Relaxed);
        if place <= self.fed_place() {
            self.acknowledged.fetch_max(place, Ordering::Relaxed);
        }
    }

    /// The place before which no later process needs the log. While neither the rows nor the kept rows have a place, this is
    /// everything fed: the server must not keep its log for as long as a table is broken.
    pub(crate) fn kept(&self) -> i64 {
        let nothing_is_asked_for = self.is_stale() && self.placeless.load(Ordering::Relaxed);
        if nothing_is_asked_for { self.fed_place() } else { self.acknowledged.load(Ordering::Relaxed) }
    }

    /// The server's log reaches `end` at least.
    pub(crate) fn ends(&self, end: i64) {
        self.end.fetch_max(end, Ordering::Relaxed);
    }

    /// The end of the server's log, as far as it is known.
    pub(crate) fn end(&self) -> i64 {
        self.end.load(Ordering::Relaxed)
    }

    /// The changes fed have reached this time, and there are more; none: the source is live.
    pub(crate) fn reach(&self, time: Option<Time>) {
        if time.is_none() {
            self.caught_up.store(true, Ordering::Relaxed);
        }
        self.reached.store(time.map_or(NONE, |time| time.max(UNKNOWN)), Ordering::Relaxed);
    }

    /// The tables cannot be followed now or, if this `lasts`, until an operator solves a problem.
    pub(crate) fn lose(&self, lasts: bool) {
        if lasts || self.caught_up.load(Ordering::Relaxed) {
            self.reached.store(NONE, Ordering::Relaxed);
        }
    }

    /// The time that the changes fed have reached, while catching up.
    pub(crate) fn reached(&self) -> Option<Time> {
        Some(self.reached.load(Ordering::Relaxed)).filter(|time| *time != NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_log_moves_the_place_only_when_nothing_waits() {
        let progress = ReaderProgress::resuming(5);
        progress.hand(3);
        progress.quiet(20);
        assert_eq!((progress.next(), progress.rows()), (5, 3));
        progress.feed(3, 10, None);
        assert_eq!((progress.next(), progress.rows()), (10, 0));
        progress.quiet(20);
        assert_eq!(progress.next(), 20);
    }

    #[test]
    fn time_waits_for_a_source_that_goes_on_and_was_not_reached_yet() {
        let [fresh, resumed] = [ReaderProgress::fresh(), ReaderProgress::resuming(5)];
        [&fresh, &resumed].iter().for_each(|progress| progress.lose(false));
        assert_eq!((fresh.reached(), resumed.reached()), (Some(FeedProgress::UNDATED), Some(UNKNOWN)));
        resumed.reach(None);
        resumed.reach(Some(9));
        resumed.lose(false);
        assert_eq!(resumed.reached(), None, "it was live before");
        fresh.lose(true);
        assert_eq!(fresh.reached(), None, "somebody has to mend it");
    }

    #[test]
    fn rows_of_no_place_are_read_anew() {
        let progress = ReaderProgress::resuming(5);
        progress.quiet(9);
        progress.stale();
        assert_eq!((progress.next(), progress.fed_place()), (0, 9));
        progress.hand(1);
        // The reading does not restore a place that was lost while it was under way.
        let reading = progress.spoils();
        progress.stale();
        progress.feed(1, 10, Some(reading));
        assert_eq!((progress.next(), progress.fed_place()), (0, 10));
        progress.hand(1);
        progress.feed(1, 11, Some(progress.spoils()));
        assert_eq!(progress.next(), 11);
    }

    #[test]
    fn a_table_that_stays_broken_holds_no_log_once_that_is_kept() {
        let progress = ReaderProgress::resuming(5);
        progress.hand(1);
        progress.feed(1, 10, None);
        progress.stale();
        assert_eq!(progress.kept(), 5, "a later process would go on from there");
        progress.acknowledge(0);
        assert_eq!(progress.kept(), 10);
        progress.hand(1);
        progress.feed(1, 20, None);
        assert_eq!(progress.kept(), 20);
        progress.hand(1);
        progress.feed(1, 30, Some(progress.spoils()));
        progress.hand(1);
        progress.feed(1, 40, None);
        assert_eq!(progress.kept(), 5, "the next checkpoint has a place again");
        progress.acknowledge(30);
        progress.stale();
        assert_eq!(progress.kept(), 30);
        assert_eq!(ReaderProgress::resuming(0).kept(), 0);
    }

    #[test]
    fn places_of_a_log_that_was_put_back_count_no_more() {
        let progress = ReaderProgress::resuming(500);
        progress.ends(600);
        progress.hand(1);
        progress.feed(1, 100, Some(progress.spoils()));
        assert_eq!((progress.kept(), progress.next(), progress.end()), (100, 100, 100));
        // A checkpoint from before, durable only now.
        progress.acknowledge(500);
        assert_eq!(progress.kept(), 100);
    }
}
