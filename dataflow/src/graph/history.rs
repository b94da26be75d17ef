//! The last views of every user: the list's row, its declaration and its wiring.

mod newest;

use std::cmp::Reverse;

use differential_dataflow::VecCollection;
use differential_dataflow::operators::CountTotal;
use serde::{Deserialize, Serialize};

use super::index::{Index, List, Placement, Published, Wiring};
use super::shape::{Column, Kind, Value};
use crate::ids::{CategoryKey, ProductKey, UserKey};
use crate::rules::Deleted;
use crate::tables;
use crate::time::{Diff, Millis, Time};
use crate::trace::arranged::{ByKey, by_key, by_self};

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

/// The history index. Key: user. Row: a product and when it was viewed, in the order of the list. Difference: 1 while
/// the product is among the newest `list_size`. Changes when a view or a removal changes the list.
pub struct History;

impl Index for History {
    const NAME: &'static str = "history";
    const PLACEMENT: Placement = Placement::Sharded;
    type Key = UserKey;
    type Row = Viewed;

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        let lists = newest::newest(wiring.by_key::<tables::Stamps>(), wiring.rules().list_size, "Newest");
        Published::sharded(wiring, lists.clone(), || visible(lists, wiring))
    }

    fn hidden_with(row: &Viewed) -> Option<ProductKey> {
        Some(row.product)
    }
}

impl List for History {
    const KEY: &'static str = "user";
    const COLUMNS: &'static [Column] =
        &[Column { name: "product", kind: Kind::Id }, Column { name: "viewed_at", kind: Kind::Time }];
    type Values = [Value; 2];

    fn values(row: &Viewed) -> [Value; 2] {
        [Value::Product(row.product), Value::Time(row.at())]
    }

    fn route(user: &UserKey) -> u64 {
        user.route()
    }

    fn subject(user: &UserKey) -> Option<Value> {
        Some(Value::User(*user))
    }
}

/// The rows that the lists show: all rows, or the rows whose product does not count as deleted.
///
/// Readers skip the other rows by themselves ([`Index::hidden_with`]). The change feed needs them removed in the graph,
/// which costs another arrangement of all rows.
fn visible<'s>(
    lists: ByKey<'s, UserKey, Viewed, Diff>,
    wiring: &Wiring<'s>,
) -> VecCollection<'s, Time, (UserKey, Viewed), Diff> {
    let all = lists.as_collection(|user, viewed| (*user, *viewed));
    let rules = wiring.rules();
    if rules.deleted != Deleted::Hidden {
        return all;
    }
    let missing_is_deleted = rules.missing_is_deleted;
    let rows = wiring.rows::<tables::Catalogue>();
    let rows = rows.filter(move |(_, category)| (*category == CategoryKey::DELETED) != missing_is_deleted);
    // Each product once, for any number of rows.
    let rows = by_self(rows.map(|(product, _)| product), "RowsByProduct", |product| product.route()).count_total();
    let products = by_self(rows.map(|(product, _)| product), "ProductsOnce", |product| product.route());
    let viewed = all.clone().map(|(user, viewed)| (viewed.product, (user, viewed)));
    let chosen =
        by_key(viewed, "ViewedByProduct", |product| product.route()).join_core(products, |_, row, &()| Some(*row));
    if missing_is_deleted { chosen } else { all.concat(chosen.negate()) }
}
