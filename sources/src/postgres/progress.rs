//! What the reader, the feed and the owner of the source tell each other without waiting: how far each of them is.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

use dataflow::feed::FeedProgress;
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
    /// What the owner has made durable last are rows of no place: a later process reads everything anew.
    placeless: AtomicBool,
    /// Where the server's log ends.
    end: AtomicI64,
    /// How often the rows have become those of no place in the log, and up to which of these times they were made good.
    spoilt: AtomicU64,
    mended: AtomicU64,
    /// The time the changes fed have reached, while catching up.
    reached: AtomicU64,
    /// The source was live once.
    caught_up: AtomicBool,
}

impl Flow {
    /// For a source that begins with all rows.
    pub(super) fn fresh() -> Flow {
        let flow = Flow::default();
        flow.reached.store(FeedProgress::UNDATED, Ordering::Relaxed);
        flow
    }

    /// For a source that goes on at `place`.
    pub(super) fn resuming(place: i64) -> Flow {
        let flow = Flow::default();
        flow.place.store(place, Ordering::Relaxed);
        flow.acknowledged.store(place, Ordering::Relaxed);
        flow.placeless.store(place == 0, Ordering::Relaxed);
        flow.end.store(place, Ordering::Relaxed);
        flow.reached.store(UNKNOWN, Ordering::Relaxed);
        flow
    }

    /// A change of so many rows is on its way to the feed.
    pub(super) fn hand(&self, rows: usize) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.handed.fetch_add(1, Ordering::Relaxed);
    }

    /// The change was fed, and with it everything before `place`. Where the tables were read for it, `reading` says up to
    /// which [spoils](Flow::spoils) the rows are good again.
    pub(super) fn feed(&self, rows: usize, place: i64, reading: Option<u64>) {
        self.rows.fetch_sub(rows, Ordering::Relaxed);
        self.place.store(place, Ordering::Relaxed);
        if let Some(mended) = reading {
            self.mended.fetch_max(mended, Ordering::Relaxed);
            // What was said of another slot's log, perhaps before the server was put back.
            self.quiet.store(place, Ordering::Relaxed);
            self.acknowledged.fetch_min(place, Ordering::Relaxed);
            self.end.store(place, Ordering::Relaxed);
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
        if self.is_stale() { 0 } else { self.fed_place() }
    }

    /// The place in the log after everything fed.
    pub(super) fn fed_place(&self) -> i64 {
        self.place.load(Ordering::Relaxed).max(self.quiet.load(Ordering::Relaxed))
    }

    /// From now on the rows are those of no place in the log, until all tables have been read again.
    pub(super) fn stale(&self) {
        self.spoilt.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that was said.
    pub(super) fn spoils(&self) -> u64 {
        self.spoilt.load(Ordering::Relaxed)
    }

    fn is_stale(&self) -> bool {
        self.spoils() > self.mended.load(Ordering::Relaxed)
    }

    /// The owner keeps everything before `place`; 0: it keeps rows of no place. A place that has not been fed is one of the
    /// log before the server was put back.
    pub(super) fn acknowledge(&self, place: i64) {
        self.placeless.store(place == 0, Ordering::Relaxed);
        if place <= self.fed_place() {
            self.acknowledged.fetch_max(place, Ordering::Relaxed);
        }
    }

    /// Up to where no later process will ask for the log. While the rows are those of no place, and what the owner keeps
    /// too, that is everything: a broken table must not have the server keep its log for as long as it is broken.
    pub(super) fn kept(&self) -> i64 {
        let nothing_is_asked_for = self.is_stale() && self.placeless.load(Ordering::Relaxed);
        if nothing_is_asked_for { self.fed_place() } else { self.acknowledged.load(Ordering::Relaxed) }
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
        flow.feed(3, 10, None);
        assert_eq!((flow.next(), flow.rows()), (10, 0));
        flow.quiet(20);
        assert_eq!(flow.next(), 20);
    }

    #[test]
    fn time_waits_for_a_source_that_goes_on_and_was_not_reached_yet() {
        let [fresh, resumed] = [Flow::fresh(), Flow::resuming(5)];
        [&fresh, &resumed].iter().for_each(|flow| flow.lose(false));
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
        let flow = Flow::resuming(5);
        flow.quiet(9);
        flow.stale();
        assert_eq!((flow.next(), flow.fed_place()), (0, 9));
        flow.hand(1);
        // What is said while the reading is on its way is not made good by it.
        let reading = flow.spoils();
        flow.stale();
        flow.feed(1, 10, Some(reading));
        assert_eq!((flow.next(), flow.fed_place()), (0, 10));
        flow.hand(1);
        flow.feed(1, 11, Some(flow.spoils()));
        assert_eq!(flow.next(), 11);
    }

    #[test]
    fn a_table_that_stays_broken_holds_no_log_once_that_is_kept() {
        let flow = Flow::resuming(5);
        flow.hand(1);
        flow.feed(1, 10, None);
        flow.stale();
        assert_eq!(flow.kept(), 5, "a later process would go on from there");
        flow.acknowledge(0);
        assert_eq!(flow.kept(), 10);
        flow.hand(1);
        flow.feed(1, 20, None);
        assert_eq!(flow.kept(), 20);
        flow.hand(1);
        flow.feed(1, 30, Some(flow.spoils()));
        flow.hand(1);
        flow.feed(1, 40, None);
        assert_eq!(flow.kept(), 5, "the next checkpoint has a place again");
        flow.acknowledge(30);
        flow.stale();
        assert_eq!(flow.kept(), 30);
        assert_eq!(Flow::resuming(0).kept(), 0);
    }

    #[test]
    fn places_of_a_log_that_was_put_back_count_no_more() {
        let flow = Flow::resuming(500);
        flow.ends(600);
        flow.hand(1);
        flow.feed(1, 100, Some(flow.spoils()));
        assert_eq!((flow.kept(), flow.next(), flow.end()), (100, 100, 100));
        // A checkpoint from before, durable only now.
        flow.acknowledge(500);
        assert_eq!(flow.kept(), 100);
    }
}
