//! A plain recomputation of the learned lists from the records of a small shop, and random records for it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use dataflow::dictionary::Dictionary;
use dataflow::ids::{CategoryKey, Ids, ProductKey};
use dataflow::time::Millis;
use harness::Dice;

use crate::records::{Record, now_ms};

/// The products of a history that its list shows, of a best-seller list, and the categories of "best sellers for you".
const LIST_SIZE: usize = 10;
const CATEGORIES_MAX: usize = 3;

/// Products with their sources or scores.
type Rows<T> = Vec<(String, T)>;

/// Everything that happened in a shop, without an index.
pub(crate) struct PlainShop {
    dictionary: Dictionary,
    /// Newest first.
    histories: BTreeMap<String, Vec<String>>,
    categories: BTreeMap<String, BTreeSet<String>>,
    deleted: BTreeSet<String>,
    buyers: BTreeMap<String, BTreeSet<String>>,
}

impl PlainShop {
    pub(crate) fn of(records: &[Record]) -> Self {
        let mut latest: BTreeMap<(&str, &str), (Millis, bool)> = BTreeMap::new();
        let (mut categories, mut buyers) = (BTreeMap::<_, BTreeSet<_>>::new(), BTreeMap::<_, BTreeSet<_>>::new());
        let mut deleted = BTreeSet::new();
        for record in records {
            match record {
                // No list shows what else users did.
                Record::Did { .. } | Record::Had { .. } | Record::CancelledOrder { .. } => {}
                Record::View { user, product, at } => {
                    let last = latest.entry((user, product)).or_default();
                    *last = (*last).max((*at, false));
                }
                Record::Removal { user, product, at } => {
                    let last = latest.entry((user, product)).or_default();
                    *last = (*last).max((*at, true));
                }
                Record::Order { user, product, .. } => {
                    buyers.entry(product.clone()).or_default().insert(user.clone());
                }
                Record::Product { product, category } => {
                    categories.entry(product.clone()).or_default().insert(category.clone());
                }
                Record::Deleted { product } => {
                    deleted.insert(product.clone());
                }
                Record::Unavailable { .. } => unreachable!("the shops of these tests sell everything"),
                Record::Rule { .. } => unreachable!("the shops of these tests have no merchandising rules"),
                Record::Erasure { .. } => unreachable!("the shops of these tests erase nobody"),
            }
        }
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        let mut histories = BTreeMap::<_, Vec<_>>::new();
        for ((user, product), (at, is_removed)) in latest {
            if !is_removed {
                let place = (Reverse(at), dictionary.product(product).unwrap());
                histories.entry(user.to_owned()).or_default().push((place, product.to_owned()));
            }
        }
        let sorted = |mut rows: Vec<_>| {
            rows.sort();
            rows.into_iter().map(|(_, product)| product).collect()
        };
        let histories = histories.into_iter().map(|(user, rows)| (user, sorted(rows))).collect();
        PlainShop { dictionary, histories, categories, deleted, buyers }
    }

    fn key(&self, product: &str) -> ProductKey {
        self.dictionary.product(product).unwrap()
    }

    fn category_key(&self, category: &str) -> CategoryKey {
        self.dictionary.category(category).unwrap()
    }

    pub(crate) fn users(&self) -> impl Iterator<Item = &String> {
        self.histories.keys()
    }

    pub(crate) fn products(&self) -> BTreeSet<&String> {
        self.histories.values().flatten().collect()
    }

