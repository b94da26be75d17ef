//! Parts of one checkpoint, written by several processes into one directory and read by any number.

use checkpoints::simulation::FakeDisk;
use checkpoints::{CheckpointKind, Damage, Error, Store};
use dataflow::time::Time;

use super::shop::{Held, changes, key, open, open_part, position, restorable, restored, write};

fn stores(disk: &FakeDisk, parts: u32) -> Vec<Store> {
    (0..parts).map(|part| open_part(disk, part, parts, 2).expect("each has a part of its own")).collect()
}

fn full(store: &mut Store, tick: Time) {
    write(store, tick, CheckpointKind::Full, &changes(tick, 10)).expect("the disk works");
}

#[test]
fn a_checkpoint_is_there_when_all_parts_are() {
    let disk = FakeDisk::new();
    let mut stores = stores(&disk, 3);
    let [first, second, third] = stores.as_mut_slice() else { unreachable!() };
    let rows = [changes(100, 10), changes(300, 20), changes(500, 30)];
    assert!(!write(second, 100, CheckpointKind::Full, &rows[1]).unwrap().whole);
    assert!(!write(first, 100, CheckpointKind::Full, &rows[0]).unwrap().whole);
    let latest = third.restore(key()).unwrap();
    assert!(latest.checkpoint.is_none());
    assert_eq!(latest.findings[0].damage, Damage::Parts { present: 2, parts: 3 });
    assert!(write(third, 100, CheckpointKind::Full, &rows[2]).unwrap().whole);
    let latest = first.restore(key()).unwrap();
    let all = rows.iter().fold(Held::default(), |sum, rows| sum.with(rows));
    assert_eq!(latest.checkpoint.as_ref().unwrap().positions, [position(100), position(100), position(100)]);
    assert_eq!(restored(&latest), Some((100, all)));
    assert_eq!(first.newest_whole().unwrap(), Some(100));
}

#[test]
fn a_delta_of_two_parts_is_on_a_checkpoint_of_three() {
    let disk = FakeDisk::new();
    stores(&disk, 3).iter_mut().for_each(|store| full(store, 100));
    let mut two = stores(&disk, 2);
    let before = restored(&two[0].restore(key()).unwrap()).unwrap().1;
    let changed = [changes(200, 5), changes(600, 5)];
    for (store, rows) in two.iter_mut().zip(&changed) {
        write(store, 200, CheckpointKind::Delta { on: 100 }, rows).unwrap();
    }
    let latest = two[1].restore(key()).unwrap();
    assert_eq!(restored(&latest), Some((200, before.with(&changed[0]).with(&changed[1]))));
    // The first part cleans up behind all, also behind the part that no longer exists.
    for tick in [300, 400, 500] {
        two.iter_mut().for_each(|store| full(store, tick));
    }
    full(&mut two[0], 600);
    assert_eq!(restorable(&disk), [500, 400]);
    let ours = disk.files().iter().all(|(path, _)| {
        let name = path.to_string_lossy();
        ["400", "500", "600"].iter().any(|tick| name.contains(tick))
    });
    assert!(ours, "{:?}", disk.files().into_iter().map(|file| file.0).collect::<Vec<_>>());
}

#[test]
fn parts_of_different_kinds_are_no_checkpoint() {
    let disk = FakeDisk::new();
    let mut stores = stores(&disk, 2);
    stores.iter_mut().for_each(|store| full(store, 100));
    full(&mut stores[0], 200);
    write(&mut stores[1], 200, CheckpointKind::Delta { on: 100 }, &Held::default()).unwrap();
    let latest = stores[0].restore(key()).unwrap();
    assert_eq!(latest.checkpoint.map(|checkpoint| checkpoint.tick), Some(100));
    assert_eq!(latest.findings[0].damage, Damage::Disagreement);
}

#[test]
fn what_another_part_is_writing_is_left_alone() {
    let disk = FakeDisk::new();
    let mut stores = stores(&disk, 2);
    stores.iter_mut().for_each(|store| full(store, 100));
    let (first, rest) = stores.split_at_mut(1);
    let draft = super::shop::draft(200, CheckpointKind::Full);
    let written = rest[0].write(draft, |to| {
        // Meanwhile the first part finishes its own, cleans up, and another process comes back.
        full(&mut first[0], 200);
        assert!(matches!(open(&disk, 2), Err(Error::Taken { .. })));
        changes(200, 10).write(to)
    });
    assert!(written.unwrap().whole);
    assert_eq!(restorable(&disk), [200, 100]);
}
