//! The inputs of indexes: the arranged base tables, and the collections that several indexes share.

use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::VecCollection;
use timely::dataflow::StreamVec;
use timely::dataflow::operators::vec::Broadcast;

use super::super::change_feed::ChangeStreams;
use super::super::erased_orders::{LivingOrders, OrdersByKey};
use super::super::history::{self, Place};
use super::super::purchases::{self, Purchases, observed, stated};
use super::super::sellers::{Sellers, SoldRows};
use super::super::similar::CoViewed;
use super::super::touched::TouchOutlet;
use super::super::{Family, Indexes, Make, Map, MapRef, Nothing, Plan, buyers};
use super::{Index, Published, RowChanges, StoredRows, touching};
use crate::cluster::ClusterPlace;
use crate::erased_users::ErasedUsers;
use crate::graph_part::GraphPart;
use crate::ids::{CategoryKey, ProductKey, UserKey};
use crate::ops::periods::Periods;
use crate::ops::window::LateLines;
use crate::publish::IndexTraces;
use crate::rules::{PurchaseSource, Rules};
use crate::source_status::EventObserver;
use crate::stamp::Stamp;
use crate::tables::{self, Arrangements, Collections, Table, Tables};
use crate::time::{Diff, Time};
use crate::trace::arranged::{ByKey, ErasureStream, ValTrace, WithErasures, by_key_erasing, by_key_keeping};

/// The inputs that an index may use.
pub struct Wiring<'s> {
    rules: Rules,
    part: GraphPart,
    place: ClusterPlace,
    collections: Tables<Collections<'s>>,
    arrangements: Tables<Arrangements<'s>>,
    /// None in a graph of features alone.
    lists: Option<ListInputs<'s>>,
    erased_users: Rc<ErasedUsers>,
    erased_orders: OrdersByKey<'s>,
    purchases: Option<StoredRows<'s, Purchases>>,
    changes_wanted: bool,
}

/// The inputs of lists.
struct ListInputs<'s> {
    live: Sellers<'s>,
    shadow: Option<Sellers<'s>>,
    histories: ByKey<'s, UserKey, Place, Diff>,
    co_viewed: Option<CoViewed<'s>>,
}

/// Why the inputs of lists are there.
const WHOLE: &str = "an index that is no feature is wired only in a whole graph";

impl<'s> Wiring<'s> {
    /// Arranges the tables, counts buyers, and makes histories, as far as they are in the part of the graph that is built; the
    /// edges of the window and of rules follow `now`.
    pub(in crate::graph) fn new(
        collections: Tables<Collections<'s>>,
        now: StreamVec<'s, Time, Time>,
        (plan, part): (&Plan, GraphPart),
        place: ClusterPlace,
    ) -> Self {
        let erased_users = Rc::<ErasedUsers>::default();
        let erasures = collections.get::<tables::Erasures>().clone().inner.broadcast();
        let arrangements = collections.map_ref(&mut ArrangeTables {
            plan,
            erasures: erasures.clone(),
            listener: erased_users.clone(),
        });
        let (orders, lines) = (arrangements.get::<tables::Orders>(), arrangements.get::<tables::Lines>());
        let living = LivingOrders::new(orders.clone(), erasures);
        let events = arrangements.get::<tables::EventPurchases>().clone();
        let from = plan.rules.purchases;
        let stated = stated::bought(events, orders.clone(), from);
        let by_user = || purchases::by_user(&living, lines.clone(), stated.clone(), from);
        let purchases = Purchases::is_on(&plan.rules).then(by_user);
        let is_shown = |observer: &&Arc<dyn EventObserver>| observer.sees_orders() && from != PurchaseSource::Events;
        if let Some(observer) = plan.observer.as_ref().filter(is_shown) {
            observed::show(&living, lines.clone(), observer.clone());
        }
        let lists = (part == GraphPart::Whole).then(|| {
            let sold = SoldRows {
                purchases: buyers::purchases(&living, lines.clone(), stated.clone(), from),
                versions: collections.get::<tables::MerchRules>().clone(),
                unavailable: unavailable(collections.get::<tables::Catalogue>()),
                now,
            };
            ListInputs::new(&sold, arrangements.get::<tables::Stamps>().clone(), plan)
        });
        Wiring {
            rules: plan.rules,
            part,
            place,
            collections,
            arrangements,
            lists,
            erased_users,
            erased_orders: living.erased,
            purchases,
            changes_wanted: plan.changes.is_some(),
        }
    }

