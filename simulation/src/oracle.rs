//! The definitions of the lists, recomputed plainly: every list at one time, from the given events and the tables as of
//! a place in the log. Shares only ids and business numbers with the graph.

mod facts;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use dataflow::graph::{BestSellers, History, ListId};
use dataflow::ids::{CategoryKey, ProductKey, UserKey};
use dataflow::index_reader::{IndexReader, Kind};
use dataflow::rules::AHEAD_MS;
use dataflow::time::{Millis, Time};

use crate::server::Tables;
use crate::world::{KEPT_MS, RULES, World};

pub(crate) use facts::{PlainFacts, PlainFeatures};

/// Products with their number of buyers, best first.
type Sellers = Vec<(ProductKey, u64)>;

/// By user and product: the least and the most orders that may show. Only the source knows when it removes an order that it
/// need not keep.
type Purchases = BTreeMap<(UserKey, ProductKey), [u64; 2]>;

/// Every list at one time.
#[derive(Debug, Default)]
pub(crate) struct Shelves {
    histories: BTreeMap<UserKey, Vec<(ProductKey, Millis)>>,
    /// By category; `None` for the general list. Empty lists are left out.
    best_sellers: BTreeMap<Option<CategoryKey>, Sellers>,
    categories_of: BTreeMap<ProductKey, Vec<CategoryKey>>,
    /// Whether the list is personal, and its products.
    recommended: BTreeMap<UserKey, (bool, Sellers)>,
    features: BTreeMap<UserKey, PlainFeatures>,
    purchases: Purchases,
}

impl Shelves {
    /// The correct lists.
    pub(crate) fn right(world: &World, facts: &PlainFacts, tables: &Tables, as_of: Time) -> Shelves {
        let mut shelves = Shelves::default();
        for (number, &user) in world.users.iter().enumerate() {
            shelves.histories.insert(user, facts.history(world, number, as_of));
            shelves.features.insert(user, facts.features(world, number));
        }
        for (product, category) in &tables.products {
            let category = category.map(|category| world.categories[category]);
            shelves.categories_of.entry(world.products[*product]).or_default().extend(category);
        }
        shelves.categories_of.retain(|_, categories| !categories.is_empty());
        shelves.rank(world, facts, tables, as_of);
        shelves.purchases = purchases(world, facts, tables, as_of);
        for &user in &world.users {
            let recommended = shelves.recommend(user);
            shelves.recommended.insert(user, recommended);
        }
        shelves
    }

    fn rank(&mut self, world: &World, facts: &PlainFacts, tables: &Tables, as_of: Time) {
        let mut buyers: BTreeMap<ProductKey, BTreeSet<UserKey>> = BTreeMap::new();
        for (order, product) in tables.lines.values() {
            if let Some((user, created_at)) = tables.orders.get(order)
                && created_at + RULES.window_ms > as_of
                && *created_at <= as_of + AHEAD_MS
                && Some(*created_at) > facts.erased_until(*user)
                && !facts.hidden.contains(product)
            {
                buyers.entry(world.products[*product]).or_default().insert(world.users[*user]);
            }
        }
        let listed: BTreeSet<ProductKey> = tables.products.keys().map(|product| world.products[*product]).collect();
        for (product, users) in buyers {
            let sold = (product, users.len() as u64);
            if listed.contains(&product) {
                self.best_sellers.entry(None).or_default().push(sold);
            }
            for category in self.categories_of.get(&product).into_iter().flatten() {
                self.best_sellers.entry(Some(*category)).or_default().push(sold);
            }
        }
        self.best_sellers.values_mut().for_each(by_buyers);
    }

    fn recommend(&self, user: UserKey) -> (bool, Sellers) {
        let mut seen: BTreeMap<CategoryKey, Vec<Millis>> = BTreeMap::new();
        for (product, at) in &self.histories[&user] {
            for category in self.categories_of.get(product).into_iter().flatten() {
                seen.entry(*category).or_default().push(*at);
            }
        }
        let mut ranked: Vec<CategoryKey> = seen.keys().copied().collect();
        let most_recent = |category: &CategoryKey| seen[category].iter().copied().max();
        ranked.sort_by(|a, b| {
            let by_products = seen[b].len().cmp(&seen[a].len());
            by_products.then(most_recent(b).cmp(&most_recent(a))).then(a.cmp(b))
        });
        ranked.truncate(RULES.categories_max);
        let lists = ranked.into_iter().filter_map(|category| self.best_sellers.get(&Some(category)));
        let merged: BTreeSet<(ProductKey, u64)> = lists.flatten().copied().collect();
        let mut products: Sellers = merged.into_iter().collect();
        by_buyers(&mut products);
        if products.is_empty() {
            return (false, self.best_sellers.get(&None).cloned().unwrap_or_default());
        }
        (true, products)
    }

