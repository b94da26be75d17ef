//! The machine's own file system, and rows enough for many frames.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use checkpoints::{
    CheckpointKind, Disk, Error, FRAME_ROWS_MAX, Place, RealDisk, ServedWatermark, Store, TableId, WatermarkFile,
};
use dataflow::dictionary::{Dictionary, Name};
use dataflow::ids::Ids;
use dataflow::stamp::Stamp;
use dataflow::tables::Stamps;

use super::shop::{changes, draft, key, restored, story, write};

fn open(dir: &Path) -> Result<Store, Error> {
    Store::open(Place { dir: dir.join("made").join("here"), part: 0, parts: 1, keep: 2 }, Arc::new(RealDisk))
}

#[test]
fn the_story_comes_back_in_another_process() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path()).unwrap();
    for (tick, kind, rows, all) in story() {
        assert!(write(&mut store, tick, kind, &rows).unwrap().whole);
        drop(store);
        store = open(dir.path()).unwrap();
        assert_eq!(restored(&store.restore(key()).unwrap()), Some((tick, all)));
    }
    assert!(matches!(open(dir.path()), Err(Error::Taken { .. })));
}

#[test]
fn frames_are_bounded_and_readers_share_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path()).unwrap();
    let ids = Ids::new([3; 16]);
    let dictionary = Dictionary::new(ids.clone());
    let product = dictionary.product("lamp").unwrap();
    let users = 2 * FRAME_ROWS_MAX + 5;
    let written = store.write(draft(1, CheckpointKind::Full), |to| {
        (0..users).try_for_each(|user| {
            to.row::<Stamps>(&(ids.user(&user.to_string()), product), &Stamp::view(user as u64))?;
            to.name(&Name::User(ids.user(&user.to_string()), format!("{user:0250}")))
        })
    });
    assert_eq!(written.unwrap().rows, 2 * users as u64);
    let checkpoint = store.restore(key()).unwrap().checkpoint.unwrap();
    let frames = checkpoint.frames();
    let rows_of =
        |table| frames.iter().filter(|frame| frame.table() == table).map(|frame| frame.len()).collect::<Vec<_>>();
    assert_eq!(rows_of(TableId::of::<Stamps>()), [FRAME_ROWS_MAX, FRAME_ROWS_MAX, 5]);
    assert!(rows_of(TableId::NAMES).len() > 3, "long ids close a frame before its rows do");
    let readers = 3;
    let counts: Vec<BTreeMap<usize, usize>> = std::thread::scope(|scope| {
        let read = |reader: usize| {
            let mine = frames.iter().skip(reader).step_by(readers);
            let mut counts = BTreeMap::new();
            for frame in mine {
                let (kind, rows) = match frame.table() == TableId::NAMES {
                    true => (0, frame.names().unwrap().len()),
                    false => (1, frame.rows::<Stamps>().unwrap().len()),
                };
                *counts.entry(kind).or_insert(0) += rows;
            }
            counts
        };
        let readers: Vec<_> = (0..readers).map(|reader| scope.spawn(move || read(reader))).collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    for kind in [0, 1] {
        assert_eq!(counts.iter().filter_map(|count| count.get(&kind)).sum::<usize>(), users);
    }
}

#[test]
fn what_may_not_be_written_is_told_apart_from_what_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("made"), b"a file in the way").unwrap();
    assert!(matches!(open(dir.path()), Err(Error::Disk { .. })));
    std::fs::remove_file(dir.path().join("made")).unwrap();
    let mut store = open(dir.path()).unwrap();
    write(&mut store, 100, CheckpointKind::Full, &changes(100, 3)).unwrap();
    let too_long = store.write(draft(200, CheckpointKind::Full), |to| {
        to.name(&Name::User(Ids::new([3; 16]).user("x"), "x".repeat(257)))
    });
    assert!(matches!(too_long, Err(Error::IdTooLong { bytes: 257 })));
}

#[test]
fn a_mark_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let open = || WatermarkFile::open(&dir.path().join("marks"), "served", Arc::clone(&disk)).unwrap();
    let mut mark = open();
    assert_eq!(mark.read(), None);
    for (tick, caught_up, then) in [(7, false, 7), (5, true, 7), (9, false, 9), (10, false, 10)] {
        mark.raise(ServedWatermark { tick, begun: true, caught_up }).unwrap();
        let then = Some(ServedWatermark { tick: then, begun: true, caught_up: tick != 7 });
        assert_eq!((mark.read(), open().read()), (then, then));
    }
}
