//! The catalogue of the store: each product in its category and in all ancestors of it.

use std::collections::HashMap;

use dataflow::dictionary::Dictionary;
use dataflow::ids::{CategoryKey, ProductKey};
use dataflow::tables::CatalogueRow;
use dataflow::time::{Diff, Millis};
use foldhash::fast::RandomState;
use store::{Listed, TableRow};

use super::orders::StoreOrders;
use crate::deleted::Deleted;
use crate::fault::{Fault, category_key, id};
use crate::row_store::RowStore;

/// The most categories that one product is in. Other tools may have written a circle.
const ANCESTORS_MAX: usize = 64;

type Parents = HashMap<CategoryKey, CategoryKey, RandomState>;

/// What the store says of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ListedProduct {
    /// Its category; `NONE` without one.
    category: CategoryKey,
    /// Whether it can be bought.
    available: bool,
}

/// The products and the trees of categories, as they were read last.
pub(super) struct StoreCatalogue {
    products: RowStore<ProductKey, ListedProduct>,
    parents: Parents,
    deleted: Deleted,
    /// The rows of the checkpoint, until all rows are read.
    resumed: Vec<CatalogueRow>,
}

impl StoreCatalogue {
    pub(super) fn resumed(resumed: Vec<CatalogueRow>) -> Self {
        let products = RowStore::by_key();
        StoreCatalogue { products, parents: Parents::default(), deleted: Deleted::default(), resumed }
    }

    /// Begins to read all rows.
    pub(super) fn begin(&mut self) -> CatalogueReading<'_> {
        let (products, parents) = (RowStore::by_key(), Parents::default());
        CatalogueReading { catalogue: self, products, parents, deleted: Vec::new() }
    }

    /// Begins to read some rows that have changed.
    pub(super) fn change(&mut self) -> CatalogueChange<'_> {
        CatalogueChange { catalogue: self, parents: HashMap::default(), products: Vec::new() }
    }

    /// Removes the marks of deleted products that no list can show any more.
    pub(super) fn forget(
        &mut self,
        orders: &StoreOrders,
        now: Millis,
        cutoff: Millis,
        change: &mut Vec<(CatalogueRow, Diff)>,
    ) {
        if !self.deleted.is_empty() {
            self.deleted.forget(&orders.products(), now, cutoff, change);
        }
    }

    /// Every row of the graph's table.
    fn rows(&self) -> Vec<CatalogueRow> {
        let mut rows = Vec::new();
        self.products.for_each(|product, listed| rows.extend(rows_of(*product, *listed, &self.parents)));
        rows
    }
}

/// The rows of a product in the graph's table.
fn rows_of(product: ProductKey, listed: ListedProduct, parents: &Parents) -> impl Iterator<Item = CatalogueRow> {
    let unavailable = (!listed.available).then_some(CategoryKey::UNAVAILABLE);
    lineage(listed.category, parents).chain(unavailable).map(move |category| CatalogueRow { product, category })
}

/// A category and its ancestors.
fn lineage(category: CategoryKey, parents: &Parents) -> impl Iterator<Item = CategoryKey> {
    let mut seen: Vec<CategoryKey> = Vec::new();
    let mut next = Some(category);
    while let Some(category) = next.filter(|next| !seen.contains(next) && seen.len() < ANCESTORS_MAX) {
        seen.push(category);
        next = parents.get(&category).copied();
    }
    seen.into_iter()
}

/// A reading of all rows. Dropped unfinished, nothing has changed.
pub(super) struct CatalogueReading<'c> {
    catalogue: &'c mut StoreCatalogue,
    products: RowStore<ProductKey, ListedProduct>,
    parents: Parents,
    /// The products that were deleted.
    deleted: Vec<ProductKey>,
}

