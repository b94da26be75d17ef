//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use clap::{Args, Parser, Subcommand};

use crate::bare_http::BareHttpArgs;
use crate::bench::{CoViewsArgs, MemoryArgs, Name, ReadersArgs};
use crate::floor::FloorArgs;
use crate::traffic::TrafficArgs;

#[derive(Debug, Parser)]
#[command(name = "vitrine-bench", about = "Measures Vitrine beside a floor in the same run")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure, write the figures, show them as a table
    Run(RunArgs),
    /// Run a bare consumer that parses: the floor of a backfill
    #[command(hide = true)]
    Floor(FloorArgs),
    /// Run a bare hyper that answers a constant: the ceiling of look-ups
    #[command(hide = true)]
    BareHttp(BareHttpArgs),
    /// Send views at a steady rate, until killed
    #[command(hide = true)]
    Traffic(TrafficArgs),
    /// Load one kind of row into the graph, and print the memory it takes
    #[command(hide = true)]
    Memory(MemoryArgs),
    /// Load views into the graph with co-views on or off, and print what they cost
    #[command(hide = true)]
    CoViews(CoViewsArgs),
    /// Follow lists for some seconds, and print how many changes came
    #[command(hide = true)]
    Readers(ReadersArgs),
}

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Smaller sizes and fewer repeats
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only this benchmark; may be repeated. Without it all of them but `churn` and `years`
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<Name>,
    /// How long `churn` takes; by default 30, with --quick 2
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(1..))]
    minutes: Option<u32>,
    /// File for the figures, as one flat JSON object
    #[arg(long, value_name = "FILE")]
    pub(crate) json: PathBuf,
    /// Another build of `vitrine`: both run in turns, and ratios of this build's figures to its figures are printed. The
    /// `vitrine-bench` beside it measures its graph
    #[arg(long, value_name = "PATH")]
    pub(crate) against: Option<PathBuf>,
    /// With --against: how often both builds have their turn
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// The program to measure; by default the `vitrine` beside this program
    #[arg(long, value_name = "PATH")]
    vitrine: Option<PathBuf>,
}

impl RunArgs {
    /// How long the churn takes.
    pub(crate) fn churn(&self) -> Duration {
        let minutes = self.minutes.unwrap_or(if self.quick { 2 } else { 30 });
        Duration::from_secs(60) * minutes
    }

    /// The benchmarks to run.
    pub(crate) fn chosen(&self) -> anyhow::Result<Vec<Name>> {
        let Some(other) = &self.against else {
            return Ok(if self.only.is_empty() { Name::usual() } else { self.only.clone() });
        };
        ensure!(other.is_file(), "there is no program {}", other.display());
        let in_this_process = self.only.iter().find(|name| !name.compares_builds());
        ensure!(in_this_process.is_none(), "{in_this_process:?} cannot be measured of two builds");
        let comparable = || Name::usual().into_iter().filter(|name| name.compares_builds()).collect();
        Ok(if self.only.is_empty() { comparable() } else { self.only.clone() })
    }

    /// The program to measure.
    pub(crate) fn vitrine_or_sibling(&self) -> anyhow::Result<PathBuf> {
        let path = match &self.vitrine {
            Some(path) => path.clone(),
            None => std::env::current_exe()?.with_file_name("vitrine"),
        };
        ensure!(path.is_file(), "there is no program {}", path.display());
        Ok(path)
    }
}
