//! Rows to write, what they add up to, and a store on a fake disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use checkpoints::simulation::FakeDisk;
use checkpoints::{Disk, Draft, Error, Fingerprint, Kind, Latest, Place, Restorable, RowWriter, Rows, Store, Written};
use dataflow::dictionary::{Dictionary, Name};
use dataflow::feed::{Position, StreamFingerprint};
use dataflow::ids::{Ids, ProductKey, RowKey, UserKey};
use dataflow::rows::{CatalogueRow, LineRow, OrderRow};
use dataflow::stamp::Stamp;
use dataflow::time::Time;

pub(crate) const DIR: &str = "checkpoints";

/// What is restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) stamps: BTreeMap<(UserKey, ProductKey), Stamp>,
    pub(crate) orders: BTreeMap<OrderRow, i64>,
    pub(crate) lines: BTreeMap<LineRow, i64>,
    pub(crate) catalogue: BTreeMap<CatalogueRow, i64>,
    pub(crate) names: BTreeSet<Name>,
}

impl Held {
    pub(crate) fn add(&mut self, rows: Rows) {
        match rows {
            Rows::Stamps(rows) => rows.into_iter().for_each(|(key, stamp)| {
                let held = self.stamps.entry(key).or_insert(stamp);
                *held = stamp.max(*held);
            }),
            Rows::Orders(rows) => rows.into_iter().for_each(|(row, diff)| count(&mut self.orders, row, diff)),
            Rows::Lines(rows) => rows.into_iter().for_each(|(row, diff)| count(&mut self.lines, row, diff)),
            Rows::Catalogue(rows) => rows.into_iter().for_each(|(row, diff)| count(&mut self.catalogue, row, diff)),
            Rows::Names(rows) => self.names.extend(rows),
        }
    }

    /// Writes all of it.
    pub(crate) fn write(&self, to: &mut RowWriter) -> Result<(), Error> {
        self.stamps.iter().try_for_each(|((user, product), stamp)| to.stamp(*user, *product, *stamp))?;
        self.orders.iter().try_for_each(|(row, diff)| to.order(row, *diff))?;
        self.lines.iter().try_for_each(|(row, diff)| to.line(row, *diff))?;
        self.catalogue.iter().try_for_each(|(row, diff)| to.catalogue(row, *diff))?;
        self.names.iter().try_for_each(|name| to.name(name))
    }

    fn rows(&self) -> [Rows; 5] {
        [
            Rows::Stamps(self.stamps.iter().map(|(key, stamp)| (*key, *stamp)).collect()),
            Rows::Orders(self.orders.iter().map(|(row, diff)| (*row, *diff)).collect()),
            Rows::Lines(self.lines.iter().map(|(row, diff)| (*row, *diff)).collect()),
            Rows::Catalogue(self.catalogue.iter().map(|(row, diff)| (*row, *diff)).collect()),
            Rows::Names(self.names.iter().cloned().collect()),
        ]
    }

    /// This and what came after it.
    pub(crate) fn with(&self, changes: &Held) -> Held {
        let mut sum = self.clone();
        changes.rows().into_iter().for_each(|rows| sum.add(rows));
        sum
    }
}

fn count<K: Ord>(rows: &mut BTreeMap<K, i64>, row: K, diff: i64) {
    let held = rows.entry(row).or_insert(0);
    *held += diff;
    if *held == 0 {
        rows.retain(|_, held| *held != 0);
    }
}

