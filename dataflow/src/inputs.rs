//! One worker's inputs: what a source gives becomes an update at the worker's current tick.

use std::sync::Arc;

use differential_dataflow::VecCollection;
use differential_dataflow::input::{Input, InputSession};
use timely::dataflow::Scope;

use crate::cluster::control::{PositionsMessage, ProgressMessage, TickMessage};
use crate::cut::delta_log::DeltaLogs;
use crate::cut::{DeltaLog, FillLevel};
use crate::dictionary::{Dictionary, Name};
use crate::feed::Position;
use crate::ids::{ProductKey, UserKey};
use crate::rows::{CatalogueRow, LineRow, OrderRow};
use crate::stamp::Stamp;
use crate::time::{Diff, Millis, Time};

/// The write side of the graph in one worker.
pub struct Inputs {
    dictionary: Arc<Dictionary>,
    stamps: InputSession<Time, (UserKey, ProductKey), Stamp>,
    orders: InputSession<Time, OrderRow, Diff>,
    lines: InputSession<Time, LineRow, Diff>,
    catalogue: InputSession<Time, CatalogueRow, Diff>,
    names: InputSession<Time, Name, Diff>,
    marks: InputSession<Time, TickMessage, Diff>,
    told: Option<ControlInputs>,
    delta_logs: Option<DeltaLogs>,
}

/// What is told to other processes only.
struct ControlInputs {
    worker: usize,
    reports: InputSession<Time, ProgressMessage, Diff>,
    noted: InputSession<Time, PositionsMessage, Diff>,
}

/// The collections the inputs feed.
pub(crate) struct Collections<'s> {
    pub(crate) stamps: VecCollection<'s, Time, (UserKey, ProductKey), Stamp>,
    pub(crate) orders: VecCollection<'s, Time, OrderRow, Diff>,
    pub(crate) lines: VecCollection<'s, Time, LineRow, Diff>,
    pub(crate) catalogue: VecCollection<'s, Time, CatalogueRow, Diff>,
    pub(crate) names: VecCollection<'s, Time, Name, Diff>,
    pub(crate) marks: VecCollection<'s, Time, TickMessage, Diff>,
    /// Only where there are other processes.
    pub(crate) told: Option<ControlStreams<'s>>,
}

/// See [`crate::cluster`].
pub(crate) struct ControlStreams<'s> {
    pub(crate) reports: VecCollection<'s, Time, ProgressMessage, Diff>,
    pub(crate) noted: VecCollection<'s, Time, PositionsMessage, Diff>,
}

