//! The chain of each kind of page.

use std::sync::Arc;

use dataflow::rules::Rules;

use crate::chain::Chain;
use crate::settings::{Page, Settings};
use crate::source::Source;
use crate::sources::{AlsSlot, built_in};

/// Makes the lists of recommendations of all kinds of pages.
pub struct Recommender {
    settings: Settings,
    chains: [Chain; Page::ALL.len()],
}

impl Recommender {
    /// With the sources that are on; `als`: the place of the factor model, if factor models are used.
    #[must_use]
    pub fn new(rules: &Rules, settings: Settings, als: Option<&AlsSlot>) -> Self {
        Recommender::with_sources(rules, settings, &built_in(rules, als))
    }

    /// With these sources.
    #[must_use]
    pub fn with_sources(rules: &Rules, settings: Settings, sources: &[Arc<dyn Source>]) -> Self {
        let chains = Page::ALL.map(|page| Chain::new(settings.chain(page), settings.fill, rules, sources));
        Recommender { settings, chains }
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
}
