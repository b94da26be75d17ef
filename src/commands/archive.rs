//! `vitrine archive`: lists, verifies and merges the files of the archive, and erases a user, also while a server writes there.

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use archive::chain::{Chain, Survey};
use archive::erase::{Erased, UsersToErase, erase};
use archive::store::Store;
use archive::verify::{survey, verify};
use archive::{Settings, Target, compact, store};
use sources::files;

use super::progress;
use crate::cli::{ArchiveAction, ArchiveArgs};
use crate::config::Config;

/// Runs the subcommand; results go to stdout.
///
/// # Errors
/// No archive is named, there is none at the place, its store does not answer, or a file cannot be merged.
pub fn run(args: &ArchiveArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let store = open(&config.archive)?;
    let place = config.archive.to.as_deref().unwrap_or_default();
    let out = &mut io::stdout().lock();
    match &args.action {
        ArchiveAction::Ls { files, .. } => {
            let survey = survey(&*store)?;
            ls(&survey, *files, out)?;
            if survey.chains.is_empty() {
                writeln!(out, "{}", empty(place))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        ArchiveAction::Verify { .. } => {
            let survey = survey(&*store)?;
            require_files(&survey, place)?;
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
            require_files(&survey, place)?;
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

/// The store of the archive. A directory must be there: a command that finds nothing in a missing one would seem to have done
/// its work.
fn open(settings: &Settings) -> anyhow::Result<Arc<dyn Store>> {
    if let Some(Target::Dir(dir)) = settings.target() {
        let metadata = fs::metadata(&dir).with_context(|| format!("there is no archive at {}", dir.display()))?;
        ensure!(metadata.is_dir(), "there is no archive at {}: it is no directory", dir.display());
    }
    store::open(settings)?.context("no archive is named: give --to, or a --config file with archive.to")
}

/// Fails where nothing is archived. In a bucket, that is all that a mistyped prefix shows.
fn require_files(survey: &Survey, place: &str) -> anyhow::Result<()> {
    ensure!(!survey.chains.is_empty(), "{}", empty(place));
    Ok(())
}

fn empty(place: &str) -> String {
    format!("no file of an archive is at {place}: nothing was archived there yet, or the place is another one")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ArchivePlace;
    use crate::config::{Flag, Request};

    fn actions() -> [ArchiveAction; 4] {
        let place = ArchivePlace::default;
        [
            ArchiveAction::Ls { files: false, place: place() },
            ArchiveAction::Compact { place: place() },
            ArchiveAction::Verify { place: place() },
            ArchiveAction::Erase { user: Some("ada".into()), place: place() },
        ]
    }

    fn run_at(action: ArchiveAction, place: &std::path::Path) -> Result<ExitCode, String> {
        let flag = Flag { name: "--to".into(), key: "archive.to".into(), value: place.display().to_string() };
        let config = Config::load(&Request { flags: vec![flag], ..Request::default() }).expect("a sound place");
        run(&ArchiveArgs { action }, &config).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_place_without_an_archive_is_named_and_nothing_is_made() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (missing, file) = (dir.path().join("missing"), dir.path().join("file"));
        fs::write(&file, "").expect("a file");
        for action in actions() {
            let refused = run_at(action.clone(), &missing).expect_err("no directory");
            let named = format!("there is no archive at {}", missing.display());
            assert!(refused.starts_with(&named) && refused.contains("No such file") && !missing.exists(), "{refused}");
            let refused = run_at(action, &file).expect_err("no directory");
            assert!(refused.contains("it is no directory"), "{refused}");
        }
    }

    #[test]
    fn an_archive_without_files_is_neither_sound_nor_erased() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::write(dir.path().join("notes.txt"), "").expect("a file");
        let [ls, compact, verify, erase] = actions();
        assert!(run_at(ls, dir.path()).is_ok() && run_at(compact, dir.path()).is_ok());
        for action in [verify, erase] {
            let refused = run_at(action, dir.path()).expect_err("nothing is archived");
            assert!(refused.starts_with("no file of an archive is at "), "{refused}");
        }
    }
}
