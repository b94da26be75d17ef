//! How old lists are, as sources come and go.

use super::*;

const TOPICS: &str = "topics";
const TABLES: &str = "tables";

fn stopped() -> State {
    State::Stopped("another server".into())
}

fn hearing() -> Hearing {
    let hearing = Hearing::default();
    hearing.gives(TOPICS, &[Part::Views]);
    hearing.gives(TABLES, &[Part::Shop]);
    hearing
}

/// As-of times of lists of views, of the shop, and of both.
fn as_of(hearing: &Hearing, tick: Time) -> [Option<Time>; 3] {
    let shown = hearing.freshness();
    [&[Part::Views][..], &[Part::Shop], &Part::ALL].map(|parts| shown.as_of(tick, parts))
}

#[test]
fn before_a_time_is_known_nothing_is_as_of_anything() {
    let hearing = hearing();
    assert_eq!(as_of(&hearing, 3), [None; 3]);
    assert!(!hearing.freshness().is_whole(3));
    hearing.begin(1000);
    assert_eq!(as_of(&hearing, 999), [None; 3]);
    assert_eq!(as_of(&hearing, 1000), [Some(1000); 3]);
    assert!(hearing.freshness().is_whole(1000) && !hearing.freshness().is_whole(999));
}

#[test]
fn lists_of_a_source_that_is_away_stay_as_of_when_it_was_heard_last() {
    let hearing = hearing();
    hearing.begin(1000);
    hearing.hear(TABLES, 1005, true, &stopped());
    assert_eq!(as_of(&hearing, 1003), [Some(1003); 3]);
    assert_eq!(as_of(&hearing, 2000), [Some(2000), Some(1004), Some(1004)]);
    let shown = hearing.freshness();
    assert_eq!(shown.missing(&[Part::Shop]).map(|names| &**names), Some(TABLES));
    assert_eq!((shown.missing(&[Part::Views]), shown.is_whole(2000)), (None, false));
    assert_eq!(shown.missing(&Part::ALL).map(|names| &**names), Some(TABLES));
    // It is back in the tick that is open, and shows from that one on.
    hearing.hear(TABLES, 2001, false, &State::Live);
    assert_eq!(as_of(&hearing, 2000)[1], Some(1004));
    assert!(!hearing.freshness().is_whole(2000) && hearing.freshness().is_whole(2001));
    // It goes again before that tick has closed: nothing of it has shown.
    hearing.hear(TABLES, 2001, true, &State::Retrying("gone".into()));
    assert_eq!(as_of(&hearing, 3000)[1], Some(1004));
    hearing.hear(TABLES, 3000, false, &State::Live);
    hearing.hear(TABLES, 3001, true, &stopped());
    assert_eq!(as_of(&hearing, 4000)[1], Some(3000));
}

#[test]
fn a_source_that_may_come_back_by_itself_is_forgiven_for_a_while() {
    let hearing = hearing();
    hearing.begin(1000);
    let away = State::Retrying("the server is away".into());
    hearing.hear(TABLES, 2000, true, &away);
    assert_eq!(hearing.freshness().missing(&[Part::Shop]).map(|names| &**names), Some(TABLES), "it is told at once");
    let last = 1999 + FORGIVEN_MS;
    assert_eq!([last, last + 1, last + 5000].map(|tick| as_of(&hearing, tick)[1]), [Some(last); 3]);
    assert_eq!(hearing.until(TABLES, 2001), Some(2000));
    // It turns out that somebody has to mend it: no time that was told goes back.
    hearing.hear(TABLES, 5000, false, &stopped());
    assert_eq!([4999, 9000].map(|tick| as_of(&hearing, tick)[1]), [Some(4999); 2]);
    hearing.hear(TABLES, 9000, false, &away);
    hearing.pass_over(TABLES, 9500);
    assert_eq!(as_of(&hearing, 9999)[1], Some(4999));
}

#[test]
fn a_source_that_holds_ticks_back_is_not_away() {
    let hearing = hearing();
    // Its first part is live before its second one has begun.
    hearing.hear(TOPICS, 1, false, &State::Live);
    hearing.hear(TOPICS, 1, true, &State::CatchingUp);
    hearing.begin(1000);
    assert_eq!(as_of(&hearing, 2000), [Some(2000); 3]);
    assert!(hearing.freshness().is_whole(2000));
}

#[test]
fn a_source_that_was_never_reached_leaves_its_lists_at_the_first_time() {
    let hearing = hearing();
    hearing.unmet(TOPICS);
    hearing.pass_over(TOPICS, 1);
    assert!(!hearing.has_met_all());
    hearing.begin(1000);
    assert_eq!(as_of(&hearing, 5000), [Some(1000), Some(5000), Some(1000)]);
    assert_eq!(hearing.freshness().missing(&[Part::Views]).map(|names| &**names), Some(TOPICS));
    hearing.meet(TOPICS);
    assert!(hearing.has_met_all());
    assert_eq!(as_of(&hearing, 6000)[0], Some(1000), "it catches up with what came before");
    hearing.hear(TOPICS, 6001, false, &State::Live);
    assert_eq!(as_of(&hearing, 6001), [Some(6001); 3]);
}

#[test]
fn a_cluster_hears_as_little_as_the_process_that_hears_least() {
    let [leading, following] = [hearing(), hearing()];
    [&leading, &following].iter().for_each(|hearing| hearing.begin(1000));
    leading.others([false, true], 1500);
    leading.others([false, true], 1600);
    let views = 1499 + FORGIVEN_MS;
    assert_eq!(as_of(&leading, 2000), [Some(2000); 3]);
    assert_eq!(leading.freshness().missing(&[Part::Views]).map(|names| &**names), Some(TOPICS));
    leading.hear(TABLES, 1800, true, &stopped());
    following.told(2000, leading.at(2000));
    assert_eq!(as_of(&following, 2000), [Some(2000), Some(1799), Some(1799)]);
    let late = 50_000;
    following.told(late, leading.at(late));
    assert_eq!(as_of(&following, late), [Some(views), Some(1799), Some(1799)]);
    assert_eq!(following.freshness().missing(&Part::ALL).map(|names| &**names), Some("tables, topics"));
    assert_eq!((following.here(), leading.here()), ([true; 2], [true, false]));
    let back = 60_000;
    leading.others([true; 2], back);
    leading.hear(TABLES, back, false, &State::Live);
    following.told(back, leading.at(back));
    assert_eq!(as_of(&following, back - 1)[1], Some(1799));
    assert!(following.freshness().is_whole(back) && !following.freshness().is_whole(back - 1));
}
