//! What a tail says of a file that was appended to, touched, cut, rewritten, or left as it is.

use super::*;
use crate::file_check::PART_BYTES;
use std::fs;
use std::io::Write;
use std::time::SystemTime;

#[test]
fn a_new_time_before_a_new_length_is_an_append() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("views.jsonl");
    fs::write(&path, "one\n").unwrap();
    let mut tail = FileTail::new(path.clone());
    let TailChange::Grown(span) = tail.look().unwrap() else { panic!("a first look") };
    tail.read(&span, FilePosition { offset: span.to(), skipping: false }, true).unwrap();

    let mut file = File::options().append(true).open(&path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert!(matches!(tail.look().unwrap(), TailChange::Same), "it may be being written");
    file.write_all(b"two\n").unwrap();
    let TailChange::Grown(span) = tail.look().unwrap() else { panic!("it has grown") };
    tail.read(&span, FilePosition { offset: span.to(), skipping: false }, true).unwrap();

    // Rewritten with the same length: this is noticed once the file rests.
    fs::write(&path, "six\nten\n").unwrap();
    harness::wait_until(Duration::from_secs(60), "it is found replaced", || {
        matches!(tail.look().unwrap(), TailChange::Replaced(_))
    });
}
/// A tail with a checksum that has read the file, whose last line has no end.
fn read_whole_lines(path: &Path, text: &str) -> FileTail {
    fs::write(path, text).unwrap();
    let mut tail = FileTail::summing(path.to_owned());
    let TailChange::Grown(span) = tail.look().unwrap() else { panic!("a first look") };
    let lines = text.rfind('\n').unwrap() + 1;
    tail.saw(0, &text.as_bytes()[..lines]);
    tail.read(&span, FilePosition { offset: lines as u64, skipping: false }, true).unwrap();
    tail
}

/// Gives the file a newer time, and waits until the tail has looked at its content: what it found.
fn compared(tail: &mut FileTail) -> TailChange {
    let file = File::options().append(true).open(tail.path()).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(10)).unwrap();
    let before = tail.known;
    harness::wait_for(Duration::from_secs(60), "the content is compared", || {
        let change = tail.look().unwrap();
        (!matches!(change, TailChange::Same) || tail.known != before).then_some(change)
    })
}

#[test]
fn a_file_that_was_changed_long_before_the_first_look_rests() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("orders.csv");
    fs::write(&path, "one").unwrap();
    let age = |age: Duration| {
        let file = File::options().append(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    };
    age(Duration::from_secs(3600));
    let mut tail = FileTail::new(path.clone());
    let TailChange::Grown(span) = tail.look().unwrap() else { panic!("a first look") };
    assert!(tail.has_rested(&span, Duration::from_secs(3600)));
    assert!(tail.rests_for() >= Duration::from_secs(3600));
    age(Duration::from_secs(7200));
    tail.look().unwrap();
    assert!(!tail.has_rested(&span, Duration::ZERO), "that is another state");
    assert!(tail.rests_for() < Duration::from_secs(3600), "it was changed while it was followed");
}

#[test]
fn a_file_that_only_has_a_newer_time_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("views.jsonl");
    let mut tail = read_whole_lines(&path, "one\ntwo\n");
    assert!(matches!(compared(&mut tail), TailChange::Same));
    // A write that was cut off again.
    File::options().append(true).open(&path).unwrap().write_all(b"si").unwrap();
    File::options().write(true).open(&path).unwrap().set_len(8).unwrap();
    assert!(matches!(compared(&mut tail), TailChange::Same));
    fs::write(&path, "one\nsix\n").unwrap();
    assert!(matches!(compared(&mut tail), TailChange::Replaced(_)));
}

#[test]
fn a_file_that_grows_and_has_other_bytes_far_before_the_position_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("views.jsonl");
    let text = "one\n".to_owned() + &"more\n".repeat(100);
    let mut tail = read_whole_lines(&path, &text);
    fs::write(&path, text.clone() + "two\n").unwrap();
    assert!(matches!(tail.look().unwrap(), TailChange::Grown(_)));
    fs::write(&path, text.replace("one", "six") + "two\n").unwrap();
    assert!(matches!(tail.look().unwrap(), TailChange::Replaced(_)));
    tail.restart();
    let TailChange::Replaced(span) = tail.look().unwrap() else { panic!("it has not been read again") };
    tail.read(&span, FilePosition { offset: span.to(), skipping: false }, true).unwrap();
    assert!(matches!(tail.look().unwrap(), TailChange::Same));
}

#[test]
fn a_long_file_is_read_on_and_found_replaced_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("views.jsonl");
    let text = "x".repeat(2 * PART_BYTES as usize) + "\n";
    let mut tail = read_whole_lines(&path, &text);
    fs::write(&path, text.replacen('x', "y", 1) + "two\n").unwrap();
    let TailChange::Grown(span) = tail.look().unwrap() else { panic!("it has grown") };
    tail.read(&span, FilePosition { offset: span.to(), skipping: false }, true).unwrap();
    harness::wait_until(Duration::from_secs(60), "it is found replaced", || {
        matches!(tail.look().unwrap(), TailChange::Replaced(_))
    });
    tail.restart();
    assert!(matches!(tail.look().unwrap(), TailChange::Replaced(_)), "it has not been read again");
}

#[test]
fn a_line_without_an_end_may_have_become_whole_with_the_same_length() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("views.jsonl");
    let mut tail = read_whole_lines(&path, "one\ntwo");
    fs::write(&path, "one\nto\n").unwrap();
    assert!(matches!(compared(&mut tail), TailChange::Grown(_)));
}

#[test]
fn a_long_file_is_compared_in_parts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("views.jsonl");
    let text = "x".repeat(2 * PART_BYTES as usize) + "\n";
    let mut tail = read_whole_lines(&path, &text);
    assert!(matches!(compared(&mut tail), TailChange::Same));
    fs::write(&path, text.replacen("x\n", "y\n", 1)).unwrap();
    assert!(matches!(compared(&mut tail), TailChange::Replaced(_)));
}
