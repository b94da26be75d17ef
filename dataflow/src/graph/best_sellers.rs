//! The best sellers of every category and the general best sellers: the list's row, its declaration and its wiring.

mod arranged;

use std::cmp::Reverse;

use differential_dataflow::VecCollection;
use serde::{Deserialize, Serialize};

use self::arranged::arranged;
use super::index::{Index, IndexBatches, List, Placement, Published, Wiring};
use super::sellers::Sellers;
use super::shape::{Column, Kind, Value};
use super::touched::TouchedList;
use super::{Indexes, ShadowBestSellers};
use crate::ids::{CategoryKey, ProductKey};
use crate::merchandising::MerchList;
use crate::ops::first::first;
use crate::rules::{Deleted, Rules};
use crate::tables;
use crate::time::{Diff, Time};
use crate::trace::arranged::{ByKey, ValBatch, by_key, by_key_in_place};

/// The id of a best-seller list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ListId {
    /// The list over all products.
    General,
    /// The list of one category.
    Category(CategoryKey),
}

/// One row of a best-seller list: ordered by buyers descending, ties by product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seller {
    /// The distinct buyers, reversed: the natural order is the order of the list.
    buyers: Reverse<u64>,
    /// The product sold.
    pub product: ProductKey,
}

impl Seller {
    /// A product with this many distinct buyers in the window.
    #[must_use]
    pub fn new(buyers: u64, product: ProductKey) -> Self {
        Seller { buyers: Reverse(buyers), product }
    }

    /// The number of distinct users who bought it in the window.
    #[must_use]
    pub fn buyers(self) -> u64 {
        self.buyers.0
    }
}

/// The best-seller index. Key: the list. Row: a product and its buyers, in the order of the list. Difference: 1 while
/// the product is among the first `list_size`. Changes with buyers, with the catalogue, and with merchandising rules that
/// hide products. Readers of the list, and its changes for sinks, follow its pins, buries and caps too.
pub struct BestSellers;

impl Index for BestSellers {
    const NAME: &'static str = "best_sellers";
    const PLACEMENT: Placement = Placement::Replicated;
    const TOUCHES: Option<fn(&Self::Key) -> TouchedList> = Some(|key| TouchedList::BestSellers(*key));
    type Key = ListId;
    type Row = Seller;
    type Stored = Seller;
    type Count = Diff;

    fn route(list: &ListId) -> u64 {
        match list {
            ListId::General => 0,
            ListId::Category(category) => category.route(),
        }
    }

    fn read(stored: &Seller, copies: Diff) -> Option<(Seller, Diff)> {
        Some((*stored, copies))
    }

    fn wire<'s>(wiring: &Wiring<'s>) -> Published<'s, Self> {
        let lists = lists(wiring, wiring.live());
        let rows = lists.clone().as_collection(|list, seller| (*list, *seller));
        Published::replicated_as(wiring, rows, || arranged(lists, wiring))
    }

    fn in_shadow(indexes: &Indexes<IndexBatches>) -> &Vec<ValBatch<ListId, Seller, Diff>> {
        indexes.get::<ShadowBestSellers>()
    }
}

impl List for BestSellers {
    const KEY: &'static str = "category";
    const COLUMNS: &'static [Column] =
        &[Column { name: "product", kind: Kind::Id }, Column { name: "buyers", kind: Kind::Count }];
    type Values = [Value; 2];

    fn values(row: &Seller) -> [Value; 2] {
        [Value::Product(row.product), Value::Count(row.buyers())]
    }

    fn subject(list: &ListId) -> Option<Value> {
        match list {
            ListId::General => None,
            ListId::Category(category) => Some(Value::Category(*category)),
        }
    }

    fn product(row: &Seller) -> ProductKey {
        row.product
    }

    fn merch_list(list: &ListId) -> Option<MerchList> {
        Some(match list {
            ListId::General => MerchList::BestSellers,
            ListId::Category(category) => MerchList::Category(*category),
        })
    }

    fn pinned(product: ProductKey, buyers: u64) -> Option<Seller> {
        Some(Seller::new(buyers, product))
    }

    fn export_name(list: &ListId) -> &'static str {
        match list {
            ListId::General => "bestsellers",
            ListId::Category(_) => "category",
        }
    }
}

/// The first `list_size` products of every category and of all, by buyers, each row once in the cluster.
///
/// Products that a merchandising rule hides, and those that cannot be bought, are taken out first.
///
/// The general list is merged from the first rows of every worker, so that only local winners travel. A product with
/// several rows in the catalogue may occur several times among these rows. It is in the list once: [`first`] counts
/// copies as one.
pub(super) fn lists<'s>(wiring: &Wiring<'s>, sellers: &Sellers<'s>) -> ByKey<'s, ListId, Seller, Diff> {
    let rules = &sellers.rules;
    let (buyers, off_lists) = (sellers.buyers_by_product.clone(), sellers.merchandising.off_lists());
    let row =
        |product: &ProductKey, buyers: &Diff, category: &CategoryKey| Some((*category, seller(*product, *buyers)));
    let hidden = buyers.clone().join_core(off_lists, |product, buyers, &()| Some((*product, *buyers)));
    let hidden_listed =
        by_key_in_place(hidden.clone(), "HiddenBuyers").join_core(wiring.by_key::<tables::Catalogue>(), row);
    let listed = buyers.join_core(wiring.by_key::<tables::Catalogue>(), row).concat(hidden_listed.negate());
    let all = sellers.buyers.clone().concat(hidden.negate()).map(|(product, buyers)| seller(product, buyers));
    let local = general(all, listed.clone(), rules).map(|seller| (ListId::General, seller));
    let in_category = listed
        .filter(|(category, _)| category.is_category())
        .map(|(category, seller)| (ListId::Category(category), seller));
    let winners = first(by_key_in_place(local, "SellersOfWorker"), rules.list_size, "FirstOfWorker")
        .as_collection(|list, seller| (*list, *seller));
    let ranked = by_key(in_category.concat(winners), "SellersByList", BestSellers::route);
    first(ranked, rules.list_size, "FirstOfList")
}

/// The products of the general list: all products with buyers that are not taken out, without deleted products if these must
/// not be shown.
fn general<'s>(
    all: VecCollection<'s, Time, Seller, Diff>,
    listed: VecCollection<'s, Time, (CategoryKey, Seller), Diff>,
    rules: &Rules,
) -> VecCollection<'s, Time, Seller, Diff> {
    match (rules.deleted, rules.missing_is_deleted) {
        (Deleted::Shown, _) => all,
        (Deleted::InHistories | Deleted::Hidden, false) => {
            let deleted = listed.filter(|(category, _)| *category == CategoryKey::DELETED);
            all.concat(deleted.map(|(_, seller)| seller).negate())
        }
        (Deleted::InHistories | Deleted::Hidden, true) => {
            listed.filter(|(category, _)| *category != CategoryKey::DELETED).map(|(_, seller)| seller)
        }
    }
}

fn seller(product: ProductKey, buyers: Diff) -> Seller {
    Seller::new(u64::try_from(buyers).expect("a distinct count is not negative"), product)
}
