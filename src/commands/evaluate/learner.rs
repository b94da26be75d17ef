//! [`Learner`]: the graph, which is asked before it learns.
//!
//! ```text
//! rows of a record ─▶ the clock of the graph goes to its time ─▶ is it a view? asked, then learned in a tick of its own
//! ```
//! If several views come in a millisecond, the later ones are in the following ticks. The clock moves only for rows: counts of
//! co-views are those of the last whole period before the tick, whether the ticks in between were closed or not.

use std::sync::Arc;

use dataflow::cut::DeltaLog;
use dataflow::dictionary::Dictionary;
use dataflow::ids::{ProductKey, UserKey};
use dataflow::inputs::Inputs;
use dataflow::stamp::Stamp;
use dataflow::stepped::SteppedGraph;
use dataflow::tables::{
    Catalogue, Erasures, EventPurchaseRow, EventPurchases, Lines, MerchRules, Orders, Stamps, Table,
};
use dataflow::time::Time;

use super::sources::ListMaker;
use super::tallies::Tallies;
use crate::config::Config;

/// Ticks that are closed before the graph catches up with them. Without views, nothing else makes it catch up.
const CLOSED_MAX: usize = 64;

/// Rows given to the open tick before the graph takes them.
const GIVEN_MAX: usize = 16_384;

/// See the module.
pub(super) struct Learner {
    graph: SteppedGraph,
    /// Ticks closed since the graph has caught up with them.
    closed: usize,
    /// Rows in the open tick.
    given: usize,
    lists: ListMaker,
    tallies: Tallies,
}

impl Learner {
    pub(super) fn new(config: &Config, dictionary: Arc<Dictionary>, lists: ListMaker) -> Learner {
        let graph = SteppedGraph::new(super::rules(config), dictionary, config.dataflow.idle_merge_effort);
        Learner { graph, closed: 0, given: 0, tallies: Tallies::new(lists.sources()), lists }
    }

    /// Takes rows without asking; they count in the open tick.
    pub(super) fn learn(&mut self, log: &DeltaLog) {
        self.give_tables(log);
        for ((user, product), _, stamp) in log.of::<Stamps>() {
            self.saw(*product, *stamp);
            self.give_stamp(*user, *product, *stamp);
        }
        self.graph.step(false);
    }

    /// Takes the rows of a record that counts at `time`, and asks before it if it is a view.
    ///
    /// # Errors
    /// The factor model cannot be used.
    pub(super) fn test(&mut self, time: Time, log: &DeltaLog) -> anyhow::Result<()> {
        self.reach(time);
        self.give_tables(log);
        for ((user, product), _, stamp) in log.of::<Stamps>() {
            if self.given > 0 {
                self.reach(self.graph.tick() + 1);
            }
            if stamp.viewed_at().is_some() {
                self.ask(*user, *product, time)?;
            }
            self.saw(*product, *stamp);
            self.give_stamp(*user, *product, *stamp);
        }
        Ok(())
    }

    /// Closes the open tick if it is before `tick`, and opens `tick`.
    pub(super) fn reach(&mut self, tick: Time) {
        if self.graph.tick() >= tick {
            return;
        }
        self.graph.advance_to(tick);
        self.given = 0;
        self.closed += 1;
        if self.closed >= CLOSED_MAX {
            self.catch_up();
        }
    }

    /// What was measured.
    pub(super) fn into_tallies(self) -> Tallies {
        self.tallies
    }

    fn catch_up(&mut self) {
        self.graph.settle();
        self.closed = 0;
    }

    fn ask(&mut self, user: UserKey, product: ProductKey, now: Time) -> anyhow::Result<()> {
        self.catch_up();
        let reader = self.graph.reader();
        self.lists.train(reader, now)?;
        let made = self.lists.make(reader, user);
        self.tallies.ask((user, product, now), self.lists.history(), &made);
        Ok(())
    }

    fn saw(&mut self, product: ProductKey, stamp: Stamp) {
        stamp.viewed_at().into_iter().for_each(|at| self.tallies.saw(product, at));
    }

    fn give_stamp(&mut self, user: UserKey, product: ProductKey, stamp: Stamp) {
        self.graph.inputs().update::<Stamps>((user, product), stamp);
        self.count(1);
    }

    /// Gives everything but views and removals.
    fn give_tables(&mut self, log: &DeltaLog) {
        let inputs = self.graph.inputs();
        let mut given =
            give::<Erasures>(inputs, log) + give::<MerchRules>(inputs, log) + give::<Catalogue>(inputs, log);
        given += give::<Orders>(inputs, log) + give::<Lines>(inputs, log);
        let purchases = log.of::<EventPurchases>();
        purchases.iter().for_each(|(row, ..)| inputs.event_purchase(EventPurchaseRow::from(*row)));
        self.count(given + purchases.len());
    }

    fn count(&mut self, rows: usize) {
        let before = self.given;
        self.given += rows;
        if self.given / GIVEN_MAX > before / GIVEN_MAX {
            self.graph.step(false);
        }
    }
}

/// Gives the rows of a table; returns their number.
fn give<T: Table>(inputs: &mut Inputs, log: &DeltaLog) -> usize {
    let rows = log.of::<T>();
    rows.iter().for_each(|(row, _, diff)| inputs.update::<T>(*row, *diff));
    rows.len()
}

#[cfg(test)]
impl Learner {
    /// How far the graph is behind its clock.
    pub(super) fn behind_ms(&self) -> Time {
        self.graph.tick() - 1 - self.graph.reader().view_any().as_of()
    }

    pub(super) fn tick(&self) -> Time {
        self.graph.tick()
    }
}
