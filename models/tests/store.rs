//! Model files on a simulated disk: whatever crashes or is damaged, a model can be loaded, and it is one that was written.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use checkpoints::Disk;
use checkpoints::simulation::{FakeDisk, Loss};
use models::Vectors;
use models::store::{Card, Error, Model, ModelStore, Refusal};

const DIR: &str = "/models";

const FACTORS: usize = 5;

fn model(seed: u64) -> Model {
    model_of(seed, FACTORS)
}

fn model_of(seed: u64, factors: usize) -> Model {
    let mut vectors = Vectors::zeros(3, factors);
    (0..3).for_each(|row| vectors.row_mut(row).fill(seed as f32 + row as f32 / 4.0));
    let card = Card {
        method: "als".into(),
        data_from_ms: 1,
        data_until_ms: 2,
        users: 9,
        products: 3,
        pairs: 20,
        factors,
        iterations: 15,
        regularization: 0.01,
        confidence: 1.5,
        half_life: 3.0,
        seed,
        metrics: [("recall@10".to_owned(), 0.25)].into(),
    };
    Model { card, products: vec!["a".into(), "ü-2".into(), String::new()], vectors }
}

fn store(disk: &FakeDisk) -> ModelStore {
    ModelStore::new(Path::new(DIR), Arc::new(disk.clone()))
}

fn seed_in_use(store: &ModelStore) -> Option<u64> {
    store.load(None).expect("the disk works").model.map(|(_, model)| model.card.seed)
}

fn overwrite(disk: &FakeDisk, version: u64, bytes: &[u8]) {
    let mut file = disk.create(&path(version)).expect("the disk works");
    file.write_all(bytes).expect("the disk works");
    file.sync().expect("the disk works");
}

fn path(version: u64) -> std::path::PathBuf {
    Path::new(DIR).join(format!("als-{version:012}.model"))
}

fn bytes(disk: &FakeDisk, version: u64) -> Vec<u8> {
    disk.read_at(&path(version), 0, disk.length(&path(version)).expect("the disk works") as usize)
        .expect("the disk works")
}

#[test]
fn versions_are_added_kept_chosen_and_rolled_back() {
    let disk = FakeDisk::new();
    let store = store(&disk);
    assert!(store.list().unwrap().is_empty() && store.load(None).unwrap().model.is_none());
    for seed in 1..=5 {
        assert_eq!(store.add(&model(seed), 3).unwrap(), seed);
        assert_eq!(seed_in_use(&store), Some(seed));
    }
    let versions = |store: &ModelStore| -> Vec<(u64, bool)> {
        store.list().unwrap().into_iter().map(|entry| (entry.version, entry.is_current)).collect()
    };
    assert_eq!(versions(&store), [(3, false), (4, false), (5, true)]);
    assert_eq!(store.read(5).unwrap(), model(5));
    assert_eq!(store.roll_back(FACTORS).unwrap(), 4);
    assert_eq!(store.roll_back(FACTORS).unwrap(), 3);
    assert!(matches!(store.roll_back(FACTORS), Err(Error::NothingEarlier { current: Some(3), .. })));
    // The version in use is kept although it is old, and a new one replaces it.
    store.put_into_use(3, FACTORS).unwrap();
    assert_eq!(store.add(&model(6), 1).unwrap(), 6);
    assert_eq!(versions(&store), [(6, true)]);
    assert!(matches!(store.put_into_use(4, FACTORS), Err(Error::NotThere { version: 4, .. })));
    assert_eq!(seed_in_use(&store), Some(6));
}

#[test]
fn refused_versions_do_not_count_among_those_that_are_kept() {
    let disk = FakeDisk::new();
    let store = store(&disk);
    let versions =
        |store: &ModelStore| -> Vec<u64> { store.list().unwrap().into_iter().map(|entry| entry.version).collect() };
    (1..=2).for_each(|seed| assert_eq!(store.add(&model(seed), 3).unwrap(), seed));
    // Three with other settings, and then one of the first again, of which two are torn.
    (3..=5).for_each(|seed| assert_eq!(store.add(&model_of(seed, 7), 3).unwrap(), seed));
    assert_eq!(versions(&store), [3, 4, 5], "all three can be used, with these settings");
    (6..=8).for_each(|seed| assert_eq!(store.add(&model(seed), 9).unwrap(), seed));
    (7..=8).for_each(|version| overwrite(&disk, version, b"torn"));
    assert_eq!(store.add(&model(9), 3).unwrap(), 9);
    assert_eq!(versions(&store), [3, 4, 5, 6, 7, 8, 9], "only two can be used");
    assert_eq!(store.add(&model(10), 3).unwrap(), 10);
    assert_eq!(versions(&store), [6, 7, 8, 9, 10], "three can be used, and what is refused and older goes");
    assert_eq!(store.roll_back(FACTORS).unwrap(), 9);
    assert_eq!(store.roll_back(FACTORS).unwrap(), 6);
    assert!(matches!(store.roll_back(FACTORS), Err(Error::NothingEarlier { current: Some(6), .. })));
}

