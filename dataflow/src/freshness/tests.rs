//! The age of lists when sources go away and come back.

use super::*;

const TOPICS: &str = "topics";
const TABLES: &str = "tables";

fn stopped() -> State {
    State::Stopped("another server".into())
}

fn tracker() -> FreshnessTracker {
    let tracker = FreshnessTracker::default();
    tracker.gives(TOPICS, &[InputKind::Views]);
    tracker.gives(TABLES, &[InputKind::Shop]);
    tracker
}

/// As-of times of lists of views, of the shop, and of both.
fn as_of(tracker: &FreshnessTracker, tick: Time) -> [Option<Time>; 3] {
    let shown = tracker.freshness();
    [&[InputKind::Views][..], &[InputKind::Shop], &InputKind::ALL].map(|kinds| shown.as_of(tick, kinds))
}

#[test]
fn before_a_time_is_known_nothing_is_as_of_anything() {
    let tracker = tracker();
    assert_eq!(as_of(&tracker, 3), [None; 3]);
    assert!(!tracker.freshness().is_whole(3));
    tracker.begin(1000);
    assert_eq!(as_of(&tracker, 999), [None; 3]);
    assert_eq!(as_of(&tracker, 1000), [Some(1000); 3]);
    assert!(tracker.freshness().is_whole(1000) && !tracker.freshness().is_whole(999));
}

#[test]
fn lists_of_a_source_that_is_away_stay_as_of_when_it_was_heard_last() {
    let tracker = tracker();
    tracker.begin(1000);
    tracker.hear(TABLES, 1005, true, &stopped());
    assert_eq!(as_of(&tracker, 1003), [Some(1003); 3]);
    assert_eq!(as_of(&tracker, 2000), [Some(2000), Some(1004), Some(1004)]);
    let shown = tracker.freshness();
    assert_eq!(shown.missing(&[InputKind::Shop]).map(|names| &**names), Some(TABLES));
    assert_eq!((shown.missing(&[InputKind::Views]), shown.is_whole(2000)), (None, false));
    assert_eq!(shown.missing(&InputKind::ALL).map(|names| &**names), Some(TABLES));
    // The source comes back in the open tick, and is visible from that tick on.
    tracker.hear(TABLES, 2001, false, &State::Live);
    assert_eq!(as_of(&tracker, 2000)[1], Some(1004));
    assert!(!tracker.freshness().is_whole(2000) && tracker.freshness().is_whole(2001));
    // The source goes away again before that tick has closed: none of its records have become visible.
    tracker.hear(TABLES, 2001, true, &State::Retrying("gone".into()));
    assert_eq!(as_of(&tracker, 3000)[1], Some(1004));
    tracker.hear(TABLES, 3000, false, &State::Live);
    tracker.hear(TABLES, 3001, true, &stopped());
    assert_eq!(as_of(&tracker, 4000)[1], Some(3000));
}

#[test]
fn a_source_that_may_come_back_by_itself_is_forgiven_for_a_while() {
    let tracker = tracker();
    tracker.begin(1000);
    let away = State::Retrying("the server is away".into());
    tracker.hear(TABLES, 2000, true, &away);
    assert_eq!(
        tracker.freshness().missing(&[InputKind::Shop]).map(|names| &**names),
        Some(TABLES),
        "a missing source is named at once"
    );
    let last = 1999 + FORGIVEN_MS;
    assert_eq!([last, last + 1, last + 5000].map(|tick| as_of(&tracker, tick)[1]), [Some(last); 3]);
    assert_eq!(tracker.until(TABLES, 2001), Some(2000));
    // A person has to repair the source: no time that was answered goes back.
    tracker.hear(TABLES, 5000, false, &stopped());
    assert_eq!([4999, 9000].map(|tick| as_of(&tracker, tick)[1]), [Some(4999); 2]);
    tracker.hear(TABLES, 9000, false, &away);
    tracker.pass_over(TABLES, 9500);
    assert_eq!(as_of(&tracker, 9999)[1], Some(4999));
}

#[test]
fn a_source_that_holds_ticks_back_is_not_away() {
    let tracker = tracker();
    // The first part of the source is live before the second part has begun.
    tracker.hear(TOPICS, 1, false, &State::Live);
    tracker.hear(TOPICS, 1, true, &State::CatchingUp);
    tracker.begin(1000);
    assert_eq!(as_of(&tracker, 2000), [Some(2000); 3]);
    assert!(tracker.freshness().is_whole(2000));
}

#[test]
fn a_source_that_was_never_reached_leaves_its_lists_at_the_first_time() {
    let tracker = tracker();
    tracker.unmet(TOPICS);
    tracker.pass_over(TOPICS, 1);
    assert!(!tracker.has_met_all());
    tracker.begin(1000);
    assert_eq!(as_of(&tracker, 5000), [Some(1000), Some(5000), Some(1000)]);
    assert_eq!(tracker.freshness().missing(&[InputKind::Views]).map(|names| &**names), Some(TOPICS));
    tracker.meet(TOPICS);
    assert!(tracker.has_met_all());
    assert_eq!(as_of(&tracker, 6000)[0], Some(1000), "the source is reading earlier records");
    tracker.hear(TOPICS, 6001, false, &State::Live);
    assert_eq!(as_of(&tracker, 6001), [Some(6001); 3]);
}

#[test]
fn a_cluster_hears_as_little_as_the_process_that_hears_least() {
    let [leading, following] = [tracker(), tracker()];
    [&leading, &following].iter().for_each(|tracker| tracker.begin(1000));
    leading.others([false, true], 1500);
    leading.others([false, true], 1600);
    let views = 1499 + FORGIVEN_MS;
    assert_eq!(as_of(&leading, 2000), [Some(2000); 3]);
    assert_eq!(leading.freshness().missing(&[InputKind::Views]).map(|names| &**names), Some(TOPICS));
    leading.hear(TABLES, 1800, true, &stopped());
    following.told(2000, leading.at(2000));
    assert_eq!(as_of(&following, 2000), [Some(2000), Some(1799), Some(1799)]);
    let late = 50_000;
    following.told(late, leading.at(late));
    assert_eq!(as_of(&following, late), [Some(views), Some(1799), Some(1799)]);
    assert_eq!(following.freshness().missing(&InputKind::ALL).map(|names| &**names), Some("tables, topics"));
    assert_eq!((following.here(), leading.here()), ([true; 2], [true, false]));
    let back = 60_000;
    leading.others([true; 2], back);
    leading.hear(TABLES, back, false, &State::Live);
    following.told(back, leading.at(back));
    assert_eq!(as_of(&following, back - 1)[1], Some(1799));
    assert!(following.freshness().is_whole(back) && !following.freshness().is_whole(back - 1));
}
