//! The sources, one file each.

mod als;
mod best_sellers;
mod best_sellers_for_you;
mod buy_again;
mod co_views;

use std::sync::Arc;

use dataflow::rules::Rules;

use self::als::AlsSource;
use self::best_sellers::BestSellersSource;
use self::best_sellers_for_you::BestSellersForYouSource;
use self::buy_again::BuyAgainSource;
use self::co_views::CoViewsSource;
use crate::source::Source;

pub use self::als::{AlsSlot, ServedAls};

/// The sources that are on; `als`: the place of the factor model, if factor models are used.
#[must_use]
pub fn built_in(rules: &Rules, als: Option<&AlsSlot>) -> Vec<Arc<dyn Source>> {
    let has_als = als.is_some();
    let all: [Arc<dyn Source>; 5] = [
        Arc::new(CoViewsSource),
        Arc::new(BuyAgainSource),
        Arc::new(AlsSource { slot: als.cloned().unwrap_or_default() }),
        Arc::new(BestSellersForYouSource { list_size: rules.list_size }),
        Arc::new(BestSellersSource),
    ];
    all.into_iter().filter(|source| source.name().is_on(rules, has_als)).collect()
}
