//! Counts lines without an order. They count in no list; many of them show that lines and orders write their ids differently.
//!
//! Where the log is followed they are counted as rows change. Which lines an order leaves behind that is deleted is not known:
//! then all lines are counted anew, soon, and seldom enough to take a thousandth of the time. Where tables are read again
//! the server joins lines with orders, and counts those it leaves out now and then.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use dataflow::ids::OrderKey;
use dataflow::source_status::{Lines as Counts, SourceStatus};
use foldhash::fast::RandomState;
use postgres::Transaction;

use crate::postgres::NAME;
use crate::postgres::session::error::Error;

/// The longest time the server may take to count.
const COUNT_MAX: Duration = Duration::from_secs(10);

/// Of the server's time the counting takes about this part.
const SHARE: u32 = 50;

/// Of the time of the thread that follows the log it takes this part.
pub(crate) const SHARE_OF_LOG: u32 = 1000;

/// Lines that are held, and those among them whose order is not.
#[derive(Default)]
pub(crate) struct OrphanLines {
    pub(crate) by_order: HashMap<OrderKey, u64, RandomState>,
    pub(crate) counts: Counts,
    /// When the server is asked to count again.
    due: Option<Instant>,
    /// What it has counted last.
    left_out: Option<u64>,
    /// The log has a warning that most lines have no order.
    warned: bool,
    /// An order has gone, and perhaps left lines behind.
    pub(crate) left: bool,
    /// The earliest time of the next count.
    pub(crate) rest: Option<Instant>,
}

impl OrphanLines {
    /// How many there are.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Shows how many there are; once most lines have no order, that is worth a warning.
    pub(crate) fn show(&mut self, status: &SourceStatus) {
        let Counts { held, without_order } = self.counts;
        status.lines(self.counts);
        let most = without_order > held / 2;
        if most && !self.warned {
            tracing::warn!(
                source = NAME,
                lines = held,
                without_order,
                "most order lines have no order with their id and count in no list: compare the ids of both tables"
            );
        }
        self.warned = most;
    }

    /// Begins a new count.
    pub(crate) fn clear(&mut self) {
        self.by_order = HashMap::default();
        self.counts = Counts::default();
        self.left = false;
    }

    /// A line is held; `alone`: without its order.
    pub(crate) fn hold(&mut self, order: OrderKey, alone: bool) {
        self.counts.held += 1;
        if alone {
            self.counts.without_order += 1;
            *self.by_order.entry(order).or_default() += 1;
        }
    }

    /// So many lines were read, of which some have no order; the server has left out those that it found none for.
    pub(crate) fn read(&mut self, held: u64, alone: u64) {
        let without_order = alone + self.left_out.unwrap_or(0);
        self.counts = Counts { held: held + self.left_out.unwrap_or(0), without_order };
    }

    /// Asks the server how many lines have no order, if it is time.
    pub(crate) fn ask(&mut self, transaction: &mut Transaction<'_>, query: &str) -> Result<(), Error> {
        let begun = Instant::now();
        if self.due.is_some_and(|due| begun < due) {
            return Ok(());
        }
        // A part of its own: the limit, and an error, end with it.
        let mut part = transaction.transaction()?;
        part.batch_execute(&format!("SET LOCAL statement_timeout = {}", COUNT_MAX.as_millis()))?;
        let counted = part.query_one(query, &[]);
        match counted {
            Ok(row) => self.left_out = u64::try_from(row.get::<_, i64>(0)).ok(),
            Err(error) if error.as_db_error().is_some() => {
                tracing::debug!(source = NAME, "lines without an order could not be counted");
            }
            Err(error) => return Err(error.into()),
        }
        part.rollback()?;
        self.due = Some(Instant::now() + begun.elapsed() * SHARE);
        Ok(())
    }
}
