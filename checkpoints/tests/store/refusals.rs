//! A disk that is full or fails, and what is refused: another format, another key, a second writer, a lost parent.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use checkpoints::simulation::{FakeDisk, Loss};
use checkpoints::{CheckpointKind, Error, FORMAT, Fingerprint, ServedWatermark, WatermarkFile};

use super::shop::{DIR, Held, changes, draft, key, open, place, restorable, restored, story, write};

/// The story up to its second checkpoint.
fn begun(disk: &FakeDisk) -> checkpoints::Store {
    let mut store = open(disk, 2).expect("the disk works");
    for (tick, kind, rows, _) in story().into_iter().take(2) {
        write(&mut store, tick, kind, &rows).expect("the disk works");
    }
    store
}

#[test]
fn a_failure_of_any_operation_is_an_error_and_the_next_checkpoint_goes_through() {
    let whole = FakeDisk::new();
    let mut store = begun(&whole);
    let start = whole.operations();
    let (tick, kind, rows, _) = story().swap_remove(2);
    write(&mut store, tick, kind, &rows).expect("the disk works");
    for operation in 0..whole.operations() - start {
        for failure in [ErrorKind::StorageFull, ErrorKind::PermissionDenied, ErrorKind::Other] {
            let disk = FakeDisk::new();
            let mut store = begun(&disk);
            disk.fail_at(disk.operations() + operation, failure);
            match write(&mut store, tick, kind, &rows) {
                Ok(written) => assert!(written.whole),
                Err(Error::NoSpace { .. }) => assert_eq!(failure, ErrorKind::StorageFull),
                Err(Error::Denied { .. }) => assert_eq!(failure, ErrorKind::PermissionDenied),
                Err(Error::Disk { .. }) => assert_eq!(failure, ErrorKind::Other),
                Err(other) => panic!("{other}"),
            }
            assert!(restorable(&disk).contains(&200), "operation {operation}: {:?}", restorable(&disk));
            let (_, _, rows, all) = story().swap_remove(3);
            write(&mut store, 400, CheckpointKind::Full, &rows).expect("the disk works again");
            let latest = store.restore(key()).expect("the disk works");
            assert_eq!(restored(&latest), Some((400, all)));
        }
    }
}

#[test]
fn a_full_disk_costs_the_new_checkpoint_and_leaves_no_piece_of_it() {
    for room in (0..2000).step_by(37) {
        let disk = FakeDisk::new();
        let mut store = begun(&disk);
        let used: usize = disk.files().iter().map(|file| file.1.len()).sum();
        let before = disk.files();
        disk.set_capacity(Some((used + room) as u64));
        let (tick, kind, rows, _) = story().swap_remove(2);
        match write(&mut store, tick, kind, &rows) {
            Err(Error::NoSpace { path }) => {
                assert!(path.starts_with(DIR));
                let now = disk.files();
                // Data without a manifest may wait for the next start; nothing else is new.
                assert!(now.iter().all(|file| before.contains(file) || file.0.extension() == Some("rows".as_ref())));
            }
            other => assert!(other.is_ok_and(|written| written.whole), "with room for {room}"),
        }
        drop(store);
        disk.set_capacity(None);
        disk.crash(Loss::Nothing);
        let mut store = open(&disk, 2).expect("there is room again");
        let names = |files: &[(std::path::PathBuf, Vec<u8>)]| files.len();
        let latest = store.restore(key()).expect("the disk works").checkpoint.expect("there is one");
        assert_eq!(names(&disk.files()), if latest.tick == 300 { 6 } else { 4 });
    }
}

#[test]
fn rows_that_end_in_an_error_leave_nothing() {
    let disk = FakeDisk::new();
    let mut store = begun(&disk);
    let before = disk.files();
    let given_up = store.write(draft(300, CheckpointKind::Full), |to| {
        changes(300, 30).write(to)?;
        Err(Error::Abandoned)
    });
    assert!(matches!(given_up, Err(Error::Abandoned)));
    assert_eq!(disk.files(), before);
}

#[test]
fn another_format_is_named_refused_and_left_untouched() {
    for format in [FORMAT - 1, FORMAT + 1] {
        let disk = FakeDisk::new();
        drop(begun(&disk));
        let body = format!("{{\"format\":{format},\"anything\":true}}\n");
        let text = format!("{body}crc32c {:08x}\n", crc32c::crc32c(body.as_bytes()));
        disk.put(&Path::new(DIR).join("00000000000000000300-part-0-of-1.manifest"), text.as_bytes());
        disk.put(&Path::new(DIR).join("00000000000000000050-part-0-of-1-0.rows"), b"no manifest needs it");
        let (before, operations) = (disk.files(), disk.operations());
        let refused = open(&disk, 2).expect_err("another format");
        assert!(matches!(refused, Error::OtherFormat { found, known: FORMAT, .. } if found == format));
        let said = format!("is of format {format}, this version reads format {FORMAT}: ");
        assert!(refused.to_string().contains(&said), "{refused}");
        assert_eq!((disk.files(), disk.operations()), (before, operations));
    }
}

