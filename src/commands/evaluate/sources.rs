//! The lists of a chain and of each of its sources for one user, from the published indexes.

use std::sync::Arc;

use anyhow::bail;
use dataflow::dictionary::Dictionary;
use dataflow::ids::{Ids, ProductKey, UserKey};
use dataflow::index_reader::IndexReader;
use dataflow::time::Time;
use models::als::AlsSettings;
use recommend::{
    AlsSlot, Asked, Chain, ContentModel, ContentSlot, Fill, Models, Recommended, ServedContent, SourceName, Workspace,
    built_in,
};
use store::Follow;

use crate::config::Config;
use crate::learned::content::{ContentMaker, descriptions};
use crate::learned::{self, ReadHistories};
use crate::system::shop_rows;

/// The time between two trainings of the factor model, by the clock of the evaluation.
const TRAIN_EVERY_MS: Time = 24 * 60 * 60 * 1000;

/// Reads the sources of a chain; a source that is named twice is in it once.
pub(super) fn chain(words: &[String]) -> anyhow::Result<Vec<SourceName>> {
    let mut chain = Vec::new();
    for word in words {
        let Some(source) = SourceName::find(word) else {
            let all = SourceName::WORDS.join(", ");
            bail!("there is no source {word:?}: --chain takes {all}, with commas between them");
        };
        if !chain.contains(&source) {
            chain.push(source);
        }
    }
    Ok(chain)
}

/// Content vectors of the shop's products as they are now.
///
/// # Errors
/// When no products are configured, or they cannot be read.
pub(super) fn content(config: &Config) -> anyhow::Result<ContentModel> {
    let store = shop_rows::made_file(config)?.map(|store| store as Arc<dyn Follow>);
    let Some(home) = descriptions(config, store) else {
        bail!("the source \"content\" needs the shop's products: configure [postgres], [files] or [store]");
    };
    let dictionary = Arc::new(Dictionary::new(Ids::new(config.dataflow.id_key)));
    let made = ContentMaker::new(home, config.content.clone(), dictionary)?.make(|| true)?;
    let slot = ContentSlot::default();
    if let Some(made) = made {
        slot.put(ServedContent { version: 1, vectors: made.vectors });
    }
    Ok(ContentModel { slot, newest: config.content.newest })
}

/// Makes lists as the server does. The factor model is trained on what the graph holds, at the first list and then daily.
pub(super) struct ListMaker {
    chain: Chain,
    size: usize,
    workspace: Workspace,
    settings: AlsSettings,
    slot: AlsSlot,
    /// Trainings so far that made a model.
    trained: u64,
    train_at: Time,
    history: Vec<ProductKey>,
}

/// The lists for one user.
pub(super) struct Made {
    /// Of each source by itself, in the order of the chain.
    pub(super) of_sources: Vec<Vec<ProductKey>>,
    /// Of the whole chain.
    pub(super) of_chain: Vec<ProductKey>,
}

impl ListMaker {
    /// Lists of `size` products. The models of all sources must be on in the rules; `content`: content vectors, if a source
    /// needs them.
    pub(super) fn new(
        config: &Config,
        sources: &[SourceName],
        fill: Fill,
        size: usize,
        content: Option<ContentModel>,
    ) -> ListMaker {
        let slot = AlsSlot::default();
        let models = Models { als: Some(slot.clone()), content };
        ListMaker {
            chain: Chain::new(sources, fill, &config.rules, &built_in(&config.rules, &models)),
            size,
            workspace: Workspace::new(&config.rules),
            settings: config.als.clone(),
            slot,
            trained: 0,
            train_at: 0,
            history: Vec::new(),
        }
    }

    /// The names of the sources, in the order of the chain.
    pub(super) fn sources(&self) -> impl Iterator<Item = SourceName> + '_ {
        self.chain.names()
    }

    /// Trains the factor model, if the chain has it and its time has come. Too little or too much to learn from is no
    /// error: the model before stays.
    pub(super) fn train(&mut self, reader: &IndexReader, now: Time) -> anyhow::Result<()> {
        if now < self.train_at || !self.sources().any(|source| source == SourceName::Als) {
            return Ok(());
        }
        self.train_at = now - now % TRAIN_EVERY_MS + TRAIN_EVERY_MS;
        let read = ReadHistories::of(reader, &self.settings.parameters());
        match read.and_then(|read| learned::train(&read, &self.settings, |_| true)) {
            Ok(model) => {
                self.trained += 1;
                self.slot.put(learned::served(self.trained, model, &self.settings, reader.dictionary())?.0);
            }
            Err(error) => tracing::warn!("no factor model at {now}: {error:#}"),
        }
        Ok(())
    }

    /// The list of the chain for a user.
    pub(super) fn list(&mut self, reader: &IndexReader, user: UserKey) -> Vec<ProductKey> {
        let list = self.chain.for_user(&reader.wide_view(user), user, self.size, &mut self.workspace);
        products(list.own(), self.size)
    }

    /// The lists of the chain and of each source for a user.
    pub(super) fn make(&mut self, reader: &IndexReader, user: UserKey) -> Made {
        let view = reader.wide_view(user);
        view.whole_history(user, &mut self.history);
        let asked = Asked { user: Some(user), viewed: &self.history, exclude: &[], category: None, size: self.size };
        let found = self.chain.found(&view, &asked, &mut self.workspace);
        Made {
            of_sources: found.iter().map(|list| products(list, self.size)).collect(),
            of_chain: products(&self.chain.compose(&found, self.size), self.size),
        }
    }

    /// The history of the user for whom lists were made last by [`ListMaker::make`], newest first.
    pub(super) fn history(&self) -> &[ProductKey] {
        &self.history
    }
}

fn products<'a>(list: impl IntoIterator<Item = &'a Recommended>, size: usize) -> Vec<ProductKey> {
    list.into_iter().take(size).map(|recommended| recommended.product).collect()
}
