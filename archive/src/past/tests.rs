//! Archives that are damaged or not known yet, as their readers see them.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use harness::wait_until;
use sources::kafka::past::{PastError, PastTaken};

use super::*;
use crate::file::{FileWriter, SegmentRows};
use crate::row::Row;
use crate::settings::Format;
use crate::store::{Dir, Lock, Object, Version};

const SOON: Duration = Duration::from_secs(60);

fn id() -> PartitionId {
    PartitionId { topic: "views".into(), partition: 0 }
}

fn name(format: Format, hour: &str) -> String {
    format!("views/date=1970-01-01/hour={hour}.{}", format.extension())
}

/// Writes a file with records at these offsets, of a segment with that many rows.
fn write(dir: &Path, name: &str, format: Format, offsets: impl IntoIterator<Item = i64>, segment_rows: u64) {
    let mut file = FileWriter::new(format, &id()).unwrap();
    for offset in offsets {
        file.push(&Row { offset, raw: Some(b"x"), ..Row::default() }).unwrap();
    }
    Dir::new(dir).put(name, file.finish(Some(SegmentRows::new(segment_rows))).unwrap()).unwrap();
}

/// Two segments: one with a part, and one after it.
fn write_archive(dir: &Path, format: Format) {
    write(dir, &name(format, "00/0-0-9.part"), format, [2, 7], 10);
    write(dir, &name(format, "01/0-0-9"), format, [0, 1, 3, 4, 5, 6, 8, 9], 10);
    write(dir, &name(format, "01/0-10-11"), format, [10, 11], 2);
}

/// The offsets that are read from `first` on, and why reading ends before the end of the archive, if it does.
fn read(dir: &Path, first: i64) -> (Vec<i64>, Option<String>) {
    read_from(Arc::new(Dir::new(dir)), first)
}

fn read_from(store: Arc<dyn Store>, first: i64) -> (Vec<i64>, Option<String>) {
    let archive = Archived::open(store, &Settings::default()).unwrap();
    let mut records = archive.open(&id(), first..12, &Waker::of_this_thread());
    let (mut offsets, mut ended) = (Vec::new(), None);
    wait_until(SOON, "the archive is read", || {
        while let Some(taken) = records.take() {
            match taken {
                PastTaken::Record(record) => offsets.push(record.offset),
                PastTaken::End => ended = Some(None),
                PastTaken::Failed(reason) => ended = Some(Some(reason)),
            }
            if ended.is_some() {
                break;
            }
        }
        ended.is_some()
    });
    (offsets, ended.unwrap())
}

#[test]
fn a_lost_part_file_ends_the_reading_before_its_segment() {
    for format in [Format::Parquet, Format::Json] {
        let dir = tempfile::tempdir().unwrap();
        write_archive(dir.path(), format);
        assert_eq!(read(dir.path(), 0), ((0..12).collect(), None), "{format:?}");
        assert_eq!(read(dir.path(), 8), ((8..12).collect(), None), "{format:?}");

        Dir::new(dir.path()).remove(&name(format, "00/0-0-9.part")).unwrap();
        let reason = format!("{}: its segment has 8 rows, and states 10", name(format, "01/0-0-9"));
        // Whoever reads on where reading ended finds the same.
        for first in [0, 8] {
            assert_eq!(read(dir.path(), first), (vec![], Some(reason.clone())), "{format:?}");
        }
        assert_eq!(read(dir.path(), 10), (vec![10, 11], None), "the next segment is whole");
    }
}

#[test]
fn an_archive_beside_a_server_is_being_listed_before_it_is_known() {
    let dir = tempfile::tempdir().unwrap();
    write_archive(dir.path(), Format::Parquet);
    let archive = LiveArchive::new(Arc::new(Dir::new(dir.path())), &Settings::default());
    assert_eq!(archive.offsets(&id(), 5), Err(PastError::Listing));
    let known = PastOffsets { range: 0..12, missing: vec![] };
    wait_until(SOON, "the archive is listed", || match archive.offsets(&id(), 5) {
        Err(error) => {
            assert_eq!(error, PastError::Listing);
            false
        }
        Ok(offsets) => offsets == Some(known.clone()),
    });
}

type Change = Box<dyn FnOnce(&Dir) + Send>;

/// A directory whose files are merged while they are read: each time that one is asked for, the next change is made first.
struct Merging {
    dir: Dir,
    changes: Mutex<VecDeque<Change>>,
    lists: AtomicUsize,
}

