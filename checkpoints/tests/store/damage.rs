//! Any change of any file: what comes back is the same rows, an older checkpoint with a finding, or an error.

use std::path::PathBuf;

use checkpoints::simulation::FakeDisk;
use checkpoints::{CheckpointKind, Damage, Error};
use proptest::prelude::*;

use super::shop::{Held, changes, key, open, read, restored, story, write};

fn written() -> FakeDisk {
    let disk = FakeDisk::new();
    let mut store = open(&disk, 9).expect("the disk works");
    for (tick, kind, rows, _) in story() {
        write(&mut store, tick, kind, &rows).expect("the disk works");
    }
    disk
}

/// A way to change a file.
#[derive(Clone, Debug)]
enum Change {
    Flip { at: prop::sample::Index, bit: u8 },
    Cut { at: prop::sample::Index },
    Extend(Vec<u8>),
    Overwrite { at: prop::sample::Index, with: Vec<u8> },
    Replace(Vec<u8>),
    Swap { with: prop::sample::Index },
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    let bytes = || prop::collection::vec(any::<u8>(), 1..40);
    prop_oneof![
        4 => (index(), 0..8_u8).prop_map(|(at, bit)| Change::Flip { at, bit }),
        2 => index().prop_map(|at| Change::Cut { at }),
        1 => bytes().prop_map(Change::Extend),
        2 => (index(), bytes()).prop_map(|(at, with)| Change::Overwrite { at, with }),
        1 => bytes().prop_map(Change::Replace),
        1 => index().prop_map(|with| Change::Swap { with }),
    ]
}

fn changed(content: &[u8], change: &Change, files: &[(PathBuf, Vec<u8>)]) -> Vec<u8> {
    let mut content = content.to_vec();
    match change {
        Change::Flip { at, bit } => {
            let at = at.index(content.len());
            content[at] ^= 1 << bit;
        }
        Change::Cut { at } => content.truncate(at.index(content.len())),
        Change::Extend(with) => content.extend(with),
        Change::Overwrite { at, with } => {
            let at = at.index(content.len());
            content.iter_mut().skip(at).zip(with).for_each(|(old, new)| *old = *new);
        }
        Change::Replace(with) => content.clone_from(with),
        Change::Swap { with } => content.clone_from(&files[with.index(files.len())].1),
    }
    content
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_file_is_never_taken_for_other_rows(file in any::<prop::sample::Index>(), change in change()) {
        let disk = written();
        let files = disk.files();
        let (path, content) = &files[file.index(files.len())];
        let other = changed(content, &change, &files);
        disk.put(path, &other);
        // Without verifying first: a frame is its rows, or an error.
        let mut store = open(&disk, 9).expect("damage is no refusal");
        for (tick, ..) in story() {
            if let Ok(held) = store.at(tick, key()).and_then(|checkpoint| read(&checkpoint)) {
                prop_assert!(Some(held) == expected(tick), "{} was read with other rows", tick);
            }
        }
        let latest = store.restore(key()).expect("damage is no refusal");
        let (tick, held) = restored(&latest).expect("one file is damaged, and two full checkpoints do without it");
        prop_assert!(Some(held) == expected(tick), "{} came back with other rows", tick);
        prop_assert!(tick == 700 || !latest.findings.is_empty(), "{} came back without a finding", tick);
    }
}

fn expected(tick: u64) -> Option<Held> {
    story().into_iter().find(|chapter| chapter.0 == tick).map(|chapter| chapter.3)
}

#[test]
fn findings_name_file_and_range_and_a_damaged_one_does_not_count_as_kept() {
    let disk = FakeDisk::new();
    let mut store = open(&disk, 2).expect("the disk works");
    for (tick, kind, rows, _) in story().into_iter().take(4) {
        write(&mut store, tick, kind, &rows).expect("the disk works");
    }
    let (path, mut content) =
        disk.files().into_iter().rfind(|file| file.0.extension() == Some("rows".as_ref())).expect("there is data");
    content[60] ^= 1;
    disk.put(&path, &content);
    let latest = store.restore(key()).expect("damage is no refusal");
    assert_eq!(latest.checkpoint.map(|checkpoint| checkpoint.tick), Some(300));
    let [finding] = latest.findings.as_slice() else { panic!("{:?}", latest.findings) };
    assert_eq!((finding.tick, &finding.path), (Some(400), &path));
    assert!(finding.bytes.as_ref().is_some_and(|range| range.contains(&60)), "{finding}");
    assert!(matches!(finding.damage, Damage::Checksum(_)), "{finding}");
    // 400 looks whole from outside, but 300 must not be given up for it, nor may anybody be told of what it holds.
    assert_eq!(store.newest_whole().expect("the disk works"), Some(300));
    write(&mut store, 500, CheckpointKind::Delta { on: 300 }, &changes(500, 3)).expect("the disk works");
    let ticks = super::shop::restorable(&disk);
    assert_eq!(ticks, [500, 300, 200, 100]);
}

#[test]
fn damage_in_every_checkpoint_leaves_nothing_and_says_so() {
    let disk = written();
    for (path, mut content) in disk.files() {
        content.truncate(content.len() / 2);
        disk.put(&path, &content);
    }
    let mut store = open(&disk, 9).expect("damage is no refusal");
    let latest = store.restore(key()).expect("damage is no refusal");
    assert!(latest.checkpoint.is_none() && latest.findings.len() >= 7, "{:?}", latest.findings);
    assert!(matches!(store.at(700, key()), Err(Error::Corrupt(_))));
}
