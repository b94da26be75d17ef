//! `[rules]`: the business numbers of the lists.

use dataflow::rules::Deleted;

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
        Setting::new(
            "rules.deleted_products",
            Kind::Choice { allowed: &["histories", "shown", "hidden"], planned: &[] },
            "word",
            "\"histories\"",
            "Where a product shows that was deleted from the catalogue: \"histories\" shows it in histories only, \"shown\" also \
             in the general best sellers, like a product without a category, \"hidden\" nowhere.",
        ),
        Setting::new(
            "rules.missing_products",
            Kind::Choice { allowed: &["uncategorized", "deleted"], planned: &[] },
            "word",
            "\"uncategorized\"",
            "What a product counts as that Vitrine has never seen in the catalogue: one without a category, or a deleted one. \
             \"deleted\" fits where the catalogue lists all products of the shop: then the lists depend on its present rows \
             alone, and products deleted before Vitrine's first start are treated as deleted, too.",
        ),
    ],
};

/// What a product counts as that was never seen in the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// One without a category.
    Uncategorized,
    /// A deleted one.
    Deleted,
}

/// `[rules]`, in the units of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is documented by the sentence of its setting above")]
pub struct Rules {
    pub list_size: usize,
    pub window_days: u64,
    pub categories_max: usize,
    pub items_min: usize,
    pub deleted_products: Deleted,
    pub missing_products: Missing,
}

impl Rules {
    pub(super) fn read(values: &Values) -> Rules {
        Rules {
            list_size: values.size("rules.list_size"),
            window_days: values.integer("rules.window_days"),
            categories_max: values.size("rules.categories_max"),
            items_min: values.size("rules.items_min"),
            deleted_products: match values.text("rules.deleted_products").as_str() {
                "shown" => Deleted::Shown,
                "hidden" => Deleted::Hidden,
                _ => Deleted::InHistories,
            },
            missing_products: match values.text("rules.missing_products").as_str() {
                "deleted" => Missing::Deleted,
                _ => Missing::Uncategorized,
            },
        }
    }
}
