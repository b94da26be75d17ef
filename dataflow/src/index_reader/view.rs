//! The indexes of one worker as of one time.

use std::sync::Arc;

use arc_swap::Guard;

use super::recommend::{Recommendations, recommend};
use crate::graph::{
    BestSellers, CategorySize, CategorySizes, History, Index, List, ListId, Place, ProductCategories, Viewed,
};
use crate::ids::{CategoryKey, ProductKey, UserKey};
use crate::merchandising::{Move, RuleSet};
use crate::publish::snapshot::keys;
use crate::publish::{Snapshot, rows};
use crate::rules::{Deleted, ListSet, Rules};
use crate::time::{Diff, Millis, Time};
use crate::trace::arranged::ValBatch;

/// The indexes of one worker as of one time. Do not hold it across an await: it keeps batches from being freed.
pub struct ReadView<'a> {
    snapshot: Guard<Arc<Snapshot>>,
    as_of: Time,
    rules: &'a Rules,
    /// The lists that it shows.
    lists: ListSet,
    /// The effective merchandising rules, if there are any.
    pub(super) rule_set: Option<Arc<RuleSet>>,
}

impl<'a> ReadView<'a> {
    pub(super) fn new(
        snapshot: Guard<Arc<Snapshot>>,
        as_of: Time,
        (rules, lists): (&'a Rules, ListSet),
        rule_set: Option<Arc<RuleSet>>,
    ) -> Self {
        ReadView { snapshot, as_of, rules, lists, rule_set }
    }

    /// The batches of an index, or those that the shadow has in its place.
    pub(super) fn batches<I: Index>(&self) -> &[ValBatch<I::Key, I::Stored, I::Count>] {
        match self.lists {
            ListSet::Live => self.snapshot.indexes.get::<I>(),
            ListSet::Shadow => I::in_shadow(&self.snapshot.indexes),
        }
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    pub(super) fn rules(&self) -> &'a Rules {
        self.rules
    }

    /// The time of the state: every tick up to it has closed.
    #[must_use]
    pub fn as_of(&self) -> Time {
        self.as_of
    }

    /// The rows of a key in their order, without rows that are hidden because their product was deleted, or because a
    /// merchandising rule hides it. The worker of this view must hold the key.
    pub fn rows<I: Index>(&self, key: &I::Key, rows: &mut Vec<(I::Row, Diff)>) {
        self.stored_rows::<I>(key, rows);
        if self.rules.deleted == Deleted::Hidden || self.rule_set.is_some() {
            rows.retain(|(row, _)| I::hidden_with(row).is_none_or(|product| !self.is_left_out(product)));
        }
    }

    /// Whether histories leave a product out.
    fn is_left_out(&self, product: ProductKey) -> bool {
        let is_hidden = self.rule_set.as_ref().is_some_and(|set| set.is_off_histories(product));
        is_hidden || self.rules.deleted == Deleted::Hidden && self.is_deleted(product)
    }

    fn stored_rows<I: Index>(&self, key: &I::Key, rows: &mut Vec<(I::Row, Diff)>) {
        let (batches, most) = (self.batches::<I>(), I::rows_max(self.rules()));
        if I::IN_ORDER && most == usize::MAX {
            return rows::values_as(batches, key, self.as_of, I::read, rows);
        }
        rows.clear();
        rows::first_values(batches, key, self.as_of, |stored, count| {
            rows.extend(I::read(stored, count));
            !I::IN_ORDER || rows.len() < most
        });
        if !I::IN_ORDER {
            rows.sort_unstable();
            rows.truncate(most);
        }
    }

    /// Whether a product counts as deleted from the catalogue.
    #[must_use]
    pub fn is_deleted(&self, product: ProductKey) -> bool {
        let mut rows = Vec::new();
        self.rows::<ProductCategories>(&product, &mut rows);
        self.rules.is_deleted(&rows)
    }

    /// All products of a user's history that are not removed, newest first: up to `history_depth` of them while
    /// co-views are on, and otherwise those that the list shows. Also products that were deleted from the catalogue.
    pub fn whole_history(&self, user: UserKey, products: &mut Vec<ProductKey>) {
        products.clear();
        self.each_viewed(user, |viewed| products.push(viewed.product));
    }

    /// Calls `take` with each row of [`ReadView::whole_history`].
    pub fn each_viewed(&self, user: UserKey, take: impl FnMut(Viewed)) {
        let mut places = Vec::new();
        rows::values(self.snapshot.indexes.get::<History>(), &user, self.as_of, &mut places);
        // With a shadow, its list may need more views than that of the shop.
        let most = if self.rules.co_views.enabled { usize::MAX } else { self.rules.list_size };
        places.iter().filter_map(|(place, _)| place.viewed()).take(most).for_each(take);
    }

    /// The time of the latest view or removal in a user's history, also of a product that no list shows.
    #[must_use]
    pub fn latest_place_at(&self, user: UserKey) -> Option<Millis> {
        let mut latest = None;
        rows::first_values(self.snapshot.indexes.get::<History>(), &user, self.as_of, |place: &Place, _| {
            latest = place.event_at();
            latest.is_none()
        });
        latest
    }

    /// The rows of a list as people see them: those of [`ReadView::rows`] under the pins, buries and caps of the list, or
    /// none if there are too few to show. Returns the changes that the rules make.
    pub fn list<L: List>(&self, key: &L::Key, rows: &mut Vec<(L::Row, Diff)>) -> Vec<Move> {
        self.rows::<L>(key, rows);
        let moves = self.arrange::<L>(key, rows);
        if !Rules::is_shown(rows.len(), self.rules.items_min) {
            rows.clear();
        }
        moves
    }

    /// The categories of a product: usually one, in ascending order.
    pub fn categories_of(&self, product: ProductKey, rows: &mut Vec<(CategoryKey, Diff)>) {
        self.rows::<ProductCategories>(&product, rows);
        rows.retain(|(category, _)| category.is_category());
    }

    /// Whether the catalogue has a product of this category.
    #[must_use]
    pub fn knows_category(&self, category: CategoryKey) -> bool {
        self.category_size(category).is_some()
    }

    /// The size of a category that the catalogue has a product of.
    #[must_use]
    pub fn category_size(&self, category: CategoryKey) -> Option<CategorySize> {
        let mut rows = Vec::new();
        self.rows::<CategorySizes>(&category, &mut rows);
        rows.first().map(|(size, _)| *size)
    }

    /// All categories with their sizes, in ascending order.
    #[must_use]
    pub fn category_sizes(&self) -> Vec<(CategoryKey, CategorySize)> {
        rows::all_values(self.snapshot.indexes.get::<CategorySizes>(), self.as_of)
            .into_iter()
            .map(|(row, _)| row)
            .collect()
    }

    /// The categories that have a best-seller list, in ascending order.
    #[must_use]
    pub fn selling_categories(&self) -> Vec<CategoryKey> {
        let mut rows = Vec::new();
        let category = |list: ListId| match list {
            ListId::General => None,
            ListId::Category(category) => {
                self.rows::<BestSellers>(&list, &mut rows);
                (!rows.is_empty()).then_some(category)
            }
        };
        keys(self.batches::<BestSellers>()).into_iter().filter_map(category).collect()
    }

    /// Best sellers for a user, as people see them. The view must have been taken for the same user.
    #[must_use]
    pub fn recommendations(&self, user: UserKey) -> Recommendations {
        recommend(self, user, self.rules)
    }
}
