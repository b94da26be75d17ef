//! Archives that are damaged or not known yet, as their readers see them.

use std::path::Path;
use std::time::Duration;

use harness::wait_until;
use sources::kafka::past::{PastError, PastTaken};

use super::*;
use crate::file::{FileWriter, SegmentRows};
use crate::row::Row;
use crate::settings::Format;
use crate::store::Dir;

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
    let archive = Archived::open(Arc::new(Dir::new(dir)), &Settings::default()).unwrap();
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