impl CatalogueReading<'_> {
    pub(super) fn seen(&mut self, row: &TableRow, dictionary: &Dictionary) -> Result<(), Fault<'static>> {
        let (entry, fault) = read(row, dictionary)?;
        match entry {
            CatalogueEntry::Category(category, Some(Some(parent))) => drop(self.parents.insert(category, parent)),
            CatalogueEntry::Product(product, Some(listed)) => self.products.hold(product, listed),
            CatalogueEntry::Product(product, None) => self.deleted.push(product),
            CatalogueEntry::Category(..) => {}
        }
        fault.map_or(Ok(()), Err)
    }

    /// Adds the differences to what was held before.
    pub(super) fn finish(self, change: &mut Vec<(CatalogueRow, Diff)>) {
        let catalogue = self.catalogue;
        let mut held = RowStore::by_row();
        let before =
            if catalogue.resumed.is_empty() { catalogue.rows() } else { std::mem::take(&mut catalogue.resumed) };
        (catalogue.products, catalogue.parents) = (self.products, self.parents);
        let mut marks = Vec::new();
        for row in before {
            held.hold(row, ());
            // A product that is not in the store any more keeps its mark.
            if row.category == CategoryKey::DELETED && catalogue.products.get(&row.product).is_none() {
                catalogue.deleted.hold(&row);
                marks.push(row);
            }
        }
        let mut refresh = held.begin();
        catalogue.rows().into_iter().chain(marks).for_each(|row| refresh.seen(row, ()));
        change.extend(refresh.finish().into_iter().map(|((row, ()), diff)| (row, diff)));
        let products = &catalogue.products;
        catalogue.deleted.settle(change, |product| products.get(&product).is_some());
        self.deleted.into_iter().for_each(|product| catalogue.deleted.mark(product, change));
    }
}

/// A reading of rows that have changed.
pub(super) struct CatalogueChange<'c> {
    catalogue: &'c mut StoreCatalogue,
    parents: HashMap<CategoryKey, Option<CategoryKey>, RandomState>,
    products: Vec<(ProductKey, Option<ListedProduct>)>,
}

impl CatalogueChange<'_> {
    pub(super) fn changed(&mut self, row: &TableRow, dictionary: &Dictionary) -> Result<(), Fault<'static>> {
        let (entry, fault) = read(row, dictionary)?;
        match entry {
            CatalogueEntry::Category(category, parent) => drop(self.parents.insert(category, parent.flatten())),
            CatalogueEntry::Product(product, listed) => self.products.push((product, listed)),
        }
        fault.map_or(Ok(()), Err)
    }

    /// Adds the differences: first of the products under categories that have moved, then of the products that changed.
    pub(super) fn finish(mut self, change: &mut Vec<(CatalogueRow, Diff)>) {
        let StoreCatalogue { products, parents, deleted, .. } = self.catalogue;
        let start = change.len();
        self.parents.retain(|category, parent| parents.get(category) != parent.as_ref());
        move_categories(&self.parents, parents, products, change);
        let gone = self.products.iter().filter(|(_, listed)| listed.is_none()).map(|(product, _)| *product);
        let gone: Vec<ProductKey> = gone.collect();
        for (product, listed) in self.products {
            let mut out = |product, listed, diff| {
                change.extend(rows_of(product, listed, parents).map(|row| (row, diff)));
            };
            match listed {
                Some(listed) => products.put(product, listed, &mut out),
                None => products.remove(&product, &mut out),
            }
        }
        let mut own = change.split_off(start);
        deleted.settle(&mut own, |product| products.get(&product).is_some());
        // Also those that came and went since the last reading: the store remembers them as deleted.
        gone.into_iter().for_each(|product| deleted.mark(product, &mut own));
        change.append(&mut own);
    }
}

