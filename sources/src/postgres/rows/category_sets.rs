//! The categories of products: a product may be in several, such as its own and the ancestors of that. Each different set is
//! kept once, and a product holds the number of its set.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::ids::CategoryKey;
use foldhash::fast::RandomState;

use crate::fault::{Fault, category_key};
use crate::postgres::values::list::elements;

/// The most categories of one product.
const CATEGORIES_MAX: usize = 64;

/// Unused sets are looked for when there are this many more than twice the number that the last look kept.
const NEW_SETS_MAX: usize = 4096;

/// The categories in one row of the table of products.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowCategories {
    One(CategoryKey),
    Several(Vec<CategoryKey>),
}

/// What a column says about the categories of a product: those that can be used, if there are any, and the first fault.
pub(crate) type ReadCategories<'c> = (Option<RowCategories>, Option<Fault<'c>>);

impl RowCategories {
    /// Reads the column of the category, which is a list if `is_list`. A product without one is in
    /// [`CategoryKey::NONE`]. A list with a category that cannot be used gives the others.
    pub(crate) fn read<'c>(
        text: Option<&str>,
        is_list: bool,
        column: &'c str,
        dictionary: &Dictionary,
    ) -> ReadCategories<'c> {
        let Some(list) = text.filter(|_| is_list) else {
            let key = category_key(text, column, dictionary);
            let fault = key.as_ref().err().cloned();
            return (key.ok().map(RowCategories::One), fault);
        };
        let Some(ids) = elements(list).filter(|ids| ids.len() <= CATEGORIES_MAX) else {
            return (None, Some(Fault::NotAList { column }));
        };
        let (mut keys, mut fault) = (Vec::with_capacity(ids.len()), None);
        for id in &ids {
            // In a list NULL is a mistake, and does not mean a product without a category.
            let id = id.as_deref().ok_or(Fault::Missing { column });
            match id.and_then(|id| category_key(Some(id), column, dictionary)) {
                Ok(key) => keys.push(key),
                Err(found) => fault = fault.or(Some(found)),
            }
        }
        let categories = match keys.len() {
            0 if fault.is_some() => None,
            0 => Some(RowCategories::One(CategoryKey::NONE)),
            1 => Some(RowCategories::One(keys[0])),
            _ => Some(RowCategories::Several(keys)),
        };
        (categories, fault)
    }

    /// The categories of a product of which the table says whether it can be bought. They are [`CategoryKey::NONE`] if none
    /// can be used.
    pub(crate) fn of_product(usable: Option<RowCategories>, available: bool) -> RowCategories {
        let categories = usable.unwrap_or(RowCategories::One(CategoryKey::NONE));
        if available { categories } else { RowCategories::Several(marked(categories.keys(), false)) }
    }

    pub(crate) fn keys(&self) -> &[CategoryKey] {
        match self {
            RowCategories::One(one) => std::slice::from_ref(one),
            RowCategories::Several(several) => several,
        }
    }
}

/// These categories, of a product that can be bought or not.
fn marked(categories: &[CategoryKey], available: bool) -> Vec<CategoryKey> {
    let own = categories.iter().copied().filter(|category| *category != CategoryKey::UNAVAILABLE);
    own.chain((!available).then_some(CategoryKey::UNAVAILABLE)).collect()
}

/// The number of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CategorySet(u32);

/// The sets of categories, by their numbers.
#[derive(Default)]
pub(crate) struct CategorySets {
    sets: Vec<Arc<[CategoryKey]>>,
    numbers: HashMap<Arc<[CategoryKey]>, u32, RandomState>,
    /// Numbers without a set.
    free: Vec<u32>,
    /// How many sets the last look has left.
    kept: usize,
}

impl CategorySets {
    /// The number of the set of these categories.
    pub(crate) fn number(&mut self, categories: &[CategoryKey]) -> CategorySet {
        if let [_] = categories {
            return self.number_of(categories);
        }
        let mut sorted = categories.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        self.number_of(&sorted)
    }

