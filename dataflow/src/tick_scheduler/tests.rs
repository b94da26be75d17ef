//! When ticks close, and which times they get.

use super::*;
use crate::freshness::InputKind;
use crate::source_status::State;

fn scheduler() -> TickScheduler {
    let scheduler = TickScheduler::new(
        TickPolicy { batch_max: 100, behind_min: 50, ..TickPolicy::default() },
        ClusterPlace::alone(1),
        0,
        &SourceRegistry::default(),
        None,
    );
    scheduler.fed(0, FeedProgress::default());
    scheduler.open(1000, 1000, false);
    scheduler
}

fn fed(records: usize, waiting: usize) -> FeedProgress {
    FeedProgress { records, waiting, reached: None }
}

#[test]
fn a_tick_closes_when_there_is_something_to_show_and_the_last_one_is_shown() {
    let scheduler = scheduler();
    assert_eq!(scheduler.due(1001, 1000), None, "nothing was fed");
    scheduler.fed(0, fed(1, 0));
    assert_eq!(scheduler.due(1001, 1000), Some(1001));
    assert_eq!(scheduler.due(1001, 999), None, "the tick before is not shown yet");
    assert_eq!(scheduler.due(1000, 1000), None, "time has not moved");
}

#[test]
fn silence_closes_a_tick_too() {
    assert_eq!(scheduler().due(1099, 1000), None);
    assert_eq!(scheduler().due(1100, 1000), Some(1100));
}

#[test]
fn far_behind_ticks_grow_up_to_their_bounds() {
    let scheduler = scheduler();
    scheduler.fed(0, fed(10, 50));
    assert_eq!(scheduler.due(1500, 1000), None);
    assert_eq!(scheduler.due(2000, 1000), Some(2000), "the longest tick");
    scheduler.fed(0, fed(90, 50));
    assert_eq!(scheduler.due(1001, 1000), Some(1001), "the largest tick");
    assert_eq!(scheduler.budget(), 0);
}

#[test]
fn while_catching_up_ticks_are_dated_by_the_slowest_source() {
    let scheduler =
        TickScheduler::new(TickPolicy::default(), ClusterPlace::alone(2), 0, &SourceRegistry::default(), None);
    scheduler.fed(0, FeedProgress { records: 1, waiting: 0, reached: Some(500) });
    assert_eq!(scheduler.due(9000, 0), Some(1), "the other worker has not been asked yet");
    scheduler.fed(1, FeedProgress { records: 1, waiting: 0, reached: Some(700) });
    assert_eq!(scheduler.due(9000, 0), Some(500));
    scheduler.open(500, 9000, false);
    scheduler.fed(0, fed(1, 0));
    assert_eq!(scheduler.due(9000, 500), None, "not twice at one moment");
    assert_eq!(scheduler.due(9001, 500), Some(700));
    scheduler.open(700, 9001, false);
    scheduler.fed(1, FeedProgress { records: 1, waiting: 0, reached: Some(600) });
    assert_eq!(scheduler.due(9002, 700), Some(701), "time goes on, though one record be older than another");
    assert!(!scheduler.has_caught_up(9002));
    scheduler.fed(1, fed(1, 0));
    assert_eq!(scheduler.due(9002, 700), Some(9002));
    scheduler.fed(1, FeedProgress { records: 0, waiting: 0, reached: Some(FeedProgress::UNDATED) });
    assert_eq!(scheduler.due(9003, 700), Some(9003));
    assert!(
        scheduler.has_caught_up(700) && !scheduler.has_caught_up(699),
        "what is fed into the open tick belongs to it"
    );
}

#[test]
fn nothing_shows_that_the_lease_does_not_cover() {
    struct Until(AtomicU64, AtomicBool);

    impl TimestampLease for Until {
        fn covers(&self, tick: Time, extent: Extent) -> bool {
            self.1.store(extent == Extent::CaughtUp, Ordering::Relaxed);
            tick <= self.0.load(Ordering::Relaxed)
        }
    }

    let lease = Arc::new(Until(AtomicU64::new(500), AtomicBool::new(true)));
    let scheduler = TickScheduler::new(
        TickPolicy::default(),
        ClusterPlace::alone(1),
        0,
        &SourceRegistry::default(),
        Some(lease.clone()),
    );
    scheduler.fed(0, FeedProgress { records: 1, waiting: 0, reached: Some(400) });
    assert_eq!(scheduler.due(9000, 0), Some(400));
    assert!(!lease.1.load(Ordering::Relaxed), "the source is catching up");
    scheduler.fed(0, fed(1, 0));
    assert_eq!(scheduler.due(9000, 0), None);
    lease.0.store(9000, Ordering::Relaxed);
    assert_eq!(scheduler.due(9000, 0), Some(9000));
    assert!(lease.1.load(Ordering::Relaxed));
}

