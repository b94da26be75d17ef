//! Runs the simulation over many seeds: `vitrine-simulation --seeds N --ops M [--seed S] [--plant BUG]`.

use std::process::ExitCode;

use clap::Parser;
use simulation::{Operation, Plant, run, shrink};

/// Runs of a failing seed that are spent on making it smaller.
const SHRINKING: usize = 300;

/// Simulates the whole of Vitrine in a world that fails as seeds decide, and compares every list at every tick.
#[derive(Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 300)]
    seeds: u64,
    /// How many operations each.
    #[arg(long, default_value_t = 2000)]
    ops: usize,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Puts a bug in, which is to be found.
    #[arg(long)]
    plant: Option<Plant>,
    /// How many failures are made smaller and told.
    #[arg(long, default_value_t = 3)]
    told: usize,
    /// Threads.
    #[arg(long, default_value_t = 1)]
    threads: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Arguments { seeds, ops, seed, plant, told, threads } = arguments;
    let share = |thread: u64| {
        let mine = (seed..seed + seeds).filter(|one| one % threads.max(1) == thread);
        mine.filter_map(|one| Some((one, run(&Operation::many(one, ops), plant).err()?))).collect::<Vec<_>>()
    };
    let mut failures: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads.max(1)).map(|thread| scope.spawn(move || share(thread))).collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    failures.sort_by_key(|(seed, _)| *seed);
    let differ = failures.len();
    for (seed, failure) in failures.into_iter().take(told) {
        let (operations, failure) = shrink(&Operation::many(seed, ops), failure, plant, SHRINKING);
        println!("seed {seed} differs after {} operations: {}", operations.len(), failure.what);
        operations.iter().for_each(|operation| println!("    {operation:?}"));
    }
    println!("{seeds} seeds, {ops} ops each, {differ} differ");
    if differ == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
