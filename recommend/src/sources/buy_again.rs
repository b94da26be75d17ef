//! `buy_again`: the products that the user bought before.

use dataflow::index_reader::WideView;

use crate::source::{Asked, Reason, Recommended, Source};
use crate::source_name::SourceName;
use crate::workspace::Workspace;

/// Products bought before, also if they were viewed since. A visitor who is not known has none.
pub(super) struct BuyAgainSource;

impl Source for BuyAgainSource {
    fn name(&self) -> SourceName {
        SourceName::BuyAgain
    }

    fn recommend(&self, view: &WideView<'_>, asked: &Asked<'_>, _: &mut Workspace) -> Vec<Recommended> {
        let Some(user) = asked.user else { return Vec::new() };
        let is_wanted = |product| asked.is_of_category(view, product);
        let repeats = view.buy_again(user, asked.exclude, asked.size, is_wanted);
        let recommended = repeats.into_iter().map(|repeat| Recommended {
            product: repeat.product,
            source: SourceName::BuyAgain,
            reason: Reason::Bought(repeat),
        });
        recommended.collect()
    }
}
