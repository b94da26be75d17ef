//! What the store says about its products.

use std::ops::ControlFlow;
use std::sync::Arc;

use store::{Filter, Follow, Followed, Follower, Kind, ListRequest, Millis, Product, Row, TableRow};

use crate::description::{Description, DescriptionsError, Reading};

/// Rows that are read together.
const ROWS: usize = 256;

/// The products of the store.
pub(crate) struct StoreDescriptions {
    store: Arc<dyn Follow>,
    /// Follows the changes, up to the number of the last one.
    follower: Option<(Box<dyn Follower>, i64)>,
}

impl StoreDescriptions {
    pub(crate) fn new(store: Arc<dyn Follow>) -> Self {
        StoreDescriptions { store, follower: None }
    }

    /// Shows every product to `see`, unless no product has changed.
    pub(crate) fn read(
        &mut self,
        see: &mut dyn FnMut(Description) -> ControlFlow<()>,
    ) -> Result<Reading, DescriptionsError> {
        if !self.has_changed()? {
            return Ok(Reading::Unchanged);
        }
        let read = self.pages(see);
        if !matches!(read, Ok(Reading::Whole { .. })) {
            self.follower = None;
        }
        read
    }

    /// Whether a product may have changed since the last call. Changes from now on are seen by the next call.
    fn has_changed(&mut self) -> Result<bool, DescriptionsError> {
        let failed = |error: store::FollowError| DescriptionsError::Store(error.to_string());
        if let Some((follower, last)) = &mut self.follower {
            let mut is_product_changed = false;
            let see = &mut |row| is_product_changed |= matches!(row, TableRow::Product { .. });
            match follower.read_changes(*last, see).map_err(failed)? {
                Followed::Unchanged => return Ok(false),
                Followed::UpTo(now) => {
                    *last = now;
                    return Ok(is_product_changed);
                }
                Followed::Lost => self.follower = None,
            }
        }
        let mut follower = self.store.follow().map_err(failed)?;
        // Only the number of the last change is needed.
        let last = follower.read_all(Millis::MAX, &mut |_| {}).map_err(failed)?;
        self.follower = Some((follower, last));
        Ok(true)
    }

    fn pages(&self, see: &mut dyn FnMut(Description) -> ControlFlow<()>) -> Result<Reading, DescriptionsError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|error| DescriptionsError::Store(error.to_string()))?;
        let mut after = None;
        loop {
            let request = ListRequest { kind: Kind::Products, after, limit: ROWS, filter: Filter::default() };
            let rows = runtime.block_on(self.store.list(request));
            let rows = rows.map_err(|error| DescriptionsError::Store(error.to_string()))?;
            let Some(last) = rows.last().map(|row| row.id().to_owned()) else {
                return Ok(Reading::Whole { missing: Vec::new() });
            };
            after = Some(last);
            for row in rows {
                let Row::Product(product) = row else { continue };
                if see(description(product)).is_break() {
                    return Ok(Reading::Ended);
                }
            }
        }
    }
}

fn description(product: Product) -> Description {
    let Product { product_id, name, category_id, description, attributes, embedding, .. } = product;
    Description {
        product: product_id,
        name: name.unwrap_or_default(),
        description: description.unwrap_or_default(),
        category: category_id.unwrap_or_default(),
        attributes: attributes.map(|object| serde_json::Value::from(object).to_string()).unwrap_or_default(),
        embedding: embedding.map(Ok),
    }
}

#[cfg(test)]
mod tests {
    use store::{Action, Bounds, Condition, Settings, Store, Write, WriteRequest, sqlite};

    use super::*;

    fn read(store: &mut StoreDescriptions) -> (Reading, Vec<Description>) {
        let mut seen = Vec::new();
        let reading = store.read(&mut |described| {
            seen.push(described);
            ControlFlow::Continue(())
        });
        (reading.unwrap(), seen)
    }

    fn put(store: &dyn Store, kind: Kind, json: &str) {
        let row = Row::from_json(kind, None, json.as_bytes(), &Bounds { now: 1, price_digits: 2 }).unwrap();
        let write = Write { kind, id: row.id().to_owned(), action: Action::Put(row), condition: Condition::default() };
        let request = WriteRequest { writes: vec![write], repeatable: None, now: 1 };
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(store.write(request)).unwrap();
    }

    #[test]
    fn products_are_read_again_when_one_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings { path: dir.path().join("store.db"), ..Settings::default() };
        let store = sqlite::open(settings).unwrap();
        let mut descriptions = StoreDescriptions::new(store.clone());
        let whole = || Reading::Whole { missing: Vec::new() };
        assert_eq!(read(&mut descriptions), (whole(), vec![]));
        put(
            &*store,
            Kind::Products,
            r#"{"product_id": "mug", "name": "Mug", "attributes": {"size": 4}, "embedding": [1, 2]}"#,
        );
        let mug = Description {
            product: "mug".into(),
            name: "Mug".into(),
            attributes: r#"{"size":4}"#.into(),
            embedding: Some(Ok(vec![1.0, 2.0])),
            ..Description::default()
        };
        assert_eq!(read(&mut descriptions), (whole(), vec![mug]));
        assert_eq!(read(&mut descriptions), (Reading::Unchanged, vec![]));
        put(&*store, Kind::Users, r#"{"user_id": "ada"}"#);
        assert_eq!(read(&mut descriptions), (Reading::Unchanged, vec![]), "no product has changed");
        (0..2 * ROWS).for_each(|number| put(&*store, Kind::Products, &format!(r#"{{"product_id": "p{number}"}}"#)));
        assert_eq!(read(&mut descriptions).1.len(), 2 * ROWS + 1);
        put(&*store, Kind::Products, r#"{"product_id": "mug"}"#);
        assert_eq!(descriptions.read(&mut |_| ControlFlow::Break(())).unwrap(), Reading::Ended);
        assert_eq!(read(&mut descriptions).1.len(), 2 * ROWS + 1, "an ended reading is done again");
    }
}
