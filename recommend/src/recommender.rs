//! The chain of each kind of page, and lists of similar products.

use std::sync::Arc;

use dataflow::ids::ProductKey;
use dataflow::index_reader::WideView;
use dataflow::rules::Rules;

use crate::chain::Chain;
use crate::models::{Models, ModelsOn};
use crate::settings::{Page, Settings};
use crate::similar::SimilarProduct;
use crate::source_name::SourceName;
use crate::sources::{ServedContent, built_in};
use crate::workspace::Workspace;

/// Makes the lists of recommendations of all kinds of pages, and the lists of similar products.
pub struct Recommender {
    settings: Settings,
    chains: [Chain; Page::ALL.len()],
    models: Models,
    on: ModelsOn,
    items_min: usize,
}

impl Recommender {
    /// With the sources that are on.
    #[must_use]
    pub fn new(rules: &Rules, settings: Settings, models: Models) -> Self {
        let sources = built_in(rules, &models);
        let chains = Page::ALL.map(|page| Chain::new(settings.chain(page), settings.fill, rules, &sources));
        Recommender { settings, chains, on: models.on(rules), models, items_min: rules.items_min }
    }

    /// The chain of a kind of page.
    #[must_use]
    pub fn chain(&self, page: Page) -> &Chain {
        &self.chains[page as usize]
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The setting that switches similar products on, if neither co-views nor content vectors are on.
    #[must_use]
    pub fn similar_switch(&self) -> Option<&'static str> {
        let is_off = !self.on.co_views && !self.on.content;
        SourceName::CoViews.switch().filter(|_| is_off)
    }

    /// The first `size` similar products of a product, as people see them; none if there are fewer than
    /// `rules.items_min`. Products that were viewed together with it come first; what is missing are products like it, by
    /// their content vectors.
    pub fn similar<'w>(
        &self,
        view: &WideView<'_>,
        product: ProductKey,
        size: usize,
        workspace: &'w mut Workspace,
    ) -> &'w [SimilarProduct] {
        workspace.similar(view, product, (size, self.items_min), self.content().as_deref())
    }

    /// The same, however few there are.
    pub fn all_similar<'w>(
        &self,
        view: &WideView<'_>,
        product: ProductKey,
        size: usize,
        workspace: &'w mut Workspace,
    ) -> &'w [SimilarProduct] {
        workspace.similar(view, product, (size, 0), self.content().as_deref())
    }

    /// The content vectors in use.
    fn content(&self) -> Option<Arc<ServedContent>> {
        self.models.content.as_ref()?.slot.content()
    }
}
