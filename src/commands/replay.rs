//! `vitrine replay`: the lists as they were, from the records that are there.
//!
//! ```text
//! Kafka: first offsets … ends as of the start ─┐           ┌ lists-S.parquet
//! PostgreSQL: one snapshot ────────────────────┼▶ dataflow ┤ lists-S.jsonl       at every step S
//! files: as they are at the start ─────────────┘  ::replay └ dead-letters.jsonl  at the end
//! ```
//! [`sources::replay`] defines which records a step holds. The graph is the one that `serve` runs, and its tick is the
//! step. The output depends only on the records read, the configuration and the steps: rows are in the order of their
//! ids as text, never of their keys, and a file holds neither the time nor the machine of its creation.

pub(super) mod dir;
mod erasures;
mod letters;
pub(super) mod recorder;
mod rows;
pub(super) mod source;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::ids::Ids;
use dataflow::replay::{self, Settings};
use dataflow::source_status::SourceRegistry;
use dataflow::time::Time;
use sources::replay::ReplayBounds;

use self::dir::OutDir;
use self::letters::Letters;
use self::source::ReplaySources;
use self::watch::StepWriter;
use super::serve::end_with_any_thread;
use crate::cli::ReplayArgs;
use crate::config::Config;

/// How many records a worker takes from a source between two steps of the graph.
const BATCH: usize = 16_384;

/// The exit code of flags that contradict each other. clap uses the same code for invalid flags.
const USAGE: u8 = 2;

/// Runs the replay that the flags describe; prints a summary of records read and written to stdout.
///
/// # Errors
/// A service or a file cannot be read in bounded time, or the directory cannot be written.
pub fn run(args: &ReplayArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let steps = match args.steps() {
        Ok(steps) => steps,
        Err(reason) => {
            eprintln!("vitrine: {reason}");
            return Ok(ExitCode::from(USAGE));
        }
    };
    end_with_any_thread();
    let job = Job { steps, out: args.out.clone(), workers: config.dataflow.workers, batch: BATCH };
    let summary = job.run(config)?;
    print!("{summary}");
    Ok(ExitCode::SUCCESS)
}

/// A replay.
#[derive(Clone, Debug)]
pub struct Job {
    /// The steps, rising.
    pub steps: Vec<Time>,
    /// Where the files go.
    pub out: PathBuf,
    /// Worker threads.
    pub workers: usize,
    /// Records taken from a source at a time. Changes no file.
    pub batch: usize,
}

impl Job {
    /// Runs the replay; returns a summary of records read and written, as lines of text.
    ///
    /// # Errors
    /// A service or a file cannot be read in bounded time, or the directory cannot be written.
    ///
    /// # Panics
    /// Without a step.
    pub fn run(&self, config: &Config) -> anyhow::Result<String> {
        let rules = config.rules.without_shadow();
        let (first, last) = (self.steps.first().expect("a first step"), self.steps.last().expect("a last step"));
        let bounds = ReplayBounds { from: *first, until: *last, kept_ms: rules.orders_held_ms() };
        let out = OutDir::open(&self.out, &self.steps)?;
        let letters = Arc::new(Letters::new(&self.out)?);
        let registry = Arc::new(SourceRegistry::default());
        let dictionary = Arc::new(Dictionary::new(Ids::new(config.dataflow.id_key)).remembering_users());
        let sources = ReplaySources::open(config, bounds, &dictionary, &registry, letters.outlet())?;
        let progress = sources.progress();
        let mut watch = StepWriter::new(&out, progress.clone(), self.steps.len());
        let settings = Settings {
            workers: self.workers,
            rules,
            idle_merge_effort: config.dataflow.idle_merge_effort,
            dictionary,
            steps: self.steps.as_slice().into(),
            batch: self.batch,
            open: sources.opener(),
        };
        let done = replay::run(settings, &mut watch);
        let rows = watch.finish();
        done?;
        let refused = letters.write(&out)?;
        let skipped = progress.map_or_else(Vec::new, |progress| progress.skipped());
        Ok(summary(&registry, self, rows, refused, &skipped))
    }
}

/// The summary: records that each source read, refused (with reasons) and ignored, and rows written.
fn summary(registry: &SourceRegistry, job: &Job, rows: u64, refused: u64, skipped: &[String]) -> String {
    let mut lines = Vec::new();
    for source in registry.snapshot() {
        let ignored: u64 = source.ignored.values().sum();
        lines.push(format!("{}: {} records used, {ignored} more change no list", source.name, source.accepted));
        let reasons = source.rejected.iter().map(|(reason, count)| format!("  refused: {count} {reason}"));
        lines.extend(reasons);
    }
    lines.extend_from_slice(skipped);
    let out = job.out.display();
    if refused > 0 {
        lines.push(format!("{refused} refused records are in {}", job.out.join(dir::LETTERS).display()));
    }
    lines.push(format!("wrote {rows} rows in {} steps to {out}", job.steps.len()));
    lines.into_iter().map(|line| line + "\n").collect()
}
