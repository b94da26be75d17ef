//! The similar products of every product ("people who viewed this also viewed"), and the number of viewers of each.
//!
//! ```text
//! histories ─▶ pair changes, at the ends of periods ─┬▶ (a -> b, C) ─▶ heaviest ─▶ similar products (every process)
//!                                                    └▶ (a, n) ─────────────────▶ viewers          (every process)
//! ```
//! Everything follows from the set of histories, so repeated and late events, removals and erasures need no care of
//! their own, and the state is bounded by the users and not by the events.
//!
//! - n(a): the number of users in whose histories a is.
//! - C(a,b): the sum, over all users with both a and b at distance d of at most
//!   [`CoViews::distance_max`](crate::rules::CoViews::distance_max) in their histories without removed products, of
//!   ⌊√⌊4096/d⌋⌋. It has 32 bits, which is enough for 33 million users who viewed the same two products.
//! - Similar products of a: the products with the largest C(a,·), ties by key.
//!
//! As of time T, C and n are those of the histories as of the last whole multiple of
//! [`CoViews::every_ms`](crate::rules::CoViews::every_ms). After a restart, and until the next multiple, they are those
//! of the restored histories.

mod heaviest;
mod pairs;

use std::cmp::Reverse;

use differential_dataflow::VecCollection;
use serde::{Deserialize, Serialize};

use self::heaviest::heaviest;
use self::pairs::PairChanges;
use super::history::Place;
use super::index::{Index, List, Placement, Published, Wiring};
use super::shape::{Column, Kind, Value};
use super::touched::TouchedList;
use crate::ids::{ProductKey, UserKey};
use crate::ops::list::for_each_difference;
use crate::ops::periods::{Periods, compare};
use crate::rules::{CoViews, Rules};
use crate::time::{Diff, Time};
use crate::trace::arranged::{ByKey, by_key};

/// One similar product: ordered by weight descending, ties by product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Neighbor {
    /// C of both products, reversed: the natural order is the order of the list.
    weight: Reverse<u64>,
    /// The similar product.
    pub product: ProductKey,
}

impl Neighbor {
    /// A similar product with its weight.
    #[must_use]
    pub fn new(weight: u64, product: ProductKey) -> Self {
        Neighbor { weight: Reverse(weight), product }
    }

    /// C of both products.
    #[must_use]
    pub fn weight(self) -> u64 {
        self.weight.0
    }
}

/// The pairs of products that are viewed together, and the viewers of each product.
pub(super) struct CoViewed<'s> {
    /// (a -> b, C(a,b)): the heaviest of each product and some more, in the worker that a routes to.
    heaviest: ByKey<'s, ProductKey, ProductKey, i32>,
    /// (a, n(a)), in the worker that a routes to.
    viewers: ByKey<'s, ProductKey, (), i32>,
}

impl<'s> CoViewed<'s> {
    /// Counts co-views from the histories, if they are on.
    pub(super) fn count(
        histories: &ByKey<'s, UserKey, Place, Diff>,
        rules: &CoViews,
        periods: Periods,
    ) -> Option<Self> {
        if !rules.enabled {
            return None;
        }
        let mut pairs = PairChanges::new(rules.pair_weights());
        let changes = compare(histories.clone(), periods, "PairChanges", move |_: &UserKey, before, after, changes| {
            pairs.compare(before, after, changes);
        });
        let viewers = changes.clone().filter(|(a, b)| a == b).map(|(product, _)| (product, ()));
        // Both directions come from one operator, in the order of their rows, so that the arrangement need not sort them.
        let weights = by_key(changes.filter(|(a, b)| a != b), "PairWeights", |product| product.route());
        Some(CoViewed {
            heaviest: heaviest(weights, rules.similar, rules.slack(), "Heaviest"),
            viewers: by_key(viewers, "Viewers", |product| product.route()),
        })
    }
}

/// The index of similar products. Key: product. Row: a similar product with its weight, heaviest first. Stored: the
/// similar product, with its weight as the difference; some more products than readers get. Changes at the ends of
/// periods.
pub struct Similar;

impl Index for Similar {
    const NAME: &'static str = "similar";
    const PLACEMENT: Placement = Placement::PerProcess;
    const IN_ORDER: bool = false;
    const TOUCHES: Option<fn(&Self::Key) -> TouchedList> = Some(|key| TouchedList::Similar(*key));
    type Key = ProductKey;
    type Row = Neighbor;
    type Stored = ProductKey;
    type Count = i32;

    fn is_on(rules: &Rules) -> bool {
        rules.co_views.enabled
    }

    fn route(product: &ProductKey) -> u64 {
        product.route()
    }

    fn read(product: &ProductKey, weight: i32) -> Option<(Neighbor, Diff)> {
        Some((Neighbor::new(u64::from(weight.unsigned_abs()), *product), 1))
    }

    fn rows_max(rules: &Rules) -> usize {
        rules.co_views.similar
    }

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        let rows = wiring.co_viewed().heaviest.clone();
        let changes = || shown(rows.clone(), wiring.rules().co_views.similar);
        Published::per_process(wiring, rows.clone(), Some(&changes))
    }
}

impl List for Similar {
    const KEY: &'static str = "similar_to";
    const COLUMNS: &'static [Column] =
        &[Column { name: "product", kind: Kind::Id }, Column { name: "weight", kind: Kind::Count }];
    type Values = [Value; 2];

    fn values(row: &Neighbor) -> [Value; 2] {
        [Value::Product(row.product), Value::Count(row.weight())]
    }

    fn product(row: &Neighbor) -> ProductKey {
        row.product
    }

    fn subject(product: &ProductKey) -> Option<Value> {
        Some(Value::Product(*product))
    }
}

/// The changes of the rows that readers get.
fn shown<'s>(
    rows: ByKey<'s, ProductKey, ProductKey, i32>,
    size: usize,
) -> VecCollection<'s, Time, (ProductKey, Neighbor), Diff> {
    let first = move |rows: &[(ProductKey, i32)]| {
        let mut rows: Vec<Neighbor> =
            rows.iter().filter_map(|(product, weight)| Similar::read(product, *weight)).map(|(row, _)| row).collect();
        rows.sort_unstable();
        rows.truncate(size);
        rows
    };
    compare(rows, Periods::TICKS, "SimilarShown", move |product: &ProductKey, before, after, changes| {
        for_each_difference(&first(before), &first(after), |row, diff| changes.push(((*product, *row), diff)));
    })
}

/// The index of viewers. Key: product. Row: nothing; the number of copies is the number of users in whose histories the
/// product is. Changes at the ends of periods.
pub struct Viewers;

impl Index for Viewers {
    const NAME: &'static str = "viewers";
    const PLACEMENT: Placement = Placement::PerProcess;
    type Key = ProductKey;
    type Row = ();
    type Stored = ();
    type Count = i32;

    fn is_on(rules: &Rules) -> bool {
        rules.co_views.enabled
    }

    fn route(product: &ProductKey) -> u64 {
        product.route()
    }

    fn read((): &(), viewers: i32) -> Option<((), Diff)> {
        Some(((), viewers as Diff))
    }

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        Published::per_process(wiring, wiring.co_viewed().viewers.clone(), None)
    }
}
