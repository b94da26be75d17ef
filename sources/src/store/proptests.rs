//! Random catalogues and restarts against a plain recomputation: the graph's rows are those of the tables as they are.

use std::collections::{BTreeMap, BTreeSet};

use dataflow::dictionary::Dictionary;
use dataflow::ids::{CategoryKey, Ids};
use dataflow::tables::CatalogueRow;
use dataflow::time::Diff;
use proptest::prelude::*;
use store::{Listed, TableRow};

use super::catalogue::StoreCatalogue;

/// What happens between two readings: changes of categories and products by number. The second value is `None` for a row
/// that goes.
#[derive(Clone, Debug)]
enum Change {
    Category(u8, Option<Option<u8>>),
    Product(u8, Option<(Option<u8>, bool)>),
}

fn change() -> impl Strategy<Value = Change> {
    let category = prop::option::weighted(0.8, prop::option::of(0..5_u8));
    let product = prop::option::weighted(0.7, (prop::option::weighted(0.8, 0..5_u8), any::<bool>()));
    prop_oneof![
        (0..5_u8, category).prop_map(|(id, parent)| Change::Category(id, parent)),
        (0..6_u8, product).prop_map(|(id, listed)| Change::Product(id, listed)),
    ]
}

/// The tables.
#[derive(Default)]
struct Tables {
    categories: BTreeMap<u8, Option<u8>>,
    products: BTreeMap<u8, (Option<u8>, bool)>,
    /// Products that were deleted and have no row.
    deleted: BTreeSet<u8>,
}

impl Tables {
    fn change(&mut self, change: &Change) {
        match change {
            Change::Category(id, Some(parent)) => drop(self.categories.insert(*id, *parent)),
            Change::Category(id, None) => drop(self.categories.remove(id)),
            Change::Product(id, Some(listed)) => {
                self.products.insert(*id, *listed);
                self.deleted.remove(id);
            }
            Change::Product(id, None) => {
                self.products.remove(id);
                self.deleted.insert(*id);
            }
        }
    }

    fn category(&self, id: u8) -> TableRow {
        let now = self.categories.get(&id).map(|parent| parent.map(category));
        TableRow::Category { category: category(id), now }
    }

    fn product(&self, id: u8) -> TableRow {
        let listed =
            |(of, available): &(Option<u8>, bool)| Listed { category: of.map(category), available: *available };
        TableRow::Product { product: product(id), now: self.products.get(&id).map(listed) }
    }

    /// The rows that the graph must have.
    fn expected(&self, ids: &Dictionary) -> BTreeMap<CatalogueRow, Diff> {
        let mut rows = BTreeMap::new();
        for id in self.products.keys().chain(&self.deleted) {
            let mut categories = BTreeSet::new();
            match self.products.get(id) {
                Some((Some(first), _)) => {
                    let mut next = Some(*first);
                    while let Some(category) = next.filter(|next| categories.insert(*next)) {
                        next = self.categories.get(&category).copied().flatten();
                    }
                }
                Some((None, _)) => {
                    rows.insert(row(ids, *id, CategoryKey::NONE), 1);
                }
                None => {
                    rows.insert(row(ids, *id, CategoryKey::DELETED), 1);
                }
            }
            if self.products.get(id).is_some_and(|(_, available)| !available) {
                rows.insert(row(ids, *id, CategoryKey::UNAVAILABLE), 1);
            }
            let key = |number: u8| ids.category(&category(number)).expect("there is no collision");
            rows.extend(categories.into_iter().map(|number| (row(ids, *id, key(number)), 1)));
        }
        rows
    }
}

fn category(id: u8) -> String {
    format!("c{id}")
}

fn product(id: u8) -> String {
    format!("p{id}")
}

fn row(ids: &Dictionary, id: u8, category: CategoryKey) -> CatalogueRow {
    CatalogueRow { product: ids.product(&product(id)).expect("there is no collision"), category }
}

fn read_all(catalogue: &mut StoreCatalogue, tables: &Tables, ids: &Dictionary) -> Vec<(CatalogueRow, Diff)> {
    let mut reading = catalogue.begin();
    let products = tables.products.keys().chain(&tables.deleted).map(|id| tables.product(*id));
    for row in products.chain(tables.categories.keys().map(|id| tables.category(*id))) {
        reading.seen(&row, ids).expect("ids are short");
    }
    let mut change = Vec::new();
    reading.finish(&mut change);
    change
}

fn read_changes(
    catalogue: &mut StoreCatalogue,
    changes: &[Change],
    tables: &Tables,
    ids: &Dictionary,
) -> Vec<(CatalogueRow, Diff)> {
    let mut reading = catalogue.change();
    // A row is read as it is after all the changes.
    for change in changes {
        let row = match change {
            Change::Category(id, _) => tables.category(*id),
            Change::Product(id, _) => tables.product(*id),
        };
        reading.changed(&row, ids).expect("ids are short");
    }
    let mut change = Vec::new();
    reading.finish(&mut change);
    change
}

proptest! {
    #[test]
    fn the_graph_has_the_catalogue_of_the_tables(
        batches in prop::collection::vec((prop::collection::vec(change(), 1..6), 0..8_u8), 1..20),
    ) {
        let ids = Dictionary::new(Ids::new([7; 16]));
        let (mut catalogue, mut tables) = (StoreCatalogue::resumed(Vec::new()), Tables::default());
        let mut graph: BTreeMap<CatalogueRow, Diff> = BTreeMap::new();
        read_all(&mut catalogue, &tables, &ids);
        for (changes, how) in &batches {
            changes.iter().for_each(|change| tables.change(change));
            let difference = match how {
                0 => {
                    // A restart without a checkpoint.
                    graph.clear();
                    catalogue = StoreCatalogue::resumed(Vec::new());
                    read_all(&mut catalogue, &tables, &ids)
                }
                1 => {
                    // A restart from a checkpoint that holds what the graph has.
                    catalogue = StoreCatalogue::resumed(graph.keys().copied().collect());
                    read_all(&mut catalogue, &tables, &ids)
                }
                2 => read_all(&mut catalogue, &tables, &ids),
                _ => read_changes(&mut catalogue, changes, &tables, &ids),
            };
            for (row, diff) in difference {
                *graph.entry(row).or_default() += diff;
            }
            graph.retain(|_, copies| *copies != 0);
            prop_assert_eq!(&graph, &tables.expected(&ids));
        }
    }
}
