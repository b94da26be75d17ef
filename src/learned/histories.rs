//! The histories of all users, read from the published index, with products as numbers.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context as _;
use dataflow::graph::History;
use dataflow::ids::ProductKey;
use dataflow::index_reader::IndexReader;
use dataflow::time::Millis;
use models::als::{Histories, Parameters};

/// What a model is trained on, with the ids of the products.
pub struct ReadHistories {
    /// The histories. Users are in the order of their keys.
    pub histories: Histories,
    /// The id of each product, in the order of the ids, so that a model does not depend on the key of the hash.
    pub products: Vec<Arc<str>>,
    /// The time of the oldest view.
    pub from: Millis,
    /// The time of the newest view.
    pub until: Millis,
}

impl ReadHistories {
    /// Reads all histories as of the last closed tick: up to `rules.list_size` products each, and all of a history while
    /// co-views are on. Ends as soon as a training on them would need more memory than allowed.
    ///
    /// # Errors
    /// The training would need more memory than allowed. Or a product has no id: never, as sources give ids.
    pub fn of(reader: &IndexReader, parameters: &Parameters) -> anyhow::Result<ReadHistories> {
        let mut numbers: HashMap<ProductKey, u32> = HashMap::new();
        let (mut users, mut history) = (Vec::new(), Vec::new());
        let (mut from, mut until, mut pairs) = (Millis::MAX, 0, 0);
        for user in reader.keys::<History>() {
            let view = reader.view(user);
            history.clear();
            view.each_viewed(user, |viewed| {
                (from, until) = (from.min(viewed.at()), until.max(viewed.at()));
                history.push(viewed.product);
            });
            if history.is_empty() {
                continue;
            }
            let mut number = |product: &ProductKey| {
                let next = u32::try_from(numbers.len()).context("there are more than four billion products")?;
                anyhow::Ok(*numbers.entry(*product).or_insert(next))
            };
            let mut list = Vec::with_capacity(history.len());
            for product in &history {
                list.push(number(product)?);
            }
            users.push(list);
            pairs += history.len();
            parameters.allow(users.len(), numbers.len(), pairs)?;
        }
        let name = |(key, number): (ProductKey, u32)| Some((reader.dictionary().product_name(key)?, number));
        let mut products: Vec<(Arc<str>, u32)> =
            numbers.into_iter().map(name).collect::<Option<_>>().context("a product of a history has no id")?;
        products.sort_unstable();
        let mut places = vec![0; products.len()];
        for (place, (_, number)) in (0..).zip(&products) {
            places[*number as usize] = place;
        }
        users.iter_mut().flatten().for_each(|product| *product = places[*product as usize]);
        let products: Vec<Arc<str>> = products.into_iter().map(|(id, _)| id).collect();
        let histories = Histories { products: products.len(), users };
        Ok(ReadHistories { histories, products, from: from.min(until), until })
    }
}