    /// The part of the graph that is built.
    pub(in crate::graph) fn part(&self) -> GraphPart {
        self.part
    }

    fn lists(&self) -> &ListInputs<'s> {
        self.lists.as_ref().expect(WHOLE)
    }

    /// The business numbers.
    pub(in crate::graph) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The rows of a table, in the workers to which they were given.
    pub(in crate::graph) fn rows<T: Table>(&self) -> VecCollection<'s, Time, tables::Pair<T>, T::Diff> {
        self.collections.get::<T>().clone()
    }

    /// The rows of a table by key, in the worker that the key routes to.
    pub(in crate::graph) fn by_key<T: Table>(&self) -> ByKey<'s, T::Key, T::Value, T::Diff> {
        self.arrangements.get::<T>().clone()
    }

    /// What the best sellers of the shop are made from.
    pub(in crate::graph) fn live(&self) -> &Sellers<'s> {
        &self.lists().live
    }

    /// What the best sellers of the shadow are made from. Only for indexes that are on with the shadow.
    pub(in crate::graph) fn shadow(&self) -> &Sellers<'s> {
        self.lists().shadow.as_ref().expect("an index of the shadow is wired only if it is on")
    }

    /// The erased users that this worker has received.
    pub(in crate::graph) fn erased_users(&self) -> Rc<ErasedUsers> {
        self.erased_users.clone()
    }

    /// The orders of erased users, in the worker that the order routes to.
    pub(in crate::graph) fn erased_orders(&self) -> OrdersByKey<'s> {
        self.erased_orders.clone()
    }

    /// The latest places of every user's history, in the worker that the user routes to.
    pub(in crate::graph) fn histories(&self) -> ByKey<'s, UserKey, Place, Diff> {
        self.lists().histories.clone()
    }

    /// Products that are viewed together. Only for indexes that are on with co-views.
    pub(in crate::graph) fn co_viewed(&self) -> &CoViewed<'s> {
        self.lists().co_viewed.as_ref().expect("an index of co-views is wired only if they are on")
    }

    /// The purchases of every user. Only for indexes that are on with "buy again" or with features.
    pub(in crate::graph) fn purchases(&self) -> &StoredRows<'s, Purchases> {
        self.purchases.as_ref().expect("an index of purchases is wired only if they are kept")
    }

    /// The place of this process among the others.
    pub(in crate::graph) fn place(&self) -> ClusterPlace {
        self.place
    }

    /// Whether a sink takes the changes of lists.
    pub(in crate::graph) fn changes_wanted(&self) -> bool {
        self.changes_wanted
    }

    /// Handles on the base tables.
    pub(in crate::graph) fn into_base(self) -> Tables<tables::Traces> {
        self.arrangements.map(&mut TableTraces)
    }
}

/// The products that cannot be bought, once for each row that says so.
fn unavailable<'s>(
    catalogue: &VecCollection<'s, Time, tables::Pair<tables::Catalogue>, Diff>,
) -> VecCollection<'s, Time, ProductKey, Diff> {
    let unavailable = |(product, category)| (category == CategoryKey::UNAVAILABLE).then_some(product);
    catalogue.clone().flat_map(unavailable)
}

impl<'s> ListInputs<'s> {
    fn new(sold: &SoldRows<'s>, stamps: ByKey<'s, UserKey, ProductKey, Stamp>, plan: &Plan) -> Self {
        let late = LateLines { kept_ms: plan.rules.orders_held_ms(), count: plan.late_lines.clone() };
        let live = Sellers::live(sold, &plan.rules, late);
        let shadow = plan.rules.shadow.enabled.then(|| live.shadow(sold));
        let histories = history::places(stamps, &plan.rules);
        let periods = Periods::new(plan.rules.co_views.every_ms, plan.restored_at).with_ticks(plan.ticks_per_ms);
        let co_viewed = CoViewed::count(&histories, &plan.rules.co_views, periods);
        ListInputs { live, shadow, histories, co_viewed }
    }
}

