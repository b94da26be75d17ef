//! `vitrine checkpoint ls`, `inspect` and `verify` on checkpoints that are complete, damaged, unfinished and of a newer
//! version.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use checkpoints::{CheckpointKind, Draft, Fingerprint, Place, RealDisk, Store};
use dataflow::dictionary::Dictionary;
use dataflow::feed::Position;
use dataflow::ids::Ids;
use dataflow::stamp::Stamp;
use dataflow::tables::Stamps;
use harness::{stderr, stdout};

const FIRST: u64 = 1_795_169_700_000;
const SECOND: u64 = FIRST + 60_000;

/// Runs a command on a directory of checkpoints.
fn vitrine(args: &[&str], dir: &Path) -> Output {
    crate::vitrine(&[&["checkpoint"], args, &["--dir", dir.to_str().expect("a plain name")]].concat())
}

/// Writes a part of a checkpoint with that many stamps, and goes on holding the directory.
fn write(dir: &Path, (part, parts): (u32, u32), tick: u64, kind: CheckpointKind, stamps: u64) -> Store {
    let place = Place { dir: dir.to_owned(), part, parts, keep: 2 };
    let mut store = Store::open(place, Arc::new(RealDisk)).expect("the directory is ours");
    let ids = Ids::new([0; 16]);
    let product = Dictionary::new(ids.clone()).product("lamp").expect("one id does not collide");
    let draft = Draft {
        tick,
        kind,
        id_key: Fingerprint::of(&[0; 16]),
        positions: vec![Position::new("views", 3, tick as i64)],
    };
    let rows = (0..stamps).map(|user| (ids.user(&user.to_string()), Stamp::view(user)));
    let written = store
        .write(draft, |to| rows.into_iter().try_for_each(|(user, stamp)| to.row::<Stamps>(&(user, product), &stamp)));
    assert_eq!(written.expect("there is space").rows, stamps);
    store
}

fn two() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    drop(write(dir.path(), (0, 1), FIRST, CheckpointKind::Full, 100));
    drop(write(dir.path(), (0, 1), SECOND, CheckpointKind::Delta { on: FIRST }, 7));
    dir
}

fn file(dir: &Path, tick: u64, ending: &str) -> PathBuf {
    let files = std::fs::read_dir(dir).expect("the directory is there").map(|entry| entry.expect("it is read").path());
    let mut named = files.filter(|path| path.to_string_lossy().contains(&tick.to_string()));
    named.find(|path| path.to_string_lossy().ends_with(ending)).expect("there is such a file")
}

#[test]
fn ls_shows_what_there_is_while_a_server_holds_the_directory() {
    let dir = two();
    let held = write(dir.path(), (0, 2), SECOND + 1, CheckpointKind::Full, 1);
    let listed = vitrine(&["ls"], dir.path());
    assert!(listed.status.success(), "{}", stderr(&listed));
    let text = stdout(&listed);
    let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0], ["ID", "TAKEN", "KIND", "PARTS", "FILES", "BYTES", "ROWS", "STATE"]);
    assert_eq!(words[1][..3], ["1795169700000", "2026-11-20T10:15:00.000Z", "full"]);
    assert_eq!((words[1][3], words[1][4], words[1][6], words[1][7]), ("1/1", "1", "100", "whole"));
    assert_eq!(words[2][2..5], ["delta", "on", "1795169700000"]);
    assert!(text.lines().last().is_some_and(|line| line.ends_with("unfinished: 1 of 2 parts are there")), "{text}");
    drop(held);
}

#[test]
fn inspect_shows_the_newest_whole_one_or_the_one_that_is_named() {
    let dir = two();
    let json = |output: Output| -> serde_json::Value { serde_json::from_slice(&output.stdout).expect("it is JSON") };
    let newest = json(vitrine(&["inspect"], dir.path()));
    assert_eq!((&newest["id"], &newest["chain"]), (&SECOND.into(), &vec![SECOND, FIRST].into()));
    assert_eq!(newest["taken"], "2026-11-20T10:16:00.000Z");
    let position = &newest["parts"][0]["positions"][0];
    assert_eq!(
        (&position["stream"], &position["partition"], &position["next"]),
        (&"views".into(), &3.into(), &SECOND.into())
    );
    let named = json(vitrine(&["inspect", &FIRST.to_string()], dir.path()));
    assert_eq!(named["parts"][0]["tables"][0]["rows"], 100);
    let unknown = vitrine(&["inspect", "5"], dir.path());
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("there is no checkpoint 5"), "{}", stderr(&unknown));
}

#[test]
fn verify_names_place_and_reason_and_ends_with_1() {
    let dir = two();
    let all = vitrine(&["verify", "--all"], dir.path());
    assert!(all.status.success(), "{}", stdout(&all));
    assert_eq!(stdout(&all), format!("{SECOND}: sound, 107 rows\n{FIRST}: sound, as a newer one is on it\n"));
    let damaged = file(dir.path(), SECOND, ".rows");
    let mut content = std::fs::read(&damaged).expect("it is there");
    content[40] ^= 1;
    std::fs::write(&damaged, content).expect("it is written");
    let newest = vitrine(&["verify"], dir.path());
    assert_eq!(newest.status.code(), Some(1));
    let text = stdout(&newest);
    let place = format!("{SECOND}: wrong: {}, bytes 16 to ", damaged.display());
    assert!(text.starts_with(&place) && text.contains("checksum"), "{text}");
    let all = vitrine(&["verify", "--all"], dir.path());
    assert_eq!(all.status.code(), Some(1));
    assert!(stdout(&all).ends_with(&format!("{FIRST}: sound, 100 rows\n")), "{}", stdout(&all));
    assert!(vitrine(&["verify", &FIRST.to_string()], dir.path()).status.success());
    std::fs::remove_file(file(dir.path(), FIRST, ".rows")).expect("it is there");
    let text = stdout(&vitrine(&["verify", "--all"], dir.path()));
    assert!(text.contains("it is missing") && text.contains("which cannot be restored"), "{text}");
}

#[test]
fn what_cannot_be_shown_is_said() {
    let dir = two();
    let other = dir.path().join(format!("{:020}-part-0-of-1.manifest", SECOND + 1));
    // What every format has: a number, and the checksum of what stands before it.
    std::fs::write(&other, "{\"format\":9}\ncrc32c d019c802\n").expect("it is written");
    assert!(stdout(&vitrine(&["ls"], dir.path())).contains("of format 9, which this version cannot read"));
    let refused = vitrine(&["verify", "--all"], dir.path());
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("start the version that wrote it"), "{}", stderr(&refused));
    let nowhere = vitrine(&["ls"], &dir.path().join("nowhere"));
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(stderr(&nowhere).contains("nowhere is no directory"), "{}", stderr(&nowhere));
}
