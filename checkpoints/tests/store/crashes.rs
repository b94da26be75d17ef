//! A crash in the middle of every operation of the disk, with every kind of loss, and again while coming back.

use checkpoints::simulation::{FakeDisk, Loss, Syncing};
use checkpoints::{CheckpointKind, Store};
use dataflow::time::Time;

use super::shop::{Held, key, open, restorable, restored, story, write};

const KEEP: usize = 2;
const LOSSES: [Loss; 6] = [Loss::Nothing, Loss::Everything, Loss::Some(1), Loss::Some(2), Loss::Some(3), Loss::Some(4)];

/// Writes the story until the disk crashes, and says which checkpoint was the last to be acknowledged.
fn tell(disk: &FakeDisk) -> Option<Time> {
    let mut acknowledged = None;
    let mut store = open(disk, KEEP).ok()?;
    for (tick, kind, rows, _) in story() {
        write(&mut store, tick, kind, &rows).ok()?;
        acknowledged = Some(tick);
        assert!(restorable(disk).len() >= KEEP.min(tick as usize / 100), "too much was removed after {tick}");
    }
    acknowledged
}

/// As [`tell`], but the last acknowledged checkpoint is known although the telling broke off.
fn told(disk: &FakeDisk) -> Option<Time> {
    let mut acknowledged = None;
    if let Ok(mut store) = open(disk, KEEP) {
        for (tick, kind, rows, _) in story() {
            match write(&mut store, tick, kind, &rows) {
                Ok(_) => acknowledged = Some(tick),
                Err(_) => break,
            }
        }
    }
    acknowledged
}

/// What is wrong with what came back, where `acknowledged` had been acknowledged.
fn wrong(store: &mut Store, acknowledged: Option<Time>) -> Option<String> {
    let latest = match store.restore(key()) {
        Ok(latest) => latest,
        Err(error) => return Some(error.to_string()),
    };
    let Some((tick, held)) = restored(&latest) else {
        return acknowledged.map(|tick| format!("{tick} is gone: {:?}", latest.findings));
    };
    if Some(tick) < acknowledged {
        return Some(format!("{tick} came back, {acknowledged:?} was acknowledged: {:?}", latest.findings));
    }
    let expected = story().into_iter().find(|chapter| chapter.0 == tick).map(|chapter| chapter.3);
    (expected != Some(held)).then(|| format!("{tick} came back with other rows"))
}

/// Crashes at every operation with every loss, and gives back all that went wrong.
fn crashes(prepare: impl Fn(&FakeDisk)) -> Vec<String> {
    let whole = FakeDisk::new();
    told(&whole);
    let mut wrongs = Vec::new();
    for operation in 0..whole.operations() {
        for loss in LOSSES {
            let disk = FakeDisk::new();
            prepare(&disk);
            disk.crash_at(operation);
            let acknowledged = told(&disk);
            disk.crash(loss);
            let mut store = open(&disk, KEEP).expect("the disk works again");
            wrongs.extend(wrong(&mut store, acknowledged).map(|wrong| format!("{operation}, {loss:?}: {wrong}")));
        }
    }
    wrongs
}

#[test]
fn without_a_crash_the_newest_two_and_a_way_back_stay() {
    let disk = FakeDisk::new();
    assert_eq!(tell(&disk), Some(700));
    // 600 and 700 stand on one full checkpoint: 500 stays as the way back from damage in it, and 400, which it is on.
    assert_eq!(restorable(&disk), [700, 600, 500, 400]);
    assert_eq!(disk.files().len(), 8, "two files each, and no others: {:?}", disk.files().iter().map(|file| &file.0));
}

#[test]
fn a_crash_at_any_operation_leaves_what_was_acknowledged() {
    let wrongs = crashes(|_| ());
    assert!(wrongs.is_empty(), "{} went wrong, such as {}", wrongs.len(), wrongs[0]);
}

#[test]
fn a_disk_that_does_not_synchronise_is_found_out_by_these_crashes() {
    assert!(!crashes(|disk| disk.set_syncing(Syncing::Never)).is_empty(), "the crashes bite nothing");
}