struct ArrangeTables<'a, 's> {
    plan: &'a Plan,
    erasures: ErasureStream<'s>,
    listener: Rc<ErasedUsers>,
}

impl<'s> tables::MapRef<Collections<'s>, Arrangements<'s>> for ArrangeTables<'_, 's> {
    fn map<T: Table>(
        &mut self,
        rows: &VecCollection<'s, Time, tables::Pair<T>, T::Diff>,
    ) -> ByKey<'s, T::Key, T::Value, T::Diff> {
        let (rows, keep) = (rows.clone(), T::kept(&self.plan.rules));
        let Some(rule) = T::erasure() else { return by_key_keeping(rows, T::NAME, T::route, keep) };
        let with = WithErasures {
            erasures: self.erasures.clone(),
            rule,
            restored_at: self.plan.restored_at,
            listener: self.listener.clone(),
            retention: T::retention(&self.plan.rules),
        };
        by_key_erasing(rows, T::NAME, T::route, keep, with)
    }
}

struct TableTraces;

impl<'s> tables::Map<Arrangements<'s>, tables::Traces> for TableTraces {
    fn map<T: Table>(&mut self, rows: ByKey<'s, T::Key, T::Value, T::Diff>) -> ValTrace<T::Key, T::Value, T::Diff> {
        rows.trace
    }
}

/// The indexes that are on, and their wiring.
pub(in crate::graph) struct Wired<'s>(std::marker::PhantomData<&'s ()>);

impl<'s> Family for Wired<'s> {
    type Of<I: Index> = Option<Published<'s, I>>;
}

impl<'s> Make<Wired<'s>> for Wiring<'s> {
    fn make<I: Index>(&mut self) -> Option<Published<'s, I>> {
        let is_built = I::is_on(&self.rules) && (self.part == GraphPart::Whole || I::OF_FEATURES);
        is_built.then(|| I::wire(self))
    }
}

/// Reports the lists that change in the indexes of this worker. `worker`: its number among all workers.
pub(in crate::graph) fn report_touched(
    wired: &Indexes<Wired<'_>>,
    place: ClusterPlace,
    worker: usize,
    outlet: &Arc<dyn TouchOutlet>,
) {
    wired.map_ref(&mut ReportTouched { place, worker, outlet });
}

struct ReportTouched<'a> {
    place: ClusterPlace,
    worker: usize,
    outlet: &'a Arc<dyn TouchOutlet>,
}

impl<'s> MapRef<Wired<'s>, Nothing> for ReportTouched<'_> {
    fn map<I: Index>(&mut self, index: &Option<Published<'s, I>>) {
        if let Some((index, list)) = index.as_ref().zip(I::TOUCHES) {
            touching::report::<I>(&index.rows, list, (self.place, self.worker), self.outlet.clone());
        }
    }
}

/// Collects handles on the indexes, and the changes of their rows.
pub(in crate::graph) fn split(wired: Indexes<Wired<'_>>) -> (Indexes<IndexTraces>, Indexes<ChangeStreams<'_>>) {
    let changes = wired.map_ref(&mut TakeChanges);
    (wired.map(&mut TakeTraces), changes)
}

struct TakeChanges;

impl<'s> MapRef<Wired<'s>, ChangeStreams<'s>> for TakeChanges {
    fn map<I: Index>(&mut self, index: &Option<Published<'s, I>>) -> Option<RowChanges<'s, I>> {
        index.as_ref()?.changes.clone()
    }
}

struct TakeTraces;

impl<'s> Map<Wired<'s>, IndexTraces> for TakeTraces {
    fn map<I: Index>(&mut self, index: Option<Published<'s, I>>) -> Option<ValTrace<I::Key, I::Stored, I::Count>> {
        index.map(|index| index.rows.trace)
    }
}
