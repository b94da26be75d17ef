//! The plan of a request for features: which rows it reads and which values it writes. It is made once for all of its users.

use std::sync::{Arc, LazyLock};

use dataflow::features::{FEATURES, Feature, Reading, rows_of};
use dataflow::freshness::InputKind;
use dataflow::index_reader::{FeatureRows, IndexReader, WantedRows};

use crate::answer::features::FeatureColumn;

/// The features of a request.
pub(super) struct FeaturePlan {
    pub(super) columns: Vec<FeatureColumn>,
    /// The inputs that they are made from.
    pub(super) inputs: &'static [InputKind],
    rows: FeatureRows,
}

/// The plan of a request for a user or for many users that names no features.
static OF_ALL: LazyLock<Arc<FeaturePlan>> = LazyLock::new(|| Arc::new(FeaturePlan::of(FEATURES.iter())));

/// The plan of a request for a user and a product that names no features.
static OF_PRODUCTS: LazyLock<Arc<FeaturePlan>> = LazyLock::new(|| {
    Arc::new(FeaturePlan::of(FEATURES.iter().filter(|feature| matches!(feature.reading, Reading::OfProduct(_)))))
});

impl FeaturePlan {
    /// The plan of the features with these numbers, or of all if there are none.
    pub(super) fn of_users(named: &[usize]) -> Arc<FeaturePlan> {
        FeaturePlan::of_named(named).unwrap_or_else(|| OF_ALL.clone())
    }

    /// The plan of the features with these numbers, or of those of products if there are none.
    pub(super) fn of_pair(named: &[usize]) -> Arc<FeaturePlan> {
        FeaturePlan::of_named(named).unwrap_or_else(|| OF_PRODUCTS.clone())
    }

    fn of_named(named: &[usize]) -> Option<Arc<FeaturePlan>> {
        (!named.is_empty()).then(|| Arc::new(FeaturePlan::of(named.iter().map(|number| &FEATURES[*number]))))
    }

    fn of(features: impl Iterator<Item = &'static Feature>) -> FeaturePlan {
        let features: Vec<&'static Feature> = features.collect();
        let columns = features.iter().map(|feature| FeatureColumn::of(feature)).collect();
        FeaturePlan { columns, inputs: inputs(&features), rows: rows_of(&features) }
    }

    /// What is read of each user.
    pub(super) fn wanted<'r>(&self, reader: &'r IndexReader) -> WantedRows<'r> {
        WantedRows::of(self.rows, reader.attributes())
    }
}

/// The inputs that features are made from.
pub(super) fn inputs(features: &[&Feature]) -> &'static [InputKind] {
    let of_categories = |feature: &&Feature| matches!(feature.reading, Reading::OfCategory(_));
    let is_from = |kind| features.iter().any(|feature| feature.input == kind);
    let shop = is_from(InputKind::Shop) || features.iter().any(of_categories);
    match (is_from(InputKind::Views), shop) {
        (true, false) => &[InputKind::Views],
        (false, true) => &[InputKind::Shop],
        _ => &InputKind::ALL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_has_the_inputs_and_the_rows_of_its_features() {
        let plan = |names: &[&str]| {
            let at = |name: &&str| FEATURES.iter().position(|feature| feature.name == *name).unwrap();
            FeaturePlan::of_users(&names.iter().map(at).collect::<Vec<_>>())
        };
        for (names, inputs, rows) in [
            (&["user_product_views"][..], &[InputKind::Views][..], FeatureRows::INTERACTIONS),
            (&["user_product_purchases"], &[InputKind::Shop], FeatureRows::PURCHASES),
            (&["user_category_views"], &InputKind::ALL, FeatureRows::CATEGORIES),
            (
                &["user_metadata", "user_product_purchases"],
                &InputKind::ALL,
                FeatureRows::METADATA.and(FeatureRows::PURCHASES),
            ),
        ] {
            let plan = plan(names);
            assert_eq!((plan.inputs, plan.rows, plan.columns.len()), (inputs, rows, names.len()));
        }
        assert_eq!(plan(&[]).columns.len(), FEATURES.len());
        assert!(
            FeaturePlan::of_pair(&[])
                .columns
                .iter()
                .all(|column| matches!(column.feature.reading, Reading::OfProduct(_)))
        );
    }
}
