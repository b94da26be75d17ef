//! Every list's changes, tick by tick, in order, each once: for whoever keeps a copy of the lists.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use differential_dataflow::VecCollection;
use differential_dataflow::consolidation::consolidate;
use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::Operator;

use crate::ids::UserKey;
use crate::rows::{ListId, Seller, Viewed};
use crate::time::{Diff, Time};

/// A row of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Change {
    /// A row of a user's history.
    History(UserKey, Viewed),
    /// A row of a best-seller list.
    BestSellers(ListId, Seller),
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

/// Brings all changes to one worker, holds them until their tick has closed, and hands them out in order.
pub fn collect<'s>(
    history: VecCollection<'s, Time, (UserKey, Viewed), Diff>,
    best_sellers: VecCollection<'s, Time, (ListId, Seller), Diff>,
    outlet: ChangeOutlet,
) {
    let history = history.map(|(user, viewed)| Change::History(user, viewed));
    let best_sellers = best_sellers.map(|(ranking, seller)| Change::BestSellers(ranking, seller));
    let to_one = Exchange::new(|_: &(Change, Time, Diff)| 0);
    history.concat(best_sellers).inner.unary_frontier::<CapacityContainerBuilder<Vec<()>>, _, _, _>(
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
