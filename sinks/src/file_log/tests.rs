//! Tests of the log on files: a crash, another writer, a full disk, and many callers at once.

use std::collections::HashSet;
use std::fs;

use super::*;
use crate::block_on::block_on;

fn record(payload: &str) -> Record {
    Record { key: b"user".to_vec(), payload: payload.as_bytes().to_vec() }
}

fn append(log: &FileLog, stream: Stream, payloads: &[&str]) -> Result<i64, AppendError> {
    let records = payloads.iter().map(|payload| record(payload)).collect();
    let positions = block_on(log.append(stream, records))?;
    let [position] = &positions[..] else { panic!("one file is one partition: {positions:?}") };
    let file = match stream {
        Stream::Views => VIEWS,
        Stream::Removals => REMOVALS,
        Stream::DeadLetters => DEAD_LETTERS,
    };
    assert_eq!((&*position.stream, position.partition), (file, 0));
    Ok(position.next)
}

#[test]
fn each_stream_has_its_file_and_offsets_go_on_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let log = FileLog::open(dir.path(), Bound::default()).unwrap();
    assert_eq!(append(&log, Stream::Views, &["{\"a\":1}", "{}"]), Ok(11));
    assert_eq!(append(&log, Stream::Removals, &["r"]), Ok(2));
    assert_eq!(append(&log, Stream::DeadLetters, &["d"]), Ok(2));
    drop(log);
    let log = FileLog::open(dir.path(), Bound::default()).unwrap();
    assert_eq!(append(&log, Stream::Views, &["v"]), Ok(13));
    assert_eq!(fs::read_to_string(dir.path().join(VIEWS)).unwrap(), "{\"a\":1}\n{}\nv\n");
    assert_eq!(fs::read_to_string(dir.path().join(REMOVALS)).unwrap(), "r\n");
    assert_eq!(fs::read_to_string(dir.path().join(DEAD_LETTERS)).unwrap(), "d\n");
}

#[test]
fn a_removal_says_how_long_the_files_of_events_were() {
    let dir = tempfile::tempdir().unwrap();
    let log = FileLog::open(dir.path(), Bound::default()).unwrap();
    append(&log, Stream::Views, &["{\"a\":1}"]).unwrap();
    let next = append(&log, Stream::Removals, &["{\"r\":1}", "{\"r\":2}"]).unwrap();
    let text = fs::read_to_string(dir.path().join(REMOVALS)).unwrap();
    assert_eq!(text.len() as i64, next, "the position is after the longer lines");
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[1]["r"], &lines[1]["files"][VIEWS]["bytes"]), (2, &2.into(), &8.into()));
}

#[test]
fn the_line_a_crash_tore_does_not_swallow_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(VIEWS), "{\"whole\":1}\n{\"to").unwrap();
    let log = FileLog::open(dir.path(), Bound::default()).unwrap();
    assert_eq!(append(&log, Stream::Views, &["{}"]), Ok(20));
    assert_eq!(fs::read_to_string(dir.path().join(VIEWS)).unwrap(), "{\"whole\":1}\n{\"to\n{}\n");
}

#[test]
fn a_record_over_several_lines_becomes_one() {
    let dir = tempfile::tempdir().unwrap();
    let log = FileLog::open(dir.path(), Bound::default()).unwrap();
    append(&log, Stream::Views, &["{\n\"a\":1\n}"]).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join(VIEWS)).unwrap(), "{ \"a\":1 }\n");
}

#[test]
fn appends_at_once_are_whole_and_know_their_places() {
    let dir = tempfile::tempdir().unwrap();
    let log = FileLog::open(dir.path(), Bound::default()).unwrap();
    let answers: Vec<(String, i64)> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|caller| {
                let log = &log;
                scope.spawn(move || {
                    let texts = (0..50).map(|count| format!("caller {caller} record {count} {}", "x".repeat(count)));
                    let answered =
                        texts.map(|text| (text.clone(), append(log, Stream::Views, &[&text, "second"]).unwrap()));
                    answered.collect::<Vec<_>>()
                })
            })
            .collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    let bytes = fs::read(dir.path().join(VIEWS)).unwrap();
    let places: HashSet<i64> = answers.iter().map(|(_, next)| *next).collect();
    assert_eq!(places.len(), 400, "no two appends end at the same place");
    for (text, next) in answers {
        let expected = format!("{text}\nsecond\n");
        let next = next as usize;
        assert_eq!(&bytes[next - expected.len()..next], expected.as_bytes());
    }
}

#[test]
fn what_waits_when_the_log_is_dropped_is_written_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let log = FileLog::open(dir.path(), Bound::default()).unwrap();
    let waiting: Vec<Appending> =
        (0..1000).map(|_| log.append(Stream::Views, vec![record("one"), record("two")])).collect();
    drop(log);
    let ends: Vec<i64> = waiting.into_iter().map(|answer| block_on(answer).unwrap()[0].next).collect();
    assert_eq!(ends, (1..=1000).map(|count| count * 8).collect::<Vec<i64>>());
}

#[test]
fn a_full_log_takes_all_of_an_append_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = FileLog::open(dir.path(), Bound { records: 3, bytes: 1000 }).unwrap();
    let permit = log.room.take(&[record("held"), record("held")]).unwrap();
    assert_eq!(append(&log, Stream::Views, &["a", "b"]), Err(Unavailable::Busy.into()));
    assert_eq!(append(&log, Stream::Views, &["a"]), Ok(2));
    drop(permit);
    assert_eq!(append(&log, Stream::Views, &["a", "b"]), Ok(6));
}

#[test]
fn a_full_disk_is_unavailable_and_the_log_goes_on_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(VIEWS);
    // A device on which every write fails for want of room.
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let log = FileLog::open(dir.path(), Bound::default()).unwrap();
    let full = append(&log, Stream::Views, &["a"]);
    assert!(
        matches!(&full, Err(AppendError::Unavailable(Unavailable::Disk { file, reason })) if file == VIEWS && reason.contains("space")),
        "{full:?}"
    );
    fs::remove_file(&path).unwrap();
    assert_eq!(append(&log, Stream::Views, &["a"]), Ok(2));
}
