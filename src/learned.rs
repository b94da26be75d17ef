//! Learned models in the program: from the histories of the graph to a trained model, and lists from it.

pub mod attributes;
pub mod content;
mod histories;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use checkpoints::RealDisk;
use dataflow::dictionary::{Dictionary, KeptProducts};
use dataflow::ids::{ID_BYTES_MAX, ProductKey};
use models::als::{AlsSettings, KeyedAls, train_and_measure};
use models::store::{Card, Error, Model, ModelStore, Version};
use recommend::ServedAls;

pub use histories::ReadHistories;

/// The rest while another process writes to the directory of models.
const LOCK_RETRY: Duration = Duration::from_millis(100);

/// Trains a model on histories, in threads of its own at the lowest priority. `go_on` is called before each iteration.
///
/// # Errors
/// There is too little to learn from, or the training needs more memory than allowed: the error says how much. Or threads
/// cannot be started.
pub fn train(
    read: &ReadHistories,
    settings: &AlsSettings,
    go_on: impl FnMut(u32) -> bool + Send,
) -> anyhow::Result<Model> {
    let parameters = settings.parameters();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(settings.threads)
        .thread_name(|thread| format!("train-{thread}"))
        .start_handler(|_| {
            // On Linux, the priority belongs to the thread. Without it the training still works.
            let _ = rustix::process::nice(19);
        })
        .build()
        .context("the threads of the training cannot be started")?;
    let recency = (settings.newest, settings.half_life);
    let trained = pool.install(|| train_and_measure(&read.histories, &parameters, recency, go_on))?;
    let card = Card {
        method: "als".into(),
        data_from_ms: read.from,
        data_until_ms: read.until,
        users: read.histories.users.len(),
        products: read.products.len(),
        pairs: trained.pairs,
        factors: parameters.factors,
        iterations: parameters.iterations,
        regularization: parameters.regularization,
        confidence: parameters.confidence,
        half_life: settings.half_life as f32,
        seed: parameters.seed,
        metrics: trained.metrics,
    };
    let products = read.products.iter().map(|product| product.to_string()).collect();
    Ok(Model { card, products, vectors: trained.als.products().clone() })
}

/// Adds a model to the directory and puts it into use. A training may have taken an hour, and another process writes there only for
/// a moment: as long as `waits` says so, it is waited for.
///
/// # Errors
/// See [`ModelStore::add`].
pub fn add(model: &Model, settings: &AlsSettings, mut waits: impl FnMut() -> bool) -> Result<Version, Error> {
    let store = ModelStore::new(&settings.dir, Arc::new(RealDisk));
    loop {
        match store.add(model, settings.keep) {
            Err(Error::Taken { .. }) if waits() => thread::park_timeout(LOCK_RETRY),
            added => return added,
        }
    }
}

/// The model by the keys of this process's dictionary. Products whose id has the key of another product are left out.
/// One thread works on it.
///
/// # Errors
/// The thread cannot be started.
pub fn served(
    version: Version,
    model: Model,
    settings: &AlsSettings,
    dictionary: &Dictionary,
) -> anyhow::Result<(ServedAls, KeptProducts)> {
    let _held = dictionary.hold();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let (als, ids) = pool.context("the thread that prepares the model cannot be started")?.install(|| model.als());
    // The key of a product that cannot be told from another one, and of what is no id.
    let key = |id: &String| match id.len() {
        1..=ID_BYTES_MAX => dictionary.product(id).unwrap_or(ProductKey::NONE),
        _ => ProductKey::NONE,
    };
    let keys: Vec<ProductKey> = ids.iter().map(key).collect();
    let kept = dictionary.keep_products(keys.clone());
    Ok((ServedAls { version, model: KeyedAls::new(als, keys, settings.newest, settings.half_life) }, kept))
}
