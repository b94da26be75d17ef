//! The places on the disk that Vitrine writes to: whether each can be made, read and written. Nothing stays there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use store::sqlite;

use super::CheckReport;
use crate::config::Config;

/// What stands in a place, and the setting that names the place.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) what: &'a str,
    pub(super) setting: &'a str,
    pub(super) path: &'a Path,
}

pub(super) fn check(config: &Config, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    if let Some(checkpoint) = &config.checkpoint {
        let place = Place { what: "checkpoints", setting: "checkpoint.dir", path: &checkpoint.dir };
        directory(place, report)?;
    }
    if config.als.enabled {
        directory(Place { what: "factor models", setting: "models.als.dir", path: &config.als.dir }, report)?;
    }
    if let Some(store) = config.store.as_ref().filter(|_| config.postgres.is_none()) {
        database(Place { what: "store", setting: "store.path", path: &store.path }, report)?;
    }
    let (audit, changes) = (&config.sinks.audit, &config.sinks.changes);
    for (what, setting, path) in [("audit log", "sinks.audit", audit), ("changes of lists", "sinks.changes", changes)] {
        if let Some(path) = path {
            file(Place { what, setting, path }, report)?;
        }
    }
    Ok(())
}

/// Whether a directory can be read and written, or made.
pub(super) fn directory(place: Place<'_>, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    let (what, name) = (place.what, place.path.display());
    match room(place.path) {
        Ok(there) if there == place.path => report.good(&format!("{what}: directory {name} can be read and written")),
        Ok(_) => report.note(&format!("{what}: directory {name} is missing; `vitrine serve` makes it when it starts")),
        Err(refusal) => refusal.report(place, report),
    }
}

/// Whether lines can be appended to a file, or the file can be made.
fn file(place: Place<'_>, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    let (what, name) = (place.what, place.path.display());
    // Opened as `vitrine serve` opens it, but not made.
    let opened = OpenOptions::new().read(true).append(true).open(place.path);
    match opened {
        Ok(_) => report.good(&format!("{what}: file {name} can be written")),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            match room(place.path.parent().unwrap_or_else(|| Path::new("."))) {
                Ok(_) => report.note(&format!("{what}: file {name} is missing; `vitrine serve` makes it")),
                Err(refusal) => refusal.report(place, report),
            }
        }
        Err(error) => {
            let way = format!("make {name} a file that this user can read and write, or set `{}`", place.setting);
            report.bad(&format!("{what}: {name} cannot be used: {error}"), &[way])
        }
    }
}

/// Whether a file can be written, and is a database that `vitrine serve` can use. A missing file is not made.
fn database(place: Place<'_>, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    // What cannot be read as a file is named by the check of the file.
    let is_readable = place.path.is_file() && File::open(place.path).is_ok();
    match is_readable.then(|| sqlite::examine(place.path)) {
        Some(Err(error)) => {
            let way = format!("set `{}` to a file of Vitrine's or to one that is not there yet", place.setting);
            report.bad(&format!("{}: {error}", place.what), &[way])
        }
        _ => file(place, report),
    }
}

/// Why a place cannot be used.
struct Refusal<'a> {
    /// The directory at which it fails.
    at: &'a Path,
    error: io::Error,
    /// Whether the system does not even say what is there.
    is_closed: bool,
}

impl Refusal<'_> {
    fn report(&self, place: Place<'_>, report: &mut CheckReport<impl Write>) -> io::Result<()> {
        let (Place { what, setting, path }, at) = (place, self.at.display());
        let way = match self.is_closed {
            true => format!("let this user enter the directories above {at}, or set `{setting}`"),
            false => format!("make {at} a directory that this user can read and write, or set `{setting}`"),
        };
        report.bad(&format!("{what}: {} cannot be used: {at}: {}", path.display(), self.error), &[way])
    }
}

/// The directory itself if it is there, or the nearest one above it, within which it can be made: a file was written there
/// and removed.
fn room(dir: &Path) -> Result<&Path, Refusal<'_>> {
    let there = nearest(dir).map_err(|(at, error)| Refusal { at, error, is_closed: true })?;
    match fs::read_dir(there).and_then(|_| tempfile::NamedTempFile::new_in(there)) {
        Ok(_) => Ok(there),
        Err(error) => Err(Refusal { at: there, error, is_closed: false }),
    }
}

