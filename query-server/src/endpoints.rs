//! The endpoints, one file each, and the table of them.

pub(crate) mod best_sellers;
pub(crate) mod buy_again;
pub(crate) mod categories;
pub(crate) mod docs;
pub(crate) mod events;
pub(crate) mod features;
pub(crate) mod for_you;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod legacy;
pub(crate) mod metrics;
pub(crate) mod openapi;
pub(crate) mod page;
pub(crate) mod push;
pub(crate) mod recommendations;
pub(crate) mod removal;
pub(crate) mod rows;
pub(crate) mod rules;
pub(crate) mod shadow;
pub(crate) mod similar;
pub(crate) mod status;
pub(crate) mod stream;
pub(crate) mod visitor;

use crate::endpoint::Endpoint;

/// Every endpoint, in the order in which metrics and documentation name them.
pub(crate) static ENDPOINTS: &[&Endpoint] = &[
    &history::ENDPOINT,
    &removal::ENDPOINT,
    &recommendations::ENDPOINT,
    &for_you::ENDPOINT,
    &buy_again::ENDPOINT,
    &similar::ENDPOINT,
    &features::OF_USER,
    &features::OF_PAIR,
    &features::ENDPOINT,
    &visitor::ENDPOINT,
    &best_sellers::IN_GENERAL,
    &best_sellers::OF_CATEGORY,
    &categories::ENDPOINT,
    &rows::CATEGORIES,
    &rows::CATEGORY,
    &rows::CATEGORY_BATCH,
    &rows::PRODUCTS,
    &rows::PRODUCT,
    &rows::PRODUCT_BATCH,
    &rows::USERS,
    &rows::USER,
    &rows::USER_BATCH,
    &rows::PURCHASES,
    &rows::PURCHASE,
    &rows::PURCHASE_BATCH,
    &rows::CANCELLATION,
    &rows::RETURN,
    &rows::transfer::IMPORT_PRODUCTS,
    &rows::transfer::IMPORT_CATEGORIES,
    &rows::transfer::IMPORT_USERS,
    &rows::transfer::IMPORT_PURCHASES,
    &rows::transfer::IMPORT_SHOP,
    &rows::transfer::EXPORT_PRODUCTS,
    &rows::transfer::EXPORT_CATEGORIES,
    &rows::transfer::EXPORT_USERS,
    &rows::transfer::EXPORT_PURCHASES,
    &legacy::HISTORY,
    &legacy::RECOMMENDATIONS,
    &events::ENDPOINT,
    &rules::ALL,
    &rules::ONE,
    &shadow::BEST_SELLERS,
    &shadow::CATEGORY_BEST_SELLERS,
    &shadow::HISTORY,
    &shadow::RECOMMENDATIONS,
    &shadow::REPORT,
    &health::LIVE,
    &health::READY,
    &metrics::ENDPOINT,
    &status::ENDPOINT,
    &stream::ENDPOINT,
    &push::BEST_SELLERS,
    &push::HISTORY,
    &push::RECOMMENDATIONS,
    &push::FEATURES,
    &page::ENDPOINT,
    &openapi::ENDPOINT,
    &docs::ENDPOINT,
];

/// The place after the table, for requests that no endpoint takes.
pub(crate) const NO_ENDPOINT: usize = ENDPOINTS.len();

/// The labels of the endpoints, and at last the label of requests that no endpoint takes.
pub(crate) fn labels() -> Vec<&'static str> {
    ENDPOINTS.iter().map(|endpoint| endpoint.label).chain(["none"]).collect()
}

/// The place of the endpoint at `path`, or `NO_ENDPOINT`.
pub(crate) fn find(path: &str) -> usize {
    ENDPOINTS.iter().position(|endpoint| endpoint.is_at(path)).unwrap_or(NO_ENDPOINT)
}

/// The place of the endpoint with this label.
pub(crate) const fn index(label: &str) -> usize {
    let mut at = 0;
    while !are_equal(ENDPOINTS[at].label.as_bytes(), label.as_bytes()) {
        at += 1;
    }
    at
}

const fn are_equal(one: &[u8], other: &[u8]) -> bool {
    match (one, other) {
        ([], []) => true,
        ([first, one @ ..], [second, other @ ..]) => *first == *second && are_equal(one, other),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_paths_are_unique() {
        let mut labels = labels();
        let mut paths: Vec<&str> = ENDPOINTS.iter().flat_map(|endpoint| endpoint.paths).copied().collect();
        let all = (labels.len(), paths.len());
        labels.sort_unstable();
        labels.dedup();
        paths.sort_unstable();
        paths.dedup();
        assert_eq!((labels.len(), paths.len()), all);
        for (at, endpoint) in ENDPOINTS.iter().enumerate() {
            assert_eq!(index(endpoint.label), at);
        }
    }
}
