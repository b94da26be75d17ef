//! One list from several sources.

use std::sync::Arc;

use dataflow::ids::{ProductKey, UserKey};
use dataflow::index_reader::WideView;
use dataflow::rules::Rules;

use crate::settings::Fill;
use crate::source::{Asked, Recommended, Source, SourceName};
use crate::workspace::Workspace;

/// Sources in the order of preference, which fill one list.
#[derive(Clone)]
pub struct Chain {
    sources: Vec<Arc<dyn Source>>,
    fill: Fill,
    items_min: usize,
    /// The setting that switches the first model on, if the chain names models and none of them is on.
    switch: Option<&'static str>,
}

impl Chain {
    /// A chain of those of the named sources that are among `sources`, in the order of `names`.
    #[must_use]
    pub fn new(names: &[SourceName], fill: Fill, rules: &Rules, sources: &[Arc<dyn Source>]) -> Self {
        let named = |name: SourceName| sources.iter().find(|source| source.name() == name).cloned();
        let is_missing = |name: &SourceName| named(*name).is_none();
        let models = || names.iter().filter(|name| name.switch().is_some());
        let switch = models().next().filter(|_| models().all(is_missing)).and_then(|name| name.switch());
        let sources = names.iter().copied().filter_map(named).collect();
        Chain { sources, fill, items_min: rules.items_min, switch }
    }

    /// The setting that switches a model of this chain on, if the chain names models and none of them is on.
    #[must_use]
    pub fn switch(&self) -> Option<&'static str> {
        self.switch
    }

    /// The list for a user, as people see it: best first, each product once. The view must have been taken for the same
    /// user.
    #[must_use]
    pub fn for_user(
        &self,
        view: &WideView<'_>,
        user: UserKey,
        size: usize,
        workspace: &mut Workspace,
    ) -> Vec<Recommended> {
        let mut viewed = std::mem::take(&mut workspace.viewed);
        view.whole_history(user, &mut viewed);
        let asked = Asked { user: Some(user), viewed: &viewed, exclude: &[], category: None, size };
        let list = self.recommend(view, &asked, workspace);
        workspace.viewed = viewed;
        list
    }

    /// The list that `asked` describes, as people see it: best first, each product once; empty if it has fewer products
    /// than `rules.items_min`.
    #[must_use]
    pub fn recommend(&self, view: &WideView<'_>, asked: &Asked<'_>, workspace: &mut Workspace) -> Vec<Recommended> {
        let whole = Asked { size: asked.size.max(self.items_min), ..*asked };
        let mut list = match self.fill {
            Fill::First => self.first(view, &whole, workspace),
            Fill::Interleave => self.interleave(view, &whole, workspace),
        };
        if !Rules::is_shown(list.len(), self.items_min) {
            list.clear();
        }
        list.truncate(asked.size);
        list
    }

    /// Each source adds the products that are still missing.
    fn first(&self, view: &WideView<'_>, asked: &Asked<'_>, workspace: &mut Workspace) -> Vec<Recommended> {
        let mut list: Vec<Recommended> = Vec::new();
        let mut exclude: Vec<ProductKey> = Vec::new();
        for source in &self.sources {
            let missing = asked.size - list.len();
            if missing == 0 {
                break;
            }
            exclude.clear();
            exclude.extend(asked.exclude.iter().copied().chain(list.iter().map(|recommended| recommended.product)));
            let found = source.recommend(view, &Asked { exclude: &exclude, size: missing, ..*asked }, workspace);
            found.into_iter().take(missing).for_each(|recommended| add(&mut list, recommended));
        }
        list
    }

    /// In each round, each source adds its best product that is not in the list yet.
    fn interleave(&self, view: &WideView<'_>, asked: &Asked<'_>, workspace: &mut Workspace) -> Vec<Recommended> {
        let found = self.sources.iter().map(|source| source.recommend(view, asked, workspace).into_iter());
        let mut found: Vec<_> = found.collect();
        let mut list = Vec::new();
        loop {
            let before = list.len();
            for source in &mut found {
                if list.len() == asked.size {
                    return list;
                }
                let is_new =
                    |list: &[Recommended], next: &Recommended| list.iter().all(|row| row.product != next.product);
                list.extend(source.find(|next| is_new(&list, next)));
            }
            if list.len() == before {
                return list;
            }
        }
    }
}

/// Adds a product, unless the list has it.
fn add(list: &mut Vec<Recommended>, recommended: Recommended) {
    if list.iter().all(|row| row.product != recommended.product) {
        list.push(recommended);
    }
}
