//! Best sellers of every category and in general.

use differential_dataflow::AsCollection;
use differential_dataflow::VecCollection;
use timely::dataflow::operators::vec::Broadcast;

use crate::ids::{CategoryKey, ProductKey};
use crate::ops::first::first;
use crate::rows::{CatalogueRow, Ranking, Seller};
use crate::time::{Diff, Time};
use crate::trace::arranged::{ByKey, ValTrace, by_key, by_key_in_place};

/// The lists, and their changes before they are replicated.
pub struct BestSellers<'s> {
    /// The best-seller index, whole in every worker. Key: which list. Value: a product and its buyers, in the order of
    /// the list. Difference: 1 while it is among the first `size`. Changes with buyers and with the catalogue.
    pub lists: ByKey<'s, Ranking, Seller, Diff>,
    /// The same changes, each once in the cluster.
    pub changes: VecCollection<'s, Time, (Ranking, Seller), Diff>,
    /// Key: product, with the worker it routes to. Value: a category it is in. Difference: how many rows say so.
    pub categories: ValTrace<ProductKey, CategoryKey, Diff>,
}

/// The first `size` products of every category and of all, by buyers.
///
/// The general list is drawn from the first `size` of every worker, so that only local winners travel.
pub fn lists<'s>(
    buyers: VecCollection<'s, Time, (ProductKey, Diff), Diff>,
    catalogue: VecCollection<'s, Time, CatalogueRow, Diff>,
    size: usize,
) -> BestSellers<'s> {
    let categories = by_key(catalogue.map(|row| (row.product, row.category)), "CategoryByProduct", |id| id.route());
    let categories_trace = categories.trace.clone();
    let in_category = by_key_in_place(buyers.clone(), "BuyersCounted")
        .join_core(categories, |product, &buyers, &category| {
            Some((Ranking::Category(category), seller(*product, buyers)))
        });
    let local = buyers.map(|(product, buyers)| (Ranking::General, seller(product, buyers)));
    let winners = first(by_key_in_place(local, "SellersOfWorker"), size, "FirstOfWorker")
        .as_collection(|ranking, seller| (*ranking, *seller));
    let ranked = by_key(in_category.concat(winners), "SellersByRanking", Ranking::route);
    let changes = first(ranked, size, "FirstOfRanking").as_collection(|ranking, seller| (*ranking, *seller));
    let everywhere = changes.clone().inner.broadcast().as_collection();
    BestSellers { lists: by_key_in_place(everywhere, "BestSellers"), changes, categories: categories_trace }
}

fn seller(product: ProductKey, buyers: Diff) -> Seller {
    Seller::new(u64::try_from(buyers).expect("a distinct count is not negative"), product)
}