    /// The shown lists. As in answers, a product without a name is left out.
    pub(crate) fn shown(world: &World, reader: &IndexReader) -> Shelves {
        let mut shelves = Shelves::default();
        let is_named = |product: &ProductKey| reader.dictionary().product_name(*product).is_some();
        for &user in &world.users {
            let (view, mut rows) = (reader.view(user), Vec::new());
            view.rows::<History>(&user, &mut rows);
            let viewed = rows.iter().map(|(viewed, _)| (viewed.product, viewed.at()));
            shelves.histories.insert(user, viewed.filter(|(product, _)| is_named(product)).collect());
            let recommended = view.recommendations(user);
            let picks = recommended.picks.iter().map(|pick| (pick.seller.product, pick.seller.buyers()));
            let picks = picks.filter(|(product, _)| is_named(product)).collect();
            shelves.recommended.insert(user, (recommended.kind == Kind::Personalized, picks));
            let of = view.features(user, None).products.into_iter().filter(|of| of.purchases > 0);
            shelves.purchases.extend(of.map(|of| ((user, of.product), [of.purchases; 2])));
            drop(view);
            shelves.features.insert(user, PlainFeatures::shown(reader, user));
        }
        let view = reader.view_any();
        let lists = std::iter::once(None).chain(world.categories.iter().copied().map(Some));
        for list in lists {
            let mut rows = Vec::new();
            view.rows::<BestSellers>(&list.map_or(ListId::General, ListId::Category), &mut rows);
            if !rows.is_empty() {
                let sold = rows.iter().map(|(seller, _)| (seller.product, seller.buyers()));
                shelves.best_sellers.insert(list, sold.filter(|(product, _)| is_named(product)).collect());
            }
        }
        for &product in &world.products {
            let mut rows = Vec::new();
            view.categories_of(product, &mut rows);
            if !rows.is_empty() && is_named(&product) {
                shelves.categories_of.insert(product, rows.iter().map(|(category, _)| *category).collect());
            }
        }
        shelves
    }

    /// For a planted bug: leaves hidden products out of lists of which the first rows were taken before.
    pub(crate) fn leave_out(&mut self, world: &World, facts: &PlainFacts) {
        let hidden: BTreeSet<ProductKey> = facts.hidden.iter().map(|product| world.products[*product]).collect();
        self.histories.values_mut().for_each(|list| list.retain(|(product, _)| !hidden.contains(product)));
        let sellers = self.best_sellers.values_mut().chain(self.recommended.values_mut().map(|(_, list)| list));
        sellers.for_each(|list| list.retain(|(product, _)| !hidden.contains(product)));
        self.best_sellers.retain(|_, list| !list.is_empty());
    }

    /// The first difference between the shown and the correct lists.
    pub(crate) fn difference(right: &Shelves, shown: &Shelves) -> Option<String> {
        differs("histories", &right.histories, &shown.histories)
            .or_else(|| differs("catalogue", &right.categories_of, &shown.categories_of))
            .or_else(|| differs("best sellers", &right.best_sellers, &shown.best_sellers))
            .or_else(|| differs("recommended", &right.recommended, &shown.recommended))
            .or_else(|| differs("features", &right.features, &shown.features))
            .or_else(|| wrong_purchases(&right.purchases, &shown.purchases))
    }
}

fn differs<T: PartialEq + Debug>(what: &str, right: &T, shown: &T) -> Option<String> {
    (right != shown).then(|| format!("{what}: shown {shown:?}, right is {right:?}"))
}

fn wrong_purchases(right: &Purchases, shown: &Purchases) -> Option<String> {
    let of = |purchases: &Purchases, key: &(UserKey, ProductKey)| purchases.get(key).copied().unwrap_or_default();
    let is_wrong = |key: &&(UserKey, ProductKey)| {
        let ([least, most], [count, _]) = (of(right, key), of(shown, key));
        !(least..=most).contains(&count)
    };
    let wrong = right.keys().chain(shown.keys()).find(is_wrong)?;
    Some(format!(
        "purchases of {wrong:?}: shown {:?}, right is from the first to the second of {:?}",
        of(shown, wrong)[0],
        of(right, wrong)
    ))
}

/// The orders that count for features: all of them, in the window or not, that the source has not removed.
fn purchases(world: &World, facts: &PlainFacts, tables: &Tables, as_of: Time) -> Purchases {
    let mut purchases = Purchases::new();
    let lines: BTreeSet<&(usize, usize)> = tables.lines.values().collect();
    for (order, product) in lines {
        if let Some((user, created_at)) = tables.orders.get(order)
            && Some(*created_at) > facts.erased_until(*user)
        {
            let [least, most] = purchases.entry((world.users[*user], world.products[*product])).or_default();
            (*least, *most) = (*least + u64::from(created_at + KEPT_MS > as_of), *most + 1);
        }
    }
    purchases
}

fn by_buyers(list: &mut Sellers) {
    list.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    list.truncate(RULES.list_size);
}
