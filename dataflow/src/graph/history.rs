//! The last views of every user: the list's row, its declaration and its wiring.

mod expiries;
mod newest;
mod place;

use std::cmp::Reverse;

use differential_dataflow::VecCollection;
use serde::{Deserialize, Serialize};

use self::newest::Kept;
use super::effective_rules::once;
use super::index::{Index, List, Placement, Published, Wiring};
use super::shape::{Column, Kind, Value};
use super::touched::TouchedList;
use crate::ids::{CategoryKey, ProductKey, UserKey};
use crate::ops::list::for_each_difference;
use crate::ops::periods::{Periods, compare};
use crate::rules::{Deleted, Rules};
use crate::stamp::Stamp;
use crate::tables;
use crate::time::{Diff, Millis, Time};
use crate::trace::arranged::{ByKey, BySelf, by_key, by_self};

pub use self::place::Place;

/// One row of a history: ordered newest first, ties by product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Viewed {
    /// When the product was viewed last, reversed: the natural order is the order of the list.
    viewed_at: Reverse<Millis>,
    /// The product viewed.
    pub product: ProductKey,
}

impl Viewed {
    /// The latest view of `product`, at `at`.
    #[must_use]
    pub fn new(at: Millis, product: ProductKey) -> Self {
        Viewed { viewed_at: Reverse(at), product }
    }

    /// When the product was viewed last.
    #[must_use]
    pub fn at(self) -> Millis {
        self.viewed_at.0
    }
}

/// The history index. Key: user. Row: a product and when it was viewed, in the order of the list; readers get the first
/// `list_size`. Stored: a [`Place`], also of removed products. Difference: 1 while the place is kept: without co-views
/// the places that the lists need, with co-views all places of the history. Changes with views and removals, and when they
/// expire.
pub struct History;

impl Index for History {
    const NAME: &'static str = "history";
    const PLACEMENT: Placement = Placement::Sharded;
    const TOUCHES: Option<fn(&Self::Key) -> TouchedList> = Some(|key| TouchedList::History(*key));
    type Key = UserKey;
    type Row = Viewed;
    type Stored = Place;
    type Count = Diff;

    fn route(user: &UserKey) -> u64 {
        user.route()
    }

    fn read(place: &Place, copies: Diff) -> Option<(Viewed, Diff)> {
        place.viewed().map(|viewed| (viewed, copies))
    }

    fn rows_max(rules: &Rules) -> usize {
        if rules.keeps_more_views() { rules.list_size } else { usize::MAX }
    }

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        let histories = wiring.histories();
        Published::sharded(wiring, histories.clone(), || visible(histories, wiring))
    }

    fn hidden_with(row: &Viewed) -> Option<ProductKey> {
        Some(row.product)
    }
}

/// The latest places of every user: all places of the history if models need them, and otherwise those that the lists of the
/// shop and of the shadow need.
pub(super) fn places<'s>(
    stamps: ByKey<'s, UserKey, ProductKey, Stamp>,
    rules: &Rules,
) -> ByKey<'s, UserKey, Place, Diff> {
    let depth = rules.depth();
    let visible_max = if rules.co_views.enabled { depth } else { rules.listed_views() };
    newest::newest(stamps, Kept { depth, visible_max, history_ms: rules.history_ms }, "Newest")
}

impl List for History {
    const KEY: &'static str = "user";
    const COLUMNS: &'static [Column] =
        &[Column { name: "product", kind: Kind::Id }, Column { name: "viewed_at", kind: Kind::Time }];
    type Values = [Value; 2];

    fn values(row: &Viewed) -> [Value; 2] {
        [Value::Product(row.product), Value::Time(row.at())]
    }

    fn product(row: &Viewed) -> ProductKey {
        row.product
    }

    fn subject(user: &UserKey) -> Option<Value> {
        Some(Value::User(*user))
    }
}

/// The changes of the rows that the lists show: the first `list_size` views, without those whose product a merchandising
/// rule hides, or counts as deleted where such products do not show.
///
/// Readers skip the other rows by themselves ([`Index::hidden_with`]). The change feed needs them removed in the graph,
/// which costs another arrangement of all rows.
fn visible<'s>(
    histories: ByKey<'s, UserKey, Place, Diff>,
    wiring: &Wiring<'s>,
) -> VecCollection<'s, Time, (UserKey, Viewed), Diff> {
    let rules = wiring.rules();
    let all = first_views(histories, rules);
    let hidden = wiring.live().merchandising.off_histories();
    let missing_is_deleted = rules.missing_is_deleted;
    let rows = || {
        let rows = wiring.rows::<tables::Catalogue>();
        let rows = rows.filter(move |(_, category)| (*category == CategoryKey::DELETED) != missing_is_deleted);
        rows.map(|(product, _)| product)
    };
    // The products that alone show, or that alone do not show.
    let only_these = rules.deleted == Deleted::Hidden && missing_is_deleted;
    let products = match rules.deleted {
        Deleted::InHistories | Deleted::Shown => hidden,
        Deleted::Hidden if only_these => {
            let (present, hidden) = (by_product(once(rows())), by_product(hidden));
            let shown = present.clone().as_collection(|product, &()| *product);
            shown.concat(present.join_core(hidden, |product, &(), &()| Some(*product)).negate())
        }
        Deleted::Hidden => once(rows().concat(hidden)),
    };
    let viewed = all.clone().map(|(user, viewed)| (viewed.product, (user, viewed)));
    let viewed = by_key(viewed, "ViewedByProduct", |product| product.route());
    let chosen = viewed.join_core(by_product(products), |_, row, &()| Some(*row));
    if only_these { chosen } else { all.concat(chosen.negate()) }
}

fn by_product(products: VecCollection<'_, Time, ProductKey, Diff>) -> BySelf<'_, ProductKey, Diff> {
    by_self(products, "ProductsOnce", |product| product.route())
}

/// The first `list_size` views of every history.
fn first_views<'s>(
    histories: ByKey<'s, UserKey, Place, Diff>,
    rules: &Rules,
) -> VecCollection<'s, Time, (UserKey, Viewed), Diff> {
    if !rules.keeps_more_views() {
        // No more views are kept than the list shows.
        return histories.flat_map_ref(|user, place| place.viewed().map(|viewed| (*user, viewed)));
    }
    let list_size = rules.list_size;
    let first = move |places: &[(Place, Diff)]| {
        places.iter().filter_map(|(place, _)| place.viewed()).take(list_size).collect::<Vec<_>>()
    };
    compare(histories, Periods::TICKS, "FirstViews", move |user: &UserKey, before, after, changes| {
        for_each_difference(&first(before), &first(after), |viewed, diff| changes.push(((*user, *viewed), diff)));
    })
}