#[test]
fn a_version_of_other_settings_is_not_put_into_use() {
    let disk = FakeDisk::new();
    let store = store(&disk);
    let error = store.roll_back(FACTORS).unwrap_err().to_string();
    assert_eq!(error, "/models has no model: `vitrine train` makes one");
    store.add(&model(1), 9).unwrap();
    store.add(&model_of(2, 7), 9).unwrap();
    store.add(&model(3), 9).unwrap();
    let error = store.put_into_use(2, FACTORS).unwrap_err().to_string();
    assert!(error.contains("its vectors have 7 numbers, and models.als.factors is 5"), "{error}");
    assert_eq!(seed_in_use(&store), Some(3));
    assert_eq!(store.roll_back(FACTORS).unwrap(), 1, "it is passed over");
}

#[test]
fn any_damage_is_refused_by_name_and_the_version_before_is_used() {
    let disk = FakeDisk::new();
    let store = store(&disk);
    (1..=2).for_each(|seed| assert_eq!(store.add(&model(seed), 9).unwrap(), seed));
    let sound = bytes(&disk, 2);
    let refusal = |bytes: &[u8]| {
        overwrite(&disk, 2, bytes);
        let loaded = store.load(None).unwrap();
        assert_eq!(loaded.model.map(|(version, model)| (version, model.card.seed)), Some((1, 1)));
        let [Error::Refused { path: named, refusal }] = &loaded.refused[..] else { panic!("{:?}", loaded.refused) };
        assert_eq!(named, &path(2));
        refusal.clone()
    };
    for bit in 0..sound.len() * 8 {
        let mut other = sound.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        refusal(&other);
    }
    for end in 0..sound.len() {
        let found = refusal(&sound[..end]);
        assert!(matches!(found, Refusal::Torn { .. }), "cut to {end}: {found}");
    }
    assert!(matches!(refusal(&[&sound[..], &[0]].concat()), Refusal::Torn { .. }));
    let mut later = sound.clone();
    later[8] = 2;
    assert_eq!(refusal(&later), Refusal::Newer { found: 2, known: 1 });
    overwrite(&disk, 2, &sound);
    assert_eq!(seed_in_use(&store), Some(2));
    let other = store.load(Some(64)).unwrap();
    assert!(other.model.is_none() && other.refused.len() == 2);
    let text = other.refused[0].to_string();
    assert!(text.contains("als-000000000002.model") && text.contains("models.als.factors is 64"), "{text}");
}

#[test]
fn a_crash_at_any_operation_leaves_the_old_or_the_new_model() {
    for loss in [Loss::Nothing, Loss::Everything, Loss::Some(1), Loss::Some(2), Loss::Some(3)] {
        for operation in 0.. {
            let disk = FakeDisk::new();
            store(&disk).add(&model(1), 1).unwrap();
            let before = disk.operations();
            disk.crash_at(before + operation);
            let added = store(&disk).add(&model(2), 1);
            disk.crash(loss);
            disk.heal();
            let found = seed_in_use(&store(&disk));
            if added.is_ok() {
                assert_eq!(found, Some(2));
                break;
            }
            assert!(matches!(found, Some(1 | 2)), "{loss:?}, operation {operation}: {found:?}");
            // A version that was written, but is not in use, keeps its number.
            let next = if store(&disk).list().unwrap().len() == 1 && found == Some(1) { 2 } else { 3 };
            assert_eq!(store(&disk).add(&model(3), 1).unwrap(), next, "{loss:?}, operation {operation}");
        }
    }
}

#[test]
fn a_full_disk_and_a_second_writer_change_nothing() {
    let disk = FakeDisk::new();
    let store = store(&disk);
    store.add(&model(1), 3).unwrap();
    disk.set_capacity(Some(600));
    assert!(matches!(store.add(&model(2), 3), Err(Error::Write(checkpoints::Error::NoSpace { .. }))));
    disk.heal();
    disk.set_capacity(None);
    assert_eq!(seed_in_use(&store), Some(1));
    let _held = disk.lock(&Path::new(DIR).join("models.lock")).unwrap().unwrap();
    assert!(matches!(store.add(&model(2), 3), Err(Error::Taken { .. })));
    assert!(matches!(store.put_into_use(1, FACTORS), Err(Error::Taken { .. })));
}
