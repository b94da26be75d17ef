//! Looks for a new version in the directory of models, and puts it into the slot of the source "als".
//!
//! A version that is refused does not replace the model in use. At the start there is none in use, and the newest version
//! before the refused one is taken.

use std::sync::Arc;

use checkpoints::RealDisk;
use dataflow::dictionary::{Dictionary, KeptProducts};
use models::als::AlsSettings;
use models::store::{ContentMark, Error, Loaded, Model, ModelStore, Version};
use recommend::AlsSlot;

use super::{SharedStatus, update};
use crate::learned;

/// The state of the looks.
pub(super) struct Watch {
    store: ModelStore,
    settings: AlsSettings,
    dictionary: Arc<Dictionary>,
    slot: AlsSlot,
    /// The products of the model in the slot.
    kept: Option<KeptProducts>,
    /// The version in use in the directory, and its file, as they were seen last.
    seen: Option<(Version, ContentMark)>,
    /// Why it is not used.
    refused: Option<String>,
    /// The error of the disk at the last look.
    trouble: Option<String>,
}

impl Watch {
    pub(super) fn new(settings: &AlsSettings, dictionary: Arc<Dictionary>, slot: AlsSlot) -> Watch {
        let store = ModelStore::new(&settings.dir, Arc::new(RealDisk));
        Watch {
            store,
            settings: settings.clone(),
            dictionary,
            slot,
            kept: None,
            seen: None,
            refused: None,
            trouble: None,
        }
    }

