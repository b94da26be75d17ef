//! `vitrine archive`: lists, verifies and merges the files of the archive, and erases a user, also while a server writes there.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use archive::chain::{Chain, Survey};
use archive::erase::{Erased, UsersToErase, erase};
use archive::verify::{survey, verify};
use archive::{compact, store};
use sources::files;

use super::progress;
use crate::cli::{ArchiveAction, ArchiveArgs};
use crate::config::Config;

/// Runs the subcommand; results go to stdout.
///
/// # Errors
/// No archive is named, its store does not answer, or a file cannot be merged.
pub fn run(args: &ArchiveArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let store = store::open(&config.archive)?;
    let store = store.context("no archive is named: give --to, or a --config file with archive.to")?;
    let out = &mut io::stdout().lock();
    match &args.action {
        ArchiveAction::Ls { files, .. } => {
            ls(&survey(&*store)?, *files, out)?;
            Ok(ExitCode::SUCCESS)
        }
        ArchiveAction::Verify { .. } => {
            let survey = survey(&*store)?;
            let bar = progress::bytes("verify", Some(survey.chains.values().map(bytes).sum()));
            let reports = verify(&*store, &survey, |bytes| bar.inc(bytes))?;
            bar.finish_and_clear();
            let mut code = ExitCode::SUCCESS;
            for (id, report) in reports {
                let sound = if report.problems.is_empty() { "sound" } else { "wrong" };
                writeln!(out, "{id}: {sound}, {} rows in {} segments", report.rows, report.segments)?;
                for problem in &report.problems {
                    writeln!(out, "  wrong: {problem}")?;
                    code = ExitCode::FAILURE;
                }
                report.notes.iter().try_for_each(|note| writeln!(out, "  note: {note}"))?;
            }
            foreign(&survey, out)?;
            Ok(code)
        }
        ArchiveAction::Erase { user, .. } => {
            let survey = survey(&*store)?;
            let erasures = match user {
                Some(user) => UsersToErase::of(user),
                None => UsersToErase::recorded(&*store, &survey, removals(config)?)?,
            };
            let bar = progress::bytes("erase", Some(survey.chains.values().map(bytes).sum()));
            let Erased { records, files } = erase(&*store, &survey, &erasures, |bytes| bar.inc(bytes))?;
            bar.finish_and_clear();
            writeln!(out, "removed {records} records of {} users from {files} files", erasures.users())?;
            Ok(ExitCode::SUCCESS)
        }
        ArchiveAction::Compact { .. } => {
            let merged = compact::compact(&*store, &config.archive)?;
            let compact::Merged { files, into, removed } = merged;
            writeln!(out, "merged {files} files into {into}; removed {removed} that an interrupted merging had left")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The topic, or the file, that records erasures.
fn removals(config: &Config) -> anyhow::Result<&str> {
    let topic = config.kafka.as_ref().map(|kafka| kafka.removals.as_str());
    let file = config.files.as_ref().map(|_| files::REMOVALS);
    topic.or(file).context("which topic records erasures is not known: give --user, or a --config file with [kafka]")
}

/// One line per partition, or per file.
fn ls(survey: &Survey, files: bool, out: &mut dyn Write) -> io::Result<()> {
    for (id, chain) in &survey.chains {
        let first = chain.segments.first().map_or(0, |segment| segment.first);
        let last = chain.next().unwrap_or(0) - 1;
        let segments = chain.segments.len();
        writeln!(out, "{id}: offsets {first} to {last} in {segments} segments, {} bytes", bytes(chain))?;
        for range in chain.missing() {
            writeln!(out, "  missing: offsets {} to {}", range.start(), range.end())?;
        }
        if files {
            let mut all = chain.segments.iter().flat_map(|segment| &segment.files);
            all.try_for_each(|file| writeln!(out, "  {} {} bytes", file.name, file.bytes))?;
        }
    }
    foreign(survey, out)
}

fn foreign(survey: &Survey, out: &mut dyn Write) -> io::Result<()> {
    survey.foreign.iter().try_for_each(|name| writeln!(out, "not of the archive: {name}"))
}

fn bytes(chain: &Chain) -> u64 {
    chain.segments.iter().map(archive::chain::Segment::bytes).sum()
}
