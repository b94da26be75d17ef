//! `[recommendations]`: the sources of each kind of page, and the bounds of a request.

use settings::{Kind, Value, whole};

use crate::source_name::SourceName;

settings::choice! {
    /// The kinds of pages that show recommendations.
    pub enum Page {
        /// The first page of the shop, and every page that has no kind of its own.
        Home = "home",
        /// The page of a product.
        Product = "product",
        /// The basket.
        Basket = "basket",
    }
}

settings::choice! {
    /// How a list is filled from several sources.
    pub enum Fill {
        /// The first source fills the list. The next one only adds products that are missing.
        First = "first",
        /// The sources take turns, and each adds its next product.
        Interleave = "interleave",
    }
}

const SOURCES: Kind = Kind::List {
    allowed: "a list of sources, none twice, from \"co_views\", \"buy_again\", \"als\", \"content\", \"best_sellers_for_you\" and \"best_sellers\"",
    takes: is_chain,
};

settings::section! {
    /// From which sources recommendations come, for each kind of page. docs/recommendations.md explains the sources. A
    /// source whose model is off cannot be named here; in a default it is passed over.
    pub struct Settings in "recommendations" {
        /// Sources of the first page, in the order of preference.
        home: Vec<SourceName> = ["co_views", "best_sellers_for_you", "best_sellers"], "sources", SOURCES => names;
        /// Sources of a product's page.
        product: Vec<SourceName> = ["co_views", "best_sellers_for_you", "best_sellers"], "sources", SOURCES => names;
        /// Sources of the basket.
        basket: Vec<SourceName> = ["co_views", "best_sellers_for_you", "best_sellers"], "sources", SOURCES => names;
        /// How a list is filled. "first": by the first source, and the next one adds what is missing. "interleave": the
        /// sources take turns.
        fill: Fill = "first", "word", Kind::Choice(Fill::WORDS);
        /// Limit of products in `viewed` of a request. A longer list gets 422.
        viewed_max: usize = 200, "products", whole(1, 10_000);
        /// Limit of products in `exclude` of a request. A longer list gets 422.
        exclude_max: usize = 1000, "products", whole(1, 10_000);
    }
}

settings::section! {
    /// A test of other chains on a part of the users. docs/models.md explains it. A chain that is not given is that of the
    /// default.
    pub struct TestSettings in "recommendations.test" {
        /// Whether the test runs. While this is off, everybody has the chains of [recommendations].
        enabled: bool = "off", "word", Kind::Choice(&["off", "on"]) => |word: &Value| word.text() == "on";
        /// Name of the test. Another name draws other users.
        name: String = "test", "name", Kind::Text { allowed: "a text that is not empty", takes: |text| !text.is_empty() };
        /// Share of the users who have the chains of this section: variant B.
        percent_b: u64 = 50, "%", whole(1, 99);
        /// Sources of the first page for variant B.
        home: Vec<SourceName> = ["co_views", "best_sellers_for_you", "best_sellers"], "sources", SOURCES => names;
        /// Sources of a product's page for variant B.
        product: Vec<SourceName> = ["co_views", "best_sellers_for_you", "best_sellers"], "sources", SOURCES => names;
        /// Sources of the basket for variant B.
        basket: Vec<SourceName> = ["co_views", "best_sellers_for_you", "best_sellers"], "sources", SOURCES => names;
        /// How a list is filled for variant B.
        fill: Fill = "first", "word", Kind::Choice(Fill::WORDS);
    }
}

impl TestSettings {
    /// The sources of a kind of page for variant B, in the order of preference.
    #[must_use]
    pub fn chain(&self, page: Page) -> &[SourceName] {
        match page {
            Page::Home => &self.home,
            Page::Product => &self.product,
            Page::Basket => &self.basket,
        }
    }
}

impl Settings {
    /// The sources of a kind of page, in the order of preference.
    #[must_use]
    pub fn chain(&self, page: Page) -> &[SourceName] {
        match page {
            Page::Home => &self.home,
            Page::Product => &self.product,
            Page::Basket => &self.basket,
        }
    }
}

impl Page {
    /// All kinds of pages.
    pub const ALL: [Page; 3] = [Page::Home, Page::Product, Page::Basket];

    /// The word that stands for it in settings and requests.
    #[must_use]
    pub fn word(self) -> &'static str {
        Page::WORDS[self as usize]
    }

    /// The kind of page that a word stands for.
    #[must_use]
    pub fn find(word: &str) -> Option<Page> {
        Page::ALL.into_iter().find(|page| page.word() == word)
    }
}

fn is_chain(words: &[String]) -> bool {
    let is_known = |word: &String| SourceName::WORDS.contains(&word.as_str());
    let is_repeated = |at: usize| words[..at].contains(&words[at]);
    !words.is_empty() && words.iter().all(is_known) && !(0..words.len()).any(is_repeated)
}

fn names(value: &Value) -> Vec<SourceName> {
    match value {
        Value::List(words) => words.iter().filter_map(|word| SourceName::find(word)).collect(),
        other => unreachable!("the setting's kind is of lists, found {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_names_known_sources_each_once() {
        let is_chain = |words: &[&str]| is_chain(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert!(is_chain(&["best_sellers"]));
        assert!(is_chain(SourceName::WORDS));
        for wrong in [&[][..], &["best_sellers", "best_sellers"], &["bestsellers"], &["co_views", ""]] {
            assert!(!is_chain(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn every_source_is_named_where_sources_are_listed() {
        assert!(SourceName::WORDS.iter().all(|word| SOURCES.allowed().contains(word)), "{}", SOURCES.allowed());
        let settings = Settings::default();
        assert_eq!(settings.home, [SourceName::CoViews, SourceName::BestSellersForYou, SourceName::BestSellers]);
        for page in Page::ALL {
            assert_eq!(Page::find(page.word()), Some(page));
        }
        assert_eq!(Page::find("Home"), None);
    }
}
