//! A disk without space: the archiver names it, goes on reading up to its bound of memory, and loses nothing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use archive::status::SharedStatus;
use archive::store::{Dir, Store as _};
use archive::verify::{survey, verify};
use archive::{Archiver, Now, Settings, Share};
use harness::Dice;

use crate::memory_log::{END_MS, MemoryLog};

fn log() -> MemoryLog {
    let log = MemoryLog::new(&mut Dice::new(37), 2);
    log.complete();
    log
}

/// An archiver with a turn a second, and its state.
struct Turns {
    archiver: Archiver<MemoryLog>,
    status: SharedStatus,
    second: u64,
}

impl Turns {
    fn of(log: &MemoryLog, dir: &Path) -> Turns {
        let settings = Settings {
            file_bytes_max: 4000,
            age_max: Duration::from_secs(20),
            memory_bytes_max: 100_000,
            rate_mb_max: 0,
            ..Settings::default()
        };
        let status = SharedStatus::default();
        let archiver = Archiver::new(settings, Share::ALL, Arc::new(Dir::new(dir)), log.clone(), status.clone());
        Turns { archiver, status, second: 0 }
    }

    fn some(&mut self, turns: u64) {
        for _ in 0..turns {
            self.archiver.turn(Now { since_start: Duration::from_secs(self.second), wall_ms: END_MS });
            self.second += 1;
        }
    }

    fn finish(&mut self) {
        self.some(1000);
        assert!(self.archiver.flush(|| true), "{:?}", self.status.get().trouble);
    }
}

/// The rows of each partition, all of whose files are sound.
fn rows(dir: &Path) -> BTreeMap<i32, u64> {
    let store = Dir::new(dir);
    let survey = survey(&store).expect("the directory can be read");
    let reports = verify(&store, &survey, |_| ()).expect("the directory can be read");
    let sound = reports.into_iter().map(|(id, report)| {
        assert_eq!((report.problems, report.notes), (vec![], vec![]), "{id}");
        (id.partition, report.rows)
    });
    sound.collect()
}

#[test]
fn a_disk_without_space_is_named_and_nothing_is_lost() {
    let (whole, full) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let mut turns = Turns::of(&log(), whole.path());
    turns.finish();
    let names = Dir::new(whole.path()).list("").expect("the directory can be read");

    let log = log();
    let mut turns = Turns::of(&log, full.path());
    turns.some(1);
    // The archiver writes the same files here. Every write to this device fails for want of space.
    let traps = names.iter().map(|object| full.path().join(format!("{}.unfinished", object.name)));
    let traps: Vec<_> = traps.collect();
    for trap in &traps {
        fs::create_dir_all(trap.parent().expect("a directory")).expect("the test's own directory");
        symlink("/dev/full", trap).expect("the test's own directory");
    }
    turns.some(200);
    let seen = turns.status.get();
    assert!(seen.trouble.as_ref().is_some_and(|trouble| trouble.contains("No space left on device")), "{seen:?}");
    assert!(seen.failures > 3 && seen.records == 0 && seen.memory_bytes <= 200_000, "{seen:?}");

    traps.iter().for_each(|trap| fs::remove_file(trap).expect("it is still there"));
    turns.finish();
    assert!(turns.status.get().trouble.is_none_or(|trouble| !trouble.contains("No space")));
    assert_eq!(rows(full.path()), rows(whole.path()));
    assert_eq!(rows(full.path()).values().sum::<u64>(), log.written().len() as u64);
}
