//! The simulation as a test: no seed differs, the seeds come to what there is to come to, and every planted bug is found.
//!
//! `scripts/simulate` runs more seeds, and makes one that differs smaller.

use simulation::{Failure, Operation, Outcome, Plant, run, shrink};

/// Operations of a seed.
const OPERATIONS: usize = 2000;

/// Seeds of the whole test, a part of them in each thread.
const SEEDS: u64 = 150;

/// Seeds within which a planted bug must be found.
const PLANT_SEEDS: u64 = 160;

/// Threads of the whole test.
const THREADS: u64 = 2;

fn seeds(seeds: impl Iterator<Item = u64>) -> Vec<(u64, Result<Outcome, Failure>)> {
    seeds.map(|seed| (seed, run(&Operation::many(seed, OPERATIONS), None))).collect()
}

#[test]
fn no_seed_differs() {
    let outcomes: Vec<(u64, Result<Outcome, Failure>)> = std::thread::scope(|scope| {
        let shares = (0..THREADS).map(|thread| (1..=SEEDS).filter(move |seed| seed % THREADS == thread));
        let threads: Vec<_> = shares.map(|share| scope.spawn(move || seeds(share))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(outcomes.len() as u64, SEEDS);
    let differ: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.is_err()).collect();
    assert!(differ.is_empty(), "run scripts/simulate --seeds 1 --ops {OPERATIONS} --seed S for each of {differ:#?}");
    // A simulation in which nothing happens finds nothing.
    let mut sum = Outcome::default();
    outcomes.into_iter().filter_map(|(_, outcome)| outcome.ok()).for_each(|outcome| sum += outcome);
    let each = |count: usize| count as u64 / SEEDS;
    let [full, changes] = sum.checkpoints;
    assert!(each(sum.ticks) > 80, "ticks are compared: {sum:?}");
    assert!(each(sum.partial) > 0 && each(sum.readings) > 3, "tables break, and are read again: {sum:?}");
    assert!(each(sum.restores) > 3 && sum.starts > sum.restores, "processes go on from checkpoints: {sum:?}");
    let [repeats, erased, hidden] = [sum.repeats, sum.erased, sum.hidden].map(each);
    assert!(repeats > 40 && erased > 40 && hidden > 20, "events are repeated, users erased, products hidden: {sum:?}");
    assert!(each(sum.retired) > 6, "views leave their histories because of their age: {sum:?}");
    assert!(sum.joins > SEEDS as usize, "features of the past are compared: {sum:?}");
    assert!(each(full) > 3 && each(changes) > 2 && sum.failed > 0, "checkpoints are taken, and fail: {sum:?}");
    assert!(sum.overflows > 0, "logs of changes overflow: {sum:?}");
}

#[test]
fn seeds_that_once_differed_do_not() {
    for (seed, outcome) in seeds([887, 2574, 5445, 6676, 7533, 11_374].into_iter()) {
        assert!(outcome.is_ok(), "seed {seed} differs again");
    }
}

#[test]
fn a_seed_is_a_run() {
    let operations = Operation::many(7, OPERATIONS);
    assert_eq!(operations, Operation::many(7, OPERATIONS));
    assert_eq!(run(&operations, None), run(&operations, None));
    assert_ne!(operations, Operation::many(8, OPERATIONS));
}

/// Two bugs that the simulation found, as the fewest operations that showed them.
#[test]
fn a_lost_end_that_was_written_anew_is_found_out_after_a_restart() {
    let view = |product| Operation::View { user: 2, product, partition: 0, ago_ms: 200 };
    let tick = |cut| Operation::Tick { budget: 100, cut, unseen: false };
    let start = [Operation::Start, Operation::Look { deep: true }, view(3), tick(false)];
    let lost = Operation::Truncate { topic: 0, partition: 0, records: 2 };
    let (pass, write) = (Operation::Pass { ms: 100 }, Operation::Write { fault: None });
    // The end is lost and written anew; what is read on behind it comes into a checkpoint before it was found out.
    let before = [&start[..], &[lost, view(2), pass, view(6), tick(true), write, Operation::Kill]].concat();
    assert_eq!(run(&before, None).map(|_| ()), Ok(()));
    // The checkpoint comes first, and nobody reads on until the restart.
    let more = [view(4), pass, tick(true), write, Operation::Kill, lost, view(5)];
    assert_eq!(run(&[&start[..], &more].concat(), None).map(|_| ()), Ok(()));
}

/// Runs seeds until one differs. A bug that few seeds show is looked for from one of them on, to save time.
fn find(plant: Plant) -> (Vec<Operation>, Failure) {
    let first = if plant == Plant::RenameBeforeFsync { 123 } else { 1 };
    let differing = (first..first + PLANT_SEEDS).find_map(|seed| {
        let operations = Operation::many(seed, OPERATIONS);
        let failure = run(&operations, Some(plant)).err()?;
        Some((operations, failure))
    });
    differing.unwrap_or_else(|| panic!("{plant} was not found within {PLANT_SEEDS} seeds"))
}

#[test]
fn a_panic_is_told_and_made_smaller_as_any_failure() {
    let plant = Some(Plant::Panic);
    let (operations, failure) = find(Plant::Panic);
    let told = |failure: &Failure| failure.what.contains("server.rs") && failure.what.contains("planted");
    assert!(told(&failure), "{failure:?}");
    let (fewest, failure) = shrink(&operations, failure, plant, 300);
    assert!(fewest.len() < 20 && told(&failure), "{fewest:?}: {failure:?}");
    assert_eq!(run(&fewest, plant).err(), Some(failure));
}

macro_rules! planted {
    ($($name:ident: $plant:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            find(Plant::$plant);
        })*

        #[test]
        fn every_plant_has_a_test() {
            assert_eq!([$(Plant::$plant),*], Plant::ALL);
        }
    };
}

planted! {
    acknowledging_before_the_checkpoint_is_found: AcknowledgeBeforeCheckpoint,
    going_on_behind_the_position_is_found: ResumeBehind,
    taking_the_restart_lsn_is_found: RestartLsn,
    starting_at_the_end_is_found: ResetToLatest,
    ignoring_the_topics_identity_is_found: IgnoredTopicId,
    ignoring_new_partitions_is_found: IgnoredNewPartition,
    a_snapshot_of_another_place_is_found: SnapshotBeforeSlot,
    a_rename_before_the_fsync_is_found: RenameBeforeFsync,
    an_fsync_that_does_nothing_is_found: FsyncIgnored,
    a_changed_key_that_leaves_its_row_is_found: KeyUpdateWithoutRetraction,
    a_dropped_truncate_is_found: TruncateDropped,
    a_table_defined_anew_that_is_not_seen_is_found: DefinitionUnseen,
    a_publication_changed_that_is_not_seen_is_found: PublicationUnseen,
    answering_a_delete_too_early_is_found: DeleteBeforeDurable,
    a_repeat_that_counts_is_found: RepeatCounted,
    an_erased_user_restored_from_a_checkpoint_is_found: ErasedUserRestored,
    an_erasure_that_is_read_after_later_events_is_found: ErasureReadLate,
    a_retired_pair_that_comes_back_is_found: RetiredPairReturns,
    a_hide_after_the_first_rows_were_taken_is_found: HideAfterTake,
    a_rule_that_does_not_end_is_found: RuleEndIgnored,
    a_value_from_the_future_is_found: ValueFromFuture,
    a_panic_is_found: Panic,
}
