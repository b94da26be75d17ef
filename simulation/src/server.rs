//! A database in memory: the shop's three tables, the log of their transactions, and a replication slot.
//!
//! As on a real server a reader that asks for less than the slot has confirmed is sent on from there without a word, and
//! a transaction is sent whole or not at all.

mod transaction;
mod wire;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use dataflow::dictionary::Dictionary;
use dataflow::feed::StreamFingerprint;
use dataflow::ids::CategoryKey;
use dataflow::tables::{CatalogueRow, LineRow, OrderRow};
use dataflow::time::Millis;
use sources::postgres::by_hand::{Slot, Snapshot};

use crate::dice::Dice;
use crate::plant::Plant;
use crate::world;

pub(crate) use wire::Plants;

/// What the server is known by.
pub(crate) const IDENTITY: StreamFingerprint = StreamFingerprint { at: 1, hash: 0x5eed };

/// The rows of the tables; ids are numbers of the world.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tables {
    /// User and time, by order.
    pub(crate) orders: BTreeMap<usize, (usize, Millis)>,
    /// Order and product, by line.
    pub(crate) lines: BTreeMap<usize, (usize, usize)>,
    /// Category, by product.
    pub(crate) products: BTreeMap<usize, Option<usize>>,
}

/// A committed transaction.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// The place in the log after it.
    pub(crate) end: i64,
    pub(crate) time: Millis,
    /// What the log says of its rows.
    pub(crate) messages: Vec<Vec<u8>>,
    /// The tables after it.
    tables: Rc<Tables>,
}

#[derive(Clone, Copy, Debug)]
struct SlotState {
    confirmed: i64,
    restart: i64,
    lost: bool,
    /// Where it was made, or moved to by somebody else: what lies before is gone.
    moved_to: i64,
}

/// The server.
#[derive(Debug)]
pub(crate) struct Server {
    tables: Tables,
    log: Vec<Transaction>,
    end: i64,
    slot: Option<SlotState>,
    plant: Option<Plant>,
}

/// Shared by the shop and the process.
pub(crate) type SharedServer = Rc<RefCell<Server>>;

impl Server {
    pub(crate) fn new(plant: Option<Plant>) -> SharedServer {
        let server = Server { tables: Tables::default(), log: Vec::new(), end: 100, slot: None, plant };
        Rc::new(RefCell::new(server))
    }

    /// A transaction of the shop.
    pub(crate) fn transact(&mut self, seed: u64, now: Millis) {
        let plants = Plants::of(self.plant);
        let messages = transaction::run(&mut self.tables, &mut Dice::new(seed), now, plants);
        self.end += 8 + (seed % 50) as i64;
        let tables = Rc::new(self.tables.clone());
        self.log.push(Transaction { end: self.end, time: now, messages, tables });
    }

    /// Somebody else's transactions make the log longer.
    pub(crate) fn grow(&mut self, bytes: i64) {
        self.end += bytes;
    }

    /// Where the log ends.
    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    /// The tables as of a place in the log.
    pub(crate) fn tables_at(&self, place: i64) -> Rc<Tables> {
        let until = self.log.partition_point(|transaction| transaction.end <= place);
        until.checked_sub(1).map_or_else(Rc::default, |last| self.log[last].tables.clone())
    }

    /// What is said of the slot to whoever asks.
    pub(crate) fn look(&self) -> Slot {
        match self.slot {
            None => Slot::Missing,
            Some(SlotState { lost: true, .. }) => {
                assert!(self.plant != Some(Plant::Panic), "planted: nobody has thought of a slot that is lost");
                Slot::Lost
            }
            Some(slot) if self.plant == Some(Plant::RestartLsn) => Slot::At(slot.restart),
            Some(slot) => Slot::At(slot.confirmed),
        }
    }

    /// Whether a reader that stands at `held` should be able to go on: nobody but the reader itself has moved the slot.
    pub(crate) fn keeps(&self, held: i64) -> bool {
        self.slot.is_some_and(|slot| !slot.lost && slot.moved_to <= held)
    }

    /// Makes a new slot in the place of any before; returns its place, and the tables as of it.
    pub(crate) fn make_slot(&mut self, dictionary: &Dictionary) -> (i64, Snapshot) {
        let place = self.end;
        self.slot = Some(SlotState { confirmed: place, restart: place, lost: false, moved_to: place });
        let last = self.log.last().map_or(0, |transaction| transaction.end);
        let as_of = if self.plant == Some(Plant::SnapshotBeforeSlot) { last - 1 } else { place };
        (place, snapshot(&self.tables_at(as_of), dictionary))
    }

    /// The number of the first transaction that a reader is sent which asks for what comes after `place`.
    pub(crate) fn start(&self, place: i64) -> usize {
        let from = self.slot.map_or(place, |slot| place.max(slot.confirmed));
        self.log.partition_point(|transaction| transaction.end <= from)
    }

    /// A transaction by its number.
    pub(crate) fn transaction(&self, number: usize) -> Option<&Transaction> {
        self.log.get(number)
    }

    /// The reader says that it has everything before `place`.
    pub(crate) fn confirm(&mut self, place: i64) {
        if let Some(slot) = &mut self.slot
            && place > slot.confirmed
        {
            // It lags behind, as far as it had been confirmed before.
            slot.restart = slot.confirmed;
            slot.confirmed = place.min(self.end);
        }
    }

    /// Somebody drops the slot.
    pub(crate) fn drop_slot(&mut self) {
        self.slot = None;
    }

    /// Somebody moves the slot on to the end of the log.
    pub(crate) fn advance_slot(&mut self) {
        if let Some(slot) = &mut self.slot {
            (slot.confirmed, slot.moved_to) = (self.end, self.end);
        }
    }

    /// The server throws away what it should have kept.
    pub(crate) fn lose_slot(&mut self) {
        if let Some(slot) = &mut self.slot {
            slot.lost = true;
        }
    }
}

fn snapshot(tables: &Tables, dictionary: &Dictionary) -> Snapshot {
    let few = "few ids do not collide";
    let product = |number: usize| dictionary.product(&world::product(number)).expect(few);
    let order = |(number, (user, created_at)): (&usize, &(usize, Millis))| {
        OrderRow::counting(dictionary.order(&world::order(*number)), dictionary.user(&world::user(*user)), *created_at)
    };
    let line = |(number, (order, of)): (&usize, &(usize, usize))| LineRow {
        order: dictionary.order(&world::order(*order)),
        product: product(*of),
        row: dictionary.row([number.to_string().as_bytes()]),
    };
    let listed = |(number, category): (&usize, &Option<usize>)| {
        let key = |category: usize| dictionary.category(&world::category(category)).expect(few);
        CatalogueRow { product: product(*number), category: category.map_or(CategoryKey::NONE, key) }
    };
    Snapshot {
        orders: tables.orders.iter().map(order).collect(),
        lines: tables.lines.iter().map(line).collect(),
        catalogue: tables.products.iter().map(listed).collect(),
    }
}