impl Inputs {
    /// `in_cluster`: whether there are other processes, to be told more than rows.
    pub(crate) fn new<'s>(
        scope: Scope<'s, Time>,
        dictionary: Arc<Dictionary>,
        in_cluster: bool,
    ) -> (Inputs, Collections<'s>) {
        let (stamps_in, stamps) = scope.new_collection();
        let (orders_in, orders) = scope.new_collection();
        let (lines_in, lines) = scope.new_collection();
        let (catalogue_in, catalogue) = scope.new_collection();
        let (names_in, names) = scope.new_collection();
        let (marks_in, marks) = scope.new_collection();
        let (told_in, told) = in_cluster.then(|| told(scope)).unzip();
        let inputs = Inputs {
            dictionary,
            stamps: stamps_in,
            orders: orders_in,
            lines: lines_in,
            catalogue: catalogue_in,
            names: names_in,
            marks: marks_in,
            told: told_in,
            delta_logs: None,
        };
        (inputs, Collections { stamps, orders, lines, catalogue, names, marks, told })
    }

    /// From ids to keys.
    #[must_use]
    pub fn dictionary(&self) -> &Arc<Dictionary> {
        &self.dictionary
    }

    /// The tick that is open: whatever is given now becomes visible when it closes.
    #[must_use]
    pub fn tick(&self) -> Time {
        *self.stamps.time()
    }

    /// A user viewed a product at `at`.
    pub fn view(&mut self, user: UserKey, product: ProductKey, at: Millis) {
        self.stamp(user, product, Stamp::view(at));
    }

    /// A user's views of a product up to `at` are to be forgotten.
    pub fn removal(&mut self, user: UserKey, product: ProductKey, at: Millis) {
        self.stamp(user, product, Stamp::removal(at));
    }

    /// What is known about a user and a product: views and removals by themselves, or all of them together.
    pub fn stamp(&mut self, user: UserKey, product: ProductKey, stamp: Stamp) {
        if let Some((delta_log, tick)) = self.delta_log() {
            delta_log.stamps.push(((user, product), tick, stamp));
        }
        self.stamps.update((user, product), stamp);
    }

    /// An order appears (+) or disappears (-).
    pub fn order(&mut self, row: OrderRow, diff: Diff) {
        if let Some((delta_log, tick)) = self.delta_log() {
            delta_log.orders.push((row, tick, diff));
        }
        self.orders.update(row, diff);
    }

    /// A line of an order appears (+) or disappears (-).
    pub fn line(&mut self, row: LineRow, diff: Diff) {
        if let Some((delta_log, tick)) = self.delta_log() {
            delta_log.lines.push((row, tick, diff));
        }
        self.lines.update(row, diff);
    }

    /// A product enters (+) or leaves (-) a category.
    pub fn catalogue(&mut self, row: CatalogueRow, diff: Diff) {
        if let Some((delta_log, tick)) = self.delta_log() {
            delta_log.catalogue.push((row, tick, diff));
        }
        self.catalogue.update(row, diff);
    }

    fn delta_log(&mut self) -> Option<(&mut DeltaLog, Time)> {
        let tick = *self.stamps.time();
        Some((self.delta_logs.as_mut()?.open()?, tick))
    }

    /// From now on what is given is noted for the next cut, up to so many updates.
    pub(crate) fn keep_delta_log(&mut self, max: usize) {
        self.delta_logs = Some(DeltaLogs::new(max, self.tick() - 1));
    }

    /// How full the journal is.
    pub(crate) fn fill_level(&self) -> FillLevel {
        self.delta_logs.as_ref().map_or(FillLevel::Little, DeltaLogs::fill_level)
    }

    /// Everything given up to `tick` since the cut before; none if that was too much to hold.
    pub(crate) fn cut(&mut self, tick: Time) -> Option<DeltaLog> {
        self.delta_logs.as_mut()?.cut(tick)
    }

    /// Moves the window's edge to `mark.now` when the open tick closes, which tells other processes to close theirs.
    /// One worker of the cluster says so.
    pub(crate) fn mark(&mut self, mark: TickMessage) {
        self.marks.update(mark, 1);
    }

    /// Passes marks on before the open tick closes.
    pub(crate) fn flush_marks(&mut self) {
        self.marks.flush();
    }

    /// Tells the leader, which is in another process, how this worker's sources are doing.
    pub(crate) fn report(&mut self, report: ProgressMessage) {
        if let Some(told) = &mut self.told {
            told.reports.update(report, 1);
            told.reports.flush();
        }
    }

    /// Tells the other processes where this worker's sources would go on after the open tick.
    pub(crate) fn tell_positions(&mut self, positions: &[Position]) {
        if let Some(told) = &mut self.told {
            told.noted.update((told.worker, positions.to_vec()), 1);
        }
    }

    /// Tells the other processes the names this one saw first. Every worker does so when it closes a tick: then no row
    /// of the tick is without its name there.
    pub(crate) fn announce_names(&mut self) {
        for name in self.dictionary.take_fresh() {
            self.names.update(name, 1);
        }
    }

    /// Closes the open tick and opens `tick`.
    pub(crate) fn advance_to(&mut self, tick: Time) {
        self.stamps.advance_to(tick);
        self.orders.advance_to(tick);
        self.lines.advance_to(tick);
        self.catalogue.advance_to(tick);
        self.names.advance_to(tick);
        self.marks.advance_to(tick);
        if let Some(told) = &mut self.told {
            told.reports.advance_to(tick);
            told.noted.advance_to(tick);
        }
        self.flush();
    }

    /// Hands what was given to the operators, which may start to sort it before the tick closes.
    pub(crate) fn flush(&mut self) {
        self.stamps.flush();
        self.orders.flush();
        self.lines.flush();
        self.catalogue.flush();
        self.names.flush();
        self.marks.flush();
        if let Some(told) = &mut self.told {
            told.reports.flush();
            told.noted.flush();
        }
    }
}

fn told(scope: Scope<'_, Time>) -> (ControlInputs, ControlStreams<'_>) {
    let (reports_in, reports) = scope.new_collection();
    let (noted_in, noted) = scope.new_collection();
    (ControlInputs { worker: scope.index(), reports: reports_in, noted: noted_in }, ControlStreams { reports, noted })
}
