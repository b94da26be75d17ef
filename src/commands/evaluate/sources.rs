//! The lists of each source of a chain for one user, from the published indexes.

use anyhow::bail;
use dataflow::graph::{BestSellers, ListId};
use dataflow::ids::{ProductKey, UserKey};
use dataflow::index_reader::for_you::Asked;
use dataflow::index_reader::{IndexReader, Scorer, WideView};
use dataflow::time::Time;
use models::als::AlsSettings;
use models::lists::{Mix, mixed};

use crate::config::Config;
use crate::learned::{self, ReadHistories, ServedAls};

/// How often the factor model is trained anew, by the clock of the evaluation.
const TRAIN_EVERY_MS: Time = 24 * 60 * 60 * 1000;

/// A source of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    CoViews,
    Als,
    BestSellersForYou,
    BestSellers,
}

impl Source {
    pub(super) const ALL: [Source; 4] = [Source::CoViews, Source::Als, Source::BestSellersForYou, Source::BestSellers];

    pub(super) fn name(self) -> &'static str {
        match self {
            Source::CoViews => "co_views",
            Source::Als => "als",
            Source::BestSellersForYou => "best_sellers_for_you",
            Source::BestSellers => "best_sellers",
        }
    }

    /// Reads the sources of a chain.
    pub(super) fn chain(names: &[String]) -> anyhow::Result<Vec<Source>> {
        let mut chain = Vec::new();
        for name in names {
            let Some(source) = Source::ALL.into_iter().find(|source| source.name() == name) else {
                let all = Source::ALL.map(Source::name).join(", ");
                bail!("there is no source {name:?}: --chain takes {all}, with commas between them");
            };
            if !chain.contains(&source) {
                chain.push(source);
            }
        }
        Ok(chain)
    }
}

/// Makes lists. The factor model is trained on what the graph holds, at the first list and then daily.
pub(super) struct ListMaker {
    sources: Vec<Source>,
    mix: Mix,
    size: usize,
    scorer: Scorer,
    settings: AlsSettings,
    als: Option<ServedAls>,
    train_at: Time,
    history: Vec<ProductKey>,
    lists: Vec<Vec<ProductKey>>,
}

impl ListMaker {
    pub(super) fn new(config: &Config, sources: Vec<Source>, mix: Mix, size: usize) -> ListMaker {
        ListMaker {
            sources,
            mix,
            size,
            scorer: Scorer::new(&config.rules.co_views),
            settings: config.als.clone(),
            als: None,
            train_at: 0,
            history: Vec::new(),
            lists: Vec::new(),
        }
    }

    /// The sources, in the order of the chain.
    pub(super) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Trains the factor model, if the chain has it and its time has come. Too little to learn from is no error: the model
    /// before stays.
    pub(super) fn train(&mut self, reader: &IndexReader, now: Time) -> anyhow::Result<()> {
        if now < self.train_at || !self.sources.contains(&Source::Als) {
            return Ok(());
        }
        self.train_at = now - now % TRAIN_EVERY_MS + TRAIN_EVERY_MS;
        match learned::train(&ReadHistories::of(reader)?, &self.settings, |_| true) {
            Ok(model) => self.als = Some(learned::served(model, &self.settings, reader.dictionary())),
            Err(error) => tracing::warn!("no factor model at {now}: {error:#}"),
        }
        Ok(())
    }

    /// Makes the list of each source for a user.
    pub(super) fn make(&mut self, reader: &IndexReader, user: UserKey) {
        let view = reader.wide_view(user);
        view.whole_history(user, &mut self.history);
        self.lists.clear();
        for source in &self.sources {
            let (history, size) = (&self.history, self.size);
            let list = match source {
                Source::CoViews => {
                    let asked = Asked { history, exclude: &[], size };
                    let scored = view.for_you_after(&asked, &mut self.scorer, |_| true);
                    scored.into_iter().map(|scored| scored.product).collect()
                }
                Source::Als => self.als.as_ref().map_or_else(Vec::new, |als| {
                    let skip = |product| history.contains(&product) || !view.may_show(product);
                    als.best_after(history, size, skip).into_iter().map(|(product, _)| product).collect()
                }),
                Source::BestSellersForYou => unseen(view.recommendations(user).products(), history),
                Source::BestSellers => unseen(best_sellers(&view).into_iter(), history),
            };
            self.lists.push(list);
        }
    }

    /// The history of the user for whom lists were made last, newest first.
    pub(super) fn history(&self) -> &[ProductKey] {
        &self.history
    }

    /// The lists of the sources that were made last.
    pub(super) fn lists(&self) -> &[Vec<ProductKey>] {
        &self.lists
    }

    /// The list of the whole chain, of the lists that were made last.
    pub(super) fn mixed(&self) -> Vec<ProductKey> {
        mixed(self.mix, &self.lists, self.size).into_iter().map(|(product, _)| product).collect()
    }
}

fn unseen(products: impl Iterator<Item = ProductKey>, history: &[ProductKey]) -> Vec<ProductKey> {
    products.filter(|product| !history.contains(product)).collect()
}

/// The general best sellers.
fn best_sellers(view: &WideView<'_>) -> Vec<ProductKey> {
    let mut rows = Vec::new();
    view.list::<BestSellers>(&ListId::General, &mut rows);
    rows.into_iter().map(|(seller, _)| seller.product).collect()
}
