//! One list from several sources.

use std::sync::Arc;

use dataflow::ids::{CategoryKey, ProductKey, UserKey};
use dataflow::index_reader::WideView;
use dataflow::merchandising::{Arrangement, MerchList, ProductFacts};
use dataflow::rules::Rules;

use crate::settings::Fill;
use crate::source::{Asked, Recommended, Source};
use crate::source_name::SourceName;
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
    ) -> Arrangement<Recommended> {
        let mut viewed = std::mem::take(&mut workspace.viewed);
        view.whole_history(user, &mut viewed);
        let asked = Asked { user: Some(user), viewed: &viewed, exclude: &[], category: None, size };
        let list = self.recommend(view, &asked, workspace);
        workspace.viewed = viewed;
        list
    }

    /// The list that `asked` describes, as people see it: best first, each product once, under the merchandising rules for
    /// recommendations; empty if it has fewer products than `rules.items_min`. Pins also put products there that were viewed,
    /// but none that is excluded or of another category.
    #[must_use]
    pub fn recommend(
        &self,
        view: &WideView<'_>,
        asked: &Asked<'_>,
        workspace: &mut Workspace,
    ) -> Arrangement<Recommended> {
        let mut find = |size| self.first_of(view, &Asked { size, ..*asked }, workspace);
        let whole = self.whole(asked.size);
        let arrangement = match view.list_rules(MerchList::ForYou) {
            None => Arrangement::unchanged(find(whole)),
            Some(rules) => rules.fill(whole, find, |row| row.product, &AskedProducts { view, asked }),
        };
        arrangement.shown(asked.size, self.items_min)
    }

    /// The first products that `asked` describes, without pins, buries and caps, and however few there are.
    fn first_of(&self, view: &WideView<'_>, asked: &Asked<'_>, workspace: &mut Workspace) -> Vec<Recommended> {
        let mut exclude: Vec<ProductKey> = Vec::new();
        self.filled(asked.size, |source, list| {
            exclude.clear();
            exclude.extend(asked.exclude.iter().copied().chain(list.iter().map(|recommended| recommended.product)));
            let missing = Asked { exclude: &exclude, size: asked.size - list.len(), ..*asked };
            self.sources[source].recommend(view, &missing, workspace)
        })
    }

    /// The names of its sources, in the order of preference.
    pub fn names(&self) -> impl Iterator<Item = SourceName> + '_ {
        self.sources.iter().map(|source| source.name())
    }

    /// The list of each source by itself, in the order of preference.
    #[must_use]
    pub fn found(&self, view: &WideView<'_>, asked: &Asked<'_>, workspace: &mut Workspace) -> Vec<Vec<Recommended>> {
        let whole = Asked { size: self.whole(asked.size), ..*asked };
        self.sources.iter().map(|source| source.recommend(view, &whole, workspace)).collect()
    }

    /// The list that [`Chain::recommend`] makes without merchandising rules, of the lists that [`Chain::found`] has found for
    /// the same question.
    #[must_use]
    pub fn compose(&self, found: &[Vec<Recommended>], size: usize) -> Vec<Recommended> {
        let mut list = self.filled(self.whole(size), |source, _| found[source].clone());
        list.truncate(if Rules::is_shown(list.len(), self.items_min) { size } else { 0 });
        list
    }

    /// The number of products that a list of `size` products is made of: it must be seen whether there are enough to show.
    fn whole(&self, size: usize) -> usize {
        size.max(self.items_min)
    }

    /// Fills a list of `size` products. `find` gives the products of a source, by its place in the chain, best first; it also
    /// gets the list so far, which the source only needs to complete.
    fn filled(&self, size: usize, find: impl FnMut(usize, &[Recommended]) -> Vec<Recommended>) -> Vec<Recommended> {
        match self.fill {
            Fill::First => self.first(size, find),
            Fill::Interleave => self.interleave(size, find),
        }
    }

    /// Each source adds the products that are still missing.
    fn first(&self, size: usize, mut find: impl FnMut(usize, &[Recommended]) -> Vec<Recommended>) -> Vec<Recommended> {
        let mut list: Vec<Recommended> = Vec::new();
        for source in 0..self.sources.len() {
            if list.len() == size {
                break;
            }
            for recommended in find(source, &list) {
                if list.len() < size && is_new(&list, &recommended) {
                    list.push(recommended);
                }
            }
        }
        list
    }

    /// In each round, each source adds its best product that is not in the list yet.
    fn interleave(
        &self,
        size: usize,
        mut find: impl FnMut(usize, &[Recommended]) -> Vec<Recommended>,
    ) -> Vec<Recommended> {
        let mut found: Vec<_> = (0..self.sources.len()).map(|source| find(source, &[]).into_iter()).collect();
        let mut list = Vec::new();
        loop {
            let before = list.len();
            for source in &mut found {
                if list.len() == size {
                    return list;
                }
                list.extend(source.find(|next| is_new(&list, next)));
            }
            if list.len() == before {
                return list;
            }
        }
    }
}

