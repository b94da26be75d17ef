//! [`ProductAttributes`]: what the shop says of its products, as it was read last. The views of a user are summed over it when they
//! are read, so a product whose attributes change moves its views at once.
//!
//! Attributes do not pass through the graph: no list is made from them, so they need no tick, and no checkpoint holds them.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use foldhash::fast::RandomState;

use crate::ids::ProductKey;
use crate::short_text::ShortText;

/// The name of an attribute, and its value.
pub type Attribute = (ShortText, ShortText);

/// The attributes of all products.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ProductAttributes {
    /// Each pair of a name and a value once.
    attributes: Vec<Attribute>,
    /// Products, in their order, with indexes into `attributes`.
    of_products: Vec<(ProductKey, u32)>,
}

/// The slot of the attributes in use, shared by every reader of a process; empty before the first reading.
#[derive(Clone, Debug, Default)]
pub struct AttributeSlot(Arc<ArcSwapOption<ProductAttributes>>);

impl ProductAttributes {
    /// These attributes. A product may have several values of one attribute; equal rows count once.
    #[must_use]
    pub fn of(rows: impl IntoIterator<Item = (ProductKey, Attribute)>) -> Self {
        let (mut attributes, mut of_products) = (Vec::new(), Vec::new());
        let mut places: HashMap<Attribute, u32, RandomState> = HashMap::default();
        for (product, attribute) in rows {
            let place = *places.entry(attribute).or_insert_with(|| {
                attributes.push(attribute);
                u32::try_from(attributes.len() - 1).expect("a shop has fewer different values")
            });
            of_products.push((product, place));
        }
        of_products.sort_unstable();
        of_products.dedup();
        ProductAttributes { attributes, of_products }
    }

    /// The attributes of a product, each once.
    pub fn of_product(&self, product: ProductKey) -> impl Iterator<Item = Attribute> + '_ {
        let from = self.of_products.partition_point(|(before, _)| *before < product);
        let own = self.of_products[from..].iter().take_while(move |(of, _)| *of == product);
        own.map(|(_, place)| self.attributes[*place as usize])
    }
}

impl AttributeSlot {
    /// Puts attributes into use.
    pub fn put(&self, attributes: ProductAttributes) {
        self.0.store(Some(Arc::new(attributes)));
    }

    /// The attributes in use.
    #[must_use]
    pub fn get(&self) -> Option<Arc<ProductAttributes>> {
        self.0.load_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary::Dictionary;
    use crate::ids::Ids;

    #[test]
    fn a_product_has_each_of_its_attributes_once() {
        let ids = Dictionary::new(Ids::new([0; 16]));
        let [lamp, cup, tea] = ["lamp", "cup", "tea"].map(|id| ids.product(id).unwrap());
        let [red, blue, brand] = [("colour", "red"), ("colour", "blue"), ("brand", "Acme")]
            .map(|(name, value)| (ShortText::of(name), ShortText::of(value)));
        let rows = [(lamp, red), (cup, brand), (lamp, blue), (cup, red), (lamp, red)];
        let attributes = ProductAttributes::of(rows);
        let of = |product| attributes.of_product(product).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(of(lamp), [red, blue].into());
        assert_eq!((attributes.of_product(cup).count(), attributes.of_product(lamp).count()), (2, 2));
        assert_eq!((of(cup), of(tea)), ([red, brand].into(), [].into()));
    }
}
