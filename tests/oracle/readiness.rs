//! Each process of a cluster reports if another process is not live, and names it.

use std::sync::Arc;
use std::time::Duration;

use dataflow::engine::Settings;
use dataflow::freshness::InputKind;
use dataflow::rules::Rules;
use dataflow::source_status::{CLUSTER, SourceRegistry, State};

use crate::live::{Shared, settings};
use crate::processes;

const SOON: Duration = Duration::from_secs(300);

/// What a process says of the others.
fn of_others(registry: &SourceRegistry) -> State {
    registry
        .snapshot()
        .into_iter()
        .find(|status| status.name == CLUSTER)
        .map_or(State::CatchingUp, |status| status.state)
}

/// Waits until each process says this of the others: that all are live, or which is not.
#[track_caller]
fn expect(boards: &[Arc<SourceRegistry>], waits_for: [Option<usize>; 3]) {
    let says = |registry: &Arc<SourceRegistry>, process: &Option<usize>| match (of_others(registry), process) {
        (State::Live, None) => true,
        (State::Retrying(reason), Some(process)) => reason.contains(&format!("process {process} ")),
        _ => false,
    };
    let all = || boards.iter().zip(&waits_for).all(|(registry, process)| says(registry, process));
    harness::wait_until(SOON, &format!("they say that they wait for {waits_for:?}"), all);
}

#[test]
fn a_process_says_so_while_another_one_is_not_live() {
    let boards: Vec<Arc<SourceRegistry>> = (0..3).map(|_| Arc::default()).collect();
    let database = |process: usize, state| boards[process].source("database").state(0, state);
    (0..3).for_each(|process| database(process, State::Live));
    database(2, State::CatchingUp);
    let shared = Shared::new(6);
    let engines = processes::start_or_alone(3, |process| Settings {
        open_feeds: Arc::new(|_| Vec::new()),
        registry: boards[process].clone(),
        ..settings(&shared, Rules::default(), 2, 1)
    });
    expect(&boards, [Some(2), Some(2), None]);
    database(2, State::Live);
    expect(&boards, [None, None, None]);
    database(0, State::Retrying("away".into()));
    expect(&boards, [None, Some(0), Some(0)]);
    database(1, State::Stopped("gone".into()));
    database(0, State::Live);
    expect(&boards, [Some(1), None, Some(1)]);
    processes::stop(engines);
}

/// Of one that is not there yet.
const FAR: u64 = u64::MAX / 2;

#[test]
fn lists_age_in_every_process_when_one_of_them_does_not_hear_their_source() {
    let boards: Vec<Arc<SourceRegistry>> = (0..3).map(|_| Arc::default()).collect();
    boards[0].source("database").gives(&[InputKind::Shop]);
    boards[1..].iter().for_each(|registry| registry.elsewhere("database", &[InputKind::Shop]));
    for registry in &boards {
        registry.source("broker").gives(&[InputKind::Views]);
        registry.source("broker").state(0, State::Live);
    }
    boards[0].source("database").state(0, State::Live);
    let shared = Shared::new(6);
    let engines = processes::start_or_alone(3, |process| Settings {
        open_feeds: Arc::new(|_| Vec::new()),
        registry: boards[process].clone(),
        ..settings(&shared, Rules::default(), 2, 1)
    });
    let all = |what: &str, says: &dyn Fn(&SourceRegistry) -> bool| {
        harness::wait_until(SOON, what, || boards.iter().all(|registry| says(registry)));
    };
    let aged =
        |registry: &SourceRegistry, part| registry.freshness().as_of(FAR, &[part]).is_some_and(|as_of| as_of < FAR);
    let lacks = |registry: &SourceRegistry, part| registry.freshness().missing(&[part]).map(|names| names.to_string());
    all("everything is heard", &|registry| registry.freshness().is_whole(FAR));
    boards[0].source("database").state(0, State::Stopped("another server".into()));
    all("lists of the shop age", &|registry| {
        aged(registry, InputKind::Shop) && lacks(registry, InputKind::Shop).as_deref() == Some("database")
    });
    assert!(
        boards.iter().all(|registry| !aged(registry, InputKind::Views) && lacks(registry, InputKind::Views).is_none())
    );
    boards[2].source("broker").state(0, State::Retrying("no answer".into()));
    all("lists of views age too", &|registry| {
        aged(registry, InputKind::Views) && lacks(registry, InputKind::Views).as_deref() == Some("broker")
    });
    boards[0].source("database").state(0, State::Live);
    boards[2].source("broker").state(0, State::Live);
    all("everything is heard again", &|registry| registry.freshness().is_whole(FAR));
    processes::stop(engines);
}
