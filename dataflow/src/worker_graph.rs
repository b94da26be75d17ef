//! The part of the system in one worker: its inputs, its copy of the graph, its publisher. The worker loop decides when
//! it acts.

use std::sync::Arc;

use timely::worker::Worker;

use crate::cluster::ClusterControl;
use crate::cluster::messages::{ProgressMessage, TickMessage};
use crate::cut::{Cuts, FillLevel};
use crate::feed::position::Position;
use crate::graph::{self, Plan};
use crate::graph_part::GraphPart;
use crate::inputs::Inputs;
use crate::publish::{PublishedSnapshots, Publisher};
use crate::tick_scheduler::{Closing, FIRST_TICK};
use crate::time::Time;

/// A worker's inputs and publisher around the graph.
pub struct WorkerGraph {
    inputs: Inputs,
    publisher: Publisher,
    /// Whether this worker moves the window's edge for the whole cluster.
    leads: bool,
    dataflow: usize,
}

impl WorkerGraph {
    /// Builds the graph in this worker; it publishes into slot `index modulo slots`.
    pub fn new(worker: &mut Worker, plan: &Plan, snapshots: &Arc<PublishedSnapshots>) -> Self {
        WorkerGraph::build(worker, (plan, GraphPart::Whole), snapshots, None)
    }

    /// Builds the part of the graph that features are made from.
    pub(crate) fn of_features(worker: &mut Worker, plan: &Plan, snapshots: &Arc<PublishedSnapshots>) -> Self {
        WorkerGraph::build(worker, (plan, GraphPart::Features), snapshots, None)
    }

    /// Builds the graph in a worker of a cluster; `control` exchanges messages with the other processes.
    pub(crate) fn talking(
        worker: &mut Worker,
        plan: &Plan,
        snapshots: &Arc<PublishedSnapshots>,
        control: Option<ClusterControl>,
    ) -> Self {
        WorkerGraph::build(worker, (plan, GraphPart::Whole), snapshots, control)
    }

    fn build(
        worker: &mut Worker,
        (plan, part): (&Plan, GraphPart),
        snapshots: &Arc<PublishedSnapshots>,
        control: Option<ClusterControl>,
    ) -> Self {
        let dataflow = worker.next_dataflow_index();
        let (inputs, traces) =
            worker.dataflow_named("vitrine", |scope| graph::build(scope, plan, part, control.as_ref()));
        let publisher = Publisher::new(traces, snapshots.clone(), worker.index() % snapshots.len(), control);
        let mut worker_graph = WorkerGraph { inputs, publisher, leads: worker.index() == 0, dataflow };
        // Time 0 stays empty: readers get time 0 until the first tick has closed in every worker.
        worker_graph.advance_to(FIRST_TICK);
        worker_graph
    }

    /// The inputs for rows and events.
    pub fn inputs(&mut self) -> &mut Inputs {
        &mut self.inputs
    }

    /// The open tick of this worker.
    #[must_use]
    pub fn tick(&self) -> Time {
        self.inputs.tick()
    }

    /// Closes the open tick and opens `tick`. All records given so far are visible as of `tick - 1`, which is also the
    /// window's edge.
    pub fn advance_to(&mut self, tick: Time) {
        self.close_tick(tick, Closing::default());
    }

    /// Closes the open tick as [`WorkerGraph::advance_to`] does, with the fields of `closing` in the tick message.
    pub(crate) fn close_tick(&mut self, tick: Time, closing: Closing) {
        if self.leads {
            let Closing { cut, waits_for, caught_up, first, heard } = closing;
            let message =
                TickMessage { now: tick - 1, cut, end: false, held: false, waits_for, caught_up, first, heard };
            self.inputs.send_tick_message(message);
        }
        self.settle_sessions();
        self.inputs.announce_names();
        self.inputs.advance_to(tick);
        self.publisher.open(tick);
    }

    /// Takes the rows of sessions out that can be settled, in the open tick.
    fn settle_sessions(&mut self) {
        for (user, settled) in self.publisher.settle_sessions(self.inputs.tick()) {
            self.inputs.settle(user, settled);
        }
    }

    /// Begins `tick` within the open tick: all records given so far are visible as of `tick - 1`, once the open tick is closed. This
    /// costs next to nothing. Only in a graph of features alone.
    pub(crate) fn begin_tick(&mut self, tick: Time) {
        self.settle_sessions();
        self.inputs.begin_tick(tick);
    }

    /// For the leader: tells all workers of the cluster to end, itself included.
    pub(crate) fn end_all(&mut self) {
        self.tell_all(true, false);
    }

    /// For the leader: tells all workers of the cluster, itself included, that no tick is closed for now.
    pub(crate) fn hold_all(&mut self) {
        self.tell_all(false, true);
    }

    /// Sends a tick message that closes no tick.
    fn tell_all(&mut self, end: bool, held: bool) {
        let now = self.tick() - 1;
        let Closing { cut, waits_for, caught_up, first, heard } = Closing::default();
        self.inputs.send_tick_message(TickMessage { now, cut, end, held, waits_for, caught_up, first, heard });
        self.inputs.flush_tick_messages();
    }

    /// Reports the progress of this worker's sources to the leader, which is in another process.
    pub(crate) fn report(&mut self, report: ProgressMessage) {
        self.inputs.report(report);
    }

    /// Takes the positions from which this worker's sources continue after all records given in the open tick.
    pub fn note(&mut self, positions: Vec<Position>) {
        self.inputs.announce_positions(&positions);
        self.publisher.note(self.inputs.tick(), positions);
    }

    /// Starts to log updates for cuts, up to `max` of them between two cuts.
    pub fn keep_delta_log(&mut self, max: usize) {
        self.inputs.keep_delta_log(max);
    }

    /// The fill level of the delta log.
    pub(crate) fn fill_level(&self) -> FillLevel {
        self.inputs.fill_level()
    }

    /// Hands in this worker's part of the cut at `tick` once the tick is published. The tick must be closed, and no
    /// record given since.
    pub fn cut(&mut self, cuts: &Arc<Cuts>, tick: Time) {
        let delta_log = self.inputs.cut(tick).filter(|log| self.inputs.drop_no_features_between(log.after, tick));
        self.publisher.cut(cuts.clone(), tick, delta_log);
    }

    /// Whether the worker has a cut to hand in whose tick is not published yet.
    pub(crate) fn is_cutting(&self) -> bool {
        self.publisher.is_cutting()
    }

    /// All times before this one are complete in this worker, published or not.
    pub(crate) fn reached(&mut self) -> Time {
        self.publisher.reached()
    }

    /// Publishes if a tick has closed; returns whether one had.
    pub fn publish(&mut self) -> bool {
        self.publisher.publish()
    }

    /// Removes this worker's copy of the graph.
    pub fn close(self, worker: &mut Worker) {
        drop(self.inputs);
        drop(self.publisher);
        worker.drop_dataflow(self.dataflow);
    }
}
