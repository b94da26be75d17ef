//! The lab's feed: it moves given rows into the inputs as fast as the graph accepts them.

use std::iter::Peekable;
use std::sync::mpsc::Receiver;

use dataflow::feed::{Feed, FeedProgress, Position};
use dataflow::ids::{ProductKey, UserKey};
use dataflow::inputs::Inputs;
use dataflow::tables::{Catalogue, CatalogueRow, LineRow, Lines, OrderRow, Orders};
use dataflow::time::Millis;

/// The stream's name in positions; its offsets count the batches of rows that were fed.
pub(super) const STREAM: &str = "lab";

/// Rows given together, created on demand.
pub(super) type Rows = Box<dyn ExactSizeIterator<Item = Row> + Send>;

/// One row for the graph.
#[derive(Clone, Copy)]
pub(crate) enum Row {
    View(UserKey, ProductKey, Millis),
    Removal(UserKey, ProductKey, Millis),
    Order(OrderRow),
    Line(LineRow),
    Catalogue(CatalogueRow),
}

pub(super) struct Stall {
    index: usize,
    arrivals: Receiver<Rows>,
    at_hand: Option<Peekable<Rows>>,
    done: i64,
}

impl Stall {
    pub(super) fn new(index: usize, arrivals: Receiver<Rows>) -> Self {
        Stall { index, arrivals, at_hand: None, done: 0 }
    }
}

impl Feed for Stall {
    fn feed(&mut self, inputs: &mut Inputs, budget: usize) -> FeedProgress {
        let mut records = 0;
        while records < budget {
            if self.at_hand.is_none() {
                self.at_hand = self.arrivals.try_recv().ok().map(Iterator::peekable);
            }
            let Some(rows) = &mut self.at_hand else { break };
            for row in rows.by_ref().take(budget - records) {
                row.give(inputs);
                records += 1;
            }
            if rows.peek().is_none() {
                self.at_hand = None;
                self.done += 1;
            }
        }
        FeedProgress { records, waiting: self.at_hand.as_ref().map_or(0, ExactSizeIterator::len), reached: None }
    }

    fn positions(&self, out: &mut Vec<Position>) {
        out.push(Position::new(STREAM, self.index as i32, self.done));
    }
}

impl Row {
    fn give(self, inputs: &mut Inputs) {
        match self {
            Row::View(user, product, at) => inputs.view(user, product, at),
            Row::Removal(user, product, at) => inputs.removal(user, product, at),
            Row::Order(row) => inputs.update::<Orders>(row, 1),
            Row::Line(row) => inputs.update::<Lines>(row, 1),
            Row::Catalogue(row) => inputs.update::<Catalogue>(row, 1),
        }
    }
}
