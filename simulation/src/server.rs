//! A database in memory: the shop's three tables, the log of their transactions, and a replication slot.
//!
//! As on a real server, a reader that asks for a place before the slot's confirmed one silently continues from the
//! confirmed one, and a transaction is sent as a whole or not at all. A table may leave the publication, lose a used
//! column, or be rewritten by a statement that the log does not report.

mod transaction;
mod wire;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use checkpoints::simulation::Dice;
use dataflow::feed::StreamFingerprint;
use dataflow::time::Millis;
use sources::postgres::simulation::{Database, Definition, ORDER_ITEMS, ORDERS, PRODUCTS, SimulatedSlot};

use crate::plant::Plant;
use crate::world;

pub(crate) use wire::Plants;

/// By how much the log grows when a slot is made.
const SLOT_BYTES: i64 = 8;

/// The identity of the server.
const IDENTITY: StreamFingerprint = StreamFingerprint { at: 1, hash: 0x5eed };

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
    /// The place in the log after the transaction.
    pub(crate) end: i64,
    pub(crate) time: Millis,
    /// The messages of the log about its rows.
    pub(crate) messages: Vec<Vec<u8>>,
    /// The tables after the transaction.
    tables: Rc<Tables>,
}

#[derive(Clone, Copy, Debug)]
struct SlotState {
    confirmed: i64,
    restart: i64,
    lost: bool,
    /// The place where the slot was created, or to which another program moved it: the log before it is gone.
    moved_to: i64,
}

/// The server.
#[derive(Debug)]
pub(crate) struct Server {
    tables: Tables,
    log: Vec<Rc<Transaction>>,
    end: i64,
    slot: Option<SlotState>,
    /// By table: how often it was redefined, whether a used column is missing, whether it is published.
    definitions: [Definition; 3],
    published: [bool; 3],
    /// By table: the places after changes that the log does not report.
    gaps: [Vec<i64>; 3],
    /// How often the tables or the publication were altered.
    pub(crate) alterations: u64,
    /// The first transaction that the reader receives.
    first: usize,
    plant: Option<Plant>,
}

/// Shared by the shop and the process.
pub(crate) type SharedServer = Rc<RefCell<Server>>;

impl Server {
    pub(crate) fn new(plant: Option<Plant>) -> SharedServer {
        Rc::new(RefCell::new(Server {
            tables: Tables::default(),
            log: Vec::new(),
            end: 100,
            slot: None,
            definitions: [Definition { version: 1, broken: false }; 3],
            published: [true; 3],
            gaps: Default::default(),
            alterations: 0,
            first: 0,
            plant,
        }))
    }

    /// A transaction of the shop.
    pub(crate) fn transact(&mut self, seed: u64, now: Millis) {
        let plants = Plants::of(self.plant);
        let columns = wire::relations(self.definitions.map(|definition| definition.broken));
        let changes = transaction::run(&mut self.tables, &mut Dice::new(seed), now, plants);
        let published = |table: u32| self.published[table as usize];
        let messages: Vec<_> =
            columns.iter().chain(&changes).filter_map(|bytes| wire::sent(bytes, published)).collect();
        self.push(messages, now, 8 + (seed % 50) as i64);
        for table in
            changes.iter().flat_map(|bytes| wire::tables(bytes)).filter(|table| !self.published[*table as usize])
        {
            self.gaps[table as usize].push(self.end);
        }
    }

    fn push(&mut self, messages: Vec<Vec<u8>>, time: Millis, bytes: i64) {
        self.end += bytes;
        let tables = Rc::new(self.tables.clone());
        self.log.push(Rc::new(Transaction { end: self.end, time, messages, tables }));
    }

    /// A table leaves the publication.
    pub(crate) fn unpublish(&mut self, table: usize) {
        self.published[table % 3] = false;
        self.alterations += 1;
    }

