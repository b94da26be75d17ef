//! The graph along a stream: records in their order, on a clock that the records drive.
//!
//! The clock is the latest time of a record so far. A tick is closed only when the state is asked for. So that any number of
//! states can be asked for while the clock stands, a millisecond of the clock has [`TICKS_PER_MS`] ticks.
//!
//! Counts of co-views are those of the records that came until the last whole multiple of `every_ms` of the clock, so records are
//! given in a tick of the period in which they came. Earlier asks change no answer. If the clock stands and a state is asked for
//! more than [`TICKS_PER_MS`] times with records in between, later states are those of the following milliseconds.

use std::collections::HashSet;
use std::sync::Arc;

use dataflow::dictionary::{Collision, Dictionary};
use dataflow::graph::Plan;
use dataflow::ids::{CategoryKey, Ids, OrderKey, ProductKey, RowKey, UserKey};
use dataflow::index_reader::IndexReader;
use dataflow::stepped::SteppedGraph;
use dataflow::tables::{Catalogue, CatalogueRow, LineRow, Lines, OrderRow, Orders};
use dataflow::time::{Millis, Time};

use super::lines::Line;
use crate::config::Config;

/// Records given to the graph between two of its steps.
const BATCH: usize = 16_384;

/// Ticks of a millisecond. Times of up to [`LAST_MS`](super::lines::LAST_MS) are within 62 bits, which histories can hold.
const TICKS_PER_MS: Time = 1 << 18;

/// One record in keys; times are in ticks.
#[derive(Clone, Copy, Debug)]
enum Record {
    View(UserKey, ProductKey, Millis),
    /// A line of an order; whether it is the first of its order.
    Order(OrderRow, ProductKey, bool),
    Category(CatalogueRow),
}

/// See the module.
pub(super) struct Walk {
    graph: SteppedGraph,
    dictionary: Arc<Dictionary>,
    every_ms: Millis,
    /// The latest time of a record, in milliseconds.
    clock: Time,
    /// Records of the period of the clock, with the clock when they came.
    waiting: Vec<(Time, Record)>,
    /// Records given since the last tick was closed.
    given: usize,
    orders: HashSet<OrderKey>,
    categories: HashSet<(ProductKey, CategoryKey)>,
}

impl Walk {
    /// An empty graph with these settings.
    pub(super) fn new(config: &Config) -> Walk {
        let dictionary = Arc::new(Dictionary::new(Ids::new(config.dataflow.id_key)));
        let plan = Plan::finer(super::rules(config), dictionary.clone(), TICKS_PER_MS);
        Walk {
            graph: SteppedGraph::of(plan, config.dataflow.idle_merge_effort),
            dictionary,
            every_ms: config.rules.co_views.every_ms,
            clock: 1,
            waiting: Vec::new(),
            given: 0,
            orders: HashSet::new(),
            categories: HashSet::new(),
        }
    }

    /// The dictionary of ids and keys.
    pub(super) fn dictionary(&self) -> &Arc<Dictionary> {
        &self.dictionary
    }

    /// The latest time of a record, in milliseconds.
    pub(super) fn clock(&self) -> Time {
        self.clock
    }

    /// Takes a record; a line that asks is none, and changes nothing.
    ///
    /// # Errors
    /// Two ids have the same key.
    pub(super) fn take(&mut self, line: &Line) -> Result<(), Collision> {
        let before = self.clock;
        let record = match line {
            Line::View { user, product, at } => {
                self.clock = before.max(*at);
                let (user, product) = (self.dictionary.user(&user.text()), self.dictionary.product(&product.text())?);
                Record::View(user, product, ticks(*at))
            }
            Line::Order { user, product, at, order } => {
                self.clock = before.max(*at);
                let (id, user) = (order.text(), user.text());
                // As in `orders.csv`: the lines of an order that agree on who ordered and when count together.
                let facts = self.dictionary.row([user.as_bytes(), &at.to_le_bytes()]);
                let order = self.dictionary.order(&id).of_lines(facts);
                let row = OrderRow::counting(order, self.dictionary.user(&user), ticks(*at));
                Record::Order(row, self.dictionary.product(&product.text())?, self.orders.insert(order))
            }
            Line::Category { product, category } => {
                let product = self.dictionary.product(&product.text())?;
                let category = self.dictionary.category(&category.text())?;
                if !self.categories.insert((product, category)) {
                    return Ok(());
                }
                Record::Category(CatalogueRow { product, category })
            }
            Line::Ask { .. } => return Ok(()),
        };
        if self.last_end() > before {
            // The period of all waiting records is over.
            self.give_waiting(Time::MAX);
        }
        self.waiting.push((self.clock, record));
        Ok(())
    }

    /// The state after all records so far.
    pub(super) fn reader(&mut self) -> &IndexReader {
        if !self.waiting.is_empty() || self.given > 0 {
            // What came until the last end is given in a tick up to the last one that is such an end, and the rest after these.
            let end = self.last_end();
            let after_end = ticks(end + 1);
            if self.graph.tick() < after_end {
                self.give_waiting(end);
                if !self.waiting.is_empty() {
                    self.graph.advance_to(after_end);
                }
            }
            self.give_waiting(Time::MAX);
            self.graph.advance_to(ticks(self.clock).max(self.graph.tick()) + 1);
            self.graph.settle();
            self.given = 0;
        }
        self.graph.reader()
    }

    /// The last end of a period at or before the clock.
    fn last_end(&self) -> Time {
        self.clock - self.clock % self.every_ms
    }

    /// Gives the waiting records that came up to a time.
    fn give_waiting(&mut self, until: Time) {
        let come = self.waiting.partition_point(|(came, _)| *came <= until);
        for (_, record) in self.waiting.drain(..come) {
            let inputs = self.graph.inputs();
            match record {
                Record::View(user, product, at) => inputs.view(user, product, at),
                Record::Order(row, product, is_first) => {
                    if is_first {
                        inputs.update::<Orders>(row, 1);
                    }
                    inputs.update::<Lines>(LineRow { order: row.order, product, row: RowKey::NONE }, 1);
                }
                Record::Category(row) => inputs.update::<Catalogue>(row, 1),
            }
            self.given += 1;
            if self.given.is_multiple_of(BATCH) {
                self.graph.step(false);
            }
        }
    }
}

/// The first tick of a millisecond.
fn ticks(ms: Millis) -> Time {
    ms * TICKS_PER_MS
}
