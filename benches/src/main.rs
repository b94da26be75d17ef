//! The benchmarks' program: `run` measures, the other commands are the parts that run as processes of their own.

mod against;
mod bare_http;
mod bench;
mod child;
mod cli;
mod context;
mod event_mix;
mod figures;
mod floor;
mod lab;
mod latencies;
mod load;
mod machine;
mod numbers;
mod orders;
mod product;
mod shop;
mod steady;
mod tables;
mod targets;
mod topic;
mod traffic;

use std::time::Instant;

use anyhow::Context as _;
use clap::Parser as _;

use cli::{Cli, Command, RunArgs};
use context::Context;
use figures::Figures;

// The product's own allocator: the floor and the graph alone use the same allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run(args) => run(args),
        Command::Floor(args) => child::print_result(&floor::run(&args)?),
        Command::BareHttp(args) => bare_http::run(&args),
        Command::Traffic(args) => traffic::run(&args),
        Command::Memory(args) => child::print_result(&bench::run_part(&args)),
        Command::CoViews(args) => child::print_result(&bench::run_co_views(&args)),
        Command::Readers(args) => child::print_result(&bench::run_readers(&args)?),
    }
}

fn run(args: RunArgs) -> anyhow::Result<()> {
    let (vitrine, chosen) = (args.vitrine_or_sibling()?, args.chosen()?);
    let mut figures = Figures::default();
    let start = Instant::now();
    if let Some(other) = &args.against {
        let mut context = Context::new(args.quick, true, vitrine.clone(), args.churn());
        let pairs = against::run(&mut context, [&vitrine, other], &chosen, args.rounds)?;
        std::fs::write(&args.json, pairs.figures().json())
            .with_context(|| format!("cannot write {}", args.json.display()))?;
        print!("{}", pairs.table());
        return Ok(());
    }
    let context = Context::new(args.quick, false, vitrine, args.churn());
    let mut failed = Vec::new();
    for name in chosen {
        eprintln!("bench: {name:?} ({:.0} s since the start)", start.elapsed().as_secs_f64());
        // If a benchmark fails, the figures of the others are kept.
        if let Err(error) = bench::run(name, &context, &mut figures) {
            eprintln!("bench: {name:?} failed: {error:#}");
            failed.push(name);
        }
    }
    figures.put("bench_wall_s", start.elapsed().as_secs_f64());
    figures.put("bench_sched_autogroup", machine::shares_among_sessions());
    std::fs::write(&args.json, figures.json()).with_context(|| format!("cannot write {}", args.json.display()))?;
    print!("{}", figures.table());
    anyhow::ensure!(failed.is_empty(), "not measured: {failed:?}");
    Ok(())
}