    /// A statement rewrites all values of a column: the log does not report it.
    pub(crate) fn rewrite(&mut self, table: usize, now: Millis) {
        let table = table % 3;
        self.definitions[table].version += 1;
        self.alterations += 1;
        match table as u32 {
            PRODUCTS => self.tables.products.values_mut().for_each(|category| {
                *category = category.map(|category| (category + 1) % world::CATEGORIES);
            }),
            ORDERS => self.tables.orders.values_mut().for_each(|(user, _)| *user = (*user + 1) % world::USERS),
            _ => self.tables.lines.values_mut().for_each(|(_, product)| *product = (*product + 1) % world::PRODUCTS),
        }
        self.push(Vec::new(), now, 8);
        self.gaps[table].push(self.end);
    }

    /// A used column of a table is dropped.
    pub(crate) fn break_table(&mut self, table: usize) {
        self.definitions[table % 3].broken = true;
        self.alterations += 1;
    }

    /// All used columns exist again.
    pub(crate) fn mend_tables(&mut self) {
        for definition in self.definitions.iter_mut().filter(|definition| definition.broken) {
            // This is another column than the dropped one.
            *definition = Definition { version: definition.version + 1, broken: false };
            self.alterations += 1;
        }
    }

    /// Whether the log reports every change of a table from `from` to `to`.
    pub(crate) fn tells(&self, table: usize, from: i64, to: i64) -> bool {
        !self.gaps[table].iter().any(|gap| from < *gap && *gap <= to)
    }

    /// Transactions of other databases make the log longer.
    pub(crate) fn grow(&mut self, bytes: i64) {
        self.end += bytes;
    }

    /// The end of the log.
    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    /// The tables as of a place in the log.
    pub(crate) fn tables_at(&self, place: i64) -> Rc<Tables> {
        let until = self.log.partition_point(|transaction| transaction.end <= place);
        until.checked_sub(1).map_or_else(Rc::default, |last| self.log[last].tables.clone())
    }

    /// The tables, each as of its own place.
    pub(crate) fn tables_at_each(&self, places: [i64; 3]) -> Tables {
        let [products, orders, lines] = places.map(|place| self.tables_at(place));
        Tables { orders: orders.orders.clone(), lines: lines.lines.clone(), products: products.products.clone() }
    }

    /// Whether there are lines as of an earlier place whose order has got another time since. Such lines may have left
    /// the window with the order's old time, and come back only when they are read again.
    pub(crate) fn redates(&self, places: [i64; 3]) -> bool {
        let (before, now) = (self.tables_at(places[ORDER_ITEMS as usize]), self.tables_at(places[ORDERS as usize]));
        let time = |tables: &Tables, order: &usize| tables.orders.get(order).map(|(_, at)| *at);
        before.lines.values().any(|(order, _)| {
            let at = time(&now, order);
            at.is_some() && at != time(&before, order)
        })
    }

    fn look(&self) -> SimulatedSlot {
        match self.slot {
            None => SimulatedSlot::Missing,
            Some(SlotState { lost: true, .. }) => {
                assert!(self.plant != Some(Plant::Panic), "planted: the code does not handle a lost slot");
                SimulatedSlot::Lost
            }
            Some(slot) if self.plant == Some(Plant::RestartLsn) => SimulatedSlot::At(slot.restart),
            Some(slot) => SimulatedSlot::At(slot.confirmed),
        }
    }

    /// Whether a reader at `held` should be able to continue: no other program has moved the slot.
    pub(crate) fn leads_on(&self, held: i64) -> bool {
        self.slot.is_some_and(|slot| !slot.lost && slot.moved_to <= held)
    }

    /// The number of the first transaction that the reader receives.
    pub(crate) fn first(&self) -> usize {
        self.first
    }

    /// The transaction with this number.
    pub(crate) fn transaction(&self, number: usize) -> Option<Rc<Transaction>> {
        self.log.get(number).cloned()
    }

    /// Another program drops the slot.
    pub(crate) fn drop_slot(&mut self) {
        self.slot = None;
    }

    /// Another program moves the slot to the end of the log.
    pub(crate) fn advance_slot(&mut self) {
        if let Some(slot) = &mut self.slot {
            (slot.confirmed, slot.moved_to) = (self.end, self.end);
        }
    }

