//! Best sellers of every category and in general.

use differential_dataflow::AsCollection;
use differential_dataflow::VecCollection;
use timely::dataflow::operators::vec::Broadcast;

use crate::ids::{CategoryKey, ProductKey};
use crate::ops::first::first;
use crate::rows::{CatalogueRow, ListId, Seller};
use crate::rules::{Deleted, Rules};
use crate::time::{Diff, Time};
use crate::trace::arranged::{ByKey, ValTrace, by_key, by_key_in_place};

/// The lists, and their changes before they are replicated.
pub struct BestSellers<'s> {
    /// The best-seller index, whole in every worker. Key: which list. Value: a product and its buyers, in the order of
    /// the list. Difference: 1 while it is among the first `size`. Changes with buyers and with the catalogue.
    pub lists: ByKey<'s, ListId, Seller, Diff>,
    /// The same changes, each once in the cluster.
    pub changes: VecCollection<'s, Time, (ListId, Seller), Diff>,
    /// Key: product, with the worker it routes to. Value: a category it is in. Difference: how many rows say so.
    pub categories: ValTrace<ProductKey, CategoryKey, Diff>,
}

/// The first `list_size` products of every category and of all, by buyers.
///
/// The general list is drawn from the first of every worker, so that only local winners travel. A product may be among
/// its rows several times, if it has several rows in the catalogue, and is in the list once: [`first`] takes copies for one.
pub fn lists<'s>(
    buyers: VecCollection<'s, Time, (ProductKey, Diff), Diff>,
    catalogue: VecCollection<'s, Time, CatalogueRow, Diff>,
    rules: &Rules,
) -> BestSellers<'s> {
    let size = rules.list_size;
    let categories = by_key(catalogue.map(|row| (row.product, row.category)), "CategoryByProduct", |id| id.route());
    let categories_trace = categories.trace.clone();
    let listed = by_key_in_place(buyers.clone(), "BuyersCounted")
        .join_core(categories, |product, &buyers, &category| Some((category, seller(*product, buyers))));
    let all = buyers.map(|(product, buyers)| seller(product, buyers));
    let local = match (rules.deleted, rules.missing_is_deleted) {
        (Deleted::Shown, _) => all,
        (Deleted::InHistories | Deleted::Hidden, false) => {
            let deleted = listed.clone().filter(|(category, _)| *category == CategoryKey::DELETED);
            all.concat(deleted.map(|(_, seller)| seller).negate())
        }
        (Deleted::InHistories | Deleted::Hidden, true) => {
            listed.clone().filter(|(category, _)| *category != CategoryKey::DELETED).map(|(_, seller)| seller)
        }
    };
    let local = local.map(|seller| (ListId::General, seller));
    let in_category = listed
        .filter(|(category, _)| category.is_category())
        .map(|(category, seller)| (ListId::Category(category), seller));
    let winners = first(by_key_in_place(local, "SellersOfWorker"), size, "FirstOfWorker")
        .as_collection(|ranking, seller| (*ranking, *seller));
    let ranked = by_key(in_category.concat(winners), "SellersByRanking", ListId::route);
    let changes = first(ranked, size, "FirstOfRanking").as_collection(|ranking, seller| (*ranking, *seller));
    let everywhere = changes.clone().inner.broadcast().as_collection();
    BestSellers { lists: by_key_in_place(everywhere, "BestSellers"), changes, categories: categories_trace }
}

fn seller(product: ProductKey, buyers: Diff) -> Seller {
    Seller::new(u64::try_from(buyers).expect("a distinct count is not negative"), product)
}
