//! Files that were moved, copied or lost, and files that nobody has finished.

use std::path::Path;

use super::*;
use crate::compact::compact;
use crate::file::{FileWriter, SegmentRows};
use crate::row::Row;
use crate::settings::{Format, Settings};
use crate::store::Dir;

const HOUR_MS: i64 = 3_600_000;

fn id() -> PartitionId {
    PartitionId { topic: "views".into(), partition: 0 }
}

/// Writes a file with records of one hour at these offsets.
fn write(dir: &Path, name: &str, format: Format, hour: i64, offsets: &[i64], segment_rows: u64) {
    let mut file = FileWriter::new(format, &id()).unwrap();
    for offset in offsets {
        // The last one has no time.
        let record_time = (Some(offset) != offsets.last()).then_some(hour * HOUR_MS + offset);
        file.push(&Row { offset: *offset, record_time, raw: Some(b"x"), ..Row::default() }).unwrap();
    }
    Dir::new(dir).put(name, file.finish(Some(SegmentRows::new(segment_rows))).unwrap()).unwrap();
}

fn name(format: Format, stem: &str) -> String {
    format!("{stem}.{}", format.extension())
}

/// An archive of one segment with a part.
fn write_archive(dir: &Path, format: Format) {
    write(dir, &name(format, "views/date=1970-01-01/hour=00/0-0-4.part"), format, 0, &[1, 3], 5);
    write(dir, &name(format, "views/date=1970-01-01/hour=01/0-0-4"), format, 1, &[0, 2, 4], 5);
}

fn reports(dir: &Path) -> Vec<Report> {
    let store = Dir::new(dir);
    verify(&store, &survey(&store).unwrap(), |_| ()).unwrap().into_values().collect()
}

/// What is wrong once a file of that archive has another name.
fn problems_after_a_move(format: Format, from: &str, to: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    write_archive(dir.path(), format);
    let store = Dir::new(dir.path());
    store.put(&name(format, to), store.get(&name(format, from)).unwrap()).unwrap();
    store.remove(&name(format, from)).unwrap();
    reports(dir.path()).into_iter().flat_map(|report| report.problems).collect()
}

#[test]
fn rows_that_do_not_fit_the_name_of_their_file_are_wrong() {
    for format in [Format::Parquet, Format::Json] {
        let sound = tempfile::tempdir().unwrap();
        write_archive(sound.path(), format);
        assert_eq!(reports(sound.path()), [Report { segments: 1, rows: 5, ..Report::default() }]);

        let part = "views/date=1970-01-01/hour=00/0-0-4.part";
        let moved = "views/date=1970-01-01/hour=07/0-0-4.part";
        let expected = format!("{}: offset 1 is of date=1970-01-01/hour=00", name(format, moved));
        assert_eq!(problems_after_a_move(format, part, moved), [expected], "to another hour");

        let closing = "views/date=1970-01-01/hour=01/0-0-4";
        let named = |to: &str| format!("{}: offset 0 is of views/0", name(format, to));
        for moved in ["clicks/date=1970-01-01/hour=01/0-0-4", "views/date=1970-01-01/hour=01/3-0-4"] {
            let problems = problems_after_a_move(format, closing, moved);
            assert!(problems.contains(&named(moved)), "{problems:?}");
        }
    }
}

#[test]
fn a_lost_part_is_wrong() {
    for format in [Format::Parquet, Format::Json] {
        let dir = tempfile::tempdir().unwrap();
        write_archive(dir.path(), format);
        Dir::new(dir.path()).remove(&name(format, "views/date=1970-01-01/hour=00/0-0-4.part")).unwrap();
        let closing = name(format, "views/date=1970-01-01/hour=01/0-0-4");
        assert_eq!(reports(dir.path())[0].problems, [format!("{closing}: its segment has 3 rows, and states 5")]);
    }
}

#[test]
fn a_note_says_what_removes_files_that_count_for_nothing() {
    let dir = tempfile::tempdir().unwrap();
    write_archive(dir.path(), Format::Parquet);
    let hour = "views/date=1970-01-01/hour=01";
    // A segment that is in the longer one, a part of a merging that was interrupted, and one of a segment that was never closed.
    write(dir.path(), &format!("{hour}/0-0-1.parquet"), Format::Parquet, 1, &[0, 1], 2);
    write(dir.path(), &format!("{hour}/0-0-3.part.parquet"), Format::Parquet, 1, &[0], 4);
    write(dir.path(), &format!("{hour}/0-5-9.part.parquet"), Format::Parquet, 1, &[5], 5);
    let notes = |dir: &Path| reports(dir).remove(0).notes;
    let before = notes(dir.path());
    assert!(before.len() == 2 && before[0].starts_with("2 double files"), "{before:?}");
    assert!(before[1].starts_with("1 unfinished file"), "{before:?}");
    compact(&Dir::new(dir.path()), &Settings::default()).unwrap();
    assert_eq!(notes(dir.path()), before[1..], "`compact` leaves what a server may be writing");
}
