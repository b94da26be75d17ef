//! The indexes of all workers of this process as of one time.

mod version;

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::Guard;

use super::ReadView;
use super::buy_again::{OrdersOfUser, Repeat, SalesOf};
use super::for_you::{Asked, CoViewRows, Scored, Scorer};
use crate::graph::{Index, Neighbor, Purchases, Sale, Sales, Similar, Viewers};
use crate::ids::{ProductKey, UserKey};
use crate::merchandising::RuleSet;
use crate::publish::{Snapshot, rows};
use crate::rules::{ListSet, Rules};
use crate::time::{Diff, Time};

/// The indexes of all workers of this process as of one time: a [`ReadView`] of one worker, and reads of the indexes
/// that the workers of a process share. Do not hold it across an await: it keeps batches from being freed.
pub struct WideView<'a> {
    own: ReadView<'a>,
    /// The snapshots of all workers; empty if there is one worker.
    all: Vec<Guard<Arc<Snapshot>>>,
}

impl<'a> WideView<'a> {
    /// The view of the only worker.
    pub(super) fn of_one(own: ReadView<'a>) -> Self {
        WideView { own, all: Vec::new() }
    }

    /// The view of all workers, seen from the one with number `slot`.
    pub(super) fn new(
        all: Vec<Guard<Arc<Snapshot>>>,
        slot: usize,
        as_of: Time,
        rules: (&'a Rules, ListSet),
        rule_set: Option<Arc<RuleSet>>,
    ) -> Self {
        let own = ReadView::new(Guard::from_inner(Arc::clone(&all[slot])), as_of, rules, rule_set);
        WideView { own, all }
    }

    /// The snapshot of the worker that holds a key with this route.
    pub(super) fn snapshot_of(&self, route: u64) -> &Snapshot {
        self.snapshot_in(self.slot_of(route))
    }

    /// The number of the worker, among those of this process, that holds a key with this route.
    pub(super) fn slot_of(&self, route: u64) -> usize {
        usize::try_from(route % self.slots() as u64).expect("a worker's number is small")
    }

    /// How many workers this process has.
    pub(super) fn slots(&self) -> usize {
        self.all.len().max(1)
    }

    /// The snapshot of a worker.
    pub(super) fn snapshot_in(&self, slot: usize) -> &Snapshot {
        match self.all.get(slot) {
            Some(snapshot) => snapshot,
            None => self.own.snapshot(),
        }
    }

    /// The similar products of a product with their weights C, heaviest first, ties by product: at most
    /// [`CoViews::similar`](crate::rules::CoViews::similar), also products that were deleted from the catalogue. None
    /// if co-views are off.
    pub fn similar(&self, product: ProductKey, rows: &mut Vec<(Neighbor, Diff)>) {
        let snapshot = self.snapshot_of(Similar::route(&product));
        let mut stored = Vec::new();
        rows::values(snapshot.indexes.get::<Similar>(), &product, self.as_of(), &mut stored);
        rows.clear();
        rows.extend(stored.iter().filter_map(|(product, weight)| Similar::read(product, *weight)));
        rows.sort_unstable();
        rows.truncate(Similar::rows_max(self.own.rules()));
    }

    /// The number of users in whose histories a product is; 0 if co-views are off.
    #[must_use]
    pub fn viewers(&self, product: ProductKey) -> u64 {
        let snapshot = self.snapshot_of(Viewers::route(&product));
        let count = rows::count(snapshot.indexes.get::<Viewers>(), &product, self.as_of());
        u64::try_from(count).unwrap_or(0)
    }

    /// Recommendations for a user: the best `size` products that are neither in the user's history nor in `exclude`,
    /// best first. `admits` may refuse further products. Empty if co-views are off or nothing is similar to the
    /// history. The view must have been taken for the same user.
    pub fn for_you(
        &self,
        user: UserKey,
        exclude: &[ProductKey],
        size: usize,
        scorer: &mut Scorer,
        admits: impl FnMut(ProductKey) -> bool,
    ) -> Vec<Scored> {
        let mut history = scorer.take_history();
        self.whole_history(user, &mut history);
        let scored = self.for_you_after(&Asked { history: &history, exclude, size }, scorer, admits);
        scorer.keep_history(history);
        scored
    }

    /// Recommendations after these views, for example of a visitor who is not known: the same as for a user with this
    /// history.
    pub fn for_you_after(
        &self,
        asked: &Asked<'_>,
        scorer: &mut Scorer,
        mut admits: impl FnMut(ProductKey) -> bool,
    ) -> Vec<Scored> {
        scorer.rank(self, asked, |product| self.may_show(product) && admits(product))
    }

    /// The products that a user may buy again: the best `size` that are not in `exclude`, best first. `admits` may refuse
    /// further products. Empty if "buy again" is off. The view must have been taken for the same user.
    pub fn buy_again(
        &self,
        user: UserKey,
        exclude: &[ProductKey],
        size: usize,
        mut admits: impl FnMut(ProductKey) -> bool,
    ) -> Vec<Repeat> {
        let mut orders = OrdersOfUser::default();
        let purchases = self.own.snapshot().indexes.get::<Purchases>();
        let (rules, as_of) = (self.rules(), self.as_of());
        rows::first_values(purchases, &user, as_of, |bought, _| {
            let created_at = bought.order().0;
            // The newest orders come first, so all after one that is too old are too old as well.
            !Rules::order_has_come(created_at, as_of) || rules.keeps_order(created_at, as_of) && orders.take(bought)
        });
        orders.rank(
            size,
            |product| self.sales(product),
            |product| !exclude.contains(&product) && self.may_show(product) && admits(product),
        )
    }

    /// How often a product is bought; 0 if "buy again" is off.
    #[must_use]
    pub fn sales(&self, product: ProductKey) -> SalesOf {
        let (snapshot, mut counts) = (self.snapshot_of(Sales::route(&product)), Vec::new());
        rows::values(snapshot.indexes.get::<Sales>(), &product, self.as_of(), &mut counts);
        let count = |wanted: Sale| {
            let row = counts.iter().find(|(sale, _)| *sale == wanted);
            row.map_or(0, |(_, count)| count.unsigned_abs() as u64)
        };
        SalesOf { orders: count(Sale::Orders), buyers: count(Sale::Buyers) }
    }
}

impl<'a> Deref for WideView<'a> {
    type Target = ReadView<'a>;

    fn deref(&self) -> &ReadView<'a> {
        &self.own
    }
}

impl CoViewRows for WideView<'_> {
    fn similar(&self, product: ProductKey, rows: &mut Vec<(ProductKey, i32)>) {
        let snapshot = self.snapshot_of(Similar::route(&product));
        rows::values(snapshot.indexes.get::<Similar>(), &product, self.as_of(), rows);
    }

    fn viewers(&self, product: ProductKey) -> u64 {
        WideView::viewers(self, product)
    }

    fn viewers_version(&self) -> Option<Time> {
        self.version_of_viewers()
    }
}
