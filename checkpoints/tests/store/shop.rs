//! Rows to write, what they add up to, and a store on a fake disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use checkpoints::simulation::FakeDisk;
use checkpoints::{
    CheckpointKind, Disk, Draft, Error, Fingerprint, FrameRef, Latest, Place, Restorable, RowWriter, Store, TableId,
    Written,
};
use dataflow::dictionary::{Dictionary, Name};
use dataflow::feed::{Position, StreamFingerprint};
use dataflow::ids::{Ids, ProductKey, RowKey, UserKey};
use dataflow::stamp::Stamp;
use dataflow::tables::{Catalogue, CatalogueRow, LineRow, Lines, OrderRow, Orders, Stamps, Table};
use dataflow::time::{Diff, Time};

pub(crate) const DIR: &str = "checkpoints";

/// What is restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) stamps: BTreeMap<(UserKey, ProductKey), Stamp>,
    pub(crate) orders: BTreeMap<OrderRow, Diff>,
    pub(crate) lines: BTreeMap<LineRow, Diff>,
    pub(crate) catalogue: BTreeMap<CatalogueRow, Diff>,
    pub(crate) names: BTreeSet<Name>,
}

impl Held {
    /// Adds the rows of a frame.
    pub(crate) fn read(&mut self, frame: &FrameRef) -> Result<(), Error> {
        match frame.table() {
            table if table == TableId::of::<Stamps>() => self.add_stamps(whole(frame, frame.rows::<Stamps>()?)),
            table if table == TableId::of::<Orders>() => add(&mut self.orders, rows_of::<Orders>(frame)?),
            table if table == TableId::of::<Lines>() => add(&mut self.lines, rows_of::<Lines>(frame)?),
            table if table == TableId::of::<Catalogue>() => add(&mut self.catalogue, rows_of::<Catalogue>(frame)?),
            _ => self.names.extend(whole(frame, frame.names()?)),
        }
        Ok(())
    }

    fn add_stamps(&mut self, rows: impl IntoIterator<Item = ((UserKey, ProductKey), Stamp)>) {
        for (key, stamp) in rows {
            let held = self.stamps.entry(key).or_insert(stamp);
            *held = stamp.max(*held);
        }
    }

    /// Writes all of it.
    pub(crate) fn write(&self, to: &mut RowWriter) -> Result<(), Error> {
        self.stamps.iter().try_for_each(|(row, stamp)| to.row::<Stamps>(row, stamp))?;
        self.orders.iter().try_for_each(|(row, diff)| to.row::<Orders>(&(*row).into(), diff))?;
        self.lines.iter().try_for_each(|(row, diff)| to.row::<Lines>(&(*row).into(), diff))?;
        self.catalogue.iter().try_for_each(|(row, diff)| to.row::<Catalogue>(&(*row).into(), diff))?;
        self.names.iter().try_for_each(|name| to.name(name))
    }

    /// This and what came after it.
    pub(crate) fn with(&self, changes: &Held) -> Held {
        let mut sum = self.clone();
        sum.add_stamps(changes.stamps.clone());
        add(&mut sum.orders, changes.orders.clone());
        add(&mut sum.lines, changes.lines.clone());
        add(&mut sum.catalogue, changes.catalogue.clone());
        sum.names.extend(changes.names.iter().cloned());
        sum
    }
}

/// The rows, which must be as many as the frame says.
fn whole<R>(frame: &FrameRef, rows: Vec<R>) -> Vec<R> {
    assert_eq!(rows.len(), frame.len());
    rows
}

fn rows_of<T: Table<Diff = Diff>>(frame: &FrameRef) -> Result<Vec<(T::Row, Diff)>, Error> {
    Ok(whole(frame, frame.rows::<T>()?).into_iter().map(|(row, diff)| (T::Row::from(row), diff)).collect())
}

fn add<K: Ord>(sums: &mut BTreeMap<K, Diff>, rows: impl IntoIterator<Item = (K, Diff)>) {
    for (row, diff) in rows {
        *sums.entry(row).or_insert(0) += diff;
    }
    sums.retain(|_, held| *held != 0);
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

pub(crate) fn draft(tick: Time, kind: CheckpointKind) -> Draft {
    Draft { tick, kind, id_key: key(), positions: vec![position(tick)] }
}

pub(crate) fn write(store: &mut Store, tick: Time, kind: CheckpointKind, rows: &Held) -> Result<Written, Error> {
    store.write(draft(tick, kind), |to| rows.write(to))
}

/// Everything in a checkpoint, read by `readers` that share the frames.
pub(crate) fn read(checkpoint: &Restorable) -> Result<Held, Error> {
    let mut held = Held::default();
    // Backwards: no order is promised, and none must be needed.
    for frame in checkpoint.frames().iter().rev() {
        held.read(frame)?;
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
pub(crate) fn story() -> Vec<(Time, CheckpointKind, Held, Held)> {
    let mut all = Held::default();
    let mut chapters = Vec::new();
    for (tick, kind) in [
        (100, CheckpointKind::Full),
        (200, CheckpointKind::Delta { on: 100 }),
        (300, CheckpointKind::Delta { on: 200 }),
        (400, CheckpointKind::Full),
        (500, CheckpointKind::Delta { on: 400 }),
        (600, CheckpointKind::Full),
        (700, CheckpointKind::Delta { on: 600 }),
    ] {
        let changed = changes(tick, 30);
        all = all.with(&changed);
        let written = if kind == CheckpointKind::Full { all.clone() } else { changed };
        chapters.push((tick, kind, written, all.clone()));
    }
    chapters
}
