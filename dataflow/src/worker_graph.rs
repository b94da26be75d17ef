//! One worker's share of the system: its inputs, its part of the graph, its publisher. The loop above it decides when.

use std::sync::Arc;

use timely::worker::Worker;

use crate::cluster::ClusterControl;
use crate::cluster::messages::{ProgressMessage, TickMessage};
use crate::cut::{Cuts, FillLevel};
use crate::feed::position::Position;
use crate::graph::{self, Plan};
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
        WorkerGraph::talking(worker, plan, snapshots, None)
    }

    /// The same in a cluster; `control` is with the other processes.
    pub(crate) fn talking(
        worker: &mut Worker,
        plan: &Plan,
        snapshots: &Arc<PublishedSnapshots>,
        control: Option<ClusterControl>,
    ) -> Self {
        let dataflow = worker.next_dataflow_index();
        let (inputs, traces) = worker.dataflow_named("vitrine", |scope| graph::build(scope, plan, control.as_ref()));
        let publisher = Publisher::new(traces, snapshots.clone(), worker.index() % snapshots.len(), control);
        let mut worker_graph = WorkerGraph { inputs, publisher, leads: worker.index() == 0, dataflow };
        // Time 0 stays empty: readers are told 0 until the first tick has closed in every worker.
        worker_graph.advance_to(FIRST_TICK);
        worker_graph
    }

    /// Where rows and events are given.
    pub fn inputs(&mut self) -> &mut Inputs {
        &mut self.inputs
    }

    /// The tick that is open in this worker.
    #[must_use]
    pub fn tick(&self) -> Time {
        self.inputs.tick()
    }

    /// Closes the open tick and opens `tick`. Everything given so far is visible as of `tick - 1`, and the window's
    /// edge stands exactly there.
    pub fn advance_to(&mut self, tick: Time) {
        self.close_tick(tick, Closing::default());
    }

    /// The same, closed like that.
    pub(crate) fn close_tick(&mut self, tick: Time, closing: Closing) {
        if self.leads {
            let Closing { cut, waits_for, caught_up, first, heard } = closing;
            let message =
                TickMessage { now: tick - 1, cut, end: false, held: false, waits_for, caught_up, first, heard };
            self.inputs.send_tick_message(message);
        }
        self.inputs.announce_names();
        self.inputs.advance_to(tick);
    }

    /// For the leader: tells all workers of the cluster, itself included, to end.
    pub(crate) fn end_all(&mut self) {
        self.tell_all(true, false);
    }

    /// For the leader: tells all workers of the cluster, itself included, that no tick is closed for now.
    pub(crate) fn hold_all(&mut self) {
        self.tell_all(false, true);
    }

    /// A mark that closes nothing.
    fn tell_all(&mut self, end: bool, held: bool) {
        let now = self.tick() - 1;
        let Closing { cut, waits_for, caught_up, first, heard } = Closing::default();
        self.inputs.send_tick_message(TickMessage { now, cut, end, held, waits_for, caught_up, first, heard });
        self.inputs.flush_tick_messages();
    }

    /// Tells the leader, which is in another process, how this worker's sources are doing.
    pub(crate) fn report(&mut self, report: ProgressMessage) {
        self.inputs.report(report);
    }

    /// Notes where this worker's sources would go on after everything given in the open tick.
    pub fn note(&mut self, positions: Vec<Position>) {
        self.inputs.announce_positions(&positions);
        self.publisher.note(self.inputs.tick(), positions);
    }

    /// From now on what is given is noted for cuts, up to so many updates between two.
    pub fn keep_delta_log(&mut self, max: usize) {
        self.inputs.keep_delta_log(max);
    }

    /// How much of what may be noted between two cuts has been.
    pub(crate) fn fill_level(&self) -> FillLevel {
        self.inputs.fill_level()
    }

    /// Hands in this worker's part of the cut at `tick` once that is published. The tick must be closed, and nothing
    /// given since.
    pub fn cut(&mut self, cuts: &Arc<Cuts>, tick: Time) {
        let delta_log = self.inputs.cut(tick);
        self.publisher.cut(cuts.clone(), tick, delta_log);
    }

    /// Whether a cut is to be handed in whose tick is not published yet.
    pub(crate) fn is_cutting(&self) -> bool {
        self.publisher.is_cutting()
    }

    /// Publishes if a tick has closed; returns whether one had.
    pub fn publish(&mut self) -> bool {
        self.publisher.publish()
    }

    /// Takes this worker's part of the graph down.
    pub fn close(self, worker: &mut Worker) {
        drop(self.inputs);
        drop(self.publisher);
        worker.drop_dataflow(self.dataflow);
    }
}
