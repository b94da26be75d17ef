//! The archive: whether its directory or its bucket can be read and written. A small file is written there and removed.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use archive::store::{Bucket, Store as _, StoreError};
use archive::{Settings, Target};

use super::CheckReport;

/// The object that is written to a bucket and removed.
const PROBE: &str = "vitrine-check";

pub(super) fn check(archive: &Settings, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    match archive.target() {
        None => Ok(()),
        Some(Target::Dir(dir)) => check_dir(&dir, report),
        Some(Target::Bucket { bucket, prefix }) => check_bucket(archive, bucket, prefix, report),
    }
}

fn check_dir(dir: &Path, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    // A missing directory is made within the first one that is there.
    let there = dir.ancestors().find(|dir| dir.exists()).filter(|dir| !dir.as_os_str().is_empty());
    let there = there.unwrap_or(Path::new("."));
    let name = dir.display();
    let written = fs::read_dir(there).and_then(|_| tempfile::NamedTempFile::new_in(there));
    match written {
        Ok(_) if there == dir => report.good(&format!("archive: directory {name} can be read and written")),
        Ok(_) => report.note(&format!("archive: directory {name} is missing; `vitrine serve` makes it when it starts")),
        Err(error) => {
            let way =
                format!("make {} a directory that this user can read and write, or set `archive.to`", there.display());
            report.bad(&format!("archive: {name} cannot be used: {}: {error}", there.display()), &[way])
        }
    }
}

fn check_bucket(
    archive: &Settings,
    bucket: String,
    prefix: String,
    report: &mut CheckReport<impl Write>,
) -> io::Result<()> {
    let place = archive.to.clone().unwrap_or_default();
    match probe(archive, bucket, prefix) {
        Ok(()) => report.good(&format!("archive: {place} can be listed and written")),
        Err(error) => {
            let ways = [
                "make the bucket, if it is missing, and let the keys list it, and read, write and remove its objects"
                    .to_owned(),
                "`archive.endpoint`, `archive.region` and `archive.credentials` say where it is, and with which keys"
                    .into(),
            ];
            report.bad(&format!("archive: {error}"), &ways)
        }
    }
}

/// Does with a small object what the archiver does with its files.
fn probe(archive: &Settings, bucket: String, prefix: String) -> Result<(), StoreError> {
    let store = Bucket::new(archive, bucket, prefix)?;
    store.list(&format!("{PROBE}/"))?;
    store.put(PROBE, "vitrine check".into())?;
    store.get(PROBE)?;
    store.remove(PROBE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(dir: &Path) -> (bool, String) {
        let mut out = Vec::new();
        let mut report = CheckReport::new(&mut out);
        let settings = Settings { to: Some(dir.display().to_string()), ..Settings::default() };
        check(&settings, &mut report).expect("memory can be written");
        let good = report.all_good();
        (good, String::from_utf8(out).expect("UTF-8"))
    }

    #[test]
    fn a_directory_is_there_or_can_be_made_or_is_named_with_the_reason() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (good, said) = checked(dir.path());
        assert!(good && said.contains("can be read and written"), "{said}");
        let (good, said) = checked(&dir.path().join("a/b"));
        assert!(good && said.starts_with("• ") && said.contains("a/b is missing"), "{said}");
        assert_eq!(fs::read_dir(dir.path()).expect("it is there").count(), 0, "nothing is made");
        fs::write(dir.path().join("file"), "").expect("a file");
        let (good, said) = checked(&dir.path().join("file/archive"));
        assert!(!good && said.contains("file/archive cannot be used: ") && said.contains("mend: make "), "{said}");
    }
}
