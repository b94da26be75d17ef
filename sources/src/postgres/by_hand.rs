//! Following a server's log on the calling thread, moved step by step and without a server: for the simulation.
//!
//! The source's own are: whether the log is gone on from, what of it is new and what is confirmed (`resume`), what is
//! acknowledged (`flow`), messages, rows, edits, what is remembered of the tables, what a reading comes to, and how a
//! change is fed.
//!
//! Copied here, in fewer words, are: how messages become a transaction, from which point time passes, which rows a
//! snapshot takes (the source's queries choose them), and that what waits is fed in order. Not here at all are the
//! session, looks at the tables while following, tables that break and publications that change: tests on a real server
//! are what tries those.
//!
//! In the place of the connection stands whoever calls: it says what has become of the slot, reads the tables, and hands
//! over what the log has.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::feed::{Position, StreamFingerprint};
use dataflow::inputs::Inputs;
use dataflow::tables::{CatalogueRow, LineRow, OrderRow};
use dataflow::time::Millis;

use super::apply::Edit;
use super::expiry::sweep_every;
use super::keys::Identity;
use super::names::{Tables, Which};
use super::pgoutput::{self, Message, Relation};
use super::progress::Flow;
use super::relation::Route;
use super::resume::{Decision, Found, Origin, ResumeState};
use super::rows::{Row, Told};
use super::session::Server;
use super::slot::{self, Lsn};
use super::spelling::Spelling;
use super::table_cache::{Change, Span, TableCache};
use super::{Postgres, Resumed, STREAM};

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

/// The rows came from another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is another server than the rows came from")]
pub struct OtherServer;

/// A change that waits for the feed.
struct Step {
    change: Change,
    next: Lsn,
    reading: Option<u64>,
}

/// One source that follows one server's log.
pub struct Following {
    dictionary: Arc<Dictionary>,
    window_ms: Millis,
    tables: Tables,
    server: Server,
    memory: TableCache,
    flow: Flow,
    standing: ResumeState,
    routes: HashMap<u32, Route>,
    transaction: Option<Vec<Edit>>,
    steps: VecDeque<Step>,
    swept: Millis,
    /// The least place the server is told.
    floor: Lsn,
}

impl Following {
    /// A source of the server of that proof, which goes on from `resumed`; orders count for so long.
    #[must_use]
    pub fn new(
        dictionary: Arc<Dictionary>,
        window_ms: Millis,
        fingerprint: StreamFingerprint,
        resumed: Option<Resumed>,
    ) -> Self {
        let flow = resumed.as_ref().map_or_else(Flow::fresh, |rows| Flow::resuming(rows.lsn));
        Following {
            dictionary,
            window_ms,
            tables: Tables::default(),
            server: Server { system: fingerprint.hash, timeline: fingerprint.at, end: Lsn(0) },
            memory: TableCache::of_log(resumed.as_ref()),
            flow,
            standing: ResumeState::of(resumed.as_ref()),
            routes: HashMap::new(),
            transaction: None,
            steps: VecDeque::new(),
            swept: 0,
            floor: Lsn(0),
        }
    }

    /// Connected to a server whose log ends at `end`: where to go on from, or none if the slot is to be made anew and the
    /// tables are to be read as of it.
    ///
    /// # Errors
    /// The rows are another server's.
    pub fn settle(&mut self, slot: Slot, end: i64) -> Result<Option<i64>, OtherServer> {
        self.transaction = None;
        match self.standing.origin(&self.server, false) {
            Origin::Same => {}
            Origin::Successor(reason) => self.standing.spoil(reason),
            Origin::Stranger(_) => return Err(OtherServer),
        }
        let (slot, known) = match slot {
            Slot::Missing => (slot::Slot::Missing, Lsn(0)),
            Slot::Lost => (slot::Slot::Lost, Lsn(0)),
            Slot::At(place) => (slot::Slot::At(Lsn(place)), Lsn(place)),
        };
        let found = Found {
            slot: (&slot, &Postgres::default().publication),
            end: Lsn(end),
            altered: false,
            broken: [false; 3],
        };
        if self.standing.decide(&found) == Decision::GoOn {
            self.floor = self.standing.confirmed(Lsn(self.flow.kept()), known);
            return Ok(Some(self.standing.place().0));
        }
        self.flow.stale();
        Ok(None)
    }

