//! `co_views`: the products that users with similar histories viewed.

use dataflow::index_reader::{WideView, for_you};

use crate::source::{Asked, Reason, Recommended, Source};
use crate::source_name::SourceName;
use crate::workspace::Workspace;

/// Products that are similar to those viewed, by their score.
pub(super) struct CoViewsSource;

impl Source for CoViewsSource {
    fn name(&self) -> SourceName {
        SourceName::CoViews
    }

    fn recommend(&self, view: &WideView<'_>, asked: &Asked<'_>, workspace: &mut Workspace) -> Vec<Recommended> {
        let after = for_you::Asked { history: asked.viewed, exclude: asked.exclude, size: asked.size };
        let scored = view.for_you_after(&after, &mut workspace.scorer, |product| asked.is_of_category(view, product));
        let recommended = scored.into_iter().map(|scored| Recommended {
            product: scored.product,
            source: SourceName::CoViews,
            reason: Reason::CoViewed { score: scored.score, because: scored.because },
        });
        recommended.collect()
    }
}
