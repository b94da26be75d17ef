//! The lists of this process as copies get them: the same readings as answers over HTTP.

use std::sync::Arc;

use dataflow::engine::TickCounter;
use dataflow::graph::{BestSellers, History, ListId, ProductCategories, Purchases, Similar, TouchedList, UserProducts};
use dataflow::ids::{ProductKey, UserKey};
use dataflow::index_reader::IndexReader;
use dataflow::merchandising::{Arranged, MerchList};
use dataflow::rules::RecommendationRule;
use dataflow::source_status::{SourceRegistry, State};
use dataflow::time::Time;
use query_server::Floor;
use recommend::{Page, Recommender, SimilarProduct, SimilarReason, Workspace};
use sinks::copies::{CopiedLists, CopiedRow, ListName, Shown, ShownLists};

use super::features::UserValues;

/// Whether the lists are complete.
pub(super) struct Readiness {
    pub(super) registry: Arc<SourceRegistry>,
    pub(super) ticks: TickCounter,
    pub(super) floor: Floor,
}

impl Readiness {
    /// Whether a state holds all that the sources had, and is no older than an earlier one.
    fn is_ready(&self, as_of: Time) -> bool {
        let sources = self.registry.snapshot();
        let is_complete = sources.iter().all(|source| source.state == State::Live && as_of >= source.live_since);
        let has_reached = as_of >= self.floor.as_of && (!self.floor.caught_up || self.ticks.has_caught_up(as_of));
        !sources.is_empty() && is_complete && has_reached && self.registry.freshness().as_of(as_of, &[]).is_some()
    }
}

/// Reads lists from the published indexes.
pub(super) struct ListReader {
    reader: IndexReader,
    recommender: Arc<Recommender>,
    workspace: Workspace,
    lists: Vec<CopiedLists>,
    /// Whether this process writes the lists that belong to no user.
    leads: bool,
    readiness: Readiness,
    /// The features of the user that was read last.
    values: UserValues,
}

impl ListReader {
    pub(super) fn new(
        reader: IndexReader,
        recommender: Arc<Recommender>,
        lists: Vec<CopiedLists>,
        leads: bool,
        readiness: Readiness,
    ) -> Self {
        let workspace = Workspace::new(reader.rules());
        ListReader { reader, recommender, workspace, lists, leads, readiness, values: UserValues::default() }
    }

    fn copies(&self, lists: CopiedLists) -> bool {
        self.lists.contains(&lists)
    }

    fn row(&self, product: ProductKey, value: Option<f64>) -> Option<CopiedRow> {
        self.reader.dictionary().product_name(product).map(|product| CopiedRow { product, value })
    }

    fn best_sellers(&self, list: ListId) -> Shown {
        let (view, mut rows) = (self.reader.view_any(), Vec::new());
        let is_known = match list {
            ListId::General => true,
            ListId::Category(category) => view.knows_category(category),
        };
        if is_known {
            view.list::<BestSellers>(&list, &mut rows);
        }
        let rows = rows.iter().filter_map(|(seller, _)| self.row(seller.product, number(seller.buyers())));
        Shown::Rows(view.as_of(), rows.collect())
    }

    fn history(&self, user: UserKey) -> Shown {
        let (view, mut rows) = (self.reader.view(user), Vec::new());
        view.list::<History>(&user, &mut rows);
        let rows = rows.iter().filter_map(|(viewed, _)| self.row(viewed.product, number(viewed.at())));
        Shown::Rows(view.as_of(), rows.collect())
    }

    /// Recommendations for a user with a history.
    fn recommendations(&mut self, user: UserKey) -> Shown {
        let (rules, view, mut viewed) = (self.reader.rules(), self.reader.wide_view(user), Vec::new());
        let as_of = view.as_of();
        view.whole_history(user, &mut viewed);
        if viewed.is_empty() {
            return Shown::Rows(as_of, Vec::new());
        }
        if rules.recommendations != RecommendationRule::ForYou {
            let picks = view.recommendations(user).picks;
            let rows = picks.iter().filter_map(|pick| self.row(pick.seller.product, number(pick.seller.buyers())));
            return Shown::Rows(as_of, rows.collect());
        }
        let chain = self.recommender.chain(Page::Home, self.recommender.variant(user));
        let list = chain.for_user(&view, user, rules.list_size, &mut self.workspace);
        let products = list.rows.iter().map(|row| match row {
            Arranged::Own(row) => row.product,
            Arranged::Pinned(product) => *product,
        });
        Shown::Rows(as_of, products.filter_map(|product| self.row(product, None)).collect())
    }

    fn similar(&mut self, product: ProductKey) -> Shown {
        let (recommender, view) = (&self.recommender, self.reader.wide_view_any());
        let (size, list, workspace) =
            (self.reader.rules().list_size, MerchList::SimilarTo(product), &mut self.workspace);
        let rows: Vec<(ProductKey, Option<f64>)> = if view.list_rules(list).is_some() {
            let find = |size| recommender.all_similar(&view, product, size, workspace).to_vec();
            let arranged = view.arranged(list, size, find, |row| row.product);
            let row = |row: Arranged<SimilarProduct>| match row {
                Arranged::Own(row) => (row.product, similarity(row.reason)),
                Arranged::Pinned(product) => (product, None),
            };
            arranged.rows.into_iter().map(row).collect()
        } else {
            let rows = recommender.similar(&view, product, size, workspace);
            rows.iter().map(|row| (row.product, similarity(row.reason))).collect()
        };
        let rows = rows.into_iter().filter_map(|(product, value)| self.row(product, value));
        Shown::Rows(view.as_of(), rows.collect())
    }