#[test]
fn a_second_crash_while_coming_back_takes_nothing_either() {
    let whole = FakeDisk::new();
    told(&whole);
    for first in (0..whole.operations()).step_by(3) {
        let loss = LOSSES[first as usize % LOSSES.len()];
        // How many operations coming back takes is not known before; a crash that was not reached ends the search.
        for second in 0.. {
            let disk = FakeDisk::new();
            disk.crash_at(first);
            let mut acknowledged = told(&disk);
            disk.crash(loss);
            let end = disk.operations() + second;
            disk.crash_at(end);
            if come_back(&disk).is_some() {
                acknowledged = acknowledged.max(Some(800));
            }
            let reached = disk.operations() > end;
            disk.crash(Loss::Some(second));
            let mut store = open(&disk, KEEP).expect("the disk works again");
            check_after(&mut store, acknowledged, (first, second));
            if !reached {
                break;
            }
        }
    }
}

/// Opens, restores, and writes the next checkpoint.
fn come_back(disk: &FakeDisk) -> Option<()> {
    let mut store = open(disk, KEEP).ok()?;
    let latest = store.restore(key()).ok()?;
    let (kind, rows) = match restored(&latest) {
        Some((tick, _)) => (CheckpointKind::Delta { on: tick }, Held::default()),
        None => (CheckpointKind::Full, Held::default()),
    };
    write(&mut store, 800, kind, &rows).ok().map(|_| ())
}

fn check_after(store: &mut Store, acknowledged: Option<Time>, at: (u64, u64)) {
    let latest = store.restore(key()).expect("the disk works");
    let found = restored(&latest).map(|(tick, _)| tick);
    assert!(found >= acknowledged, "{at:?}: {found:?} came back, {acknowledged:?} was there");
    if found != Some(800) {
        assert_eq!(wrong(store, acknowledged), None, "{at:?}");
    }
}

#[test]
fn what_a_start_goes_on_from_is_there_after_a_crash() {
    let whole = FakeDisk::new();
    told(&whole);
    for operation in 0..whole.operations() {
        for loss in LOSSES {
            // The process fails and dies, the machine does not; the next process goes on; then the machine crashes.
            let disk = FakeDisk::new();
            disk.fail_at(operation, std::io::ErrorKind::Other);
            told(&disk);
            let gone_on_from = open(&disk, KEEP).ok().and_then(|mut store| restored(&store.restore(key()).ok()?));
            disk.crash(loss);
            let mut store = open(&disk, KEEP).expect("the disk works again");
            let found = gone_on_from.map(|(tick, _)| tick);
            assert_eq!(wrong(&mut store, found), None, "{operation}, {loss:?}");
        }
    }
}

#[test]
fn a_mark_never_goes_back() {
    use checkpoints::{ServedWatermark, WatermarkFile};
    use std::path::Path;
    use std::sync::Arc;

    let raise = |disk: &FakeDisk| {
        let mut durable = None;
        if let Ok(mut mark) = WatermarkFile::open(Path::new("marks"), "served", Arc::new(disk.clone())) {
            for to in [5, 3, 8, 8, 13, 21] {
                if mark.raise(ServedWatermark { tick: to, begun: true, caught_up: to > 5 }).is_err() {
                    break;
                }
                durable = mark.read();
            }
        }
        durable
    };
    let whole = FakeDisk::new();
    assert_eq!(raise(&whole), Some(ServedWatermark { tick: 21, begun: true, caught_up: true }));
    for operation in 0..whole.operations() {
        for loss in LOSSES {
            let disk = FakeDisk::new();
            disk.crash_at(operation);
            let durable = raise(&disk);
            disk.crash(loss);
            let mark =
                WatermarkFile::open(Path::new("marks"), "served", Arc::new(disk)).expect("one block is never torn");
            let (found, durable) = (mark.read().unwrap_or_default(), durable.unwrap_or_default());
            assert_eq!(found.and(durable), found, "{operation}, {loss:?}: {durable:?} was durable");
        }
    }
}
