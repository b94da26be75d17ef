//! Rankings beside the definition, over random rows.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::dictionary::Dictionary;
use crate::ids::Ids;

const PRODUCTS: usize = 150;

/// Rows of a small shop.
#[derive(Debug)]
struct Shop {
    products: Vec<ProductKey>,
    similar: BTreeMap<ProductKey, Vec<(ProductKey, i32)>>,
    viewers: BTreeMap<ProductKey, u64>,
    version: Option<Time>,
    looked_up: Cell<usize>,
}

impl Shop {
    /// A shop with the similar products (number, weight) and the viewers of each product.
    fn new(rows: &[(Vec<(usize, i32)>, u64)]) -> Self {
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        let key = |number| dictionary.product(&format!("product-{number}")).expect("no collision");
        let products: Vec<ProductKey> = (0..rows.len()).map(key).collect();
        let (mut similar, mut viewers) = (BTreeMap::new(), BTreeMap::new());
        for (&product, (others, of)) in products.iter().zip(rows) {
            let others = others.iter().map(|(other, weight)| (products[*other], *weight));
            let others: BTreeMap<ProductKey, i32> = others.filter(|(other, _)| *other != product).collect();
            similar.insert(product, others.into_iter().collect());
            viewers.insert(product, *of);
        }
        Shop { products, similar, viewers, version: None, looked_up: Cell::new(0) }
    }

    /// Different products.
    fn pick(&self, numbers: &[usize]) -> Vec<ProductKey> {
        let mut picked: Vec<ProductKey> = Vec::new();
        for number in numbers {
            let product = self.products[*number];
            if !picked.contains(&product) {
                picked.push(product);
            }
        }
        picked
    }

    /// The ranking by its definition.
    fn defined(&self, rules: &CoViews, asked: &Asked<'_>, refused: ProductKey) -> Vec<Scored> {
        let mut found: BTreeMap<ProductKey, (u128, Vec<Because>)> = BTreeMap::new();
        for (place, viewed) in asked.history.iter().enumerate().take(rules.newest) {
            let mut row = self.similar[viewed].clone();
            row.sort_by_key(|(product, weight)| (Reverse(*weight), *product));
            for (product, weight) in row.into_iter().take(rules.similar) {
                let root = ((1_u128 << 40) / u128::from(self.viewers[viewed])).isqrt();
                let entry = found.entry(product).or_default();
                entry.0 += 65_536 / (place as u128 + 1) * u128::from(weight.unsigned_abs()) * root / 65_536;
                entry.1.push(Because { product: *viewed, place, weight });
            }
        }
        let is_left_out = |product: &ProductKey| {
            asked.history.contains(product) || asked.exclude.contains(product) || *product == refused
        };
        let score = |(product, (sum, because)): (ProductKey, (u128, Vec<Because>))| {
            let root = ((1_u128 << 64) / u128::from(self.viewers[&product])).isqrt().isqrt();
            Scored { product, score: u64::try_from(sum * root / 65_536).expect("it fits"), because }
        };
        let found = found.into_iter().filter(|(product, _)| !is_left_out(product));
        let mut scored: Vec<Scored> = found.map(score).filter(|scored| scored.score > 0).collect();
        scored.sort_by_key(|scored| (Reverse(scored.score), scored.product));
        scored.truncate(asked.size);
        scored
    }
}

impl CoViewRows for Shop {
    fn similar(&self, product: ProductKey, rows: &mut Vec<(ProductKey, i32)>) {
        rows.clone_from(&self.similar[&product]);
    }

    fn viewers(&self, product: ProductKey) -> u64 {
        self.looked_up.set(self.looked_up.get() + 1);
        self.viewers[&product]
    }

    fn viewers_version(&self) -> Option<Time> {
        self.version
    }
}

/// At least the four viewers that the largest weight needs, and sometimes more than roots are tabled for.
fn shop() -> impl Strategy<Value = Shop> {
    let viewers = prop_oneof![4..9u64, 4..10_000u64];
    vec((vec((0..PRODUCTS, 1..200i32), 0..30), viewers), PRODUCTS).prop_map(|rows| Shop::new(&rows))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn rankings_are_those_of_the_definition(
        shops in vec(shop(), 2),
        versions in vec(prop::option::of(0..9u64), 2),
        asks in vec((0..2usize, vec(0..PRODUCTS, 0..15), vec(0..PRODUCTS, 0..3), 0..14usize, 0..PRODUCTS), 6),
    ) {
        let rules = CoViews { enabled: true, similar: 12, newest: 9, ..CoViews::OFF };
        let mut scorer = Scorer::new(&rules);
        let mut shops = shops;
        for (shop, version) in shops.iter_mut().zip(&versions) {
            shop.version = *version;
        }
        // Two states of one version are the same.
        if versions[0] == versions[1] {
            shops[1].version = None;
        }
        for (shop, history, exclude, size, refused) in asks {
            let shop = &shops[shop];
            let (history, exclude, refused) = (shop.pick(&history), shop.pick(&exclude), shop.products[refused]);
            let asked = Asked { history: &history, exclude: &exclude, size };
            let ranked = scorer.rank(shop, &asked, |product| product != refused);
            prop_assert_eq!(ranked, shop.defined(&rules, &asked, refused));
        }
    }
}

#[test]
fn numbers_of_viewers_are_looked_up_again_in_another_state_only() {
    let mut shop = Shop::new(&[(vec![], 4), (vec![], 9)]);
    let mut known = viewers::KnownViewers::default();
    let mut ask = |shop: &Shop| {
        known.begin(shop);
        let before = shop.looked_up.get();
        for product in &shop.products {
            assert_eq!(known.of(shop, *product), shop.viewers[product]);
        }
        shop.looked_up.get() - before
    };
    assert_eq!([ask(&shop), ask(&shop)], [2, 2], "nothing is kept of a state without a version");
    shop.version = Some(0);
    assert_eq!([ask(&shop), ask(&shop)], [2, 0]);
    shop.version = Some(8);
    shop.viewers.values_mut().for_each(|viewers| *viewers += 1);
    assert_eq!([ask(&shop), ask(&shop)], [2, 0]);
    shop.version = None;
    shop.viewers.values_mut().for_each(|viewers| *viewers += 1);
    assert_eq!(ask(&shop), 2);
}
