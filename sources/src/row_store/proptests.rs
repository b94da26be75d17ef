//! The law of differences: what was there before, plus the differences, is what is there now.

use std::collections::{BTreeMap, HashMap};

use dataflow::time::Diff;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Difference, RowStore};

type Row = (u8, u8);
type Bag = BTreeMap<Row, Diff>;

/// Applies the differences as the graph would, and insists that each says something.
fn apply(bag: &mut Bag, differences: Vec<Difference<u8, u8>>) {
    for (row, diff) in differences {
        assert_ne!(diff, 0);
        let copies = bag.entry(row).or_default();
        *copies += diff;
        assert!(*copies >= 0 || diff < 0, "more rows went than there were");
    }
    bag.retain(|_, copies| *copies != 0);
}

fn bag(rows: impl IntoIterator<Item = Row>) -> Bag {
    rows.into_iter().fold(Bag::new(), |mut bag, row| {
        *bag.entry(row).or_default() += 1;
        bag
    })
}

/// Readings of a small table, and whether each was finished.
fn readings() -> impl Strategy<Value = Vec<(Vec<Row>, bool)>> {
    vec((vec((0..6u8, 0..3u8), 0..20), prop::bool::weighted(0.7)), 1..8)
}

fn read(store: &mut RowStore<u8, u8>, rows: &[Row], finished: bool) -> Option<Vec<Difference<u8, u8>>> {
    let mut refresh = store.begin();
    rows.iter().for_each(|(key, value)| refresh.seen(*key, *value));
    finished.then(|| refresh.finish())
}

proptest! {
    #[test]
    fn without_a_key_differences_lead_from_one_bag_to_the_next(readings in readings()) {
        let mut store = RowStore::by_row();
        let mut held = Bag::new();
        for (rows, finished) in readings {
            if let Some(differences) = read(&mut store, &rows, finished) {
                apply(&mut held, differences);
                prop_assert_eq!(&held, &bag(rows));
            }
            prop_assert_eq!(store.len(), held.len());
        }
    }

    #[test]
    fn by_key_differences_lead_from_one_table_to_the_next(readings in readings()) {
        let mut store = RowStore::by_key();
        let mut held = Bag::new();
        for (rows, finished) in readings {
            let rows: Vec<Row> = rows.into_iter().collect::<HashMap<u8, u8>>().into_iter().collect();
            if let Some(differences) = read(&mut store, &rows, finished) {
                apply(&mut held, differences);
                prop_assert_eq!(&held, &bag(rows));
            }
            prop_assert_eq!(store.len(), held.len());
        }
    }

    #[test]
    fn added_and_forgotten_rows_are_part_of_the_table(
        first in vec(0..6u8, 0..20), added in vec(0..6u8, 0..20), least in 0..6u8, last in vec(0..6u8, 0..20)
    ) {
        let row = |row: u8| (row, 0);
        let flat = |differences: Vec<Difference<u8, ()>>| -> Vec<Difference<u8, u8>> {
            differences.into_iter().map(|((key, ()), diff)| ((key, 0), diff)).collect()
        };
        let mut store = RowStore::by_row();
        let read = |store: &mut RowStore<u8, ()>, rows: &[u8]| {
            let mut refresh = store.begin();
            rows.iter().for_each(|row| refresh.seen(*row, ()));
            refresh.finish()
        };
        let mut held = Bag::new();
        apply(&mut held, flat(read(&mut store, &first)));
        added.iter().for_each(|row| store.hold(*row, ()));
        apply(&mut held, added.iter().map(|key| (row(*key), 1)).collect());
        prop_assert_eq!(&held, &bag(first.into_iter().chain(added).map(row)));
        let mut gone = Vec::new();
        store.keep(|row, ()| *row >= least, &mut |row, (), diff| gone.push(((row, ()), diff)));
        apply(&mut held, flat(gone));
        prop_assert!(held.keys().all(|(key, _)| *key >= least));
        apply(&mut held, flat(read(&mut store, &last)));
        prop_assert_eq!(&held, &bag(last.into_iter().map(row)));
    }
}

/// One change of a table, as a log tells it.
#[derive(Clone, Debug)]
enum Step {
    Put(u8, u8),
    Remove(u8),
    Keep(u8),
    Clear,
    Read(Vec<Row>, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..6u8, 0..3u8).prop_map(|(key, value)| Step::Put(key, value)),
        3 => (0..6u8).prop_map(Step::Remove),
        1 => (0..6u8).prop_map(Step::Keep),
        1 => Just(Step::Clear),
        1 => (vec((0..6u8, 0..3u8), 0..10), any::<bool>()).prop_map(|(rows, finished)| Step::Read(rows, finished)),
    ];
    vec(step, 0..40)
}

proptest! {
    #[test]
    fn single_changes_and_readings_lead_to_the_table(held in vec((0..6u8, 0..3u8), 0..6), steps in steps()) {
        let mut table: BTreeMap<u8, u8> = held.into_iter().collect();
        let mut store = RowStore::by_key();
        table.iter().for_each(|(key, value)| store.hold(*key, *value));
        let mut told = bag(table.clone());
        for step in steps {
            let mut differences = Vec::new();
            let mut out = |key, value, diff| differences.push(((key, value), diff));
            match step {
                Step::Put(key, value) => {
                    store.put(key, value, &mut out);
                    table.insert(key, value);
                }
                Step::Remove(key) => {
                    store.remove(&key, &mut out);
                    table.remove(&key);
                }
                Step::Keep(least) => {
                    store.keep(|key, _| *key >= least, &mut out);
                    table.retain(|key, _| *key >= least);
                }
                Step::Clear => {
                    store.clear(&mut out);
                    table.clear();
                }
                Step::Read(rows, finished) => {
                    let rows: BTreeMap<u8, u8> = rows.into_iter().collect();
                    let seen: Vec<Row> = rows.clone().into_iter().collect();
                    if let Some(read) = read(&mut store, &seen, finished) {
                        differences = read;
                        table = rows;
                    }
                }
            }
            apply(&mut told, differences);
            prop_assert_eq!(&told, &bag(table.clone()));
            prop_assert_eq!(store.len(), table.len());
            (0..6u8).for_each(|key| assert_eq!(store.get(&key), table.get(&key).copied()));
        }
    }
}

#[test]
fn equal_keys_held_from_before_are_rows_of_their_own() {
    let mut store = RowStore::by_key();
    [(1, 1), (1, 1), (1, 2)].into_iter().for_each(|(key, value)| store.hold(key, value));
    let differences = read(&mut store, &[(1, 1)], true).expect("the reading is finished");
    let mut held = bag([(1, 1), (1, 1), (1, 2)]);
    apply(&mut held, differences);
    assert_eq!(held, bag([(1, 1)]));
}

#[test]
fn a_table_that_loses_its_key_keeps_its_rows() {
    let mut store = RowStore::by_key();
    read(&mut store, &[(1, 1), (2, 2)], true);
    store.keep_by_row();
    let differences = read(&mut store, &[(1, 1), (2, 2), (2, 3), (2, 3)], true).expect("the reading is finished");
    assert_eq!(differences, [((2, 3), 2)]);
}

#[test]
fn two_rows_of_one_key_are_one_row() {
    let mut store = RowStore::by_key();
    read(&mut store, &[(1, 1)], true);
    let differences = read(&mut store, &[(1, 2), (1, 3)], true).expect("the reading is finished");
    assert_eq!(differences, [((1, 1), -1), ((1, 3), 1)]);
}
