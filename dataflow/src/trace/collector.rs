//! [`Collector`]: collects the updates of an arrangement, and makes a batch of them whenever the frontier moves.
//!
//! Times are totally ordered here, so one capability is enough: that of the earliest update not yet in a batch.

use differential_dataflow::ExchangeData;
use differential_dataflow::operators::arrange::{TraceAgent, TraceWriter};
use differential_dataflow::trace::implementations::ContainerChunker;
use differential_dataflow::trace::implementations::merge_batcher::MergeBatcher;
use differential_dataflow::trace::implementations::spine_fueled::Spine;
use differential_dataflow::trace::{Batcher, Builder, Trace};
use timely::PartialOrder;
use timely::container::{ContainerBuilder, PushInto};
use timely::dataflow::Scope;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OperatorInfo;
use timely::progress::Antichain;

use super::appending::Appending;
use super::batch::keep::Keep;
use super::batch::storable::Storable;
use super::batch::{ValBatch, builder::ValBuilder};
use super::erasing::Updates;
use super::merging;
use crate::time::Time;

/// A handle on the trace.
type Agent<K, V, R> = TraceAgent<Spine<ValBatch<K, V, R>>>;

/// The updates that are not yet in a batch, and the trace into which batches go.
pub(super) struct Collector<K: ExchangeData, V: ExchangeData, R: ExchangeData + Storable> {
    batcher: MergeBatcher<Appending<(K, V), Time, R>>,
    chunker: ContainerChunker<Updates<K, V, R>>,
    writer: TraceWriter<Spine<ValBatch<K, V, R>>>,
    keep: Keep<V, R>,
    earliest: Option<Capability<Time>>,
    closed: Antichain<Time>,
}

impl<K: ExchangeData, V: ExchangeData, R: ExchangeData + Storable> Collector<K, V, R> {
    /// A collector, and its trace, which forgets rows by the rules `keep`.
    pub(super) fn new(scope: Scope<'_, Time>, info: OperatorInfo, keep: Keep<V, R>) -> (Self, Agent<K, V, R>) {
        let activator = scope.activator_for(info.address.clone());
        let mut trace: Spine<ValBatch<K, V, R>> = Spine::new(info.clone(), None, Some(activator));
        if let Some(logic) = merging::logic(scope.worker().config()) {
            trace.set_exert_logic(logic);
        }
        let batcher = MergeBatcher::new(None, info.global_id);
        let (agent, writer) = TraceAgent::new(trace, info, None);
        let (chunker, closed) = (ContainerChunker::default(), Antichain::from_elem(Time::MIN));
        (Collector { batcher, chunker, writer, keep, earliest: None, closed }, agent)
    }

    /// Keeps a capability for updates or changes of its time, unless one of an earlier time is kept.
    pub(super) fn hold(&mut self, time: &Time, capability: impl FnOnce() -> Capability<Time>) {
        if self.earliest.as_ref().is_none_or(|earliest| time < earliest.time()) {
            self.earliest = Some(capability());
        }
    }

    /// Takes updates.
    pub(super) fn take(&mut self, updates: &mut Updates<K, V, R>) {
        self.chunker.push_into(updates);
        while let Some(chunk) = self.chunker.extract() {
            self.batcher.push_into(std::mem::take(chunk));
        }
    }

    /// All times before this frontier are in batches.
    pub(super) fn closed(&self) -> &Antichain<Time> {
        &self.closed
    }

    /// If `upper` is beyond the last batch: puts a batch of all updates before it into the trace, after `change` has
    /// changed them, and returns it. `change` gets a time that is not after any of them; it returns whether there may be rows
    /// now that are as good as none. A capability is kept for the time `held`.
    pub(super) fn close(
        &mut self,
        upper: Antichain<Time>,
        held: Option<Time>,
        change: impl FnOnce(Time, &mut Vec<Updates<K, V, R>>) -> bool,
    ) -> Option<(Capability<Time>, ValBatch<K, V, R>)> {
        if !PartialOrder::less_than(&self.closed, &upper) {
            return None;
        }
        while let Some(chunk) = self.chunker.finish() {
            self.batcher.push_into(std::mem::take(chunk));
        }
        let (mut updates, description) = self.batcher.seal(upper.clone());
        let mut closing = None;
        match self.earliest.take() {
            Some(capability) if !upper.less_equal(capability.time()) => {
                let has_void = change(*capability.time(), &mut updates);
                let batch = ValBuilder::seal(&mut updates, description).keeping(self.keep, has_void);
                self.writer.insert(batch.clone(), Some(*capability.time()));
                let next = self.batcher.frontier().as_option().copied().into_iter().chain(held).min();
                self.earliest = next.map(|time| capability.delayed(&time));
                closing = Some((capability, batch));
            }
            earliest => {
                self.writer.seal(upper.clone());
                self.earliest = earliest;
            }
        }
        self.closed = upper;
        closing
    }

    /// Merges batches, also while nothing comes.
    pub(super) fn exert(&mut self) {
        self.writer.exert();
    }
}
