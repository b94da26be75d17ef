//! The slots of the models that are learned outside the graph: the factor model and the content vectors in use.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use dataflow::ids::ProductKey;
use models::als::KeyedAls;
use models::content::Content;

/// A version of the model, ready to make lists.
#[derive(Debug)]
pub struct ServedAls {
    /// Its number among the trained models.
    pub version: u64,
    /// The model. A product without a key of its own has the default key.
    pub model: KeyedAls<ProductKey>,
}

/// The place of the model in use, shared by all threads. It is empty until a model is put there.
#[derive(Clone, Debug, Default)]
pub struct AlsSlot(Arc<ArcSwapOption<ServedAls>>);

impl AlsSlot {
    /// Puts a model into use. Lists that are being made are completed with the model before.
    pub fn put(&self, model: ServedAls) {
        self.0.store(Some(Arc::new(model)));
    }

    /// The model in use.
    #[must_use]
    pub fn model(&self) -> Option<Arc<ServedAls>> {
        self.0.load_full()
    }
}

/// The vectors in use.
#[derive(Debug)]
pub struct ServedContent {
    /// Counts the vectors that were put into use; it tells them apart.
    pub version: u64,
    /// The vectors.
    pub vectors: Content<ProductKey>,
}

/// The place of the vectors in use, shared by all threads. It is empty until vectors are put there.
#[derive(Clone, Debug, Default)]
pub struct ContentSlot(Arc<ArcSwapOption<ServedContent>>);

impl ContentSlot {
    /// Puts vectors into use. Lists that are being made are completed with the vectors before.
    pub fn put(&self, content: ServedContent) {
        self.0.store(Some(Arc::new(content)));
    }

    /// The vectors in use.
    #[must_use]
    pub fn content(&self) -> Option<Arc<ServedContent>> {
        self.0.load_full()
    }
}