    /// The tables were read as of the place of a new slot.
    pub fn read(&mut self, place: i64, rows: &Snapshot, now: Millis) {
        let span = self.span(now);
        let cutoff = span.cutoff();
        let mut catalogue = self.memory.catalogue.begin();
        rows.catalogue.iter().for_each(|row| catalogue.seen(row.product, row.category));
        let mut orders = self.memory.orders.begin();
        for OrderRow { order, user, placed } in rows.orders.iter().copied() {
            if placed.created_at() > cutoff {
                orders.seen(order, (user, placed));
            }
        }
        let young =
            |line: &&LineRow| rows.orders.iter().any(|row| row.order == line.order && row.placed.created_at() > cutoff);
        let mut lines = self.memory.lines.begin();
        rows.lines.iter().filter(young).for_each(|line| lines.seen(*line));
        let (orders, lines, catalogue) = (orders.finish(), lines.finish(), catalogue.finish());
        let mut change = self.memory.difference(orders, lines, catalogue);
        self.memory.settle(&mut change.catalogue);
        let next = Lsn(place);
        self.standing.read(next, &self.server);
        (self.floor, self.swept) = (next, now);
        self.flow.hand(change.len());
        self.steps.push_back(Step { change, next, reading: Some(self.flow.spoils()) });
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
            Message::Insert { relation, new } => self.row(relation, Told::Came(&new)),
            Message::Update { relation, old, new } => self.row(relation, Told::Changed(old.as_ref(), &new)),
            Message::Delete { relation, old } => self.row(relation, Told::Gone(&old)),
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
        let identity = Identity::by_key(relation.id, vec![key.to_owned()]);
        let route = Route::new(relation, which, &self.tables, &identity, &Spelling::default());
        self.routes.insert(relation.id, route.map_err(|lost| Unreadable(format!("{lost:?}")))?);
        Ok(())
    }

    fn row(&mut self, relation: u32, told: Told<'_, '_>) -> Result<(), Unreadable> {
        let Some(route) = self.routes.get(&relation) else { return Ok(()) };
        let edits = self.transaction.as_mut().ok_or_else(unbegun)?;
        let row = Row { route, told };
        row.edits(&self.dictionary, edits).map_err(|fault| Unreadable(fault.to_string()))
    }

    /// The transaction is whole, and ends at `end`.
    pub fn commit(&mut self, end: i64, now: Millis) {
        let edits = self.transaction.take().unwrap_or_default();
        if !self.standing.take(Lsn(end)) {
            return;
        }
        let (span, mut change) = (self.span(now), Change::default());
        self.memory.transact(edits, span, &mut change);
        self.hand(change);
    }

    /// Everything committed before `place` has been sent.
    pub fn heard(&mut self, place: i64) {
        if self.transaction.is_none() {
            self.standing.hear(Lsn(place));
            self.flow.quiet(self.standing.place().0);
        }
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
        if let (Some(held), false) = (self.standing.held, change.is_empty()) {
            self.flow.hand(change.len());
            self.steps.push_back(Step { change, next: held.place, reading: None });
        }
    }

    fn span(&self, now: Millis) -> Span {
        Span { now, window_ms: self.window_ms }
    }

    /// Feeds everything that waits; returns how many changes there were.
    pub fn feed(&mut self, inputs: &mut Inputs) -> usize {
        let fed = self.steps.len();
        for Step { change, next, reading } in self.steps.drain(..) {
            let rows = change.len();
            change.give(inputs);
            self.flow.feed(rows, next.0, reading);
        }
        fed
    }

    /// Where a later reader would go on; none before the tables were read.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        let fingerprint = self.standing.held?.fingerprint();
        Some(Position { stream: STREAM.into(), partition: 0, next: self.flow.next(), fingerprint: Some(fingerprint) })
    }

    /// Everything before `place` is durable.
    pub fn acknowledge(&self, place: i64) {
        self.flow.acknowledge(place);
    }

    /// What the server is told to have been taken.
    #[must_use]
    pub fn confirmed(&self) -> i64 {
        self.standing.confirmed(Lsn(self.flow.kept()), self.floor).0
    }
}

fn unbegun() -> Unreadable {
    Unreadable("a change outside of any transaction".to_owned())
}
