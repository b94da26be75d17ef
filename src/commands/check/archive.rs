//! The archive: whether its directory or its bucket can be read and written. A small file is written there and removed.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use archive::store::{Bucket, Store, StoreError};
use archive::{Settings, Target};

use super::CheckReport;
use super::places::{self, Place};

/// The place in a bucket of the object that is written and removed.
const PLACE: &str = "vitrine-check/";

pub(super) fn check(archive: &Settings, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    match archive.target() {
        None => Ok(()),
        Some(Target::Dir(dir)) => {
            places::directory(Place { what: "archive", setting: "archive.to", path: &dir }, report)
        }
        Some(Target::Bucket { bucket, prefix }) => check_bucket(archive, bucket, prefix, report),
    }
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

    use archive::store::{Lock, Object, Version};
    use bytes::Bytes;

    use super::*;

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

        fn read(&self, name: &str) -> Result<Option<(Bytes, Version)>, StoreError> {
            self.get(name).map(|bytes| Some((bytes, Version(String::new()))))
        }

        fn versions(&self, _: &str) -> Result<Vec<(Object, Version)>, StoreError> {
            Ok(Vec::new())
        }

        fn replace(&self, _: &str, _: Bytes, _: &Version) -> Result<bool, StoreError> {
            Ok(false)
        }

        fn lock(&self) -> Result<Lock, StoreError> {
            Ok(Lock::none())
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