/// The directory itself if it is there, or the nearest one above it: a missing directory is made within it. An error names
/// the place at which the system does not say whether there is a directory.
fn nearest(dir: &Path) -> Result<&Path, (&Path, io::Error)> {
    for place in dir.ancestors().take_while(|place| !place.as_os_str().is_empty()) {
        match place.try_exists() {
            Ok(true) => return Ok(place),
            Ok(false) => {}
            // What is above is a file, and reading it as a directory says so.
            Err(error) if error.kind() == ErrorKind::NotADirectory => {}
            Err(error) => return Err((place, error)),
        }
    }
    Ok(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Checked = (bool, String);

    fn of_directory(path: &Path) -> Checked {
        checked(|report| directory(Place { what: "things", setting: "things.dir", path }, report))
    }

    fn of_file(path: &Path) -> Checked {
        checked(|report| file(Place { what: "things", setting: "things.file", path }, report))
    }

    fn checked(check: impl FnOnce(&mut CheckReport<&mut Vec<u8>>) -> io::Result<()>) -> Checked {
        let mut out = Vec::new();
        let mut report = CheckReport::new(&mut out);
        check(&mut report).expect("memory can be written");
        let good = report.all_good();
        (good, String::from_utf8(out).expect("UTF-8"))
    }

    #[test]
    fn a_directory_is_there_or_can_be_made_or_is_named_with_the_reason() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (good, said) = of_directory(dir.path());
        assert!(good && said.contains("can be read and written"), "{said}");
        let (good, said) = of_directory(&dir.path().join("a/b"));
        assert!(good && said.starts_with("• ") && said.contains("a/b is missing"), "{said}");
        assert_eq!(fs::read_dir(dir.path()).expect("it is there").count(), 0, "nothing is made");
        fs::write(dir.path().join("file"), "").expect("a file");
        for within in ["file", "file/archive"] {
            let (good, said) = of_directory(&dir.path().join(within));
            let named = format!("{within} cannot be used: ");
            assert!(!good && said.contains(&named) && said.contains("mend: make "), "{said}");
        }
        // A name of this length is refused by the system, as an entry of a directory that may not be entered is.
        let (good, said) = of_directory(&dir.path().join("x".repeat(300)));
        assert!(!good && said.contains("cannot be used: ") && said.contains("mend: let this user enter "), "{said}");
    }

    #[test]
    fn a_store_is_opened_and_not_made() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("store.db");
        let look = || checked(|report| database(Place { what: "things", setting: "things.file", path: &path }, report));
        let (good, said) = look();
        assert!(good && said.contains("is missing") && !path.exists(), "{said}");
        fs::write(&path, "hello\n").expect("a file");
        let (good, said) = look();
        assert!(!good && said.contains("file is not a database") && said.contains("mend: set `things.file`"), "{said}");
        fs::remove_file(&path).expect("a file");
        drop(sqlite::open(store::Settings { path: path.clone(), ..store::Settings::default() }).expect("a store"));
        let (good, said) = look();
        assert!(good && said.contains("store.db can be written"), "{said}");
        fs::remove_file(&path).expect("a file");
        fs::create_dir(&path).expect("a directory");
        let (good, said) = look();
        assert!(!good && said.contains("Is a directory"), "{said}");
    }

    #[test]
    fn a_file_is_there_or_can_be_made_or_is_named_with_the_reason() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (good, said) = of_file(&dir.path().join("a/lines"));
        assert!(good && said.starts_with("• ") && said.contains("a/lines is missing"), "{said}");
        assert_eq!(fs::read_dir(dir.path()).expect("it is there").count(), 0, "nothing is made");
        let lines = dir.path().join("lines");
        fs::write(&lines, "one").expect("a file");
        let (good, said) = of_file(&lines);
        assert!(good && said.contains("lines can be written"), "{said}");
        assert_eq!(fs::read_to_string(&lines).expect("it is there"), "one", "nothing is written");
        let (good, said) = of_file(dir.path());
        assert!(!good && said.contains("Is a directory") && said.contains("or set `things.file`"), "{said}");
        let (good, said) = of_file(&lines.join("more"));
        assert!(!good && said.contains("lines/more cannot be used: "), "{said}");
    }
}
