//! `best_sellers`: the best sellers of the shop, or of the category of the page.

use dataflow::graph::ListId;
use dataflow::index_reader::{Pick, WideView};

use crate::source::{Asked, Reason, Recommended, Source};
use crate::source_name::SourceName;
use crate::workspace::Workspace;

/// The best sellers, without those that were viewed.
pub(super) struct BestSellersSource;

impl Source for BestSellersSource {
    fn name(&self) -> SourceName {
        SourceName::BestSellers
    }

    fn recommend(&self, view: &WideView<'_>, asked: &Asked<'_>, _: &mut Workspace) -> Vec<Recommended> {
        let list = asked.category.map_or(ListId::General, ListId::Category);
        admitted(view.best_sellers(list), SourceName::BestSellers, view, asked)
    }
}

/// The first of `picks` that `asked` admits, as recommendations of `source`.
pub(super) fn admitted(
    picks: Vec<Pick>,
    source: SourceName,
    view: &WideView<'_>,
    asked: &Asked<'_>,
) -> Vec<Recommended> {
    let admits = asked.admits(view);
    let admitted = picks.into_iter().filter(|pick| admits(pick.seller.product)).take(asked.size);
    let recommended =
        |pick: Pick| Recommended { product: pick.seller.product, source, reason: Reason::BestSeller(pick) };
    admitted.map(recommended).collect()
}
