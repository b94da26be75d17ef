//! Every list as a plain recomputation from the topics and SQL, compared with the program's answers row by row.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use dataflow::dictionary::Dictionary;
use dataflow::ids::{CategoryKey, Ids, ProductKey};
use postgres::Client;
use serde_json::Value;

use crate::running_program::Launcher;
use crate::topic_contents::TopicContents;

/// What a list holds at most.
const LIST: usize = 10;
/// From how many categories recommendations come.
const CATEGORIES: usize = 3;
const DAY_MS: f64 = 86_400_000.0;
const WINDOW_DAYS: f64 = 30.0;
/// The key of ids where none is configured. Products of equal rank are ordered by their keys.
const ID_KEY: &[u8; 16] = b"Vitrine id key 1";

/// A product with its buyers.
type Sold = (String, i64);

/// What is in the tables, as of a time.
pub(crate) struct ExpectedLists {
    /// By product.
    categories: BTreeMap<String, String>,
    /// By category, and without one: the best sellers.
    best: BTreeMap<Option<String>, Vec<Sold>>,
    keys: Keys,
}

/// Hashed ids, which order what is equal otherwise.
struct Keys(Dictionary);

impl Keys {
    fn product(&self, id: &str) -> ProductKey {
        self.0.product(id).expect("no two of these ids have one key")
    }

    fn category(&self, id: &str) -> CategoryKey {
        self.0.category(id).expect("no two of these ids have one key")
    }
}

impl ExpectedLists {
    /// From the tables, with the orders that are in the window as of `as_of_ms`, but for those whose ids begin with
    /// `left_out`.
    pub(crate) fn work_out(
        client: &mut Client,
        as_of_ms: u64,
        left_out: Option<&str>,
    ) -> Result<ExpectedLists, postgres::Error> {
        let keys = Keys(Dictionary::new(Ids::new(*ID_KEY)));
        let rows = client.query("SELECT product_id, category_id::text FROM products", &[])?;
        let categories: BTreeMap<String, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let window_s = (as_of_ms as f64 - WINDOW_DAYS * DAY_MS) / 1000.0;
        let sql = "SELECT product_id, count(DISTINCT user_id) FROM order_items JOIN orders USING (order_id) \
                   WHERE date_trunc('milliseconds', created_at) > to_timestamp($1) \
                   AND ($2::text IS NULL OR NOT starts_with(order_id::text, $2)) GROUP BY product_id";
        let mut best: BTreeMap<Option<String>, Vec<Sold>> = BTreeMap::from([(None, Vec::new())]);
        for row in client.query(sql, &[&window_s, &left_out])? {
            let sold: Sold = (row.get(0), row.get(1));
            if let Some(category) = categories.get(&sold.0) {
                best.entry(Some(category.clone())).or_default().push(sold.clone());
            }
            best.entry(None).or_default().push(sold);
        }
        best.values_mut().for_each(|list| keys.rank(list));
        Ok(ExpectedLists { categories, best, keys })
    }

    /// What differs in the lists of these users, and in every list of best sellers.
    pub(crate) fn differences(
        &self,
        topic_contents: &TopicContents,
        users: &[String],
        start: &Launcher,
    ) -> Vec<String> {
        let mut differences = Vec::new();
        let mut compare = |path: String, expected: Vec<Value>| {
            let answered = match start.get(&path) {
                Ok(answer) => serde_json::from_slice::<Value>(&answer.body).unwrap_or_default(),
                Err(error) => Value::from(error.to_string()),
            };
            if answered["products"].as_array() != Some(&expected) {
                let path = start.url(&path);
                differences.push(format!("{path} should be {} and is {answered}", Value::from(expected)));
            }
        };
        for user in users {
            let history: Vec<(&str, u64)> =
                topic_contents.history(user, |id| self.keys.product(id)).into_iter().take(LIST).collect();
            let products = history.iter().map(|(product, _)| Value::from(*product)).collect();
            compare(format!("/v1/users/{user}/history"), products);
            let products = self.recommended(&history).into_iter().map(|(product, _)| Value::from(product)).collect();
            compare(format!("/v1/users/{user}/recommendations"), products);
        }
        let known: BTreeSet<&String> = self.categories.values().collect();
        for category in known.into_iter().map(Some).chain([None]) {
            let path = category.map_or("/v1/bestsellers".into(), |id| format!("/v1/categories/{id}/bestsellers"));
            let list = self.best.get(&category.cloned()).into_iter().flatten();
            let row = |(product, buyers): &Sold| serde_json::json!({"product": product, "buyers": buyers});
            compare(path, list.map(row).collect());
        }
        differences
    }

    /// The most viewed categories of the history, the one viewed last first among equals; their best sellers by buyers.
    fn recommended(&self, history: &[(&str, u64)]) -> Vec<Sold> {
        let mut seen: BTreeMap<&String, (usize, u64)> = BTreeMap::new();
        for (product, at) in history {
            if let Some(category) = self.categories.get(*product) {
                let (products, last) = seen.entry(category).or_default();
                (*products, *last) = (*products + 1, (*last).max(*at));
            }
        }
        let mut ranked: Vec<&String> = seen.keys().copied().collect();
        ranked.sort_by_key(|category| (Reverse(seen[category]), self.keys.category(category)));
        let lists = ranked.into_iter().take(CATEGORIES).filter_map(|category| self.best.get(&Some(category.clone())));
        let mut merged: Vec<Sold> = lists.flatten().cloned().collect();
        if merged.is_empty() {
            merged.clone_from(&self.best[&None]);
        }
        self.keys.rank(&mut merged);
        merged
    }
}

impl Keys {
    fn rank(&self, list: &mut Vec<Sold>) {
        list.sort_by_key(|(product, buyers)| (Reverse(*buyers), self.product(product)));
        list.truncate(LIST);
    }
}
