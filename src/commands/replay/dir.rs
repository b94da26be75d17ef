//! The directory that a replay writes to: the names of its files, each of which is complete or absent.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use checkpoints::{Disk, DiskFile, RealDisk};
use chrono::DateTime;
use dataflow::time::Time;

/// The file of refused records.
pub(super) const LETTERS: &str = "dead-letters.jsonl";

/// The end of a file's name until the file is complete.
const PARTIAL: &str = ".partial";

/// The endings of the two files with a step's lists.
pub(super) const PARQUET: &str = "parquet";
pub(super) const JSONL: &str = "jsonl";

/// A file that is being written.
pub(in crate::commands) type OutFile = BufWriter<Box<dyn DiskFile>>;

/// A directory that holds nothing but the files of one replay.
pub(super) struct OutDir {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    /// Whether names show milliseconds: if one of the steps has some, all do, so that names sort by time.
    millis: bool,
}

impl OutDir {
    /// Creates the directory; refuses a directory with any file that this replay would not write.
    pub(super) fn open(dir: &Path, steps: &[Time]) -> anyhow::Result<OutDir> {
        let out = OutDir::on(Arc::new(RealDisk), dir, steps);
        out.disk.make_dir(dir).with_context(|| format!("{} cannot be created", dir.display()))?;
        let names = |step: &Time| [PARQUET, JSONL].map(|ending| out.name(*step, ending));
        let mut own: BTreeSet<String> = steps.iter().flat_map(names).collect();
        own.insert(LETTERS.to_owned());
        for entry in fs::read_dir(dir).with_context(|| format!("{} cannot be listed", dir.display()))? {
            let name = entry.with_context(|| format!("{} cannot be listed", dir.display()))?.file_name();
            let is_own = name.to_str().is_some_and(|name| own.contains(name.strip_suffix(PARTIAL).unwrap_or(name)));
            if !is_own {
                bail!(
                    "{} holds {}, which this replay would not write: choose another --out, or empty it",
                    dir.display(),
                    name.display()
                );
            }
        }
        Ok(out)
    }

    fn on(disk: Arc<dyn Disk>, dir: &Path, steps: &[Time]) -> OutDir {
        OutDir { dir: dir.to_owned(), disk, millis: steps.iter().any(|step| step % 1000 != 0) }
    }

    /// The name of a file with the lists of a step.
    pub(super) fn name(&self, step: Time, ending: &str) -> String {
        let time = i64::try_from(step).ok().and_then(DateTime::from_timestamp_millis);
        let time = time.expect("the command line takes no time beyond the year 9999");
        // Basic format, because some file systems allow no colons in names.
        let format = if self.millis { "%Y%m%dT%H%M%S%.3fZ" } else { "%Y%m%dT%H%M%SZ" };
        format!("lists-{}.{ending}", time.format(format))
    }

    /// Removes the file of refused records of an earlier run if this run has none.
    pub(super) fn no_letters(&self) -> io::Result<()> {
        match self.disk.remove(&self.dir.join(LETTERS)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Writes a file, as [`whole_file`] does.
    pub(super) fn file(
        &self,
        name: &str,
        write: impl FnOnce(&mut OutFile) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        whole_file(&*self.disk, (&self.dir, name), write)
    }
}

/// Writes a file with this name in a directory. It has another name until it is complete and durable, so that its name leads
/// to a complete file even after a power cut.
pub(in crate::commands) fn whole_file(
    disk: &dyn Disk,
    (dir, name): (&Path, &str),
    write: impl FnOnce(&mut OutFile) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (path, partial) = (dir.join(name), dir.join(format!("{name}{PARTIAL}")));
    let written = || -> anyhow::Result<()> {
        let mut file = BufWriter::new(disk.create(&partial)?);
        write(&mut file)?;
        file.flush()?;
        file.get_mut().sync()?;
        disk.rename(&partial, &path)?;
        Ok(disk.sync_dir(dir)?)
    };
    let written = written();
    if written.is_err() {
        // It is of no use to anybody. If it cannot be removed either, the first error is the one to tell.
        let _ = disk.remove(&partial);
    }
    written.with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use checkpoints::simulation::{FakeDisk, Loss};

    use super::*;

    const STEP: Time = 1_795_132_800_000;

    fn names(steps: &[Time]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let out = OutDir::open(dir.path(), steps).unwrap();
        steps.iter().map(|step| out.name(*step, JSONL)).collect()
    }

    #[test]
    fn names_sort_by_time() {
        assert_eq!(names(&[STEP]), ["lists-20261120T000000Z.jsonl"]);
        let mixed = names(&[STEP, STEP + 7]);
        assert_eq!(mixed, ["lists-20261120T000000.000Z.jsonl", "lists-20261120T000000.007Z.jsonl"]);
        assert!(mixed.is_sorted());
    }

    #[test]
    fn only_its_own_files_may_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let out = OutDir::open(dir.path(), &[STEP]).unwrap();
        out.file(&out.name(STEP, PARQUET), |file| Ok(file.write_all(b"whole")?)).unwrap();
        out.file(LETTERS, |file| Ok(file.write_all(b"letter")?)).unwrap();
        assert_eq!(fs::read(dir.path().join("lists-20261120T000000Z.parquet")).unwrap(), b"whole");
        // Files that a killed run left behind belong to the replay as well.
        fs::write(dir.path().join("lists-20261120T000000Z.jsonl.partial"), b"half").unwrap();
        let again = OutDir::open(dir.path(), &[STEP]).unwrap();
        again.no_letters().unwrap();
        again.no_letters().unwrap();
        assert!(!dir.path().join(LETTERS).exists());
        let other = OutDir::open(dir.path(), &[STEP + 1000]).err().unwrap().to_string();
        assert!(other.contains("lists-20261120T000000Z"), "{other}");
        fs::write(dir.path().join("mine.txt"), b"").unwrap();
        let refused = OutDir::open(dir.path(), &[STEP]).err().unwrap().to_string();
        assert!(refused.contains("mine.txt"), "{refused}");
    }

    #[test]
    fn after_a_power_cut_a_file_is_whole_or_not_there() {
        let (dir, content) = (Path::new("/out"), vec![7; 100_000]);
        let write = |disk: &FakeDisk| {
            let out = OutDir::on(Arc::new(disk.clone()), dir, &[STEP]);
            out.disk.make_dir(dir)?;
            out.file(&out.name(STEP, JSONL), |file| Ok(file.write_all(&content)?))
        };
        let disk = FakeDisk::new();
        write(&disk).unwrap();
        let operations = disk.operations();
        for (at, seed) in (0..=operations).flat_map(|at| (0..20).map(move |seed| (at, seed))) {
            let disk = FakeDisk::new();
            disk.crash_at(at);
            let written = write(&disk);
            disk.crash(Loss::Some(seed));
            // Incomplete files have another ending.
            let files = disk.files().into_iter().filter(|(path, _)| path.extension() == Some("jsonl".as_ref()));
            let whole: Vec<_> = files.collect();
            assert!(whole.iter().all(|(_, bytes)| *bytes == content), "crashed at {at}, loss {seed}");
            assert!(written.is_err() || whole.len() == 1, "what was written is there: {at}, {seed}");
        }
    }

    #[test]
    fn a_file_that_fails_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let out = OutDir::open(dir.path(), &[STEP]).unwrap();
        out.file(&out.name(STEP, JSONL), |_| bail!("no rows")).unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left, under whatever name");
    }
}