/// Moves categories to new parents, with the products under them.
fn move_categories(
    moved: &HashMap<CategoryKey, Option<CategoryKey>, RandomState>,
    parents: &mut Parents,
    products: &RowStore<ProductKey, ListedProduct>,
    change: &mut Vec<(CatalogueRow, Diff)>,
) {
    if moved.is_empty() {
        return;
    }
    // A product under a moved category is under it before and after the move.
    let mut rows = |parents: &Parents, diff: Diff| {
        products.for_each(|product, listed| {
            if lineage(listed.category, parents).any(|ancestor| moved.contains_key(&ancestor)) {
                change.extend(rows_of(*product, *listed, parents).map(|row| (row, diff)));
            }
        });
    };
    rows(parents, -1);
    for (category, parent) in moved {
        match parent {
            Some(parent) => drop(parents.insert(*category, *parent)),
            None => drop(parents.remove(category)),
        }
    }
    rows(parents, 1);
}

enum CatalogueEntry {
    /// A category, and its parent if it is there and has one.
    Category(CategoryKey, Option<Option<CategoryKey>>),
    /// A product, and what the store says of it if it is there.
    Product(ProductKey, Option<ListedProduct>),
}

/// A row of the catalogue, and the fault of the category that it names: it is then in none, or has no parent.
///
/// # Errors
/// When the row's own id cannot be used.
fn read(row: &TableRow, dictionary: &Dictionary) -> Result<(CatalogueEntry, Option<Fault<'static>>), Fault<'static>> {
    let mut fault = None;
    let mut named = |id: Option<&str>, column: &'static str| {
        let key = category_key(id, column, dictionary);
        key.map_err(|found| fault = Some(found)).ok()
    };
    let entry = match row {
        TableRow::Category { category, now } => {
            let key = category_key(Some(category), "category_id", dictionary)?;
            let parent = |parent: &Option<String>| named(Some(parent.as_deref()?), "parent_id");
            CatalogueEntry::Category(key, now.as_ref().map(parent))
        }
        TableRow::Product { product, now } => {
            let key = dictionary.product(id(Some(product), "product_id")?)?;
            let listed = |now: &Listed| {
                let category = named(now.category.as_deref(), "category_id").unwrap_or(CategoryKey::NONE);
                ListedProduct { category, available: now.available }
            };
            CatalogueEntry::Product(key, now.as_ref().map(listed))
        }
        TableRow::Order { .. } | TableRow::Line { .. } => unreachable!("these are rows of orders"),
    };
    Ok((entry, fault))
}

#[cfg(test)]
mod tests {
    use dataflow::ids::Ids;

    use super::*;

    #[test]
    fn a_product_stays_in_the_categories_that_can_be_used() {
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        let [lamp, chair] = ["lamp", "chair"].map(|id| dictionary.product(id).unwrap());
        let light = dictionary.category("light").unwrap();
        let long = || Some("x".repeat(300));
        let category = |parent| TableRow::Category { category: "light".into(), now: Some(parent) };
        let product = |product: &str, category| TableRow::Product {
            product: product.into(),
            now: Some(Listed { category, available: true }),
        };
        let mut catalogue = StoreCatalogue::resumed(Vec::new());
        let mut reading = catalogue.begin();
        assert!(reading.seen(&category(long()), &dictionary).is_err(), "its parent is reported");
        assert_eq!(reading.seen(&product("lamp", Some("light".into())), &dictionary), Ok(()));
        assert!(reading.seen(&product("chair", long()), &dictionary).is_err(), "its category is reported");
        let mut change = Vec::new();
        reading.finish(&mut change);
        change.sort_unstable();
        let row = |product, category| (CatalogueRow { product, category }, 1);
        let mut expected = vec![row(lamp, light), row(chair, CategoryKey::NONE)];
        expected.sort_unstable();
        assert_eq!(change, expected);

        let mut moved = catalogue.change();
        assert_eq!(moved.changed(&category(Some("house".into())), &dictionary), Ok(()));
        moved.finish(&mut Vec::new());
        let mut back = catalogue.change();
        assert!(back.changed(&category(long()), &dictionary).is_err());
        let mut change = Vec::new();
        back.finish(&mut change);
        change.sort_unstable();
        change.retain(|(row, _)| row.category != light);
        let house = dictionary.category("house").unwrap();
        assert_eq!(change, [(CatalogueRow { product: lamp, category: house }, -1)], "it has left the tree");
    }
}
