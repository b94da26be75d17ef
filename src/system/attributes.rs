//! Attributes of products while the server runs: a thread that reads the products and puts their attributes into use.
//!
//! ```text
//! every `features.attributes_every_s` ─▶ products read, if any has changed ─▶ the slot of the readers
//! ```

use std::sync::Arc;

use anyhow::Context as _;
use dataflow::index_reader::IndexReader;
use store::Follow;

use super::background::BackgroundThread;
use crate::config::Config;
use crate::learned::attributes::AttributeReader;

/// Starts the thread, if features are made from attributes and there are products to read.
///
/// # Errors
/// When the settings of the database cannot work, or the system denies a thread.
pub(super) fn start(
    config: &Config,
    store: Option<Arc<dyn Follow>>,
    reader: &IndexReader,
) -> anyhow::Result<Option<BackgroundThread>> {
    let features = &config.rules.features;
    if !features.enabled {
        if !features.attributes.is_empty() {
            tracing::warn!(
                "`features.attributes` names attributes, but `features.enabled` is \"off\": they are not read"
            );
        }
        return Ok(None);
    }
    let attributes = AttributeReader::of(config, store, reader.dictionary().clone());
    let Some(mut attributes) = attributes.context("the attributes of products")? else { return Ok(None) };
    let slot = reader.attributes().clone();
    let work = move |go_on: &dyn Fn() -> bool| match attributes.read(go_on) {
        Ok(read) => read.into_iter().for_each(|read| slot.put(read)),
        Err(error) => {
            tracing::warn!(%error, "the attributes of products cannot be read: the previous ones stay in use; trying again");
        }
    };
    BackgroundThread::start("attributes", features.attributes_every, work).map(Some)
}
