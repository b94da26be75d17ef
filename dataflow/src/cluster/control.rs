//! What workers tell each other beside rows, as streams of the graph, so that it keeps its place among the ticks.

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

/// One worker's ears.
#[derive(Clone)]
pub(crate) struct ClusterControl {
    scheduler: Arc<TickScheduler>,
    place: ClusterPlace,
    /// Where this process says how the others are doing.
    others: Arc<SourceStatus>,
    /// How far everything has been heard.
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

    /// Lets this process's scheduler follow the leader's marks, as they come, and its registry tell what they say of the others.
    pub(crate) fn follow<'s>(
        &self,
        tick_messages: StreamVec<'s, Time, TickMessage>,
    ) -> StreamVec<'s, Time, TickMessage> {
        let (scheduler, others, own) = (self.scheduler.clone(), self.others.clone(), self.place.process);
        let mut told = None;
        tick_messages.inspect(move |mark| {
            scheduler.apply(*mark);
            // What is the matter here, this process says itself.
            let waits_for = mark.waits_for.filter(|process| *process != own);
            if told != Some(waits_for) && !mark.end {
                told = Some(waits_for);
                others.state(0, waits_for.map_or(State::Live, away));
            }
        })
    }

    /// Lets the leader hear all reports, as they come.
    pub(crate) fn receive_reports(&self, reports: VecCollection<'_, Time, ProgressMessage, Diff>) {
        let scheduler = self.scheduler.clone();
        // An exchange that stands at an input holds data back until the input's time moves: reports are not to wait.
        let reports = reports.inner.map(|(report, tick, _)| (report, tick));
        reports.exchange(|_| 0).inspect(move |(report, tick)| scheduler.apply_report(*report, *tick));
    }

    /// Lets one worker of every other process hear where sources are.
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

    /// Counts names as heard only when they have come.
    pub(crate) fn receive_names(&self, names: StreamVec<'_, Time, (Name, Time, Diff)>) {
        names.probe_with(&self.probe);
    }

    /// Everything told before this time has been heard.
    pub(crate) fn heard(&self) -> Time {
        self.probe.with_frontier(|frontier| frontier.first().copied().unwrap_or(0))
    }

    /// Takes the positions told before `upper`, those of one worker in the order of their ticks.
    pub(crate) fn take_positions(&self, upper: Time) -> Vec<PositionsMessage> {
        let mut positions = self.positions.borrow_mut();
        positions.extract_if(.., |(tick, _)| *tick < upper).map(|(_, positions)| positions).collect()
    }
}
