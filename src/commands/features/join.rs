//! `vitrine features join`: the features just before the time of each row of a file.
//!
//! ```text
//! rows ─▶ LabelFile::scan ─▶ asks ─▶ features_before: one pass over the records ─▶ Spool ──────────┐ by row
//! rows ─▶ LabelFile::join ◀────────────────────────────────────────────────────────────────────────┘ ─▶ the file
//! ```
//! Of each row its user, product, time and number stay in memory, and the place of its features in a temporary file.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use dataflow::dictionary::{Collision, Dictionary};
use dataflow::features::{Feature, FeatureCell, RowProduct};
use dataflow::feed::{Waker, WorkerContext};
use dataflow::ids::{Ids, ProductKey};
use dataflow::index_reader::Wanted;
use dataflow::point_in_time::{Ask, Together, features_before};
use dataflow::source_status::SourceRegistry;
use dataflow::stepped::SteppedGraph;
use sinks::feature_file::labels::{LabelFile, Scanned};
use sinks::feature_file::{FeatureColumns, Format, Spool};
use sources::replay::ReplayBounds;

use crate::commands::progress;
use crate::commands::replay::source::ReplaySources;
use crate::config::Config;
use crate::learned::attributes::attributes_now;

/// The rows of a file with their features.
#[derive(Clone, Debug, Default)]
pub struct Join {
    /// The file of rows.
    pub rows: PathBuf,
    /// The file to write.
    pub out: PathBuf,
    /// The features.
    pub features: Vec<&'static Feature>,
    /// How much is published together, which changes no file.
    pub together: Together,
}

/// The number of a row, which tells the asks apart.
type Row = u32;

impl Join {
    /// Writes the file; returns a summary as lines of text.
    ///
    /// # Errors
    /// A row cannot be used, a service or a file cannot be read, or the file cannot be written.
    pub fn run(&self, config: Config) -> anyhow::Result<String> {
        if Format::of(&self.rows) != Some(super::format(&self.out)?) {
            bail!("--rows and --out must have the same format: names that both end in .parquet or both in .jsonl");
        }
        let labels = LabelFile::open(&self.rows)?;
        let dictionary = Arc::new(Dictionary::new(Ids::new(config.dataflow.id_key)));
        let (mut asks, scanned) = asks(&labels, &self.features, &dictionary)?;
        let columns = FeatureColumns::new(self.features.clone(), scanned.has_products);
        let registry = Arc::new(SourceRegistry::default());
        let temporary = || format!("a temporary file in {} cannot be written", super::dir(&self.out).display());
        let mut spool = Spool::new(super::dir(&self.out), scanned.rows).with_context(temporary)?;
        self.find(&config, (&mut asks, scanned.has_products), &dictionary, &registry, |row, cells| {
            spool.put(row, cells).with_context(temporary)
        })?;
        let cells = spool.finish().with_context(temporary)?;
        super::write(&self.out, |file| Ok(labels.join(file, &columns, &mut |row| cells.get(row))?))?;
        let done =
            format!("wrote {} rows with {} features to {}\n", scanned.rows, self.features.len(), self.out.display());
        Ok(super::summary(&registry) + &done)
    }

    /// Gives the cells of each row, in any order.
    fn find(
        &self,
        config: &Config,
        (asks, has_products): (&mut [Ask<Row>], bool),
        dictionary: &Arc<Dictionary>,
        registry: &Arc<SourceRegistry>,
        mut give: impl FnMut(usize, &[FeatureCell]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let times = || asks.iter().map(|ask| ask.at.saturating_sub(1));
        let Some((from, until)) = times().min().zip(times().max()) else { return Ok(()) };
        let rules = super::rules(config);
        let bounds = ReplayBounds { from, until, kept_ms: rules.orders_held_ms() };
        // Refused records are counted by the registry.
        let sources = ReplaySources::open(config, bounds, dictionary, registry, Arc::new(|_| {}))?;
        let waker = Waker::of_this_thread();
        let context = WorkerContext { index: 0, peers: 1, waker, dictionary: dictionary.clone() };
        let mut sources = sources.opener()(context).map_err(|failure| anyhow::anyhow!("{failure}"))?;
        let mut graph = SteppedGraph::of_features(rules, dictionary.clone(), config.dataflow.idle_merge_effort);
        attributes_now(config, dictionary)?
            .into_iter()
            .for_each(|attributes| graph.reader().attributes().put(attributes));
        let bar = progress::items("join", asks.len() as u64);
        let sums = self.features.iter().any(|feature| feature.needs_sums());
        let wanted = Wanted { sums, all_products: !has_products };
        let found = features_before(&mut graph, &mut sources, (asks, wanted), self.together, |ask, of| {
            let product = match has_products {
                true => RowProduct::One(Some(ask.product).filter(|product| *product != ProductKey::NONE)),
                false => RowProduct::All,
            };
            let cells = self.features.iter().map(|feature| feature.cell(of, product, dictionary));
            give(ask.tag as usize, &cells.collect::<Vec<_>>()).map_err(|error| format!("{error:#}"))?;
            bar.inc(1);
            Ok(())
        });
        bar.finish_and_clear();
        found.map_err(|failure| anyhow::anyhow!("{failure}"))
    }
}

/// The question that each row asks, in the order of the rows.
fn asks(
    labels: &LabelFile,
    features: &[&'static Feature],
    dictionary: &Dictionary,
) -> anyhow::Result<(Vec<Ask<Row>>, Scanned)> {
    let mut asks: Vec<Ask<Row>> = Vec::new();
    let mut collision: Option<Collision> = None;
    let scanned = labels.scan(features, |label| {
        let product = label.product.map(|id| dictionary.product(&id)).transpose();
        let product = product.unwrap_or_else(|two| {
            collision = Some(two);
            None
        });
        let tag = Row::try_from(asks.len()).expect("a file has fewer rows than this");
        let (user, product) = (dictionary.find_user(&label.user), product.unwrap_or(ProductKey::NONE));
        asks.push(Ask { at: label.at, user, product, tag });
    })?;
    match collision {
        Some(two) => Err(two.into()),
        None => Ok((asks, scanned)),
    }
}
