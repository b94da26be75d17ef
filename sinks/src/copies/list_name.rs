//! The name of a list in a copy: the key of its record, and the first column of its rows.

use std::fmt;
use std::sync::Arc;

use dataflow::features;

use super::settings::CopiedLists;

/// The name of a list. Its text is what the copy holds; its debug form leaves out the id, which may be a user's.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum ListName {
    /// `bestsellers`: the best sellers over all products.
    BestSellers,
    /// `category/ID`: the best sellers of a category.
    Category(Arc<str>),
    /// `history/ID`: the products a user viewed last.
    History(Arc<str>),
    /// `recommendations/ID`: the recommendations for a user.
    Recommendations(Arc<str>),
    /// `similar/ID`: the products that were viewed together with a product.
    Similar(Arc<str>),
    /// `features/NAME/ID`: the values of a feature of a user.
    Feature(&'static str, Arc<str>),
}

impl ListName {
    /// The list that a text names; none if it is not the name of a list.
    #[must_use]
    pub fn parse(text: &str) -> Option<ListName> {
        let Some((kind, id)) = text.split_once('/') else {
            return (text == "bestsellers").then_some(ListName::BestSellers);
        };
        let named = |make: fn(Arc<str>) -> ListName| (!id.is_empty()).then(|| make(id.into()));
        match kind {
            "category" => named(ListName::Category),
            "history" => named(ListName::History),
            "recommendations" => named(ListName::Recommendations),
            "similar" => named(ListName::Similar),
            "features" => {
                let (feature, user) = id.split_once('/')?;
                let feature = features::find(feature).filter(|_| !user.is_empty())?;
                Some(ListName::Feature(feature.name, user.into()))
            }
            _ => None,
        }
    }

    /// The lists among which a setting chooses it.
    #[must_use]
    pub fn lists(&self) -> CopiedLists {
        match self {
            ListName::BestSellers | ListName::Category(_) => CopiedLists::BestSellers,
            ListName::History(_) => CopiedLists::Histories,
            ListName::Recommendations(_) => CopiedLists::Recommendations,
            ListName::Similar(_) => CopiedLists::Similar,
            ListName::Feature(..) => CopiedLists::Features,
        }
    }
}

impl fmt::Display for ListName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListName::BestSellers => out.write_str("bestsellers"),
            ListName::Category(id) => write!(out, "category/{id}"),
            ListName::History(id) => write!(out, "history/{id}"),
            ListName::Recommendations(id) => write!(out, "recommendations/{id}"),
            ListName::Similar(id) => write!(out, "similar/{id}"),
            ListName::Feature(feature, id) => write!(out, "features/{feature}/{id}"),
        }
    }
}

impl fmt::Debug for ListName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ListName({:?})", self.lists())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_and_other_texts_name_no_list() {
        let id = || Arc::from("a/b");
        for name in [
            ListName::BestSellers,
            ListName::Category(id()),
            ListName::History(id()),
            ListName::Recommendations(id()),
            ListName::Similar(id()),
            ListName::Feature("user_last_interaction", id()),
        ] {
            assert_eq!(ListName::parse(&name.to_string()), Some(name));
        }
        for text in ["", "bestseller", "bestsellers/a", "history", "history/", "features/none/a", "features/a", "x/y"] {
            assert_eq!(ListName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_debug_form_shows_no_user() {
        assert_eq!(format!("{:?}", ListName::History("user-1".into())), "ListName(Histories)");
    }
}
