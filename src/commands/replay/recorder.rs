//! [`Recorder`]: the rows that sources give for their records, before any list is made from them.
//!
//! ```text
//! ReplaySource ─▶ Inputs ─▶ log ─▶ the caller
//!                   └▶ a graph that rows leave at once
//! ```
//! Repeats of events are recognised here. The graph has no other use, and stays small: views, removals and purchases expire when
//! the tick closes, and rows of tables are taken back as soon as they are logged.

use std::sync::Arc;

use anyhow::bail;
use dataflow::cut::DeltaLog;
use dataflow::dictionary::Dictionary;
use dataflow::replay::{Failure, ReplaySource};
use dataflow::rules::{PurchaseSource, Rules};
use dataflow::stepped::SteppedGraph;
use dataflow::tables::{Catalogue, Lines, Orders, Table};
use dataflow::time::{Diff, Time};

/// Records taken from a source at a time, unless their rows must be told apart.
pub(in crate::commands) const BATCH: usize = 16_384;

/// Updates merged in an idle step.
const IDLE_MERGE_EFFORT: usize = 1000;

/// More than the rows of a batch of events of the usual size.
const LOG_MAX: usize = 1 << 20;

/// See the module.
pub(in crate::commands) struct Recorder {
    graph: SteppedGraph,
    /// Records given since the last tick was closed.
    given: usize,
}

/// The rows of some records.
pub(in crate::commands) struct Recorded {
    /// The rows of each table in the order in which the source gave them.
    pub(in crate::commands) log: DeltaLog,
    /// Whether the source has given all records up to the step.
    pub(in crate::commands) reached: bool,
}

impl Recorder {
    /// `rules`: those of the graph that gets the rows. `now`: no record before the first step is later.
    pub(in crate::commands) fn new(rules: &Rules, dictionary: Arc<Dictionary>, now: Time) -> Recorder {
        let mut graph = SteppedGraph::new(rules_without_memory(rules), dictionary, IDLE_MERGE_EFFORT);
        graph.keep_log(LOG_MAX);
        if now > graph.tick() {
            graph.advance_to(now);
        }
        Recorder { graph, given: 0 }
    }

    /// Whether a source has given all records up to a step. If it has given those up to an earlier step, this takes no record
    /// from it.
    ///
    /// # Errors
    /// The source cannot continue.
    pub(in crate::commands) fn has_reached(
        &mut self,
        source: &mut dyn ReplaySource,
        step: Time,
    ) -> anyhow::Result<bool> {
        Ok(source.feed(self.graph.inputs(), step, 0).map_err(failed)?.reached)
    }

    /// Takes about `budget` records of a source up to a step, [`BATCH`] at most; with a budget of 1, the rows are those of one
    /// record. Rests for a moment if the source has none yet.
    ///
    /// # Errors
    /// The source cannot continue, or its records have more rows than the log takes.
    pub(in crate::commands) fn feed(
        &mut self,
        source: &mut dyn ReplaySource,
        step: Time,
        budget: usize,
    ) -> anyhow::Result<Recorded> {
        let went = source.feed(self.graph.inputs(), step, budget).map_err(failed)?;
        let Some(log) = self.graph.take_log() else {
            bail!("{budget} records have more than {LOG_MAX} rows, one for each product of a purchase");
        };
        self.take_back(&log);
        self.given += went.records;
        if self.given >= BATCH {
            self.close_tick(step);
        } else if went.records == 0 && !went.reached {
            self.graph.step(true);
        }
        Ok(Recorded { log, reached: went.reached })
    }

    /// Takes rows of tables that do not leave by themselves out of the graph.
    fn take_back(&mut self, log: &DeltaLog) {
        let taken =
            [self.take_back_of::<Orders>(log), self.take_back_of::<Lines>(log), self.take_back_of::<Catalogue>(log)];
        if taken.contains(&true) {
            // What has just been taken out is in the log, too.
            drop(self.graph.take_log());
        }
    }

    fn take_back_of<T: Table<Diff = Diff>>(&mut self, log: &DeltaLog) -> bool {
        let rows = log.of::<T>();
        rows.iter().for_each(|(row, _, diff)| self.graph.inputs().update::<T>(*row, -diff));
        !rows.is_empty()
    }

    /// Lets the graph forget the rows so far.
    fn close_tick(&mut self, step: Time) {
        let tick = self.graph.tick().max(step) + 1;
        self.graph.advance_to(tick);
        self.graph.settle();
        // The rows that have left by themselves are in the log.
        drop(self.graph.take_log());
        self.given = 0;
    }

    #[cfg(test)]
    pub(in crate::commands) fn tick(&self) -> Time {
        self.graph.tick()
    }
}

/// Rules with which the same events give rows, and no row is kept. Events have no rows of features.
fn rules_without_memory(rules: &Rules) -> Rules {
    let purchases = match rules.purchases {
        // With features, repeats are recognised although purchases do not count.
        PurchaseSource::Orders if rules.features.enabled => PurchaseSource::Both,
        purchases => purchases,
    };
    Rules { history_ms: 0, window_ms: 0, purchases, events: rules.events, ..Rules::default() }
}

fn failed(failure: Failure) -> anyhow::Error {
    anyhow::anyhow!("{failure}")
}
