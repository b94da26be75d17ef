//! The lists as a plain recomputation from the contents of Kafka and PostgreSQL.

use std::collections::{BTreeMap, BTreeSet};

use harness::kafka::Record;
use serde_json::Value;

use crate::client::Client;

/// What a list holds at most.
const LIST: usize = 10;
/// From how many categories recommendations come.
const CATEGORIES: usize = 3;

/// Everything, recomputed.
pub(crate) struct ExpectedLists {
    /// By user: every product viewed, with the time of the last view in milliseconds, newest first.
    pub(crate) histories: BTreeMap<String, Vec<(String, u64)>>,
    /// By product: its category.
    pub(crate) categories: BTreeMap<String, String>,
    /// By product: distinct buyers of the last thirty days.
    pub(crate) buyers: BTreeMap<String, i64>,
}

impl ExpectedLists {
    /// To be called before a program reads the orders: those that would expire during the test are deleted.
    pub(crate) fn work_out(views: &[Record], database: &mut postgres::Client) -> ExpectedLists {
        forget_orders_that_expire(database);
        let mut last: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for record in views {
            let view: Value = serde_json::from_slice(&record.payload).expect("the generator writes JSON");
            let text = |value: &Value| value.as_str().expect("an id is text").to_owned();
            let at_ms = (view["timestamp"].as_f64().expect("a number of seconds") * 1000.0).round() as u64;
            let products = last.entry(text(&view["userid"])).or_default();
            let latest = products.entry(text(&view["properties"]["productid"])).or_default();
            *latest = at_ms.max(*latest);
        }
        let newest_first = |products: BTreeMap<String, u64>| {
            let mut products: Vec<_> = products.into_iter().collect();
            products.sort_by_key(|(_, at_ms)| std::cmp::Reverse(*at_ms));
            products
        };
        ExpectedLists {
            histories: last.into_iter().map(|(user, products)| (user, newest_first(products))).collect(),
            categories: map(database, "SELECT product_id, category_id FROM products"),
            buyers: map(
                database,
                "SELECT product_id, count(DISTINCT user_id) FROM order_items JOIN orders USING (order_id) \
                 WHERE created_at > now() - interval '30 days' GROUP BY product_id",
            ),
        }
    }

    /// Compares every list that there is.
    #[track_caller]
    pub(crate) fn compare(&self, client: &Client) {
        for (user, history) in &self.histories {
            let expected: Vec<&str> = history.iter().take(LIST).map(|(product, _)| product.as_str()).collect();
            assert_eq!(client.products(&format!("/v1/users/{user}/history")), expected, "the history of {user}");
            self.compare_recommendations(client, user, &expected);
        }
        self.compare_sellers(client, "/v1/bestsellers", |_| true);
        for category in self.categories.values().collect::<BTreeSet<_>>() {
            let path = format!("/v1/categories/{category}/bestsellers");
            self.compare_sellers(client, &path, |product| self.categories.get(product) == Some(category));
        }
    }

    #[track_caller]
    fn compare_sellers(&self, client: &Client, path: &str, of_list: impl Fn(&str) -> bool) {
        let answer = client.get(path).json();
        let sellers = answer["products"].as_array().expect("a list");
        let shown =
            sellers.iter().map(|it| (it["product"].as_str().expect("an id"), it["buyers"].as_i64().expect("a count")));
        self.compare_counts(path, shown, of_list);
    }

    /// The most viewed categories of the history, later ones first among equals; their products by buyers.
    #[track_caller]
    fn compare_recommendations(&self, client: &Client, user: &str, history: &[&str]) {
        let mut ranked: Vec<(&str, usize)> = Vec::new();
        for category in history.iter().filter_map(|product| self.categories.get(*product)) {
            match ranked.iter_mut().find(|(known, _)| known == category) {
                Some((_, products)) => *products += 1,
                None => ranked.push((category, 1)),
            }
        }
        ranked.sort_by_key(|(_, products)| std::cmp::Reverse(*products));
        ranked.truncate(CATEGORIES);
        let of_list = |product: &str| {
            let category = self.categories.get(product);
            ranked.iter().any(|(liked, _)| category.is_some_and(|category| category == liked))
        };
        let path = format!("/v1/users/{user}/recommendations");
        let shown = client.products(&path);
        let counted = shown.iter().map(|product| (product.as_str(), self.buyers.get(product).copied().unwrap_or(0)));
        self.compare_counts(&path, counted, of_list);
    }

    /// Products with as many buyers may stand in any order among each other.
    #[track_caller]
    fn compare_counts<'a>(
        &self,
        list: &str,
        shown: impl Iterator<Item = (&'a str, i64)>,
        of_list: impl Fn(&str) -> bool,
    ) {
        let shown: Vec<(&str, i64)> = shown.collect();
        for (product, buyers) in &shown {
            assert_eq!(self.buyers.get(*product), Some(buyers), "{product} in {list}");
            assert!(of_list(product), "{product} does not belong into {list}");
        }
        let distinct: BTreeSet<&str> = shown.iter().map(|(product, _)| *product).collect();
        assert_eq!(distinct.len(), shown.len(), "a product stands in {list} twice");
        let mut expected: Vec<i64> =
            self.buyers.iter().filter(|(product, _)| of_list(product)).map(|(_, buyers)| *buyers).collect();
        expected.sort_unstable_by_key(|buyers| std::cmp::Reverse(*buyers));
        expected.truncate(LIST);
        assert_eq!(shown.iter().map(|(_, buyers)| *buyers).collect::<Vec<_>>(), expected, "{list}");
    }
}

/// Deletes the orders that count now and are older than thirty days within two hours.
fn forget_orders_that_expire(database: &mut postgres::Client) {
    let begin = "now() - interval '30 days'";
    let expiring = format!("created_at > {begin} AND created_at < {begin} + interval '2 hours'");
    let forget = format!(
        "DELETE FROM order_items WHERE order_id IN (SELECT order_id FROM orders WHERE {expiring});
        DELETE FROM orders WHERE {expiring}"
    );
    database.batch_execute(&forget).expect("the statements are valid");
}

fn map<V: for<'a> postgres::types::FromSql<'a>>(client: &mut postgres::Client, sql: &str) -> BTreeMap<String, V> {
    let rows = client.query(sql, &[]).expect("the test's query is valid");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}
