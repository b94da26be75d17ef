//! `[rules]`: the business numbers of the lists.

use super::kind::Kind;
use super::setting::{Section, Setting};
use super::values::Values;

pub(super) const SECTION: Section = Section {
    name: "rules",
    sentence: "The numbers that define the lists.",
    settings: &[
        Setting::new(
            "rules.list_size",
            Kind::Integer { min: 1, max: 100 },
            "products",
            "10",
            "Products in a history, in a best-seller list and in recommendations.",
        ),
        Setting::new(
            "rules.window_days",
            Kind::Integer { min: 1, max: 3650 },
            "days",
            "30",
            "How long an order counts for its products' buyers.",
        ),
        Setting::new(
            "rules.categories_max",
            Kind::Integer { min: 1, max: 100 },
            "categories",
            "3",
            "Categories of a user's history whose best sellers are recommended.",
        ),
        Setting::new(
            "rules.items_min",
            Kind::Integer { min: 0, max: 100 },
            "products",
            "0",
            "Least number of products a list must have to be shown; 0 shows every list.",
        ),
    ],
};

/// `[rules]`, in the units of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is documented by the sentence of its setting above")]
pub struct Rules {
    pub list_size: usize,
    pub window_days: u64,
    pub categories_max: usize,
    pub items_min: usize,
}

impl Rules {
    pub(super) fn read(values: &Values) -> Rules {
        Rules {
            list_size: values.size("rules.list_size"),
            window_days: values.integer("rules.window_days"),
            categories_max: values.size("rules.categories_max"),
            items_min: values.size("rules.items_min"),
        }
    }
}
