//! The operators that arrange rows: they collect updates, make a batch of them whenever the frontier moves, put the batch
//! into the trace, and send it on.
//!
//! ```text
//! rows ───────▶ collector ─▶ batches                     rows ─▶ wait until all erasures before them are heard ─┐
//!                                                        erasures (all, in every worker) ───────────────────────┴▶ batches
//! ```
//! The operator of differential-dataflow serves all orders of times; it cannot give a batch the rule by which the trace
//! forgets rows.

use std::collections::BTreeMap;
use std::rc::Rc;

use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::implementations::spine_fueled::Spine;
use differential_dataflow::{ExchangeData, VecCollection};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{ParallelizationContract, Pipeline};
use timely::dataflow::operators::generic::Operator;
use timely::progress::Antichain;

use super::batch::ValBatch;
use super::batch::keep::{Keep, KeepFirst};
use super::batch::storable::Storable;
use super::collector::Collector;
use super::erasing::{EraseRule, Erasing, Updates};
use super::handle;
use super::leaving::Leaving;
use super::retaining::{RetainRule, Retaining};
use crate::erased_users::{ErasedUntil, ErasedUsers};
use crate::ids::UserKey;
use crate::time::Time;

/// The trace of (key, value) updates.
pub type ValTrace<K, V, R> = TraceAgent<Spine<ValBatch<K, V, R>>>;
/// Rows arranged by key, with values.
pub type ByKey<'s, K, V, R> = Arranged<'s, ValTrace<K, V, R>>;
/// (key, value) rows.
pub(super) type Rows<'s, K, V, R> = VecCollection<'s, Time, (K, V), R>;
type BatchBuilder<K, V, R> = CapacityContainerBuilder<Vec<ValBatch<K, V, R>>>;

/// Erasures, all of them in every worker.
pub(crate) type ErasureStream<'s> = StreamVec<'s, Time, ((UserKey, ()), Time, ErasedUntil)>;

/// Arranges rows by key, in the workers that `pact` names. The trace forgets rows by the rule `keep`, if there is one.
pub(super) fn arrange<'s, K, V, R>(
    rows: Rows<'s, K, V, R>,
    pact: impl ParallelizationContract<Time, Updates<K, V, R>>,
    keep: Option<KeepFirst<V, R>>,
    name: &str,
) -> ByKey<'s, K, V, R>
where
    K: ExchangeData,
    V: ExchangeData,
    R: ExchangeData + Storable,
{
    let scope = rows.inner.scope();
    let mut reader = None;
    let stream = rows.inner.unary_frontier::<BatchBuilder<K, V, R>, _, _, _>(pact, name, |_, info| {
        let (mut collector, agent) = Collector::new(scope, info, Keep { first: keep, is_void: None });
        reader = Some(agent);
        move |(input, frontier), output| {
            input.for_each(|capability, updates| {
                collector.hold(capability.time(), || capability.retain(0));
                collector.take(updates);
            });
            if let Some((capability, batch)) = collector.close(frontier.frontier().to_owned(), None, |_, _| false) {
                output.session(&capability).give(batch);
            }
            collector.exert();
        }
    });
    Arranged { stream, trace: reader.expect("the operator's constructor has run") }
}

/// Erasures, and how the rows of erased users leave an arrangement.
pub(crate) struct WithErasures<'s, K, V, R> {
    pub(crate) erasures: ErasureStream<'s>,
    pub(crate) rule: EraseRule<K, V, R>,
    /// The tick of the restored state, if there is one: its rows and its erasures agree.
    pub(crate) restored_at: Option<Time>,
    /// Told of every erasure.
    pub(crate) listener: Rc<ErasedUsers>,
    /// How rows leave some days after their latest events, if they do. The rule of erasures says where a user's rows are.
    pub(crate) retention: Option<RetainRule<R>>,
}

/// The same without what erasures cover, and without what was too long ago.
pub(super) fn arrange_erasing<'s, K, V, R>(
    rows: Rows<'s, K, V, R>,
    pact: impl ParallelizationContract<Time, Updates<K, V, R>>,
    keep: Option<KeepFirst<V, R>>,
    with: WithErasures<'s, K, V, R>,
    name: &str,
) -> ByKey<'s, K, V, R>
where
    K: ExchangeData,
    V: ExchangeData,
    R: ExchangeData + Storable,
{
    let scope = rows.inner.scope();
    let WithErasures { erasures, rule, restored_at, listener, retention } = with;
    let mut reader = None;
    let stream = rows.inner.binary_frontier::<_, BatchBuilder<K, V, R>, _, _, _, _>(
        erasures,
        pact,
        Pipeline,
        name,
        |_, info| {
            let keep = Keep { first: keep, is_void: Some(rule.is_void) };
            let (mut collector, agent) = Collector::new(scope, info, keep);
            let retaining = retention.zip(rule.by_user).map(|(rule, of_user)| Retaining::new(rule, of_user));
            let mut leaving = Leaving::new(Erasing::new(rule, restored_at, listener), retaining);
            let mut held = agent.clone();
            reader = Some(agent);
            // Updates by their tick, until all erasures of earlier ticks are heard.
            let mut waiting: BTreeMap<Time, Vec<Updates<K, V, R>>> = BTreeMap::new();
            move |(rows, rows_frontier), (erasures, erasures_frontier), output| {
                erasures.for_each(|capability, data| {
                    collector.hold(capability.time(), || capability.retain(0));
                    data.drain(..).for_each(|((user, ()), tick, until)| leaving.hear(user, tick, until.0));
                });
                let heard = erasures_frontier.frontier().first().copied().unwrap_or(Time::MAX);
                rows.for_each(|capability, updates| {
                    collector.hold(capability.time(), || capability.retain(0));
                    match updates.iter().map(|(_, tick, _)| *tick).max() {
                        Some(tick) if tick > heard => waiting.entry(tick).or_default().push(std::mem::take(updates)),
                        _ => {
                            leaving.admit(updates);
                            collector.take(updates);
                        }
                    }
                });
                while let Some(first) = waiting.first_entry().filter(|first| *first.key() <= heard) {
                    for mut updates in first.remove() {
                        leaving.admit(&mut updates);
                        collector.take(&mut updates);
                    }
                }
                let reached = rows_frontier.frontier().first().copied().unwrap_or(Time::MAX).min(heard);
                while let Some(end) = leaving.next_end(reached) {
                    let upper = Antichain::from_elem(end);
                    let take_out =
                        |time, updates: &mut _| leaving.take_out((time, end), || handle::batches(&held), updates);
                    if let Some((capability, batch)) = collector.close(upper, Some(end), take_out) {
                        output.session(&capability).give(batch);
                    }
                    leaving.pass(end);
                }
                let next = waiting.keys().next().copied().into_iter().chain(leaving.next_erasure()).min();
                let upper = if reached == Time::MAX { Antichain::new() } else { Antichain::from_elem(reached) };
                let take_out =
                    |time, updates: &mut _| leaving.take_out((time, reached), || handle::batches(&held), updates);
                if let Some((capability, batch)) = collector.close(upper, next, take_out) {
                    output.session(&capability).give(batch);
                }
                leaving.pass(reached);
                let closed = collector.closed().clone();
                handle::compact(&mut held, &closed, &closed);
                collector.exert();
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
    /// More idle steps than merging needs after the last input.
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