    /// Puts the version of the directory into use, if it is another one than before, or its file is another one: a model that was
    /// refused may have been mended. Without a change this reads no model.
    pub(super) fn look(&mut self, status: &SharedStatus) {
        let found = self.store.in_use().and_then(|version| {
            let Some(version) = version else { return Ok(None) };
            let found = (version, self.store.content_mark(version)?);
            if self.seen.as_ref() == Some(&found) {
                return Ok(None);
            }
            Ok(Some((found, self.load(version)?)))
        });
        let trouble = match found {
            Ok(None) => None,
            Ok(Some((found, Loaded { model, refused }))) => {
                self.seen = Some(found);
                refused.iter().for_each(|error| tracing::error!(%error, "a factor model is not used"));
                let refused: Vec<String> = refused.iter().map(Error::to_string).collect();
                self.refused = Some(refused.join("; ")).filter(|text| !text.is_empty());
                if let Some((version, model)) = model {
                    self.put(version, model, status);
                }
                None
            }
            // The disk may answer at the next look.
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = trouble.as_ref().filter(|_| trouble != self.trouble) {
            tracing::error!(%error, "the directory of factor models cannot be read");
        }
        self.trouble = trouble;
        let refused = self.trouble.as_ref().or(self.refused.as_ref()).cloned();
        update(status, |status| status.refused = refused);
    }

    /// Loads a version. Only without a model in use, an earlier version is taken in its place if it is refused.
    fn load(&self, version: Version) -> Result<Loaded, Error> {
        if self.slot.model().is_none() {
            return self.store.load(Some(self.settings.factors));
        }
        match self.store.read_with(version, self.settings.factors) {
            Ok(model) => Ok(Loaded { model: Some((version, model)), refused: Vec::new() }),
            Err(error) if error.is_refusal() => Ok(Loaded { model: None, refused: vec![error] }),
            Err(error) => Err(error),
        }
    }

    fn put(&mut self, version: Version, model: Model, status: &SharedStatus) {
        let (users, products, until) = (model.card.users, model.card.products, model.card.data_until_ms);
        let (served, kept) = match learned::served(version, model, &self.settings, &self.dictionary) {
            Ok(served) => served,
            Err(error) => {
                tracing::error!(version, "this factor model is not used: {error:#}");
                return;
            }
        };
        self.slot.put(served);
        self.kept = Some(kept);
        update(status, |status| {
            status.version = Some(version);
            status.data_until_ms = Some(until);
        });
        tracing::info!(version, users, products, "a factor model is in use");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use dataflow::ids::Ids;
    use models::Vectors;
    use models::store::Card;
    use query_server::AlsStatus;

    use super::*;

    fn model(factors: usize) -> Model {
        let card = Card {
            method: "als".into(),
            data_from_ms: 1,
            data_until_ms: 2,
            users: 9,
            products: 1,
            pairs: 20,
            factors,
            iterations: 15,
            regularization: 0.01,
            confidence: 1.5,
            half_life: 3.0,
            seed: 1,
            metrics: [].into(),
        };
        Model { card, products: vec!["mug".into()], vectors: Vectors::zeros(1, factors) }
    }

    fn watch(dir: &Path) -> (Watch, AlsSlot, SharedStatus) {
        let settings = AlsSettings { dir: dir.to_owned(), factors: 4, ..AlsSettings::default() };
        let (slot, dictionary) = (AlsSlot::default(), Arc::new(Dictionary::new(Ids::new([7; 16]))));
        (Watch::new(&settings, dictionary, slot.clone()), slot, SharedStatus::default())
    }

    fn status_of(status: &SharedStatus) -> AlsStatus {
        status.lock().expect("no test panics with it").clone()
    }

    #[test]
    fn a_new_version_is_put_into_use_and_a_refused_one_is_named() {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let store = ModelStore::new(dir.path(), Arc::new(RealDisk));
        let (mut watch, slot, status) = watch(dir.path());
        let mut look = || {
            watch.look(&status);
            (slot.model().map(|served| served.version), status_of(&status).refused)
        };
        assert_eq!(look(), (None, None), "there is no model yet");
        store.add(&model(4), 9).expect("the disk works");
        assert_eq!(look(), (Some(1), None));
        store.add(&model(4), 9).expect("the disk works");
        assert_eq!(look(), (Some(2), None));
        store.roll_back(4).expect("there is an earlier one");
        assert_eq!(look(), (Some(1), None));
        store.add(&model(8), 9).expect("the disk works");
        let (version, refused) = look();
        assert_eq!(version, Some(1), "the one before stays");
        let refused = refused.expect("it is refused");
        assert!(refused.contains("als-000000000003.model") && refused.contains("models.als.factors is 4"), "{refused}");
        assert_eq!(look().1.as_ref(), Some(&refused), "it is still said");
        store.put_into_use(2, 4).expect("the disk works");
        assert_eq!(look(), (Some(2), None));
        assert_eq!((status_of(&status).version, status_of(&status).data_until_ms), (Some(2), Some(2)));
    }

    #[test]
    fn a_start_takes_the_newest_version_that_can_be_used() {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let store = ModelStore::new(dir.path(), Arc::new(RealDisk));
        store.add(&model(4), 9).expect("the disk works");
        store.add(&model(4), 9).expect("the disk works");
        let file = dir.path().join("als-000000000002.model");
        let bytes = std::fs::read(&file).expect("the file is there");
        std::fs::write(&file, &bytes[..bytes.len() / 2]).expect("the file can be written");
        let (mut watch, slot, status) = watch(dir.path());
        watch.look(&status);
        assert_eq!(slot.model().map(|served| served.version), Some(1));
        let refused = status_of(&status).refused.expect("one is refused");
        assert!(refused.contains("als-000000000002.model is refused: it is torn"), "{refused}");
        std::fs::write(&file, &bytes).expect("the file can be written");
        watch.look(&status);
        let mended = (slot.model().map(|served| served.version), status_of(&status).refused);
        assert_eq!(mended, (Some(2), None), "it was mended");
    }

    #[test]
    fn a_model_that_was_made_anew_is_put_into_use_although_its_number_is_the_same() {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let (mut watch, _, status) = watch(dir.path());
        for until in [2, 9] {
            let models = dir.path();
            std::fs::remove_dir_all(models).expect("it is there");
            let made = Model { card: Card { data_until_ms: until, ..model(4).card }, ..model(4) };
            ModelStore::new(models, Arc::new(RealDisk)).add(&made, 9).expect("the disk works");
            watch.look(&status);
            let status = status_of(&status);
            assert_eq!((status.version, status.data_until_ms), (Some(1), Some(until)));
        }
    }
}
