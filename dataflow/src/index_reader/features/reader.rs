//! Reads the features of users one after the other, with the same buffers.

use super::definition::{Sums, is_summed};
use super::places::KeyPlaces;
use super::wanted::{FeatureRows, WantedRows};
use super::{Definition, ProductFeatures, UserFeatures, last_at};
use crate::graph::{Bought, Index, OpenSessions, ProductCategories, Purchases, UserProducts};
use crate::ids::{OrderKey, ProductKey, UserKey};
use crate::index_reader::{ReadView, WideView};
use crate::publish::{Snapshot, rows};
use crate::sessions::{Gap, each_gap};
use crate::tables::{Activity, SessionEvent};
use crate::time::{Diff, Millis};

/// The most rows of one user that buffers are kept for. A bot has more, and is asked for once in a while.
const ROWS_KEPT: usize = 1 << 14;

/// Buffers that features are read with, one request after the other.
#[derive(Default)]
pub struct FeatureReader {
    users: Vec<UserKey>,
    share: UserShare,
    interactions: KeyPlaces,
    sessions: KeyPlaces,
    purchases: KeyPlaces,
    buffers: RowBuffers,
    of: UserFeatures,
}

/// Users of one worker.
#[derive(Default)]
struct UserShare {
    keys: Vec<UserKey>,
    /// Their numbers among all users.
    numbers: Vec<usize>,
}

/// Rows of one user.
#[derive(Default)]
struct RowBuffers {
    interacted: Vec<(ProductKey, Activity)>,
    held: Vec<(SessionEvent, Diff)>,
    bought: Vec<(Bought, Diff)>,
    orders: Vec<(ProductKey, OrderKey)>,
    products: Vec<ProductKey>,
    /// The numbers of these products, from 0.
    numbers: Vec<usize>,
    in_categories: KeyPlaces,
}

/// The state of the workers that hold users.
#[derive(Clone, Copy)]
enum Holders<'v> {
    One(&'v Snapshot),
    All(&'v WideView<'v>),
}

/// Users whose rows are found.
pub struct FoundUsers<'r, 'v> {
    reader: &'r mut FeatureReader,
    view: &'v ReadView<'v>,
    holders: Holders<'v>,
    wanted: WantedRows<'v>,
}

impl<'v> Holders<'v> {
    fn workers(self) -> usize {
        match self {
            Holders::One(_) => 1,
            Holders::All(view) => view.slots(),
        }
    }

    fn snapshot(self, worker: usize) -> &'v Snapshot {
        match self {
            Holders::One(snapshot) => snapshot,
            Holders::All(view) => view.snapshot_in(worker),
        }
    }

    fn worker_of(self, user: UserKey) -> usize {
        match self {
            Holders::One(_) => 0,
            Holders::All(view) => view.slot_of(user.route()),
        }
    }
}

impl FeatureReader {
    /// Finds users whom one worker holds. The view must have been taken for one of them.
    pub fn find<'r, 'v>(
        &'r mut self,
        view: &'v ReadView<'v>,
        users: impl IntoIterator<Item = UserKey>,
        wanted: WantedRows<'v>,
    ) -> FoundUsers<'r, 'v> {
        self.find_in(view, Holders::One(view.snapshot()), users, wanted)
    }

    /// Finds users, whichever workers of this process hold them.
    pub fn find_wide<'r, 'v>(
        &'r mut self,
        view: &'v WideView<'v>,
        users: impl IntoIterator<Item = UserKey>,
        wanted: WantedRows<'v>,
    ) -> FoundUsers<'r, 'v> {
        self.find_in(view, Holders::All(view), users, wanted)
    }

    fn find_in<'r, 'v>(
        &'r mut self,
        view: &'v ReadView<'v>,
        holders: Holders<'v>,
        users: impl IntoIterator<Item = UserKey>,
        wanted: WantedRows<'v>,
    ) -> FoundUsers<'r, 'v> {
        let FeatureReader { users: all, share, interactions, sessions, purchases, .. } = &mut *self;
        all.clear();
        all.extend(users);
        share.find::<UserProducts>(all, holders, interactions, |_| true);
        // Gaps are added to interactions: the sessions of other users do not matter.
        let has_gaps = |number| wanted.rows.has(FeatureRows::SESSIONS) && interactions.has(number);
        share.find::<OpenSessions>(all, holders, sessions, has_gaps);
        share.find::<Purchases>(all, holders, purchases, |_| wanted.rows.has(FeatureRows::PURCHASES));
        FoundUsers { reader: self, view, holders, wanted }
    }
}

impl UserShare {
    /// Finds those users in an index whose numbers are wanted.
    fn find<I: Index<Key = UserKey>>(
        &mut self,
        users: &[UserKey],
        holders: Holders<'_>,
        places: &mut KeyPlaces,
        is_wanted: impl Fn(usize) -> bool,
    ) {
        let widest = (0..holders.workers()).map(|worker| holders.snapshot(worker).indexes.get::<I>().len()).max();
        places.begin(users.len(), widest.unwrap_or(0));
        for worker in 0..holders.workers() {
            self.keys.clear();
            self.numbers.clear();
            for (number, user) in users.iter().enumerate() {
                if is_wanted(number) && holders.worker_of(*user) == worker {
                    self.keys.push(*user);
                    self.numbers.push(number);
                }
            }
            places.find(holders.snapshot(worker).indexes.get::<I>(), &self.keys, &self.numbers);
        }
    }
}

