//! The settings of the shadow: a second set of business numbers, whose lists are kept beside the live ones.

use settings::{FromValue, Kind, Value, whole};

use super::{DAY_MS, Deleted, RecommendationRule, Rules};
use crate::time::Millis;

/// Stands for the value of `[rules]`.
const SAME: &str = "same";

/// [`Deleted::WORDS`] after "same".
const DELETED: &[&str] = &[SAME, "histories", "shown", "hidden"];

/// The words of `rules.missing_products` after "same".
const MISSING: &[&str] = &[SAME, "uncategorized", "deleted"];

/// [`RecommendationRule::WORDS`] after "same".
const RECOMMENDATIONS: &[&str] = &[SAME, "best_sellers_for_you", "for_you"];

settings::section! {
    /// A second set of business numbers. Its lists are kept beside those that the shop shows, from the same rows, and show only
    /// below /v1/shadow. docs/shadow.md explains it. A number that is 0 and a word that is "same" are those of [rules].
    #[derive(Copy)]
    pub struct Shadow in "shadow" {
        /// Whether the lists of the shadow are kept. While this is off they cost nothing.
        enabled: bool = "off", "word", Kind::Choice(&["off", "on"]) => |word: &Value| word.text() == "on";
        /// Number of products in a history, in a best-seller list and in recommendations. At most `rules.history_depth`.
        list_size: usize = 0, "products", whole(0, 100);
        /// How long an order counts for the buyers of its products. At most `rules.window_days`.
        window_ms as "window_days": Millis = 0, "days", whole(0, 3650) => |days| u64::from_value(days) * DAY_MS;
        /// Number of categories of a user's history whose best sellers are recommended.
        categories_max: usize = 0, "categories", whole(0, 100);
        /// A list with fewer products is an empty list. 1 shows every list.
        items_min: usize = 0, "products", whole(0, 100);
        /// Where a product that was deleted from the catalogue is shown.
        deleted as "deleted_products": Option<Deleted> = "same", "word", Kind::Choice(DELETED) => unless_same::<Deleted>;
        /// How to treat a product that was never in the catalogue.
        missing_is_deleted as "missing_products": Option<bool> = "same", "word", Kind::Choice(MISSING)
            => |word: &Value| (word.text() != SAME).then(|| word.text() == "deleted");
        /// What the recommendations of a user are.
        recommendations: Option<RecommendationRule> = "same", "word", Kind::Choice(RECOMMENDATIONS)
            => unless_same::<RecommendationRule>;
    }
}

/// The choice that a word stands for; none for "same".
fn unless_same<T: FromValue>(word: &Value) -> Option<T> {
    (word.text() != SAME).then(|| T::from_value(word))
}

/// One of the two sets of business numbers and merchandising rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ListSet {
    /// The business numbers and rules of the lists that the shop shows.
    Live,
    /// The business numbers and rules of the lists of the shadow.
    Shadow,
}

impl Shadow {
    /// No lists of a shadow are kept.
    pub const OFF: Shadow = Shadow {
        enabled: false,
        list_size: 0,
        window_ms: 0,
        categories_max: 0,
        items_min: 0,
        deleted: None,
        missing_is_deleted: None,
        recommendations: None,
    };
}

impl Rules {
    /// The rules of the shadow: its own numbers where it has them, and these rules' everywhere else.
    #[must_use]
    pub fn of_shadow(&self) -> Rules {
        let shadow = self.shadow;
        let number = |own: usize, live: usize| if own == 0 { live } else { own };
        Rules {
            list_size: number(shadow.list_size, self.list_size),
            window_ms: if shadow.window_ms == 0 { self.window_ms } else { shadow.window_ms },
            categories_max: number(shadow.categories_max, self.categories_max),
            items_min: number(shadow.items_min, self.items_min),
            deleted: shadow.deleted.unwrap_or(self.deleted),
            missing_is_deleted: shadow.missing_is_deleted.unwrap_or(self.missing_is_deleted),
            recommendations: shadow.recommendations.unwrap_or(self.recommendations),
            ..*self
        }
    }

    /// These rules without a shadow.
    #[must_use]
    pub fn without_shadow(self) -> Rules {
        Rules { shadow: Shadow::OFF, ..self }
    }

    /// The number of views that a history's list needs: that of the longer of both lists if a shadow has its own size.
    #[must_use]
    pub fn listed_views(&self) -> usize {
        if self.shadow.enabled { self.list_size.max(self.shadow.list_size) } else { self.list_size }
    }

    /// Whether more views of a history may be kept than its list shows.
    #[must_use]
    pub fn keeps_more_views(&self) -> bool {
        self.co_views.enabled || self.shadow.enabled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_as_in_the_rules() {
        let rules = Rules { list_size: 7, items_min: 2, missing_is_deleted: true, ..Rules::default() };
        assert_eq!((rules.shadow, rules.of_shadow()), (Shadow::OFF, rules));
        let shadow = Shadow {
            enabled: true,
            list_size: 9,
            window_ms: DAY_MS,
            categories_max: 4,
            items_min: 1,
            deleted: Some(Deleted::Hidden),
            missing_is_deleted: Some(false),
            recommendations: Some(RecommendationRule::ForYou),
        };
        let both = Rules { shadow, ..rules };
        let expected = Rules {
            list_size: 9,
            window_ms: DAY_MS,
            categories_max: 4,
            items_min: 1,
            deleted: Deleted::Hidden,
            missing_is_deleted: false,
            recommendations: RecommendationRule::ForYou,
            ..both
        };
        assert_eq!(both.of_shadow(), expected);
        assert_eq!([rules, both, expected].map(|rules| rules.listed_views()), [7, 9, 9]);
        assert_eq!(both.without_shadow(), rules);
    }

    #[test]
    fn the_words_are_those_of_the_rules() {
        assert_eq!(&DELETED[1..], Deleted::WORDS);
        assert_eq!(&RECOMMENDATIONS[1..], RecommendationRule::WORDS);
        let read = |word: &str| unless_same::<Deleted>(&Value::from(word));
        assert_eq!([read("same"), read("hidden")], [None, Some(Deleted::Hidden)]);
    }
}
