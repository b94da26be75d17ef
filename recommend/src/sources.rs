//! The sources that read the published indexes, one file each.

mod best_sellers;
mod best_sellers_for_you;
mod buy_again;
mod co_views;

use std::sync::Arc;

use dataflow::rules::Rules;

use self::best_sellers::BestSellersSource;
use self::best_sellers_for_you::BestSellersForYouSource;
use self::buy_again::BuyAgainSource;
use self::co_views::CoViewsSource;
use crate::source::Source;

/// The sources that are on.
#[must_use]
pub fn built_in(rules: &Rules) -> Vec<Arc<dyn Source>> {
    let all: [Arc<dyn Source>; 4] = [
        Arc::new(CoViewsSource),
        Arc::new(BuyAgainSource),
        Arc::new(BestSellersForYouSource { list_size: rules.list_size }),
        Arc::new(BestSellersSource),
    ];
    all.into_iter().filter(|source| source.name().is_on(rules)).collect()
}
