//! The learned models that are not in the graph, and which models are on.

use dataflow::rules::Rules;

use crate::slots::{AlsSlot, ContentSlot};
use crate::source_name::SourceName;

/// The models that are not in the graph; `None` for a model that is off.
#[derive(Clone, Debug, Default)]
pub struct Models {
    /// The place of the factor model.
    pub als: Option<AlsSlot>,
    /// Content vectors.
    pub content: Option<ContentModel>,
}

/// Content vectors, and how the source uses them.
#[derive(Clone, Debug)]
pub struct ContentModel {
    /// The place of the vectors.
    pub slot: ContentSlot,
    /// Number of newest products of a history from which the source recommends.
    pub newest: usize,
}

/// Which models are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelsOn {
    /// Co-views.
    pub co_views: bool,
    /// Buy again.
    pub buy_again: bool,
    /// The factor model.
    pub als: bool,
    /// Content vectors.
    pub content: bool,
}

impl Models {
    /// Which models are on by these rules and with these models.
    #[must_use]
    pub fn on(&self, rules: &Rules) -> ModelsOn {
        ModelsOn {
            co_views: rules.co_views.enabled,
            buy_again: rules.buy_again.enabled,
            als: self.als.is_some(),
            content: self.content.is_some(),
        }
    }
}

impl ModelsOn {
    /// Whether a source has its model, if it needs one.
    #[must_use]
    pub fn has(self, source: SourceName) -> bool {
        match source {
            SourceName::CoViews => self.co_views,
            SourceName::BuyAgain => self.buy_again,
            SourceName::Als => self.als,
            SourceName::Content => self.content,
            SourceName::BestSellersForYou | SourceName::BestSellers => true,
        }
    }
}