/// What changes in a tick: users view, an order comes, the one of the tick before goes.
pub(crate) fn changes(tick: Time, users: usize) -> Held {
    let ids = Ids::new([3; 16]);
    let dictionary = Dictionary::new(ids.clone());
    let mut held = Held::default();
    let product = |number: Time| {
        let id = format!("product-{number}");
        let key = dictionary.product(&id).expect("few ids do not collide");
        (key, Name::Product(key, id))
    };
    for user in 0..users {
        let (key, name) = product((user as u64 * 7 + tick) % 11);
        held.names.insert(name);
        held.stamps.insert((ids.user(&format!("user-{}", user % 40)), key), Stamp::view(tick + user as u64));
    }
    let (key, name) = product(tick % 11);
    held.names.insert(name);
    let order = |tick: Time| OrderRow::counting(ids.order(&tick.to_string()), ids.user("buyer"), tick);
    held.orders.insert(order(tick), 1);
    let row = ids.row([tick.to_string().as_bytes()]);
    held.lines.insert(LineRow { order: order(tick).order, product: key, row }, 2);
    held.lines.insert(LineRow { order: order(tick).order, product: key, row: RowKey::NONE }, 1);
    let category = dictionary.category("lamps").expect("one id does not collide");
    held.names.insert(Name::Category(category, "lamps".into()));
    held.names.insert(Name::User(ids.user("buyer"), "buyer".into()));
    held.catalogue.insert(CatalogueRow { product: key, category }, 1);
    if tick > 100 {
        held.orders.insert(order(tick - 100), -1);
    }
    held
}

pub(crate) fn key() -> Fingerprint {
    Fingerprint::of(&[3; 16])
}

pub(crate) fn position(tick: Time) -> Position {
    Position { fingerprint: Some(StreamFingerprint { at: 1, hash: tick }), ..Position::new("views", 0, tick as i64) }
}

pub(crate) fn place(part: u32, parts: u32, keep: usize) -> Place {
    Place { dir: DIR.into(), part, parts, keep }
}

pub(crate) fn open(disk: &FakeDisk, keep: usize) -> Result<Store, Error> {
    open_part(disk, 0, 1, keep)
}

pub(crate) fn open_part(disk: &FakeDisk, part: u32, parts: u32, keep: usize) -> Result<Store, Error> {
    Store::open(place(part, parts, keep), Arc::new(disk.clone()))
}

pub(crate) fn draft(tick: Time, kind: Kind) -> Draft {
    Draft { tick, kind, id_key: key(), positions: vec![position(tick)] }
}

pub(crate) fn write(store: &mut Store, tick: Time, kind: Kind, rows: &Held) -> Result<Written, Error> {
    store.write(draft(tick, kind), |to| rows.write(to))
}

/// Everything in a checkpoint, read by `readers` that share the frames.
pub(crate) fn read(checkpoint: &Restorable) -> Result<Held, Error> {
    let mut held = Held::default();
    // Backwards: no order is promised, and none must be needed.
    for frame in checkpoint.frames().iter().rev() {
        let rows = frame.read()?;
        assert_eq!(rows.len(), frame.len());
        held.add(rows);
    }
    Ok(held)
}

/// The tick that is restored, and its rows.
pub(crate) fn restored(latest: &Latest) -> Option<(Time, Held)> {
    let checkpoint = latest.checkpoint.as_ref()?;
    Some((checkpoint.tick, read(checkpoint).expect("it was verified")))
}

/// The ticks that can be restored, newest first, each with all its bytes verified.
pub(crate) fn restorable(disk: &FakeDisk) -> Vec<Time> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let directory = checkpoints::Directory::read(Path::new(DIR), disk).expect("the directory can be read");
    let whole = directory.checkpoints().rev().filter(|checkpoint| checkpoint.is_whole());
    let sound = whole.filter(|checkpoint| directory.open(checkpoint.tick).is_ok_and(|it| it.verify_all().is_ok()));
    sound.map(|checkpoint| checkpoint.tick).collect()
}

/// A story of checkpoints, full ones and deltas, with what each one holds in the end.
pub(crate) fn story() -> Vec<(Time, Kind, Held, Held)> {
    let mut all = Held::default();
    let mut chapters = Vec::new();
    for (tick, kind) in [
        (100, Kind::Full),
        (200, Kind::Delta { on: 100 }),
        (300, Kind::Delta { on: 200 }),
        (400, Kind::Full),
        (500, Kind::Delta { on: 400 }),
        (600, Kind::Full),
        (700, Kind::Delta { on: 600 }),
    ] {
        let changed = changes(tick, 30);
        all = all.with(&changed);
        let written = if kind == Kind::Full { all.clone() } else { changed };
        chapters.push((tick, kind, written, all.clone()));
    }
    chapters
}
