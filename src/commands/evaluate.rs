//! `vitrine evaluate`: how good the lists are, from what happened next.
//!
//! The lists are those of the graph that `serve` runs, read between two records of the past.

mod learner;
mod lines;
mod page;
mod past;
mod reading;
mod sources;
mod stream;
mod tallies;
mod walk;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use dataflow::rules::Rules;
use recommend::{Fill, SourceName};

use self::sources::ListMaker;
use crate::cli::EvaluateArgs;
use crate::config::Config;

/// The number of products in a list.
const SIZE: usize = 10;

/// Runs the evaluation that the flags describe; prints the results to stdout.
///
/// # Errors
/// A file or a service cannot be read, a file cannot be written, or a line cannot be used; the error names it.
pub fn run(args: &EvaluateArgs, mut config: Config) -> anyhow::Result<ExitCode> {
    let chain = sources::chain(&args.chain)?;
    // What a chain names is on, whatever the settings of the service say. Co-views always are: with them, histories have
    // their full depth.
    config.rules.co_views.enabled = true;
    config.rules.buy_again.enabled |= chain.contains(&SourceName::BuyAgain);
    let fill = if args.interleave { Fill::Interleave } else { Fill::First };
    let content = if chain.contains(&SourceName::Content) { Some(sources::content(&config)?) } else { None };
    let lists = ListMaker::new(&config, &chain, fill, SIZE, content);
    match (&args.stream, args.from, args.until) {
        (Some(stream), ..) => over_stream(&config, lists, stream, &args.out),
        (None, Some(from), Some(until)) if from <= until => over_past(args, &config, lists, (from, until)),
        (None, Some(_), Some(_)) => bail!("--from is after --until"),
        (None, ..) => bail!("give --stream FILE, or --from TIME and --until TIME"),
    }
}

/// The rules of the graph that is asked. No list is made from features.
fn rules(config: &Config) -> Rules {
    let mut rules = config.rules.without_shadow();
    rules.features.enabled = false;
    rules
}

fn over_stream(config: &Config, lists: ListMaker, stream: &Path, out: &Path) -> anyhow::Result<ExitCode> {
    let went = stream::run(config, lists, stream, out)?;
    let stream::Went { lines, asks, empty } = went;
    println!("{lines} lines read, {asks} asked; the lists are in {}, {empty} of them without a product", out.display());
    Ok(ExitCode::SUCCESS)
}

fn over_past(
    args: &EvaluateArgs,
    config: &Config,
    lists: ListMaker,
    (from, until): (u64, u64),
) -> anyhow::Result<ExitCode> {
    config.require_source()?;
    let found = past::run(config, lists, from, until)?;
    for source in found.registry.snapshot() {
        println!("{}: {} records used", source.name, source.accepted);
        source.rejected.iter().for_each(|(reason, count)| println!("  refused: {count} {reason}"));
    }
    let report = page::report(&found.tallies, (from, until), &args.chain.join(", "));
    if report.rows.is_empty() {
        bail!("no user with a history viewed a product from --from to --until, so there is nothing to measure");
    }
    print!("{}", report.table());
    let out = &args.out;
    std::fs::write(out, report.html()).with_context(|| format!("{} cannot be written", out.display()))?;
    println!("the report is {}", out.display());
    Ok(ExitCode::SUCCESS)
}
