//! The names of the sources of recommended products.

use settings::{FromValue as _, Value};

settings::choice! {
    /// The sources of recommended products.
    pub enum SourceName {
        /// The products that users with similar histories viewed.
        CoViews = "co_views",
        /// The products that the user bought before.
        BuyAgain = "buy_again",
        /// The products whose factors fit the history best.
        Als = "als",
        /// The products that are like those viewed, by their texts or embeddings.
        Content = "content",
        /// The best sellers of the categories viewed most.
        BestSellersForYou = "best_sellers_for_you",
        /// The best sellers of the shop, or of the category of the page.
        BestSellers = "best_sellers",
    }
}

impl SourceName {
    /// The word that stands for it in settings and answers.
    #[must_use]
    pub fn word(self) -> &'static str {
        SourceName::WORDS[self as usize]
    }

    /// The setting that switches its model on; `None` if it needs no model.
    #[must_use]
    pub fn switch(self) -> Option<&'static str> {
        match self {
            SourceName::CoViews => Some("models.co_views.enabled"),
            SourceName::BuyAgain => Some("models.buy_again.enabled"),
            SourceName::Als => Some("models.als.enabled"),
            SourceName::Content => Some("models.content.enabled"),
            SourceName::BestSellersForYou | SourceName::BestSellers => None,
        }
    }

    /// The source that a word stands for.
    #[must_use]
    pub fn find(word: &str) -> Option<SourceName> {
        SourceName::WORDS.contains(&word).then(|| SourceName::from_value(&Value::from(word)))
    }
}
