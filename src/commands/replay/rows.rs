//! The rows of all lists at one step, read from the published indexes in the order of their ids.

use std::io::Write;
use std::sync::Arc;

use anyhow::Context as _;
use dataflow::dictionary::Dictionary;
use dataflow::ids::{CategoryKey, ProductKey, UserKey};
use dataflow::index_reader::IndexReader;
use dataflow::rows::{ListId, Seller, Viewed};
use dataflow::time::{Diff, Millis, Time};
use serde::Serialize;

/// A row of a list. Times are in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Row<'a> {
    /// The step.
    pub(super) as_of: Time,
    /// `bestsellers`, `category` or `history`.
    pub(super) list: &'static str,
    /// Of the category or the user; none for the general best sellers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    /// From 1.
    pub(super) rank: u16,
    pub(super) product: &'a str,
    /// Of a history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) viewed_at: Option<Millis>,
    /// Of best sellers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) buyers: Option<u64>,
}

impl Row<'_> {
    /// As one line of JSON.
    pub(super) fn write_json(&self, out: &mut impl Write) -> anyhow::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        Ok(out.write_all(b"\n")?)
    }
}

/// Calls `take` with every row of every list that is shown at `step`.
pub(super) fn walk(
    reader: &IndexReader,
    step: Time,
    users: &mut Users,
    mut take: impl FnMut(&Row<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut lists = Lists { reader, step, sellers: Vec::new(), viewed: Vec::new() };
    lists.sellers("bestsellers", None, ListId::General, &mut take)?;
    let mut categories = reader
        .view_any()
        .selling_categories()
        .into_iter()
        .map(|key| Ok((reader.dictionary().category_name(key).context("a category without its id")?, key)))
        .collect::<anyhow::Result<Vec<(Arc<str>, CategoryKey)>>>()?;
    categories.sort_unstable();
    for (id, key) in &categories {
        lists.sellers("category", Some(id), ListId::Category(*key), &mut take)?;
    }
    for (id, key) in users.sorted(reader.dictionary()) {
        lists.history(id, *key, &mut take)?;
    }
    Ok(())
}

/// Users by id, kept from step to step.
#[derive(Default)]
pub(super) struct Users(Vec<(Arc<str>, UserKey)>);

impl Users {
    /// All users that are known by now, among them everybody who has a history.
    fn sorted(&mut self, dictionary: &Dictionary) -> &[(Arc<str>, UserKey)] {
        if dictionary.users_len() != self.0.len() {
            self.0 = dictionary.user_names();
            self.0.sort_unstable();
        }
        &self.0
    }
}

struct Lists<'a> {
    reader: &'a IndexReader,
    step: Time,
    sellers: Vec<(Seller, Diff)>,
    viewed: Vec<(Viewed, Diff)>,
}

impl Lists<'_> {
    fn sellers(
        &mut self,
        list: &'static str,
        id: Option<&str>,
        ranking: ListId,
        take: &mut impl FnMut(&Row<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.reader.view_any().best_sellers(ranking, &mut self.sellers);
        if self.sellers.len() < self.reader.rules().items_min {
            return Ok(());
        }
        for (rank, (seller, _)) in (1..).zip(&self.sellers) {
            let product = &*self.product(seller.product)?;
            let buyers = Some(seller.buyers());
            take(&Row { as_of: self.step, list, id, rank, product, viewed_at: None, buyers })?;
        }
        Ok(())
    }

    fn history(
        &mut self,
        id: &str,
        user: UserKey,
        take: &mut impl FnMut(&Row<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.reader.view(user).history(user, &mut self.viewed);
        if self.viewed.len() < self.reader.rules().items_min {
            return Ok(());
        }
        for (rank, (viewed, _)) in (1..).zip(&self.viewed) {
            let product = &*self.product(viewed.product)?;
            let (id, viewed_at) = (Some(id), Some(viewed.at()));
            take(&Row { as_of: self.step, list: "history", id, rank, product, viewed_at, buyers: None })?;
        }
        Ok(())
    }

    fn product(&self, key: ProductKey) -> anyhow::Result<Arc<str>> {
        self.reader.dictionary().product_name(key).context("a product without its id")
    }
}
