//! `content`: products that are alike by their texts or embeddings.
//!
//! ```text
//! descriptions of the shop ─▶ vectors ─▶ ContentSlot ─┬▶ source `content`: products like those viewed
//!                                                     └▶ similar products of a product with few co-views
//! ```

use dataflow::index_reader::WideView;

use crate::slots::ContentSlot;
use crate::source::{Asked, Reason, Recommended, Source};
use crate::source_name::SourceName;
use crate::workspace::Workspace;

/// Products like the newest products viewed; none without vectors.
pub(super) struct ContentSource {
    pub(super) slot: ContentSlot,
    /// Products of a history that count.
    pub(super) newest: usize,
}

impl Source for ContentSource {
    fn name(&self) -> SourceName {
        SourceName::Content
    }

    fn recommend(&self, view: &WideView<'_>, asked: &Asked<'_>, _: &mut Workspace) -> Vec<Recommended> {
        let Some(served) = self.slot.content() else { return Vec::new() };
        let admits = asked.admits(view);
        let newest = &asked.viewed[..asked.viewed.len().min(self.newest)];
        let near = served.vectors.near(newest, asked.size, |product| !admits(product));
        let recommended = near.into_iter().map(|(product, cosine)| Recommended {
            product,
            source: SourceName::Content,
            reason: Reason::Alike { cosine },
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
    use models::content::Content;
    use models::content::Embeddings;

    use super::*;
    use crate::slots::ServedContent;

    const VECTORS: [[f32; 2]; 5] = [[1.0, 0.0], [0.9, 0.1], [0.5, 0.5], [0.0, 1.0], [-1.0, 0.0]];

    #[test]
    fn lists_follow_the_vectors_and_what_is_asked() {
        let (rules, dictionary) = (Rules::default(), Arc::new(Dictionary::new(Ids::new([7; 16]))));
        let product = |number: usize| dictionary.product(&format!("product-{number}")).expect("no collision");
        let keys: Vec<ProductKey> = (0..VECTORS.len()).map(product).collect();
        let category = dictionary.category("cups").expect("no collision");
        let mut graph = SteppedGraph::new(rules, dictionary.clone(), 1000);
        graph.inputs().update::<Catalogue>(CatalogueRow { product: keys[2], category }, 1);
        let next = graph.tick() + 1;
        graph.advance_to(next);
        graph.settle();
        let view = graph.reader().wide_view_any();
        let (source, mut workspace) =
            (ContentSource { slot: ContentSlot::default(), newest: 1 }, Workspace::new(&rules));
        let mut list = |asked: Asked<'_>| -> Vec<ProductKey> {
            let rows = source.recommend(&view, &asked, &mut workspace).into_iter();
            rows.map(|row| {
                assert!(matches!(row.reason, Reason::Alike { cosine } if cosine > 0.0), "{row:?}");
                row.product
            })
            .collect()
        };
        let asked = Asked { user: None, viewed: &keys[..1], exclude: &[], category: None, size: 10 };
        assert_eq!(list(asked), [], "there are no vectors");
        let mut embeddings = Embeddings::default();
        VECTORS.iter().for_each(|vector| embeddings.add(vector.to_vec()));
        let vectors = Content::new(embeddings.vectors().0, keys.clone(), 0.0);
        source.slot.put(ServedContent { version: 1, vectors });
        assert_eq!(list(asked), [keys[1], keys[2]], "products that are not alike are left out");
        assert_eq!(list(Asked { size: 1, ..asked }), [keys[1]]);
        assert_eq!(list(Asked { exclude: &keys[1..2], ..asked }), [keys[2]]);
        assert_eq!(list(Asked { category: Some(category), ..asked }), [keys[2]]);
        assert_eq!(list(Asked { viewed: &keys[..2], ..asked }), [keys[2]], "only the newest product counts");
        assert_eq!(list(Asked { viewed: &[], ..asked }), [], "nothing was viewed");
    }
}