impl Drop for FoundUsers<'_, '_> {
    /// Gives back buffers that are too large to be kept.
    fn drop(&mut self) {
        let FeatureReader { buffers, of, .. } = &*self.reader;
        let RowBuffers { interacted, held, bought, .. } = buffers;
        let largest = interacted.capacity().max(held.capacity()).max(bought.capacity()).max(of.products.capacity());
        if largest > ROWS_KEPT {
            *self.reader = FeatureReader::default();
        }
    }
}

impl<'v> FoundUsers<'_, 'v> {
    /// The number of rows that are stored of all users: the work of reading their features.
    #[must_use]
    pub fn rows(&self) -> usize {
        let FeatureReader { users, interactions, sessions, purchases, .. } = &*self.reader;
        let rows = |(number, user)| {
            let indexes = &self.snapshot_of(user).indexes;
            interactions.values(indexes.get::<UserProducts>(), number)
                + sessions.values(indexes.get::<OpenSessions>(), number)
                + purchases.values(indexes.get::<Purchases>(), number)
        };
        users.iter().copied().enumerate().map(rows).sum()
    }

    /// Whether something is stored of a user. Users of whom nothing is stored have the same features.
    #[must_use]
    pub fn is_known(&self, number: usize) -> bool {
        let FeatureReader { interactions, purchases, .. } = &*self.reader;
        let may_have_metadata =
            self.wanted.rows.has(FeatureRows::METADATA) && !self.view.rules().features.metadata.is_empty();
        interactions.has(number) || purchases.has(number) || may_have_metadata
    }

    /// The features of a user, given by the number among the users that were looked for.
    pub fn features(&mut self, number: usize) -> &UserFeatures {
        let user = self.reader.users[number];
        let (view, wanted, snapshot) = (self.view, self.wanted, self.snapshot_of(user));
        let FeatureReader { interactions, sessions, purchases, buffers, of, .. } = &mut *self.reader;
        let (indexes, as_of) = (&snapshot.indexes, view.as_of());
        rows::values_at(indexes.get::<UserProducts>(), interactions.of(number), as_of, &mut buffers.interacted);
        rows::values_at(indexes.get::<OpenSessions>(), sessions.of(number), as_of, &mut buffers.held);
        rows::values_at(indexes.get::<Purchases>(), purchases.of(number), as_of, &mut buffers.bought);
        let rules = view.rules();
        // In the tables an order may outlast its time a little.
        buffers.bought.retain(|(row, _)| rules.counts_order(row.order().0, as_of));
        let alone_at = buffers.make_products(view.definition(), &mut of.products);
        of.last_at = alone_at.max(last_at(&of.products));
        buffers.make_sums(view, wanted, of);
        of.metadata.clear();
        if wanted.rows.has(FeatureRows::METADATA) {
            view.metadata_in(snapshot, user, &mut of.metadata);
        }
        of
    }

    /// The snapshot of the worker that holds a user.
    fn snapshot_of(&self, user: UserKey) -> &'v Snapshot {
        self.holders.snapshot(self.holders.worker_of(user))
    }
}

impl RowBuffers {
    /// Makes the features of products from the rows; returns the time of the latest event without a product.
    fn make_products(&mut self, definition: Definition<'_>, products: &mut Vec<ProductFeatures>) -> Option<Millis> {
        self.orders.clear();
        self.orders.extend(self.bought.iter().map(|(row, _)| (row.product, row.order().1)));
        let held = &self.held;
        let gaps = |give: &mut dyn FnMut(Gap)| each_gap(held.iter().copied(), give);
        definition.products(&mut self.interacted, gaps, &mut self.orders, products)
    }

    /// Makes the wanted sums over the products.
    fn make_sums(&mut self, view: &ReadView<'_>, wanted: WantedRows<'_>, of: &mut UserFeatures) {
        of.categories.clear();
        of.attribute_views = None;
        let has_categories = wanted.rows.has(FeatureRows::CATEGORIES);
        if !has_categories && wanted.attributes.is_none() {
            return;
        }
        let mut sums = Sums::new(wanted.attributes);
        if has_categories {
            let batches = view.batches::<ProductCategories>();
            self.products.clear();
            self.products.extend(of.products.iter().filter(|of| is_summed(of)).map(|of| of.product));
            self.numbers.clear();
            self.numbers.extend(0..self.products.len());
            self.in_categories.begin(self.products.len(), batches.len());
            self.in_categories.find(batches, &self.products, &self.numbers);
            let places = &self.in_categories;
            sums.add(&of.products, |number, _, found| {
                rows::values_at(batches, places.of(number), view.as_of(), found);
                found.retain(|(category, _)| category.is_category());
            });
        } else {
            sums.add(&of.products, |_, _, _| {});
        }
        of.categories.extend(sums.categories());
        if wanted.attributes.is_some() {
            of.attribute_views = sums.attribute_views(&view.rules().features, &of.products);
        }
    }
}
