//! Following a server's log on the calling thread, moved step by step and without a server: for the simulation.
//!
//! Messages, rows, edits, what is remembered of the tables and the places in the log are those of the source. In the place
//! of the connection stands whoever calls: it says what has become of the slot, reads the tables, and hands over what
//! the log has.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::feed::{Position, Proof};
use dataflow::inputs::Inputs;
use dataflow::rows::{CatalogueRow, LineRow, OrderRow};
use dataflow::time::Millis;

use super::apply::Edit;
use super::expiry::sweep_every;
use super::flow::Flow;
use super::keys::Identity;
use super::memory::{Change, Memory, Span};
use super::names::{Tables, Which};
use super::pgoutput::{self, Message, Relation, Tuple};
use super::relation::Route;
use super::rows::Row;
use super::{Resumed, STREAM};

/// The number of the table `orders` in the log; its key is `order_id`.
pub const ORDERS: u32 = 1;

/// The number of the table `order_items` in the log; its key is `line_id`.
pub const ORDER_ITEMS: u32 = 2;

/// The number of the table `products` in the log; its key is `product_id`.
pub const PRODUCTS: u32 = 3;

/// What has become of the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// There is none.
    Missing,
    /// The server has thrown away what it should have kept.
    Lost,
    /// A reader may go on from here or from any later place.
    At(i64),
}

/// The rows of the tables as of a place in the log.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Orders.
    pub orders: Vec<OrderRow>,
    /// Lines of orders.
    pub lines: Vec<LineRow>,
    /// The catalogue.
    pub catalogue: Vec<CatalogueRow>,
}

/// The bytes are none of the log's, or come out of order. Holds the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

/// A change that waits for the feed.
struct Step {
    change: Change,
    next: i64,
    whole: bool,
}

/// One source that follows one server's log.
pub struct Following {
    dictionary: Arc<Dictionary>,
    window_ms: Millis,
    tables: Tables,
    proof: Proof,
    memory: Memory,
    flow: Flow,
    held: Option<i64>,
    routes: HashMap<u32, Route>,
    transaction: Option<Vec<Edit>>,
    steps: VecDeque<Step>,
    swept: Millis,
    /// The least place the server is told.
    floor: i64,
}

impl Following {
    /// A source of the server of that proof, which goes on from `resumed`; orders count for so long.
    #[must_use]
    pub fn new(dictionary: Arc<Dictionary>, window_ms: Millis, proof: Proof, resumed: Option<Resumed>) -> Self {
        let flow = resumed.as_ref().map_or_else(Flow::fresh, |rows| Flow::resuming(rows.lsn));
        let held = resumed.as_ref().filter(|rows| rows.proof == Some(proof)).map(|rows| rows.lsn);
        Following {
            dictionary,
            window_ms,
            tables: Tables::default(),
            proof,
            memory: Memory::of_log(resumed.as_ref()),
            flow,
            held,
            routes: HashMap::new(),
            transaction: None,
            steps: VecDeque::new(),
            swept: 0,
            floor: held.unwrap_or(0),
        }
    }

    /// Connected: where to go on from, or none if the tables are to be read as of a new slot.
    pub fn settle(&mut self, slot: Slot) -> Option<i64> {
        self.transaction = None;
        match (slot, self.held) {
            (Slot::At(confirmed), Some(held)) if confirmed <= held => {
                self.floor = confirmed.max(self.flow.acknowledged().min(held));
                Some(held)
            }
            _ => None,
        }
    }

    /// The tables were read as of the place of a new slot.
    pub fn read(&mut self, place: i64, rows: &Snapshot, now: Millis) {
        let span = self.span(now);
        let cutoff = span.cutoff();
        let mut catalogue = self.memory.catalogue.begin();
        rows.catalogue.iter().for_each(|row| catalogue.seen(row.product, row.category));
        let mut orders = self.memory.orders.begin();
        for OrderRow { order, user, created_at } in rows.orders.iter().copied() {
            if created_at > cutoff {
                orders.seen(order, (user, created_at));
            }
        }
        let young = |line: &&LineRow| rows.orders.iter().any(|row| row.order == line.order && row.created_at > cutoff);
        let mut lines = self.memory.lines.begin();
        rows.lines.iter().filter(young).for_each(|line| lines.seen(*line));
        let mut change = Change {
            orders: (orders.finish().into_iter())
                .map(|((order, (user, created_at)), diff)| (OrderRow { order, user, created_at }, diff))
                .collect(),
            lines: lines.finish(),
            catalogue: (catalogue.finish().into_iter())
                .map(|((product, category), diff)| (CatalogueRow { product, category }, diff))
                .collect(),
        };
        let strays = std::mem::take(&mut self.memory.strays);
        change.orders.extend(strays.orders);
        change.lines.extend(strays.lines);
        change.catalogue.extend(strays.catalogue);
        (self.held, self.floor, self.swept) = (Some(place), place, now);
        self.flow.hand(change.len());
        self.steps.push_back(Step { change, next: place, whole: true });
    }