    fn number_of(&mut self, sorted: &[CategoryKey]) -> CategorySet {
        if let Some(number) = self.numbers.get(sorted) {
            return CategorySet(*number);
        }
        let set: Arc<[CategoryKey]> = sorted.into();
        let number = self.free.pop().unwrap_or_else(|| {
            self.sets.push(set.clone());
            u32::try_from(self.sets.len() - 1).expect("memory ends before four billion sets")
        });
        self.sets[number as usize] = set.clone();
        self.numbers.insert(set, number);
        CategorySet(number)
    }

    /// The number of the set with the categories of another one, of a product that can be bought or not.
    pub(crate) fn marked(&mut self, set: CategorySet, available: bool) -> CategorySet {
        let categories = marked(self.get(set), available);
        self.number(&categories)
    }

    /// The categories of a set.
    pub(crate) fn get(&self, set: CategorySet) -> &[CategoryKey] {
        &self.sets[set.0 as usize]
    }

    /// Whether it is time to look for sets without products.
    pub(crate) fn are_many(&self) -> bool {
        self.numbers.len() > 2 * self.kept + NEW_SETS_MAX
    }

    /// Forgets all other sets than these.
    pub(crate) fn keep(&mut self, used: &HashSet<CategorySet, RandomState>) {
        let free = &mut self.free;
        self.numbers.retain(|_, number| {
            let is_used = used.contains(&CategorySet(*number));
            if !is_used {
                free.push(*number);
            }
            is_used
        });
        self.kept = self.numbers.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow::ids::Ids;

    #[test]
    fn equal_sets_have_one_number_and_unused_ones_are_forgotten() {
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        let [light, house] = ["light", "house"].map(|id| dictionary.category(id).unwrap());
        let mut sets = CategorySets::default();
        let both = sets.number(&[light, house, light]);
        assert_eq!(sets.number(&[house, light]), both);
        assert_eq!(sets.get(both).len(), 2);
        let one = sets.number(&[light]);
        assert_ne!(one, both);
        sets.keep(&HashSet::from_iter([one]));
        let again = sets.number(&[CategoryKey::NONE]);
        assert_eq!(again, both, "its number is free");
        assert_eq!((sets.get(again), sets.get(one)), (&[CategoryKey::NONE][..], &[light][..]));
        assert_eq!(sets.numbers.len(), 2);
    }

    #[test]
    fn the_column_is_one_id_or_a_list() {
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        let key = |id: &str| dictionary.category(id).unwrap();
        let read = |text, is_list| RowCategories::read(text, is_list, "c", &dictionary);
        let good = |categories| (Some(categories), None);
        assert_eq!(read(None, true), good(RowCategories::One(CategoryKey::NONE)));
        assert_eq!(read(Some("{}"), true), good(RowCategories::One(CategoryKey::NONE)));
        assert_eq!(read(Some("{a}"), true), good(RowCategories::One(key("a"))));
        assert_eq!(read(Some("{a}"), false), good(RowCategories::One(key("{a}"))));
        assert_eq!(read(Some("{a,\"b,c\"}"), true), good(RowCategories::Several(vec![key("a"), key("b,c")])));
        let long = format!("{{{}}}", vec!["a"; CATEGORIES_MAX + 1].join(","));
        for wrong in ["a", "{a", "{{a}}", &long] {
            assert_eq!(read(Some(wrong), true), (None, Some(Fault::NotAList { column: "c" })), "{wrong}");
        }
        let empty = || Some(Fault::Empty { column: "c" });
        assert_eq!(read(Some("{\"\"}"), true), (None, empty()));
        assert_eq!(read(Some(""), false), (None, empty()));
        let missing = || Some(Fault::Missing { column: "c" });
        assert_eq!(read(Some("{NULL}"), true), (None, missing()));
        assert_eq!(read(Some("[0:1]={NULL,a}"), true), (Some(RowCategories::One(key("a"))), missing()));
        let others = RowCategories::Several(vec![key("a"), key("b")]);
        assert_eq!(read(Some("{a,\"\",b}"), true), (Some(others), empty()), "the others can be used");
    }
}
