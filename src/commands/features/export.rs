//! `vitrine features export`: a replay of one step, at which the features of all users are written.

use std::path::PathBuf;
use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::features::{Feature, RowProduct};
use dataflow::ids::{Ids, UserKey};
use dataflow::index_reader::IndexReader;
use dataflow::product_attributes::ProductAttributes;
use dataflow::replay::{self, Failure, Observer, Settings};
use dataflow::source_status::SourceRegistry;
use dataflow::time::Time;
use indicatif::ProgressBar;
use sinks::feature_file::{FeatureColumns, FeatureWriter};
use sources::replay::{ReplayBounds, ReplayProgress};

use crate::commands::progress;
use crate::commands::replay::source::ReplaySources;
use crate::config::Config;
use crate::learned::attributes::attributes_now;

/// Records taken from a source at a time.
const BATCH: usize = 16_384;

/// The features of all users as of one time.
#[derive(Clone, Debug)]
pub struct Export {
    /// The time, which the features include.
    pub at: Time,
    /// The file to write.
    pub out: PathBuf,
    /// The features.
    pub features: Vec<&'static Feature>,
    /// Worker threads.
    pub workers: usize,
}

impl Export {
    /// Writes the file, with users in the order of their ids; returns a summary as lines of text.
    ///
    /// # Errors
    /// A service or a file cannot be read, or the file cannot be written.
    pub fn run(&self, config: Config) -> anyhow::Result<String> {
        super::format(&self.out)?;
        let rules = super::rules(&config);
        let bounds = ReplayBounds { from: self.at, until: self.at, kept_ms: rules.orders_held_ms() };
        let registry = Arc::new(SourceRegistry::default());
        let dictionary = Arc::new(Dictionary::new(Ids::new(config.dataflow.id_key)).remembering_users());
        // Refused records are counted by the registry.
        let sources = ReplaySources::open(&config, bounds, &dictionary, &registry, Arc::new(|_| {}))?;
        let progress = sources.progress();
        let all = progress.as_ref().map_or(0, |progress| progress.total());
        let attributes = attributes_now(&config, &dictionary)?;
        let bar = progress::share("export", all);
        let mut writer = UserWriter { export: self, attributes, progress, bar, rows: 0 };
        let settings = Settings {
            workers: self.workers,
            rules,
            idle_merge_effort: config.dataflow.idle_merge_effort,
            dictionary,
            steps: [self.at].into(),
            batch: BATCH,
            open: sources.opener(),
        };
        let done = replay::run(settings, &mut writer);
        writer.bar.finish_and_clear();
        done?;
        let rows = writer.rows;
        Ok(super::summary(&registry) + &format!("wrote the features of {rows} users to {}\n", self.out.display()))
    }
}

struct UserWriter<'a> {
    export: &'a Export,
    /// The attributes of products, until they are in use.
    attributes: Option<ProductAttributes>,
    progress: Option<Arc<ReplayProgress>>,
    bar: ProgressBar,
    rows: u64,
}

impl UserWriter<'_> {
    fn write(&mut self, reader: &IndexReader) -> anyhow::Result<()> {
        let Export { at, out, features, .. } = self.export;
        self.attributes.take().into_iter().for_each(|attributes| reader.attributes().put(attributes));
        let (format, columns) = (super::format(out)?, FeatureColumns::new(features.clone(), false));
        let (dictionary, view) = (reader.dictionary(), reader.wide_view_any());
        let named = |user: UserKey| Some((dictionary.user_name(user)?, user));
        let mut users: Vec<_> = reader.users_with_features().into_iter().filter_map(named).collect();
        users.sort_unstable();
        let sums = features.iter().any(|feature| feature.needs_sums());
        super::write(out, |file| {
            let mut writer = FeatureWriter::new(format, file, columns, *at)?;
            for (id, user) in &users {
                let of = view.features_of(*user, sums.then(|| reader.attributes()));
                // A user of whom only orders are left that are kept no longer has nothing.
                if of.last_at.is_some() || !of.products.is_empty() {
                    let cells = features.iter().map(|feature| feature.cell(&of, RowProduct::All, dictionary));
                    writer.row(id, cells.collect())?;
                    self.rows += 1;
                }
            }
            Ok(writer.finish()?)
        })
    }
}

impl Observer for UserWriter<'_> {
    fn step(&mut self, reader: &IndexReader, _: Time) -> Result<(), Failure> {
        // In the alternate form an error is one line with all its causes.
        self.write(reader).map_err(|error| format!("{error:#}").into())
    }

    fn waiting(&mut self) {
        self.bar.set_position(self.progress.as_ref().map_or(0, |progress| progress.done()));
    }
}
