//! The sources, one file each.

mod als;
mod best_sellers;
mod best_sellers_for_you;
mod buy_again;
mod co_views;
mod content;

use std::sync::Arc;

use dataflow::rules::Rules;

use self::als::AlsSource;
use self::best_sellers::BestSellersSource;
use self::best_sellers_for_you::BestSellersForYouSource;
use self::buy_again::BuyAgainSource;
use self::co_views::CoViewsSource;
use self::content::ContentSource;
use crate::models::Models;
use crate::source::Source;

/// The sources that are on.
#[must_use]
pub fn built_in(rules: &Rules, models: &Models) -> Vec<Arc<dyn Source>> {
    let on = models.on(rules);
    let als = models.als.iter().map(|slot| Arc::new(AlsSource { slot: slot.clone() }) as Arc<dyn Source>);
    let content = models
        .content
        .iter()
        .map(|model| Arc::new(ContentSource { slot: model.slot.clone(), newest: model.newest }) as Arc<dyn Source>);
    let of_graph: [Arc<dyn Source>; 4] = [
        Arc::new(CoViewsSource),
        Arc::new(BuyAgainSource),
        Arc::new(BestSellersForYouSource { list_size: rules.list_size }),
        Arc::new(BestSellersSource),
    ];
    of_graph.into_iter().filter(|source| on.has(source.name())).chain(als).chain(content).collect()
}