impl Merging {
    fn new(dir: &Path, changes: impl IntoIterator<Item = Change>) -> Merging {
        let changes = Mutex::new(changes.into_iter().collect());
        Merging { dir: Dir::new(dir), changes, lists: AtomicUsize::new(0) }
    }
}

impl Store for Merging {
    fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError> {
        self.lists.fetch_add(1, Ordering::Relaxed);
        self.dir.list(prefix)
    }

    fn put(&self, _: &str, _: Bytes) -> Result<(), StoreError> {
        unreachable!("readers do not write")
    }

    fn get(&self, name: &str) -> Result<Bytes, StoreError> {
        let change = self.changes.lock().unwrap().pop_front();
        change.into_iter().for_each(|change| change(&self.dir));
        self.dir.get(name)
    }

    fn remove(&self, _: &str) -> Result<(), StoreError> {
        unreachable!("readers do not remove")
    }

    fn read(&self, _: &str) -> Result<Option<(Bytes, Version)>, StoreError> {
        unreachable!("readers need no versions")
    }

    fn versions(&self, _: &str) -> Result<Vec<(Object, Version)>, StoreError> {
        unreachable!("readers need no versions")
    }

    fn replace(&self, _: &str, _: Bytes, _: &Version) -> Result<bool, StoreError> {
        unreachable!("readers do not write")
    }

    fn lock(&self) -> Result<Lock, StoreError> {
        unreachable!("readers take no lock")
    }
}

/// One segment is replaced by another.
fn replace(path: &Path, old: &'static [&str], new: &'static str, rows: Range<i64>) -> Change {
    let path = path.to_owned();
    Box::new(move |dir| {
        let count = (rows.end - rows.start).unsigned_abs();
        write(&path, &name(Format::Parquet, new), Format::Parquet, rows, count);
        old.iter().for_each(|old| dir.remove(&name(Format::Parquet, old)).unwrap());
    })
}

#[test]
fn files_that_are_merged_while_they_are_read_are_found_in_a_new_list() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    for (segment, offsets) in [("01/0-0-3", 0_i64..4), ("01/0-4-7", 4..8), ("01/0-8-9", 8..10), ("01/0-10-11", 10..12)]
    {
        let count = (offsets.end - offsets.start).unsigned_abs();
        write(path, &name(Format::Parquet, segment), Format::Parquet, offsets, count);
    }
    let changes: [Change; 3] = [
        Box::new(|_| ()),
        // Before the second segment is read, it is merged with the first one; then they are merged with the third.
        replace(path, &["01/0-0-3", "01/0-4-7"], "01/0-0-7", 0..8),
        replace(path, &["01/0-0-7", "01/0-8-9"], "01/0-0-9", 0..10),
    ];
    let store = Arc::new(Merging::new(path, changes));
    assert_eq!(read_from(store.clone(), 0), ((0..12).collect(), None));
    assert_eq!(store.lists.load(Ordering::Relaxed), 3);
}

#[test]
fn a_segment_that_is_gone_altogether_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    write_archive(dir.path(), Format::Parquet);
    let remove: Change = Box::new(|dir| dir.remove(&name(Format::Parquet, "01/0-0-9")).unwrap());
    let (offsets, ended) = read_from(Arc::new(Merging::new(dir.path(), [Box::new(|_: &Dir| ()) as Change, remove])), 0);
    assert_eq!(offsets, Vec::<i64>::new());
    let reason = ended.unwrap();
    assert!(reason.ends_with("the archive does not have offset 0 any more"), "{reason}");
}

#[test]
fn an_archive_whose_files_are_always_gone_is_listed_some_times_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let names: Vec<String> = (0..9).map(|hour| name(Format::Parquet, &format!("0{hour}/0-0-11"))).collect();
    write(path, &names[0], Format::Parquet, 0..12, 12);
    let changes = names.windows(2).map(|pair| {
        let (path, old, new) = (path.to_owned(), pair[0].clone(), pair[1].clone());
        Box::new(move |dir: &Dir| {
            write(&path, &new, Format::Parquet, 0..12, 12);
            dir.remove(&old).unwrap();
        }) as Change
    });
    let changes: Vec<Change> = changes.collect();
    let store = Arc::new(Merging::new(path, changes));
    let (offsets, ended) = read_from(store.clone(), 0);
    assert_eq!(offsets, Vec::<i64>::new());
    assert!(ended.unwrap().ends_with("files of 5 lists in a row were gone when they were opened"));
    assert_eq!(store.lists.load(Ordering::Relaxed), 7);
}
