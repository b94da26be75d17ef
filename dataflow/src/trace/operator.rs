//! The operator that arranges rows: it collects updates, makes a batch of them whenever the frontier moves, puts the
//! batch into the trace, and sends it on.
//!
//! Times are totally ordered here, so one capability is enough: that of the earliest update not yet in a batch. The
//! operator of differential-dataflow serves all orders; it cannot give a batch the rule by which the trace forgets rows.

use differential_dataflow::difference::Semigroup;
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::implementations::ContainerChunker;
use differential_dataflow::trace::implementations::merge_batcher::MergeBatcher;
use differential_dataflow::trace::implementations::spine_fueled::Spine;
use differential_dataflow::trace::{Batcher, Builder, Trace};
use differential_dataflow::{ExchangeData, VecCollection};
use timely::PartialOrder;
use timely::container::{CapacityContainerBuilder, ContainerBuilder, PushInto};
use timely::dataflow::channels::pact::ParallelizationContract;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;
use timely::progress::Antichain;

use super::appending::Appending;
use super::batch::keep::KeepFirst;
use super::batch::{ValBatch, builder::ValBuilder};
use super::merging;
use crate::time::Time;

/// Updates of (key, value) rows.
type Updates<K, V, R> = Vec<((K, V), Time, R)>;

/// Arranges rows by key, in the workers that `pact` names. The trace forgets rows by the rule `keep`, if there is one.
pub(super) fn arrange<'s, K, V, R>(
    rows: VecCollection<'s, Time, (K, V), R>,
    pact: impl ParallelizationContract<Time, Updates<K, V, R>>,
    keep: Option<KeepFirst<V, R>>,
    name: &str,
) -> Arranged<'s, TraceAgent<Spine<ValBatch<K, V, R>>>>
where
    K: ExchangeData,
    V: ExchangeData,
    R: ExchangeData + Semigroup,
{
    let scope = rows.inner.scope();
    let mut reader = None;
    let stream = rows.inner.unary_frontier::<CapacityContainerBuilder<Vec<ValBatch<K, V, R>>>, _, _, _>(
        pact,
        name,
        |_, info| {
            let activator = scope.activator_for(info.address.clone());
            let mut trace: Spine<ValBatch<K, V, R>> = Spine::new(info.clone(), None, Some(activator));
            if let Some(logic) = merging::logic(scope.worker().config()) {
                trace.set_exert_logic(logic);
            }
            let mut batcher = MergeBatcher::<Appending<(K, V), Time, R>>::new(None, info.global_id);
            let (agent, mut writer) = TraceAgent::new(trace, info, None);
            reader = Some(agent);
            let mut chunker = ContainerChunker::<Updates<K, V, R>>::default();
            let mut earliest: Option<Capability<Time>> = None;
            let mut closed = Antichain::from_elem(Time::MIN);
            move |(input, frontier), output| {
                input.for_each(|capability, updates| {
                    if earliest.as_ref().is_none_or(|earliest| capability.time() < earliest.time()) {
                        earliest = Some(capability.retain(0));
                    }
                    chunker.push_into(updates);
                    while let Some(chunk) = chunker.extract() {
                        batcher.push_into(std::mem::take(chunk));
                    }
                });
                let upper = frontier.frontier().to_owned();
                if PartialOrder::less_than(&closed, &upper) {
                    while let Some(chunk) = chunker.finish() {
                        batcher.push_into(std::mem::take(chunk));
                    }
                    let (mut updates, description) = batcher.seal(upper.clone());
                    match &mut earliest {
                        Some(capability) if !upper.less_equal(capability.time()) => {
                            let batch = ValBuilder::seal(&mut updates, description).keeping(keep);
                            writer.insert(batch.clone(), Some(*capability.time()));
                            output.session(&*capability).give(batch);
                            let next = batcher.frontier().as_option().copied();
                            earliest = next.map(|time| capability.delayed(&time));
                        }
                        _ => writer.seal(upper.clone()),
                    }
                    closed = upper;
                }
                writer.exert();
            }
        },
    );
    Arranged { stream, trace: reader.expect("the operator's constructor has run") }
}

#[cfg(test)]
mod tests {
    use differential_dataflow::input::InputSession;
    use differential_dataflow::trace::{BatchReader, TraceReader};
    use timely::dataflow::channels::pact::Pipeline;
    use timely::dataflow::operators::probe::Probe;

    use super::*;
    use crate::stamp::Stamp;
    use crate::trace::handle;
    use crate::workers;

    const KEPT: usize = 200;
    const PRODUCTS: u64 = 1_000_000;
    const PRODUCTS_A_TICK: u64 = 10_000;
    /// More than merging takes once nothing comes any more.
    const IDLE_STEPS: usize = 10_000;

    fn updates(trace: &impl TraceReader) -> usize {
        let mut updates = 0;
        trace.map_batches(|batch| updates += batch.len());
        updates
    }

    /// The number of updates held at most and in the end, after a user has seen a million products.
    fn updates_held(keep: Option<KeepFirst<u64, Stamp>>) -> (usize, usize) {
        let workers = timely::execute(workers::config(1, 1000), move |worker| {
            let mut input = InputSession::new();
            let (mut trace, probe) = worker.dataflow::<Time, _, _>(|scope| {
                let arranged = arrange(input.to_collection(scope), Pipeline, keep, "Stamps");
                (arranged.trace, arranged.stream.probe().0)
            });
            let mut most = 0;
            for tick in 0..PRODUCTS / PRODUCTS_A_TICK {
                for at in tick * PRODUCTS_A_TICK..(tick + 1) * PRODUCTS_A_TICK {
                    // Products come in no order.
                    input.update((0, at.wrapping_mul(0x9e37_79b9_7f4a_7c15)), Stamp::view(at));
                }
                input.advance_to(tick + 1);
                input.flush();
                worker.step_while(|| probe.less_than(&(tick + 1)));
                handle::compact(&mut trace, &Antichain::from_elem(tick), &Antichain::from_elem(tick + 1));
                most = most.max(updates(&trace));
            }
            (0..IDLE_STEPS).for_each(|_| {
                worker.step();
            });
            (most, updates(&trace))
        });
        workers.unwrap().join().pop().unwrap().unwrap()
    }

    #[test]
    fn a_user_with_a_million_products_keeps_the_latest_few() {
        let latest = |one: (&u64, &Stamp), other: (&u64, &Stamp)| other.1.cmp(one.1);
        let (most, last) = updates_held(Some(KeepFirst::new(KEPT, latest)));
        assert!(most <= 50_000, "{most} updates held at once");
        assert!(last <= KEPT + KEPT / 8, "{last} updates held in the end");
        assert_eq!(updates_held(None).1, 1_000_000);
    }
}
