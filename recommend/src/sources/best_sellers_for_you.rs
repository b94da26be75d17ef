//! `best_sellers_for_you`: the best sellers of the categories viewed most.

use dataflow::graph::{History, Viewed};
use dataflow::ids::ProductKey;
use dataflow::index_reader::WideView;
use dataflow::time::{Diff, Millis};

use super::best_sellers::admitted;
use crate::source::{Asked, Recommended, Source};
use crate::source_name::SourceName;
use crate::workspace::Workspace;

/// The best sellers of the categories in the history's list, without those that were viewed.
pub(super) struct BestSellersForYouSource {
    /// Products of a history that its list shows.
    pub(super) list_size: usize,
}

impl Source for BestSellersForYouSource {
    fn name(&self) -> SourceName {
        SourceName::BestSellersForYou
    }

    fn recommend(&self, view: &WideView<'_>, asked: &Asked<'_>, _: &mut Workspace) -> Vec<Recommended> {
        let mut viewed = Vec::new();
        match asked.user {
            Some(user) => view.rows::<History>(&user, &mut viewed),
            None => viewed.extend(in_order(asked.viewed).take(self.list_size)),
        }
        admitted(view.best_sellers_for_you(&viewed), SourceName::BestSellersForYou, view, asked)
    }
}

/// Rows of a history in this order. Their times say nothing else.
fn in_order(products: &[ProductKey]) -> impl Iterator<Item = (Viewed, Diff)> + '_ {
    let at = (0..products.len() as Millis).rev();
    products.iter().zip(at).map(|(product, at)| (Viewed::new(at, *product), 1))
}
