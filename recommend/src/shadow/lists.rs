//! The lists of one set as they are compared: products only, as people see them.

use std::sync::Arc;

use dataflow::graph::{BestSellers, ListId};
use dataflow::ids::{ProductKey, UserKey};
use dataflow::index_reader::{IndexReader, ReadView, WideView};
use dataflow::merchandising::Arranged;
use dataflow::rules::RecommendationRule;

use crate::recommender::Recommender;
use crate::settings::Page;
use crate::source::Recommended;
use crate::workspace::Workspace;

/// What the lists of one set are made with.
#[derive(Clone)]
pub struct ListMaker {
    /// Reads the indexes by the numbers and rules of the set.
    pub reader: IndexReader,
    /// Composes recommendations by the same numbers.
    pub recommender: Arc<Recommender>,
}

/// The makers of the two sets of lists that are compared.
#[derive(Clone)]
pub struct Compared {
    /// Makes the lists that the shop shows.
    pub live: ListMaker,
    /// Makes the lists of the shadow.
    pub shadow: ListMaker,
}

impl ListMaker {
    /// The products of a best-seller list.
    #[must_use]
    pub fn best_sellers(view: &ReadView<'_>, list: ListId) -> Vec<ProductKey> {
        let mut rows = Vec::new();
        view.list::<BestSellers>(&list, &mut rows);
        rows.into_iter().map(|(seller, _)| seller.product).collect()
    }

    /// The products recommended to a user. The view must have been taken for the same user, and of this maker's reader.
    #[must_use]
    pub fn recommendations(&self, view: &WideView<'_>, user: UserKey, workspace: &mut Workspace) -> Vec<ProductKey> {
        let rules = self.reader.rules();
        match rules.recommendations {
            RecommendationRule::BestSellersForYou => view.recommendations(user).products().collect(),
            RecommendationRule::ForYou => {
                let chain = self.recommender.chain(Page::Home, self.recommender.variant(user));
                let list = chain.for_user(view, user, rules.list_size, workspace);
                list.rows.iter().map(product).collect()
            }
        }
    }
}

fn product(row: &Arranged<Recommended>) -> ProductKey {
    match row {
        Arranged::Own(own) => own.product,
        Arranged::Pinned(product) => *product,
    }
}
