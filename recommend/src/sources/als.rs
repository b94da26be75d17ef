//! `als`: the products whose factors fit the products viewed best, by the trained model in use.
//!
//! ```text
//! model files ─▶ AlsSlot ─▶ the model in use ─┐
//! products viewed ────────▶ factors of the user ─▶ exact scan ─▶ the best products
//! ```

use dataflow::index_reader::WideView;

use crate::slots::AlsSlot;
use crate::source::{Asked, Reason, Recommended, Source};
use crate::source_name::SourceName;
use crate::workspace::Workspace;

/// Products by the model in use; none without a model, and none if it knows no product viewed.
pub(super) struct AlsSource {
    pub(super) slot: AlsSlot,
}

impl Source for AlsSource {
    fn name(&self) -> SourceName {
        SourceName::Als
    }

    fn recommend(&self, view: &WideView<'_>, asked: &Asked<'_>, _: &mut Workspace) -> Vec<Recommended> {
        let Some(served) = self.slot.model() else { return Vec::new() };
        let admits = asked.admits(view);
        let best = served.model.best_after(asked.viewed, asked.size, |product| !admits(product));
        let recommended = best.into_iter().filter(|(_, score)| score.is_finite()).map(|(product, score)| Recommended {
            product,
            source: SourceName::Als,
            reason: Reason::Factors { score, version: served.version },
        });
        recommended.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dataflow::dictionary::Dictionary;
    use dataflow::ids::{Ids, ProductKey};
    use dataflow::rules::Rules;
    use dataflow::stepped::SteppedGraph;
    use dataflow::tables::{Catalogue, CatalogueRow};
    use models::Vectors;
    use models::als::KeyedAls;
    use models::als::{Als, Parameters};

    use super::*;
    use crate::slots::ServedAls;

    /// One number a product.
    const FACTORS: [f32; 5] = [1.0, 0.9, 0.8, -1.0, 0.0];

    fn served(version: u64, keys: &[ProductKey]) -> ServedAls {
        let mut vectors = Vectors::zeros(keys.len(), 1);
        FACTORS.iter().enumerate().for_each(|(row, factor)| vectors.row_mut(row)[0] = *factor);
        let als = Als::new(vectors, Parameters { factors: 1, ..Parameters::default() });
        ServedAls { version, model: KeyedAls::new(als, keys.to_vec(), 30, 3) }
    }

    #[test]
    fn lists_follow_the_model_in_the_slot_and_what_is_asked() {
        let (rules, dictionary) = (Rules::default(), Arc::new(Dictionary::new(Ids::new([7; 16]))));
        let product = |number: usize| dictionary.product(&format!("product-{number}")).expect("no collision");
        let keys: Vec<ProductKey> = (0..FACTORS.len()).map(product).collect();
        let category = dictionary.category("cups").expect("no collision");
        let mut graph = SteppedGraph::new(rules, dictionary.clone(), 1000);
        graph.inputs().update::<Catalogue>(CatalogueRow { product: keys[2], category }, 1);
        let next = graph.tick() + 1;
        graph.advance_to(next);
        graph.settle();
        let view = graph.reader().wide_view_any();
        let (source, mut workspace) = (AlsSource { slot: AlsSlot::default() }, Workspace::new(&rules));
        let mut list = |asked: Asked<'_>| -> Vec<(ProductKey, u64)> {
            let rows = source.recommend(&view, &asked, &mut workspace).into_iter();
            let row = |row: Recommended| match row.reason {
                Reason::Factors { score, version } if score > 0.0 => (row.product, version),
                other => panic!("{other:?}"),
            };
            rows.map(row).collect()
        };
        let asked = Asked { user: None, viewed: &keys[..1], exclude: &[], category: None, size: 10 };
        assert_eq!(list(asked), [], "there is no model");
        source.slot.put(served(4, &keys));
        assert_eq!(list(asked), [(keys[1], 4), (keys[2], 4)], "what does not fit is left out");
        assert_eq!(list(Asked { size: 1, ..asked }), [(keys[1], 4)]);
        assert_eq!(list(Asked { exclude: &keys[1..2], ..asked }), [(keys[2], 4)]);
        assert_eq!(list(Asked { category: Some(category), ..asked }), [(keys[2], 4)]);
        assert_eq!(list(Asked { viewed: &keys[..2], ..asked }), [(keys[2], 4)]);
        assert_eq!(list(Asked { viewed: &[], ..asked }), [], "nothing was viewed");
        source.slot.put(served(5, &keys));
        assert_eq!(list(Asked { size: 1, ..asked }), [(keys[1], 5)]);
        let unnamed: Vec<ProductKey> =
            keys.iter().enumerate().map(|(row, key)| if row == 1 { ProductKey::NONE } else { *key }).collect();
        source.slot.put(served(6, &unnamed));
        assert_eq!(list(asked), [(keys[2], 6)], "a product without a key is left out");
    }
}