#[test]
fn the_leader_closes_ticks_for_what_is_fed_elsewhere_and_other_paces_follow_its_marks() {
    let place = |process| ClusterPlace { workers: 1, process, processes: 2 };
    let rules = TickPolicy { batch_max: 100, behind_min: 50, ..TickPolicy::default() };
    let [leading, following] =
        [0, 1].map(|process| TickScheduler::new(rules, place(process), 0, &SourceRegistry::default(), None));
    leading.fed(0, fed(0, 0));
    assert_eq!(leading.due(9000, 0), Some(1), "the other process has not been heard of yet");
    leading.open(1000, 1000, false);
    let report =
        |fed, waiting| ProgressMessage { worker: 1, fed, waiting, reached: None, live: waiting == 0, heard: [true; 2] };
    let registry = SourceRegistry::default();
    registry.source("database");
    assert_eq!(leading.waits_for(&registry), Some(0));
    registry.source("database").state(0, State::Live);
    assert_eq!(leading.waits_for(&registry), Some(1), "it has not been heard of yet");
    leading.apply_report(report(3, 0), 999);
    assert_eq!(leading.waits_for(&registry), None);
    assert_eq!(leading.due(1001, 1000), None, "that shows with the tick before");
    leading.apply_report(report(3, 0), 1000);
    assert_eq!(leading.due(1001, 1000), Some(1001));
    leading.apply_report(report(50, 70), 1000);
    assert_eq!(leading.waits_for(&registry), Some(1));
    assert_eq!(leading.due(1001, 1000), Some(1001), "the other process may feed no more into this tick");
    following.fed(1, fed(50, 70));
    assert_eq!(following.budget(), 0);
    let heard = [None; 2];
    let mark = TickMessage {
        now: 1000,
        cut: true,
        end: false,
        held: false,
        waits_for: None,
        caught_up: false,
        first: 900,
        heard,
    };
    following.apply(mark);
    assert!(!following.has_caught_up(1000));
    following.apply(mark);
    assert_eq!((following.tick(), following.cut(), following.ticks(), following.budget()), (1001, 1000, 1, 50));
    for process in [&leading, &following] {
        process.apply(TickMessage { now: 1000, held: true, ..mark });
        assert_eq!(process.held(), 1, "the leader waits, and is well");
    }
    assert_eq!(following.tick(), 1001);
    leading.stop();
    assert!(leading.take_ending() && !leading.is_stopped(), "all processes are told first");
    let end = TickMessage { end: true, ..mark };
    leading.apply(end);
    following.apply(end);
    assert!(leading.is_stopped() && following.wait_stopped(Duration::ZERO));
}

#[test]
fn the_first_time_that_says_something_is_the_first_that_is_told() {
    let registry = SourceRegistry::default();
    let scheduler = TickScheduler::new(TickPolicy::default(), ClusterPlace::alone(1), 1, &registry, None);
    let as_of = |tick| registry.freshness().as_of(tick, &InputKind::ALL);
    scheduler.fed(0, FeedProgress { records: 0, waiting: 0, reached: Some(0) });
    assert_eq!(scheduler.due(9000, 1), Some(2), "nothing is known yet");
    assert_eq!(scheduler.closing(1, &registry).first, 0);
    scheduler.open(2, 9000, false);
    assert_eq!(as_of(1), None);
    scheduler.fed(0, FeedProgress { records: 1, waiting: 0, reached: Some(700) });
    assert_eq!(scheduler.due(9001, 2), Some(700));
    assert_eq!(scheduler.closing(699, &registry).first, 699);
    assert_eq!((as_of(1), as_of(699)), (None, Some(699)));
    let restored = SourceRegistry::default();
    TickScheduler::new(TickPolicy::default(), ClusterPlace::alone(1), 500, &restored, None);
    assert_eq!(restored.freshness().as_of(499, &InputKind::ALL), Some(499));
}

#[test]
fn what_another_process_does_not_hear_ages_here_too() {
    let place = |process| ClusterPlace { workers: 1, process, processes: 2 };
    let boards = [SourceRegistry::default(), SourceRegistry::default()];
    let [leading, following] = [0, 1].map(|process: usize| {
        boards[process].elsewhere("topics", &[InputKind::Views]);
        TickScheduler::new(TickPolicy::default(), place(process), 500, &boards[process], None)
    });
    leading.fed(0, fed(0, 0));
    let report = |heard| ProgressMessage { worker: 1, fed: 0, waiting: 0, reached: None, live: false, heard };
    leading.apply_report(report([false, true]), 500);
    leading.open(1000, 1000, false);
    let closing = leading.closing(1000, &boards[0]);
    assert_eq!(closing.heard, [Some(1000), None]);
    let Closing { cut, waits_for, caught_up, first, heard } = closing;
    following.apply(TickMessage { now: 1000, cut, end: false, held: false, waits_for, caught_up, first, heard });
    for registry in &boards {
        let shown = registry.freshness();
        assert_eq!(
            (shown.as_of(1000, &[InputKind::Views]), shown.as_of(1000, &[InputKind::Shop])),
            (Some(1000), Some(1000))
        );
        assert_eq!(shown.missing(&[InputKind::Views]).map(|names| &**names), Some("topics"));
    }
    leading.apply_report(report([true, true]), 1000);
    leading.open(2000, 2000, false);
    let heard = leading.closing(2000, &boards[0]).heard;
    following.apply(TickMessage { now: 2000, cut, end: false, held: false, waits_for, caught_up, first, heard });
    assert!(boards.iter().all(|registry| registry.freshness().is_whole(2000)));
}