    /// The server removes log that it should have kept.
    pub(crate) fn lose_slot(&mut self) {
        if let Some(slot) = &mut self.slot {
            slot.lost = true;
        }
    }
}

/// The server as seen through the connection of one process.
pub(crate) struct Connection(pub(crate) SharedServer);

impl Database for Connection {
    fn fingerprint(&self) -> StreamFingerprint {
        IDENTITY
    }

    fn end(&self) -> i64 {
        self.0.borrow().end
    }

    fn definitions(&self) -> [Definition; 3] {
        let server = self.0.borrow();
        let unseen = server.plant == Some(Plant::DefinitionUnseen);
        server.definitions.map(|definition| if unseen { Definition { version: 1, ..definition } } else { definition })
    }

    fn is_published(&self) -> bool {
        let server = self.0.borrow();
        let fits = |(published, definition): (&bool, &Definition)| *published || definition.broken;
        server.plant == Some(Plant::PublicationUnseen) || server.published.iter().zip(&server.definitions).all(fits)
    }

    fn slot(&self) -> SimulatedSlot {
        self.0.borrow().look()
    }

    fn prepare(&mut self, publish: bool) {
        let server = &mut *self.0.borrow_mut();
        server.slot = None;
        if publish {
            for (published, definition) in server.published.iter_mut().zip(&server.definitions) {
                *published |= !definition.broken;
            }
        }
    }

    fn make_slot(&mut self) -> i64 {
        let server = &mut *self.0.borrow_mut();
        // PostgreSQL writes the running transactions to its log when it makes a slot. A new slot therefore begins behind
        // every place that a reader has reached, and no reader can take it for the slot before.
        server.grow(SLOT_BYTES);
        let place = server.end;
        server.slot = Some(SlotState { confirmed: place, restart: place, lost: false, moved_to: place });
        place
    }

    fn copy(&self, table: u32, cutoff: Millis) -> Vec<u8> {
        let server = self.0.borrow();
        let last = server.log.last().map_or(0, |transaction| transaction.end);
        let place = if server.plant == Some(Plant::SnapshotBeforeSlot) { last - 1 } else { server.end };
        copy(&server.tables_at(place), table, cutoff)
    }

    fn start(&mut self, from: i64) {
        let server = &mut *self.0.borrow_mut();
        let from = server.slot.map_or(from, |slot| from.max(slot.confirmed));
        server.first = server.log.partition_point(|transaction| transaction.end <= from);
    }

    fn confirm(&mut self, place: i64) {
        let server = &mut *self.0.borrow_mut();
        if let Some(slot) = &mut server.slot
            && place > slot.confirmed
        {
            // The restart LSN lags behind: it becomes the previous confirmed place.
            slot.restart = slot.confirmed;
            slot.confirmed = place.min(server.end);
        }
    }
}

/// The rows that the source's queries select: orders after the cutoff, and all lines except those of older orders.
fn copy(tables: &Tables, table: u32, cutoff: Millis) -> Vec<u8> {
    let mut rows = String::new();
    match table {
        PRODUCTS => {
            for (product, category) in &tables.products {
                let category = category.map_or("\\N".to_owned(), world::category);
                rows += &format!("{}\t{category}\n", world::product(*product));
            }
        }
        ORDERS => {
            for (order, (user, at)) in tables.orders.iter().filter(|(_, (_, at))| *at > cutoff) {
                rows += &format!("{}\t{}\t{at}\n", world::order(*order), world::user(*user));
            }
        }
        ORDER_ITEMS => {
            let is_old = |order: &usize| tables.orders.get(order).is_some_and(|(_, at)| *at <= cutoff);
            for (line, (order, product)) in tables.lines.iter().filter(|(_, (order, _))| !is_old(order)) {
                rows += &format!("{}\t{}\t{line}\n", world::order(*order), world::product(*product));
            }
        }
        _ => {}
    }
    rows.into_bytes()
}
