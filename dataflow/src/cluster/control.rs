//! The control messages of the workers, as streams of the graph, so that they keep their place among the ticks.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::VecCollection;
use timely::dataflow::StreamVec;
use timely::dataflow::operators::probe::Handle;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Exchange, Inspect, Probe};

use super::ClusterPlace;
use super::messages::{PositionsMessage, ProgressMessage, TickMessage};
use crate::dictionary::Name;
use crate::source_status::{CLUSTER, SourceRegistry, SourceStatus, State};
use crate::tick_scheduler::TickScheduler;
use crate::time::{Diff, Time};

fn away(process: usize) -> State {
    State::Retrying(format!("process {process} is not live, its /readyz says why"))
}

/// The receiving side of one worker.
#[derive(Clone)]
pub(crate) struct ClusterControl {
    scheduler: Arc<TickScheduler>,
    place: ClusterPlace,
    /// The status that this process shows for the other processes.
    others: Arc<SourceStatus>,
    /// The frontier of the received messages.
    probe: Handle<Time>,
    /// Positions of the other processes' workers, with their ticks.
    positions: Rc<RefCell<Vec<(Time, PositionsMessage)>>>,
}

impl ClusterControl {
    pub(crate) fn new(scheduler: Arc<TickScheduler>, place: ClusterPlace, registry: &SourceRegistry) -> Self {
        ClusterControl {
            scheduler,
            place,
            others: registry.source(CLUSTER),
            probe: Handle::new(),
            positions: Rc::default(),
        }
    }

    /// The place of this process among the others.
    pub(crate) fn place(&self) -> ClusterPlace {
        self.place
    }

    /// Applies the leader's tick messages to this process's scheduler as they arrive, and shows in its registry the
    /// state of the other processes.
    pub(crate) fn follow<'s>(
        &self,
        tick_messages: StreamVec<'s, Time, TickMessage>,
    ) -> StreamVec<'s, Time, TickMessage> {
        let (scheduler, others, own) = (self.scheduler.clone(), self.others.clone(), self.place.process);
        let mut told = None;
        tick_messages.inspect(move |mark| {
            scheduler.apply(*mark);
            // This process reports its own state itself.
            let waits_for = mark.waits_for.filter(|process| *process != own);
            if told != Some(waits_for) && !mark.end {
                told = Some(waits_for);
                others.state(0, waits_for.map_or(State::Live, away));
            }
        })
    }

    /// Lets the leader receive all progress messages as they arrive.
    pub(crate) fn receive_reports(&self, reports: VecCollection<'_, Time, ProgressMessage, Diff>) {
        let scheduler = self.scheduler.clone();
        // An exchange directly after an input holds data back until the input's time advances; progress messages must
        // not wait.
        let reports = reports.inner.map(|(report, tick, _)| (report, tick));
        reports.exchange(|_| 0).inspect(move |(report, tick)| scheduler.apply_report(*report, *tick));
    }

    /// Lets one worker of every other process receive the positions of the sources.
    pub(crate) fn receive_positions(&self, positions: VecCollection<'_, Time, PositionsMessage, Diff>) {
        let (ClusterPlace { workers, process, processes }, heard) = (self.place, self.positions.clone());
        let others = move |(positions, tick, _): (PositionsMessage, Time, Diff)| {
            let others = (0..processes).filter(move |other| *other != process);
            others.map(move |other| ((other * workers) as u64, tick, positions.clone()))
        };
        positions
            .inner
            .flat_map(others)
            .exchange(|(worker, _, _)| *worker)
            .map(|(_, tick, positions)| (tick, positions))
            .inspect(move |positions| heard.borrow_mut().push(positions.clone()))
            .probe_with(&self.probe);
    }

    /// Counts names as received only when they have arrived.
    pub(crate) fn receive_names(&self, names: StreamVec<'_, Time, (Name, Time, Diff)>) {
        names.probe_with(&self.probe);
    }

    /// All messages sent before this time have been received.
    pub(crate) fn heard(&self) -> Time {
        self.probe.with_frontier(|frontier| frontier.first().copied().unwrap_or(0))
    }

    /// Takes the positions sent before `upper`; those of one worker are in the order of their ticks.
    pub(crate) fn take_positions(&self, upper: Time) -> Vec<PositionsMessage> {
        let mut positions = self.positions.borrow_mut();
        positions.extract_if(.., |(tick, _)| *tick < upper).map(|(_, positions)| positions).collect()
    }
}
