//! Every user's last views: stamps arranged once with the user's owner, and the newest of them.

use differential_dataflow::VecCollection;
use differential_dataflow::operators::CountTotal;

use crate::ids::{CategoryKey, ProductKey, UserKey};
use crate::ops::newest::newest;
use crate::rows::{CatalogueRow, Viewed};
use crate::rules::{Deleted, Rules};
use crate::stamp::Stamp;
use crate::time::{Diff, Time};
use crate::trace::arranged::{ByKey, ValTrace, by_key, by_self};

/// The histories, and what they follow from.
pub struct Histories<'s> {
    /// The history index. Key: user, held by the worker the user routes to. Value: a product viewed and when, in the
    /// order of the list. Difference: 1 while it is among the newest `size`. Changes when a view or a removal changes
    /// the list.
    pub lists: ByKey<'s, UserKey, Viewed, Diff>,
    /// Key: user, with the same worker. Value: a product. Difference: the latest that happened to the two.
    pub stamps: ValTrace<UserKey, ProductKey, Stamp>,
}

/// Every user's newest `size` views.
pub fn lists<'s>(stamps: VecCollection<'s, Time, (UserKey, ProductKey), Stamp>, size: usize) -> Histories<'s> {
    let stamps = by_key(stamps, "StampsByUser", |user| user.route());
    let trace = stamps.trace.clone();
    Histories { lists: newest(stamps, size, "Newest"), stamps: trace }
}

/// The rows of the lists as they show: all, or those whose product does not count as deleted.
///
/// Readers pass the others over by themselves. This is for whoever keeps a copy, and costs another arrangement of all rows.
pub fn shown<'s>(
    lists: ByKey<'s, UserKey, Viewed, Diff>,
    catalogue: VecCollection<'s, Time, CatalogueRow, Diff>,
    rules: &Rules,
) -> VecCollection<'s, Time, (UserKey, Viewed), Diff> {
    let all = lists.as_collection(|user, viewed| (*user, *viewed));
    if rules.deleted != Deleted::Hidden {
        return all;
    }
    let missing_is_deleted = rules.missing_is_deleted;
    let rows = catalogue.filter(move |row| (row.category == CategoryKey::DELETED) != missing_is_deleted);
    // Each product once, however many rows it has.
    let rows = by_self(rows.map(|row| row.product), "RowsByProduct", |product| product.route()).count_total();
    let products = by_self(rows.map(|(product, _)| product), "ProductsTold", |product| product.route());
    let viewed = all.clone().map(|(user, viewed)| (viewed.product, (user, viewed)));
    let told =
        by_key(viewed, "ViewedByProduct", |product| product.route()).join_core(products, |_, row, &()| Some(*row));
    if missing_is_deleted { told } else { all.concat(told.negate()) }
}
