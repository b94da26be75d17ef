//! The archive: whether its directory or its bucket can be read and written. A small file is written there and removed.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use archive::store::{Bucket, Store, StoreError};
use archive::{Settings, Target};

use super::CheckReport;

/// The place in a bucket of the object that is written and removed.
const PLACE: &str = "vitrine-check/";

pub(super) fn check(archive: &Settings, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    match archive.target() {
        None => Ok(()),
        Some(Target::Dir(dir)) => check_dir(&dir, report),
        Some(Target::Bucket { bucket, prefix }) => check_bucket(archive, bucket, prefix, report),
    }
}

fn check_dir(dir: &Path, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    let name = dir.display();
    let there = match nearest(dir) {
        Ok(there) => there,
        Err((place, error)) => {
            let way = format!("let this user enter the directories above {}, or set `archive.to`", place.display());
            return report.bad(&format!("archive: {name} cannot be used: {}: {error}", place.display()), &[way]);
        }
    };
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

/// The directory itself if it is there, or the nearest one above it: a missing directory is made within it. An error names
/// the place at which the system does not say whether there is a directory.
fn nearest(dir: &Path) -> Result<&Path, (&Path, io::Error)> {
    for place in dir.ancestors().take_while(|place| !place.as_os_str().is_empty()) {
        match place.try_exists() {
            Ok(true) => return Ok(place),
            Ok(false) => {}
            // What is above is a file, and reading it as a directory says so.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {}
            Err(error) => return Err((place, error)),
        }
    }
    Ok(Path::new("."))
}

fn check_bucket(
    archive: &Settings,
    bucket: String,
    prefix: String,
    report: &mut CheckReport<impl Write>,
) -> io::Result<()> {
    let place = archive.to.clone().unwrap_or_default();
    match Bucket::new(archive, bucket, prefix).and_then(|bucket| probe(&bucket, &probe_name())) {
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

/// A name that no other check and no file of the archive has.
fn probe_name() -> String {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("{PLACE}{nanos}-{}", std::process::id())
}

/// Does with a small object what the archiver does with its files. If it was written, it is removed.
fn probe(store: &dyn Store, name: &str) -> Result<(), StoreError> {
    store.list(PLACE)?;
    store.put(name, "vitrine check".into())?;
    let read = store.get(name);
    store.remove(name)?;
    read.map(drop)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use archive::store::Object;
    use bytes::Bytes;

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
        // A name of this length is refused by the system, as an entry of a directory that may not be entered is.
        let (good, said) = checked(&dir.path().join("x".repeat(300)));
        assert!(!good && said.contains("cannot be used: ") && said.contains("mend: let this user enter "), "{said}");
    }

    /// Holds objects, and does not read them.
    #[derive(Default)]
    struct Unreadable(Mutex<BTreeSet<String>>);

    impl Store for Unreadable {
        fn list(&self, _: &str) -> Result<Vec<Object>, StoreError> {
            Ok(Vec::new())
        }

        fn put(&self, name: &str, _: Bytes) -> Result<(), StoreError> {
            self.0.lock().expect("one thread").insert(name.to_owned());
            Ok(())
        }

        fn get(&self, name: &str) -> Result<Bytes, StoreError> {
            Err(StoreError { doing: "read", name: name.to_owned(), reason: "forbidden".to_owned() })
        }

        fn remove(&self, name: &str) -> Result<(), StoreError> {
            self.0.lock().expect("one thread").remove(name);
            Ok(())
        }
    }

    #[test]
    fn the_object_of_a_check_has_its_own_name_and_is_removed_if_it_cannot_be_read() {
        let store = Unreadable::default();
        store.put("vitrine-check", Bytes::new()).expect("it takes objects");
        let error = probe(&store, &probe_name()).expect_err("objects cannot be read");
        assert_eq!(error.doing, "read");
        assert_eq!(*store.0.lock().expect("one thread"), BTreeSet::from(["vitrine-check".to_owned()]));
    }
}
