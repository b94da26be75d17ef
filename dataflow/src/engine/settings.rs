//! What an engine is started with.

use std::sync::Arc;

use timely::worker::Worker;

use crate::dictionary::Dictionary;
use crate::feed::OpenFeeds;
use crate::graph::{ChangeOutlet, TouchOutlet};
use crate::inputs::Inputs;
use crate::lease::TimestampLease;
use crate::rules::Rules;
use crate::source_status::SourceRegistry;
use crate::tick_scheduler::TickPolicy;
use crate::time::{ServiceClock, Time};
use crate::worker_graph::WorkerGraph;

/// Everything an engine is started with.
pub struct Settings {
    /// Worker threads.
    pub workers: usize,
    /// The business numbers.
    pub rules: Rules,
    /// When ticks close.
    pub ticks: TickPolicy,
    /// Updates merged in an idle step: 300 to 3000 keeps lookups quick, much more starves ingest. See
    /// [`merging`](crate::trace::merging).
    pub idle_merge_effort: usize,
    /// The dictionary of ids and keys, shared with the readers.
    pub dictionary: Arc<Dictionary>,
    /// The service clock.
    pub clock: Arc<dyn ServiceClock>,
    /// Opens a worker's sources.
    pub open_feeds: OpenFeeds,
    /// Takes the changes of every list, if a sink is configured.
    pub changes: Option<ChangeOutlet>,
    /// Takes the lists that have changed, if a sink copies lists.
    pub touched: Option<Arc<dyn TouchOutlet>>,
    /// The state to start from, if there is one.
    pub restore: Option<Restore>,
    /// Limit of updates that a worker holds between two cuts; `None` if no cuts are taken.
    pub journal_max: Option<usize>,
    /// The status of all sources.
    pub registry: Arc<SourceRegistry>,
    /// The lease that limits which ticks may show, if there is one; the process that leads asks it.
    pub lease: Option<Arc<dyn TimestampLease>>,
}

impl Settings {
    /// One worker with the default rules and ticks, without outlets and cuts, which starts from nothing.
    ///
    /// `idle_merge_effort`: see [`Settings::idle_merge_effort`].
    #[must_use]
    pub fn new(
        dictionary: Arc<Dictionary>,
        clock: Arc<dyn ServiceClock>,
        open_feeds: OpenFeeds,
        idle_merge_effort: usize,
    ) -> Settings {
        Settings {
            workers: 1,
            rules: Rules::default(),
            ticks: TickPolicy::default(),
            idle_merge_effort,
            dictionary,
            clock,
            open_feeds,
            changes: None,
            touched: None,
            restore: None,
            journal_max: None,
            registry: Arc::default(),
            lease: None,
        }
    }
}

/// Rows to start from: the state as of a tick.
#[derive(Clone)]
pub struct Restore {
    /// The tick. The first answers are as of it.
    pub tick: Time,
    /// Gives a worker its share of the rows, one part per call, until it returns false.
    pub give: GiveRows,
}

impl Restore {
    /// Gives a worker its share of the rows, and closes their tick.
    pub fn start(&self, worker_graph: &mut WorkerGraph, worker: &mut Worker) {
        worker_graph.advance_to(self.tick);
        let mut calls = 0;
        while (self.give)(worker.index(), worker.peers(), calls, worker_graph.inputs()) {
            // Do not flush here: an exchange that still holds records when the worker steps does not release them when
            // time advances, unless more input arrives. Without a flush, the inputs keep the last records that they
            // were given.
            worker.step();
            calls += 1;
        }
        worker_graph.advance_to(self.tick + 1);
    }
}

/// See [`Restore::give`]. The arguments are the worker's number, the number of workers in all processes, the number of
/// earlier calls, and the worker's inputs.
pub type GiveRows = Arc<dyn Fn(usize, usize, usize, &mut Inputs) -> bool + Send + Sync>;
