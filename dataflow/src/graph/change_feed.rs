//! The changes of every list, tick by tick, in order, each once: for systems that keep a copy of the lists.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use differential_dataflow::VecCollection;
use differential_dataflow::consolidation::consolidate;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::Operator;

use super::index::{Index, List, RowChanges};
use super::shown::shown;
use super::{Change, EachList, Family, Indexes, each_list};
use crate::time::{Diff, Time};

/// The changes of an index's rows, if a sink takes them.
pub(super) struct ChangeStreams<'s>(std::marker::PhantomData<&'s ()>);

impl<'s> Family for ChangeStreams<'s> {
    type Of<I: Index> = Option<RowChanges<'s, I>>;
}

/// All changes of one closed tick: a row enters (+1) or leaves (-1) its list. Never empty, sorted.
pub struct Changed {
    /// The tick.
    pub tick: Time,
    /// The changes.
    pub rows: Vec<(Change, Diff)>,
}

/// Takes the changes of closed ticks, in the order of the ticks, in the thread of one worker.
pub type ChangeOutlet = Arc<Mutex<dyn FnMut(Changed) + Send>>;

/// Sends the changes of all lists to one worker, holds them until their tick has closed, and hands them out in order.
pub(super) fn collect(changes: Indexes<ChangeStreams<'_>>, items_min: usize, outlet: ChangeOutlet) {
    let mut gather = Gather { changes, items_min, lists: Vec::new() };
    each_list(&mut gather);
    if let Some(all) = gather.lists.into_iter().reduce(|all, list| all.concat(list)) {
        hand_out(all, outlet);
    }
}

struct Gather<'s> {
    changes: Indexes<ChangeStreams<'s>>,
    items_min: usize,
    lists: Vec<VecCollection<'s, Time, Change, Diff>>,
}

impl EachList for Gather<'_> {
    fn list<L: List>(&mut self) {
        if let Some(rows) = self.changes.get_mut::<L>().take() {
            self.lists.push(shown::<L>(rows, self.items_min).map(|(key, row)| L::change(key, row)));
        }
    }
}

fn hand_out(changes: VecCollection<'_, Time, Change, Diff>, outlet: ChangeOutlet) {
    let to_one = Exchange::new(|_: &(Change, Time, Diff)| 0);
    changes.inner.unary_frontier::<CapacityContainerBuilder<Vec<()>>, _, _, _>(
        to_one,
        "ChangesInOrder",
        move |_, _| {
            let mut waiting: BTreeMap<Time, Vec<(Change, Diff)>> = BTreeMap::new();
            move |(input, frontier), _output| {
                input.for_each(|_, data| {
                    for (change, tick, diff) in data.drain(..) {
                        waiting.entry(tick).or_default().push((change, diff));
                    }
                });
                while let Some(first) = waiting.first_entry().filter(|first| !frontier.less_equal(first.key())) {
                    let (tick, mut rows) = first.remove_entry();
                    consolidate(&mut rows);
                    if !rows.is_empty() {
                        let mut take = outlet.lock().expect("an outlet that panicked has ended the process");
                        take(Changed { tick, rows });
                    }
                }
            }
        },
    );
}