    pub(crate) fn history(&self, user: &str) -> &[String] {
        self.histories.get(user).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn is_deleted(&self, product: &str) -> bool {
        self.deleted.contains(product)
    }

    pub(crate) fn is_in(&self, product: &str, category: &str) -> bool {
        self.categories.get(product).is_some_and(|categories| categories.contains(category))
    }

    /// C(a, b).
    pub(crate) fn weight(&self, a: &str, b: &str) -> u64 {
        let of_user = |history: &Vec<String>| {
            let place = |wanted: &str| history.iter().position(|product| product == wanted);
            let distance = place(a)?.abs_diff(place(b)?) as u64;
            (1..=10).contains(&distance).then(|| (4096 / distance).isqrt())
        };
        self.histories.values().filter_map(of_user).sum()
    }

    /// n(a).
    pub(crate) fn viewers(&self, a: &str) -> u64 {
        self.histories.values().filter(|history| history.iter().any(|product| product == a)).count() as u64
    }

    fn fourth_root(&self, product: &str) -> u128 {
        ((1u128 << 64) / u128::from(self.viewers(product).max(1))).isqrt().isqrt()
    }

    /// The hundred products with the largest C.
    fn heaviest(&self, a: &str) -> Rows<u64> {
        let all = self.products().into_iter().map(|b| (b.clone(), self.weight(a, b)));
        let mut rows: Rows<u64> = all.filter(|(_, weight)| *weight > 0).collect();
        rows.sort_by_key(|(b, weight)| (Reverse(*weight), self.key(b)));
        rows.truncate(100);
        rows
    }

    /// The similar products as people see them, each with its C.
    pub(crate) fn similar(&self, a: &str) -> Rows<u64> {
        let mut rows = self.heaviest(a);
        rows.retain(|(b, _)| !self.is_deleted(b));
        rows.sort_by_key(|(b, weight)| (Reverse(u128::from(*weight) * self.fourth_root(b)), self.key(b)));
        rows
    }

    /// The products with a score after these views, best first.
    pub(crate) fn scored(&self, viewed: &[String]) -> Rows<u64> {
        let mut sums = BTreeMap::<String, u128>::new();
        for (place, a) in viewed.iter().take(30).enumerate() {
            let place_weight = 65_536 / (place as u128 + 1);
            let root = u128::from(((1u64 << 40) / self.viewers(a).max(1)).isqrt());
            for (b, weight) in self.heaviest(a) {
                *sums.entry(b).or_default() += (place_weight * u128::from(weight) * root) >> 16;
            }
        }
        let score = |(b, sum): (String, u128)| {
            let score = (sum * self.fourth_root(&b)) >> 16;
            (b, u64::try_from(score).unwrap())
        };
        let mut rows: Rows<u64> = sums.into_iter().map(score).collect();
        rows.retain(|(b, score)| *score > 0 && !viewed.contains(b) && !self.is_deleted(b));
        rows.sort_by_key(|(b, score)| (Reverse(*score), self.key(b)));
        rows
    }

    pub(crate) fn buyers(&self, product: &str) -> usize {
        self.buyers.get(product).map_or(0, BTreeSet::len)
    }

    /// The best sellers, of a category or of all products.
    pub(crate) fn best_sellers(&self, category: Option<&str>) -> Vec<String> {
        let listed = |product: &&String| match category {
            Some(category) => self.is_in(product, category),
            None => !self.is_deleted(product),
        };
        let mut products: Vec<String> = self.buyers.keys().filter(listed).cloned().collect();
        products.sort_by_key(|product| (Reverse(self.buyers(product)), self.key(product)));
        products.truncate(LIST_SIZE);
        products
    }

    /// The best sellers of the categories viewed most.
    pub(crate) fn best_sellers_for_you(&self, viewed: &[String]) -> Vec<String> {
        let mut places = BTreeMap::<&String, Vec<usize>>::new();
        for (place, product) in viewed.iter().take(LIST_SIZE).enumerate() {
            for category in self.categories.get(product).into_iter().flatten() {
                places.entry(category).or_default().push(place);
            }
        }
        let mut ranked: Vec<_> = places.into_iter().collect();
        ranked.sort_by_key(|(category, places)| (Reverse(places.len()), places[0], self.category_key(category)));
        let lists = ranked.iter().take(CATEGORIES_MAX).flat_map(|(category, _)| self.best_sellers(Some(category)));
        let mut products: Vec<String> = lists.collect();
        products.sort_by_key(|product| (Reverse(self.buyers(product)), self.key(product)));
        products.dedup();
        products
    }

    /// The list of each source after these views, without the products viewed.
    pub(crate) fn sources(&self, viewed: &[String]) -> [(&'static str, Vec<String>); 3] {
        let co_views = self.scored(viewed).into_iter().map(|(product, _)| product).collect();
        let sources = [
            ("co_views", co_views),
            ("best_sellers_for_you", self.best_sellers_for_you(viewed)),
            ("best_sellers", self.best_sellers(None)),
        ];
        sources.map(|(name, mut list)| {
            list.retain(|product| !viewed.contains(product) && !self.is_deleted(product));
            (name, list)
        })
    }

    /// The list that the default chain makes: each product with its source.
    pub(crate) fn chain(&self, viewed: &[String], exclude: &[&str], size: usize) -> Rows<&'static str> {
        let mut list: Rows<&'static str> = Vec::new();
        for (source, products) in self.sources(viewed) {
            for product in products.into_iter().filter(|product| !exclude.contains(&product.as_str())) {
                if list.iter().all(|(known, _)| *known != product) {
                    list.push((product, source));
                }
            }
        }
        list.truncate(size);
        list
    }
}

/// A small shop with views at distinct times, removals, orders, a catalogue and deleted products.
pub(crate) fn random_records(seed: u64) -> Vec<Record> {
    let mut dice = Dice::new(seed);
    let named = |number: u64| format!("product-{number}");
    let start = now_ms() - 1_000_000;
    let mut records = Vec::new();
    for number in 0..36 {
        let product = named(number);
        match number % 9 {
            0 => records.push(Record::Deleted { product }),
            _ => records.push(Record::Product { product, category: format!("category-{}", number % 4) }),
        }
    }
    for at in (start..).take(500) {
        let (user, product) = (format!("user-{}", dice.below(24)), named(dice.below(6) * dice.below(7)));
        records.push(match dice.below(12) {
            0 => Record::Removal { user, product, at },
            _ => Record::View { user, product, at },
        });
    }
    for number in 0..120 {
        let (user, product) = (format!("user-{}", dice.below(30)), named(dice.below(7) * dice.below(6)));
        records.push(Record::Order { order: format!("order-{number}"), user, product, at: now_ms() });
    }
    records
}