    /// A transaction begins in the log.
    pub fn begin(&mut self) {
        self.transaction = Some(Vec::new());
    }

    /// One message of the transaction, in pgoutput's own bytes.
    ///
    /// # Errors
    /// They cannot be read, or no transaction has begun.
    pub fn message(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        match pgoutput::decode(bytes).map_err(|error| Unreadable(error.to_string()))? {
            Message::Relation(relation) => self.describe(&relation),
            Message::Insert { relation, new } => self.row(relation, None, Some(&new)),
            Message::Update { relation, old, new } => self.row(relation, old.as_ref(), Some(&new)),
            Message::Delete { relation, old } => self.row(relation, Some(&old), None),
            Message::Truncate { relations } => {
                let tables = relations.iter().filter_map(|relation| self.routes.get(relation)).map(|route| route.which);
                let edits: Vec<Edit> = tables.map(Edit::Truncate).collect();
                self.transaction.as_mut().ok_or_else(unbegun)?.extend(edits);
                Ok(())
            }
            Message::Other => Ok(()),
        }
    }

    fn describe(&mut self, relation: &Relation<'_>) -> Result<(), Unreadable> {
        let (which, key) = match relation.id {
            ORDERS => (Which::Orders, "order_id"),
            ORDER_ITEMS => (Which::OrderItems, "line_id"),
            PRODUCTS => (Which::Products, "product_id"),
            _ => return Ok(()),
        };
        let identity = Identity { relation: relation.id, key: vec![key.to_owned()], full: false };
        let route = Route::new(relation, which, &self.tables, &identity, None);
        self.routes.insert(relation.id, route.map_err(|lost| Unreadable(format!("{lost:?}")))?);
        Ok(())
    }

    fn row(&mut self, relation: u32, old: Option<&Tuple<'_>>, new: Option<&Tuple<'_>>) -> Result<(), Unreadable> {
        let Some(route) = self.routes.get(&relation) else { return Ok(()) };
        let edits = self.transaction.as_mut().ok_or_else(unbegun)?;
        let row = Row { route, old, new };
        row.edits(&self.dictionary, edits).map_err(|fault| Unreadable(fault.to_string()))
    }

    /// The transaction is whole, and ends at `end`.
    pub fn commit(&mut self, end: i64, now: Millis) {
        let edits = self.transaction.take().unwrap_or_default();
        if self.held.is_none_or(|held| end <= held) {
            return;
        }
        let (span, mut change) = (self.span(now), Change::default());
        for edit in edits {
            self.memory.apply(edit, span, &mut change);
        }
        self.move_to(end);
        self.hand(change);
    }

    /// Everything committed before `place` has been sent.
    pub fn heard(&mut self, place: i64) {
        if self.transaction.is_none() {
            self.move_to(place);
            if let Some(held) = self.held {
                self.flow.quiet(held);
            }
        }
    }

    fn move_to(&mut self, place: i64) {
        self.held = self.held.map(|held| held.max(place));
    }

    /// What time alone changes.
    pub fn pass_time(&mut self, now: Millis) {
        let (span, mut change) = (self.span(now), Change::default());
        if now >= self.swept.saturating_add(sweep_every(span.window_ms)) {
            self.swept = now;
            self.memory.sweep(span, &mut change);
        }
        self.hand(change);
    }

    fn hand(&mut self, change: Change) {
        if let (Some(next), false) = (self.held, change.is_empty()) {
            self.flow.hand(change.len());
            self.steps.push_back(Step { change, next, whole: false });
        }
    }

    fn span(&self, now: Millis) -> Span {
        Span { now, window_ms: self.window_ms }
    }

    /// Feeds everything that waits; returns how many changes there were.
    pub fn feed(&mut self, inputs: &mut Inputs) -> usize {
        let fed = self.steps.len();
        for Step { change, next, whole } in self.steps.drain(..) {
            let rows = change.len();
            change.catalogue.into_iter().for_each(|(row, diff)| inputs.catalogue(row, diff));
            change.orders.into_iter().for_each(|(row, diff)| inputs.order(row, diff));
            change.lines.into_iter().for_each(|(row, diff)| inputs.line(row, diff));
            self.flow.feed(rows, next, whole);
        }
        fed
    }

    /// Where a later reader would go on; none before the tables were read.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.held?;
        Some(Position { stream: STREAM.into(), partition: 0, next: self.flow.next(), proof: Some(self.proof) })
    }

    /// Everything before `place` is durable.
    pub fn acknowledge(&self, place: i64) {
        self.flow.acknowledge(place);
    }

    /// What the server is told to have been taken.
    #[must_use]
    pub fn confirmed(&self) -> i64 {
        self.flow.acknowledged().max(self.floor)
    }
}

fn unbegun() -> Unreadable {
    Unreadable("a change outside of any transaction".to_owned())
}