    /// The user of a list that belongs to one.
    fn user(&self, name: &ListName) -> Option<UserKey> {
        match name {
            ListName::History(id) | ListName::Recommendations(id) | ListName::Feature(_, id) => {
                Some(self.reader.dictionary().find_user(id))
            }
            ListName::BestSellers | ListName::Category(_) | ListName::Similar(_) => None,
        }
    }

    fn empty(&self) -> Shown {
        Shown::Rows(self.as_of(), Vec::new())
    }
}

impl ShownLists for ListReader {
    fn is_ready(&self) -> bool {
        self.readiness.is_ready(self.as_of())
    }

    fn as_of(&self) -> Time {
        self.reader.view_any().as_of()
    }

    fn read(&mut self, name: &ListName) -> Shown {
        let user = self.user(name);
        let is_elsewhere = user.map_or(!self.leads, |user| self.reader.owner_elsewhere(user).is_some());
        if is_elsewhere {
            return Shown::Elsewhere;
        }
        if !self.copies(name.lists()) {
            return self.empty();
        }
        let dictionary = self.reader.dictionary();
        match (name, user) {
            (ListName::BestSellers, _) => self.best_sellers(ListId::General),
            (ListName::Category(id), _) => match dictionary.find_category(id) {
                Some(category) => self.best_sellers(ListId::Category(category)),
                None => self.empty(),
            },
            (ListName::Similar(id), _) => match dictionary.find_product(id) {
                Some(product) if self.recommender.similar_switch().is_none() => self.similar(product),
                _ => self.empty(),
            },
            (ListName::History(_), Some(user)) => self.history(user),
            (ListName::Recommendations(_), Some(user)) => self.recommendations(user),
            (ListName::Feature(feature, _), Some(user)) => self.values.read(&self.reader, user, feature),
            (_, None) => Shown::Elsewhere,
        }
    }

    fn all(&self) -> Vec<TouchedList> {
        let (reader, mut all) = (&self.reader, Vec::new());
        if self.copies(CopiedLists::Histories) || self.copies(CopiedLists::Recommendations) {
            all.extend(reader.keys::<History>().into_iter().map(TouchedList::History));
        }
        if self.copies(CopiedLists::Features) {
            let (active, bought) = (reader.keys::<UserProducts>(), reader.keys::<Purchases>());
            let mut users: Vec<UserKey> = active.into_iter().chain(bought).collect();
            users.sort_unstable();
            users.dedup();
            all.extend(users.into_iter().map(TouchedList::Activity));
        }
        if self.leads && self.copies(CopiedLists::Similar) && self.recommender.similar_switch().is_none() {
            let (viewed, known) = (reader.keys::<Similar>(), reader.keys::<ProductCategories>());
            let mut products: Vec<ProductKey> = viewed.into_iter().chain(known).collect();
            products.sort_unstable();
            products.dedup();
            all.extend(products.into_iter().map(TouchedList::Similar));
        }
        if self.leads && self.copies(CopiedLists::BestSellers) {
            let categories = reader.view_any().category_sizes().into_iter();
            let lists = categories.map(|(category, _)| ListId::Category(category));
            all.extend([ListId::General].into_iter().chain(lists).map(TouchedList::BestSellers));
        }
        all
    }

    fn names(&mut self, touched: TouchedList) -> Vec<ListName> {
        let dictionary = self.reader.dictionary();
        let named: Vec<ListName> = match touched {
            TouchedList::History(user) => dictionary
                .user_name(user)
                .into_iter()
                .flat_map(|id| [ListName::History(id.clone()), ListName::Recommendations(id)])
                .collect(),
            TouchedList::Activity(user) => dictionary
                .user_name(user)
                .into_iter()
                .flat_map(|id| {
                    dataflow::features::FEATURES.iter().map(move |feature| ListName::Feature(feature.name, id.clone()))
                })
                .collect(),
            TouchedList::BestSellers(ListId::General) => vec![ListName::BestSellers],
            TouchedList::BestSellers(ListId::Category(category)) => {
                dictionary.category_name(category).map(ListName::Category).into_iter().collect()
            }
            TouchedList::Similar(product) => {
                dictionary.product_name(product).map(ListName::Similar).into_iter().collect()
            }
        };
        named.into_iter().filter(|name| self.copies(name.lists())).collect()
    }
}

/// A count or a time as a number; exact up to 2^53.
#[expect(clippy::cast_precision_loss, clippy::unnecessary_wraps, reason = "counts and times are far below 2^53")]
fn number(number: u64) -> Option<f64> {
    Some(number as f64)
}

/// How similar a product is.
fn similarity(reason: SimilarReason) -> Option<f64> {
    match reason {
        SimilarReason::CoViewed { weight } => number(weight),
        SimilarReason::Alike { cosine } => Some(f64::from(cosine)),
    }
}
