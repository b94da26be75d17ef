//! How features are made from the rows of a user, as of a time: from all rows, or from those of some products alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::ValueFeatures;
use super::{CategoryFeatures, ProductFeatures};
use crate::ids::{CategoryKey, OrderKey, ProductKey};
use crate::product_attributes::{Attribute, AttributeSlot, ProductAttributes};
use crate::rules::Features;
use crate::sessions::Gap;
use crate::tables::Activity;
use crate::time::{Diff, Millis, Time};

/// The settings that features depend on, and the time as of which they are made.
#[derive(Clone, Copy)]
pub(in crate::index_reader) struct Definition<'a> {
    pub(in crate::index_reader) rules: &'a Features,
    pub(in crate::index_reader) as_of: Time,
}

impl Definition<'_> {
    /// Whether features whose latest event was at this time are there.
    pub(in crate::index_reader) fn lasts(&self, at: Millis) -> bool {
        self.rules.last_until(at, self.as_of)
    }

    /// Puts what the user did with each product into `products`, and returns the time of the latest event without a product.
    /// `interacted` has the events of each product in order, `bought` the orders of each product in any order. `each_gap` gives the
    /// gaps of the sessions that are held; those of other products are left out.
    pub(super) fn products(
        &self,
        interacted: &mut Vec<(ProductKey, Activity)>,
        each_gap: impl FnOnce(&mut dyn FnMut(Gap)),
        bought: &mut Vec<(ProductKey, OrderKey)>,
        products: &mut Vec<ProductFeatures>,
    ) -> Option<Millis> {
        // What was taken out may still be stored, and so may what will be.
        interacted.retain(|(_, activity)| activity.last_at().is_some_and(|at| self.lasts(at)));
        // Every view is among the interactions already, unless it was dropped.
        each_gap(&mut |gap| {
            if let Ok(at) = interacted.binary_search_by_key(&gap.product, |(product, _)| *product)
                && interacted[at].1.counts(gap.at)
                && self.rules.has_gap(gap.at, gap.ms)
            {
                interacted[at].1.add_gap(gap.ms);
            }
        });
        let mut alone_at = None;
        products.clear();
        for (product, activity) in interacted.drain(..) {
            if product == ProductKey::NONE {
                alone_at = activity.last_at();
            } else {
                products.push(ProductFeatures { activity, ..ProductFeatures::none(product) });
            }
        }
        add_purchases(products, bought);
        alone_at
    }
}

/// Counts the orders of each product. Products that were only bought are added.
fn add_purchases(products: &mut Vec<ProductFeatures>, bought: &mut Vec<(ProductKey, OrderKey)>) {
    // An order of several rows is one order.
    bought.sort_unstable();
    bought.dedup();
    let known = products.len();
    for orders in bought.chunk_by(|one, next| one.0 == next.0) {
        let (product, purchases) = (orders[0].0, orders.len() as u64);
        match products[..known].binary_search_by_key(&product, |features| features.product) {
            Ok(at) => products[at].purchases = purchases,
            Err(_) => products.push(ProductFeatures { purchases, ..ProductFeatures::none(product) }),
        }
    }
    if products.len() > known {
        products.sort_unstable_by_key(|features| features.product);
    }
}

/// The categories of a product.
pub(super) type Categories = Vec<(CategoryKey, Diff)>;

/// Whether a product is among those over which sums are made.
pub(super) fn is_summed(of: &ProductFeatures) -> bool {
    of.activity.views() + of.purchases > 0
}

/// The sums over products by what they are now.
pub(super) struct Sums {
    /// None before they are read.
    attributes: Option<Arc<ProductAttributes>>,
    /// Views and purchases.
    by_category: BTreeMap<CategoryKey, [u64; 2]>,
    views_by_attribute: BTreeMap<Attribute, u64>,
}

impl Sums {
    /// Sums over no products. By attributes, sums are made only if their slot is given.
    pub(super) fn new(attributes: Option<&AttributeSlot>) -> Self {
        Sums {
            attributes: attributes.and_then(AttributeSlot::get),
            by_category: BTreeMap::new(),
            views_by_attribute: BTreeMap::new(),
        }
    }

    /// Adds products. `categories` gives those of a product, which also has its number among the summed ones.
    pub(super) fn add(
        &mut self,
        products: &[ProductFeatures],
        categories: impl FnMut(usize, ProductKey, &mut Categories),
    ) {
        self.change(products, categories, u64::wrapping_add);
    }

    /// Takes products out that were added when they were in the same categories.
    pub(super) fn take_out(
        &mut self,
        products: &[ProductFeatures],
        categories: impl FnMut(usize, ProductKey, &mut Categories),
    ) {
        self.change(products, categories, u64::wrapping_sub);
    }

    fn change(
        &mut self,
        products: &[ProductFeatures],
        mut categories: impl FnMut(usize, ProductKey, &mut Categories),
        change: fn(u64, u64) -> u64,
    ) {
        let mut found = Vec::new();
        for (number, of) in products.iter().filter(|of| is_summed(of)).enumerate() {
            categories(number, of.product, &mut found);
            for (category, _) in &found {
                let [views, purchases] = self.by_category.entry(*category).or_default();
                *views = change(*views, of.activity.views());
                *purchases = change(*purchases, of.purchases);
            }
            for attribute in self.attributes.iter().flat_map(|attributes| attributes.of_product(of.product)) {
                let views = self.views_by_attribute.entry(attribute).or_default();
                *views = change(*views, of.activity.views());
            }
        }
    }

    /// The sums of each category.
    pub(super) fn categories(&self) -> impl Iterator<Item = CategoryFeatures> {
        let sums = self.by_category.iter().filter(|(_, sums)| **sums != [0, 0]);
        sums.map(|(category, [views, purchases])| CategoryFeatures {
            category: *category,
            views: *views,
            purchases: *purchases,
        })
    }

    /// The views of each value of an attribute; none before the attributes are read, if there are views among the products: those of
    /// an erased user are known to be empty at any time.
    pub(super) fn attribute_views(&self, rules: &Features, products: &[ProductFeatures]) -> Option<Vec<ValueFeatures>> {
        if self.attributes.is_none() {
            let is_empty = rules.attributes.is_empty() || products.iter().all(|of| of.activity.views() == 0);
            return is_empty.then(Vec::new);
        }
        let sums = self.views_by_attribute.iter().filter(|(_, views)| **views > 0);
        Some(sums.map(|((key, value), views)| ValueFeatures { key: *key, value: *value, events: *views }).collect())
    }
}