/// The products that pins may add to a list.
struct AskedProducts<'a> {
    view: &'a WideView<'a>,
    asked: &'a Asked<'a>,
}

impl ProductFacts for AskedProducts<'_> {
    fn may_pin(&self, product: ProductKey) -> bool {
        !self.asked.exclude.contains(&product)
            && self.asked.is_of_category(self.view, product)
            && self.view.may_show(product)
    }

    fn is_of(&self, product: ProductKey, category: CategoryKey) -> bool {
        self.view.is_of(product, category)
    }
}

/// Whether a list does not have a product yet.
fn is_new(list: &[Recommended], next: &Recommended) -> bool {
    list.iter().all(|row| row.product != next.product)
}

#[cfg(test)]
mod tests {
    use dataflow::dictionary::Dictionary;
    use dataflow::ids::Ids;

    use super::*;
    use crate::source::Reason;

    /// A source whose lists are given to the chain.
    struct Named(SourceName);

    impl Source for Named {
        fn name(&self) -> SourceName {
            self.0
        }

        fn recommend(&self, _: &WideView<'_>, _: &Asked<'_>, _: &mut Workspace) -> Vec<Recommended> {
            Vec::new()
        }
    }

    const NAMES: [SourceName; 4] =
        [SourceName::CoViews, SourceName::BuyAgain, SourceName::Als, SourceName::BestSellers];

    fn chain(fill: Fill, items_min: usize) -> Chain {
        let sources = NAMES.map(|name| Arc::new(Named(name)) as Arc<dyn Source>);
        Chain::new(&NAMES, fill, &Rules { items_min, ..Rules::default() }, &sources)
    }

    /// The number and source of each product of the list that is composed of these lists.
    fn composed(chain: &Chain, lists: [&[usize]; 4], size: usize) -> Vec<(usize, SourceName)> {
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        let keys: Vec<ProductKey> =
            (0..9).map(|number| dictionary.product(&format!("product-{number}")).expect("no collision")).collect();
        let reason = Reason::Factors { score: 1.0, version: 1 };
        let row = |source, number: &usize| Recommended { product: keys[*number], source, reason: reason.clone() };
        let found: Vec<Vec<Recommended>> = NAMES
            .iter()
            .zip(lists)
            .map(|(name, list)| list.iter().map(|number| row(*name, number)).collect())
            .collect();
        let number = |product| keys.iter().position(|key| *key == product).expect("a product of the lists");
        chain.compose(&found, size).into_iter().map(|row| (number(row.product), row.source)).collect()
    }

    #[test]
    fn lists_fill_up_or_take_turns_without_repeating() {
        let lists: [&[usize]; 4] = [&[1, 2], &[2, 3, 4, 5], &[], &[6]];
        let [one, other, _, last] = NAMES;
        let first = chain(Fill::First, 0);
        assert_eq!(composed(&first, lists, 5), [(1, one), (2, one), (3, other), (4, other), (5, other)]);
        assert_eq!(composed(&first, lists, 9).last(), Some(&(6, last)));
        let turns = chain(Fill::Interleave, 0);
        assert_eq!(composed(&turns, lists, 5), [(1, one), (2, other), (6, last), (3, other), (4, other)]);
        assert_eq!(composed(&turns, [&[]; 4], 5), []);
    }

    #[test]
    fn a_list_that_is_too_short_to_show_is_empty() {
        let lists: [&[usize]; 4] = [&[1], &[2], &[], &[]];
        for fill in [Fill::First, Fill::Interleave] {
            assert_eq!(composed(&chain(fill, 3), lists, 1), []);
            assert_eq!(composed(&chain(fill, 2), lists, 1), [(1, NAMES[0])]);
        }
    }
}
