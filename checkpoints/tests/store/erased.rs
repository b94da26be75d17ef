//! The id of an erased user: in no checkpoint after the erasure, unless the user does something later.

use std::path::Path;
use std::sync::Arc;

use checkpoints::{Bounds, Place, RealDisk, Restored, Series, Store};
use dataflow::cut::{Base, Cut, DeltaLog, ErasedUntilByUser, Part};
use dataflow::dictionary::Dictionary;
use dataflow::ids::{Ids, UserKey};
use dataflow::rules::Rules;
use dataflow::stepped::SteppedGraph;
use dataflow::time::{Millis, Time};

use super::shop::key;

fn dictionary() -> Dictionary {
    Dictionary::new(Ids::new([3; 16])).remembering_users().saving()
}

fn open(dir: &Path) -> Store {
    Store::open(Place { dir: dir.to_owned(), part: 0, parts: 1, keep: 1 }, Arc::new(RealDisk))
        .expect("no other process has it")
}

/// The checkpoint that is restored, and a dictionary that knows its names only.
fn restored(store: &mut Store) -> (Option<Restored>, Dictionary) {
    let known = dictionary();
    let checkpoint = store.restore(key()).expect("it can be read").checkpoint;
    (checkpoint.map(|checkpoint| Restored::read(checkpoint, &known).expect("it is whole")), known)
}

/// Rows that were given after the tick `after`, which views make.
fn log(dictionary: &Arc<Dictionary>, after: Time, tick: Time, views: &[(UserKey, Millis)]) -> DeltaLog {
    let mut graph = SteppedGraph::new(Rules::default(), dictionary.clone(), 1000);
    graph.keep_log(10);
    graph.advance_to(tick);
    for (user, at) in views {
        graph.inputs().view(*user, dictionary.product("lamp").expect("no collision"), *at);
    }
    let mut log = graph.take_log().expect("the rows are few");
    log.after = after;
    log
}

#[test]
fn the_id_of_an_erased_user_leaves_with_the_next_checkpoint_and_comes_back_with_the_user() {
    let dir = tempfile::tempdir().unwrap();
    let dictionary = Arc::new(dictionary());
    let [ada, ben, cid] = ["ada", "ben", "cid"].map(|id| dictionary.user(id));
    let take = |tick: Time, delta_log: Option<DeltaLog>, erased: &[(UserKey, Millis)]| {
        let mut store = open(dir.path());
        let before = restored(&mut store).0;
        let mut series = Series::new(store, key(), dictionary.clone(), before.as_ref(), Bounds::default());
        let erased: Arc<ErasedUntilByUser> = Arc::new(erased.iter().copied().collect());
        let part = Part { base: Base::empty(), delta_log, positions: Arc::new([]), erased };
        let full = series.take(Cut { tick, parts: vec![part] }, || true).unwrap().unwrap().full;
        drop(series);
        let known = restored(&mut open(dir.path())).1;
        (full, [ada, ben, cid].map(|user| known.user_name(user).is_some()))
    };
    assert_eq!(take(10, None, &[]), (true, [true; 3]));
    // The log of changes does not reach over an erasure.
    let erased = [(ada, 15), (cid, 15)];
    assert_eq!(take(20, None, &erased), (true, [false, true, false]));
    let changes = log(&dictionary, 20, 30, &[(ben, 25)]);
    assert_eq!(take(30, Some(changes), &erased), (false, [false, true, false]));
    let changes = log(&dictionary, 30, 40, &[(ada, 35)]);
    assert_eq!(take(40, Some(changes), &erased), (false, [true, true, false]));
}

#[test]
fn an_old_event_does_not_bring_the_id_back() {
    let dir = tempfile::tempdir().unwrap();
    // A start: the checkpoint had no id of the erased user.
    let dictionary = Arc::new(dictionary());
    let ada = dictionary.user("ada");
    let erased: Arc<ErasedUntilByUser> = Arc::new([(ada, 15)].into_iter().collect());
    let mut store = open(dir.path());
    let mut series = Series::new(store, key(), dictionary.clone(), None, Bounds::default());
    for (tick, delta_log) in [(20, None), (30, Some(log(&dictionary, 20, 30, &[])))] {
        let part = Part { base: Base::empty(), delta_log, positions: Arc::new([]), erased: erased.clone() };
        let full = series.take(Cut { tick, parts: vec![part] }, || true).unwrap().unwrap().full;
        assert_eq!(full, tick == 20);
    }
    drop(series);
    store = open(dir.path());
    assert_eq!(restored(&mut store).1.user_name(ada), None);
}
