//! The chain of each kind of page, and lists of similar products.

use std::sync::Arc;

use dataflow::ids::{ProductKey, UserKey};
use dataflow::index_reader::WideView;
use dataflow::rules::Rules;

use crate::chain::Chain;
use crate::models::{Models, ModelsOn};
use crate::settings::{Page, Settings, TestSettings};
use crate::similar::SimilarProduct;
use crate::slots::ServedContent;
use crate::source_name::SourceName;
use crate::sources::built_in;
use crate::variant::{Split, Variant};
use crate::workspace::Workspace;
use models::evaluation::ab_test;

/// Makes the lists of recommendations of all kinds of pages, and the lists of similar products.
pub struct Recommender {
    settings: Settings,
    /// Of each variant; variant B only in a test.
    chains: [[Chain; Page::ALL.len()]; 2],
    split: Option<Split>,
    models: Models,
    on: ModelsOn,
    items_min: usize,
}

impl Recommender {
    /// With the sources that are on.
    #[must_use]
    pub fn new(rules: &Rules, settings: Settings, test: &TestSettings, models: Models) -> Self {
        let sources = built_in(rules, &models);
        let chains = Page::ALL.map(|page| Chain::new(settings.chain(page), settings.fill, rules, &sources));
        let chains_b = Page::ALL.map(|page| Chain::new(test.chain(page), test.fill, rules, &sources));
        let split = test.enabled.then(|| Split { seed: ab_test::seed(&test.name), percent: test.percent_b });
        let (on, items_min) = (models.on(rules), rules.items_min);
        Recommender { settings, chains: [chains, chains_b], split, on, models, items_min }
    }

    /// The variant of a user: A without a test.
    #[must_use]
    pub fn variant(&self, user: UserKey) -> Variant {
        self.split.map_or(Variant::A, |split| split.variant(user))
    }

    /// The chain of a kind of page, for a variant.
    #[must_use]
    pub fn chain(&self, page: Page, variant: Variant) -> &Chain {
        &self.chains[variant as usize][page as usize]
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
    /// `rules.items_min`. Products that were viewed together with it come first; products with similar content
    /// vectors fill the rest.
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
