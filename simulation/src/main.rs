//! Runs the simulation over many seeds: `vitrine-simulation --seeds N --ops M [--seed S] [--plant BUG]`.

use std::panic::resume_unwind;
use std::process::ExitCode;

use clap::Parser;
use simulation::{Operation, Outcome, Plant, run, shrink};

/// Limit of runs that are spent on shrinking a failing seed.
const SHRINKING: usize = 300;

/// Simulates the whole of Vitrine in a world whose faults the seeds decide, and compares every list at every tick.
#[derive(Parser)]
struct Arguments {
    /// Number of seeds.
    #[arg(long, default_value_t = 300)]
    seeds: u64,
    /// Number of operations per seed.
    #[arg(long, default_value_t = 2000)]
    ops: usize,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Plants a bug, which the simulation must find.
    #[arg(long)]
    plant: Option<Plant>,
    /// Number of failures that are shrunk and printed.
    #[arg(long, default_value_t = 3)]
    told: usize,
    /// Number of threads.
    #[arg(long, default_value_t = 1)]
    threads: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Arguments { seeds, ops, seed, plant, told, threads } = arguments;
    let share = |thread: u64| {
        let mine = (seed..seed + seeds).filter(|one| one % threads.max(1) == thread);
        let outcome = |one| {
            let outcome = run(&Operation::many(one, ops), plant);
            // Printed at once: this seed is reported whatever happens to the others.
            if let Err(failure) = &outcome {
                println!("seed {one} differs after {} operations: {}", failure.after, failure.what);
            }
            (one, outcome)
        };
        mine.map(outcome).collect::<Vec<_>>()
    };
    let runs: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads.max(1)).map(|thread| scope.spawn(move || share(thread))).collect();
        let joined = running.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        joined.flatten().collect()
    });
    let (mut sum, mut failures) = (Outcome::default(), Vec::new());
    for (seed, outcome) in runs {
        match outcome {
            Ok(outcome) => sum += outcome,
            Err(failure) => failures.push((seed, failure)),
        }
    }
    failures.sort_by_key(|(seed, _)| *seed);
    let Outcome { ticks, partial, readings, starts, restores, checkpoints: [full, changes], failed, .. } = sum;
    let Outcome { repeats, erased, hidden, joins, overflows, .. } = sum;
    println!(
        "compared {ticks} ticks ({partial} without a table, {repeats} with repeats, {erased} with erased users, {hidden} \
         with hidden products), {joins} joins with the past, {starts} starts ({restores} from a checkpoint), {readings} \
         readings of the tables, {full} checkpoints of everything and {changes} of changes, {failed} that failed, {overflows} \
         overflows of the log of changes"
    );
    let differing: Vec<String> = failures.iter().map(|(seed, _)| seed.to_string()).collect();
    for (seed, failure) in failures.into_iter().take(told) {
        let (operations, failure) = shrink(&Operation::many(seed, ops), failure, plant, SHRINKING);
        println!("seed {seed} differs with no more than {} operations: {}", operations.len(), failure.what);
        operations.iter().for_each(|operation| println!("    {operation:?}"));
    }
    if !differing.is_empty() {
        println!("differing seeds: {}", differing.join(", "));
    }
    println!("{seeds} seeds, {ops} ops each, {} differ", differing.len());
    if differing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