#[test]
fn another_format_of_rows_is_refused_too() {
    let disk = FakeDisk::new();
    let mut store = begun(&disk);
    let (path, mut content) =
        disk.files().into_iter().rfind(|file| file.0.extension() == Some("rows".as_ref())).unwrap();
    content[8] = 7;
    let crc32c = crc32c::crc32c(&content[..12]);
    content[12..16].copy_from_slice(&crc32c.to_le_bytes());
    disk.put(&path, &content);
    assert!(matches!(store.restore(key()), Err(Error::OtherFormat { found: 7, .. })));
}

#[test]
fn another_key_is_refused() {
    let mut store = begun(&FakeDisk::new());
    assert!(matches!(store.restore(Fingerprint::of(&[4; 16])), Err(Error::OtherKey { tick: 200 })));
    assert!(matches!(store.at(200, Fingerprint::of(&[4; 16])), Err(Error::OtherKey { tick: 200 })));
    assert_eq!(store.at(200, key()).map(|checkpoint| checkpoint.chain).unwrap(), [200, 100]);
}

#[test]
fn a_delta_needs_a_whole_checkpoint_before_it() {
    let mut store = begun(&FakeDisk::new());
    for (tick, on) in [(300, 150), (150, 200), (200, 200)] {
        let refused = write(&mut store, tick, CheckpointKind::Delta { on }, &Held::default());
        assert!(matches!(refused, Err(Error::NoParent { on: found }) if found == on), "{tick} on {on}");
    }
}

#[test]
fn a_second_writer_is_kept_out_until_the_first_is_gone() {
    let disk = FakeDisk::new();
    let store = begun(&disk);
    assert!(matches!(open(&disk, 2), Err(Error::Taken { .. })));
    drop(store);
    assert!(open(&disk, 2).is_ok());
    assert_eq!(place(0, 1, 2).keep, 2);
}

#[test]
fn files_of_others_are_never_touched() {
    let disk = FakeDisk::new();
    let foreign = Path::new(DIR).join("notes.tmp");
    disk.put(&foreign, b"mine");
    let mut store = begun(&disk);
    for (tick, kind, rows, _) in story().into_iter().skip(2) {
        write(&mut store, tick, kind, &rows).expect("the disk works");
    }
    drop(store);
    drop(open(&disk, 1));
    assert!(disk.files().contains(&(foreign, b"mine".to_vec())));
}

#[test]
fn a_mark_needs_no_room_and_only_one_of_its_blocks() {
    let (disk, dir) = (FakeDisk::new(), Path::new(DIR));
    let open = || WatermarkFile::open(dir, "served", Arc::new(disk.clone()));
    let noted = |tick| ServedWatermark { tick, begun: true, caught_up: true };
    let mut mark = open().expect("there is none yet");
    assert_eq!(mark.read(), None);
    mark.raise(noted(7)).expect("the disk works");
    disk.set_capacity(Some(0));
    mark.raise(noted(8)).expect("there are two blocks already");
    mark.raise(noted(9)).expect("there are two blocks already");
    let (path, content) = disk.files().remove(0);
    let newest = content.windows(8).position(|text| text == b"\"tick\":9").expect("it is there");
    for at in (0..content.len()).filter(|at| content[*at] != b' ') {
        let mut other = content.clone();
        other[at] ^= 4;
        disk.put(&path, &other);
        let left = if at / 4096 == newest / 4096 { 8 } else { 9 };
        assert_eq!(open().expect("one is whole").read(), Some(noted(left)), "byte {at}");
        other[(at + 4096) % 8192] ^= 4;
        disk.put(&path, &other);
        assert!(matches!(open(), Err(Error::Corrupt(_))), "byte {at}");
    }
}

#[test]
fn a_mark_of_another_format_is_told_from_damage() {
    let (disk, dir) = (FakeDisk::new(), Path::new(DIR));
    let body = format!("{:96}\n", "{\"format\":2}");
    let text = format!("{body}crc32c {:08x}\n", crc32c::crc32c(body.as_bytes()));
    disk.put(&dir.join("served"), text.as_bytes());
    assert!(matches!(WatermarkFile::open(dir, "served", Arc::new(disk)), Err(Error::OtherFormat { found: 2, .. })));
}
