//! Random histories through the graph: every list and its order at every closed tick, for every split of the input.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use crate::cluster::{Outcome, Pacing, run};
use crate::erasures::with_erasures;
use crate::given::{History, World};
use crate::histories::{default_rules, long, small, viewing};
use crate::interactions::with_interactions;
use crate::seen::{Oracle, Seen};
use crate::shadow::with_shadow;

/// So many of a hundred of the cases asked for. Failures that were found are kept and tried first.
fn config(percent: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400);
    ProptestConfig {
        cases: (cases * percent / 100).max(1),
        max_shrink_time: 120_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/oracle/regressions.txt"))),
        ..ProptestConfig::default()
    }
}

/// Runs a history and judges all that was seen of it.
pub(crate) fn check(history: &History, workers: usize, pacing: Pacing) -> Result<Vec<Seen>, String> {
    let world = Arc::new(World::new(history.domain));
    let Outcome { samples, changes, last } = run(&world, history, workers, pacing)?;
    let mut oracle = Oracle::new(&world, history);
    samples.iter().chain(&last).try_for_each(|sample| oracle.judge(sample))?;
    oracle.judge_changes(&changes)?;
    if last.iter().any(|sample| sample.as_of != history.as_of()) {
        return Err("the last look was not at the last tick".into());
    }
    Ok(last.into_iter().map(|sample| sample.seen).collect())
}

fn holds(history: &History, workers: usize, pacing: Pacing) -> Result<(), TestCaseError> {
    check(history, workers, pacing).map(drop).map_err(|wrong| TestCaseError::fail(format!("{pacing:?}: {wrong}")))
}

fn pacing() -> impl Strategy<Value = Pacing> {
    prop_oneof![(1usize..20).prop_map(Pacing::Bursts), any::<u64>().prop_map(Pacing::Straggling)]
}

fn workers() -> impl Strategy<Value = usize> {
    prop_oneof![Just(1), Just(2), Just(4)]
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn one_worker_shows_the_right_lists_at_every_tick(history in with_erasures(with_shadow(with_interactions(small())))) {
        holds(&history, 1, Pacing::Bursts(1))?;
    }

    #[test]
    fn one_batch_may_hold_many_times(history in with_erasures(with_shadow(with_interactions(small()))), workers in workers(), size in 2usize..8) {
        holds(&history, workers, Pacing::Bursts(size))?;
    }
}

proptest! {
    #![proptest_config(config(50))]

    #[test]
    fn two_workers_show_the_right_lists_at_every_tick(history in with_erasures(with_shadow(with_interactions(small())))) {
        holds(&history, 2, Pacing::Bursts(1))?;
    }

    #[test]
    fn workers_may_lag_behind_each_other(history in with_erasures(with_shadow(with_interactions(small()))), workers in workers(), seed in any::<u64>()) {
        holds(&history, workers, Pacing::Straggling(seed))?;
    }

    #[test]
    fn similar_products_and_recommendations_are_those_of_the_definition(
        history in with_erasures(with_interactions(viewing())),
        workers in workers(),
        pacing in pacing(),
    ) {
        holds(&history, workers, pacing)?;
    }

    #[test]
    fn lists_of_ten_and_thirty_days(history in with_erasures(with_shadow(with_interactions(default_rules()))), workers in workers(), size in 1usize..4) {
        holds(&history, workers, Pacing::Bursts(size))?;
    }
}

proptest! {
    #![proptest_config(config(25))]

    #[test]
    fn four_workers_show_the_right_lists_at_every_tick(history in with_erasures(with_shadow(with_interactions(small())))) {
        holds(&history, 4, Pacing::Bursts(1))?;
    }

    #[test]
    fn the_end_does_not_depend_on_ticks_or_workers(
        history in with_shadow(with_interactions(small())),
        ways in vec((vec(any::<usize>(), 0..10), workers(), 1usize..4), 2..4),
    ) {
        let mut history = history.until_a_period_ends();
        // How long features last depends on when their events were read.
        history.rules.features.days = 0;
        let mut ends = vec![check(&history, 1, Pacing::Bursts(1)).map_err(TestCaseError::fail)?];
        for (cuts, workers, size) in ways {
            let other = history.resplit(cuts);
            ends.push(check(&other, workers, Pacing::Bursts(size)).map_err(TestCaseError::fail)?);
        }
        prop_assert!(ends.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

proptest! {
    #![proptest_config(config(3))]

    #[test]
    fn hundreds_of_ticks_merge_and_compact(history in with_erasures(with_shadow(with_interactions(long()))), workers in workers(), pacing in pacing()) {
        holds(&history, workers, pacing)?;
    }
}
