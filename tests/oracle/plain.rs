//! The definitions, recomputed from all input. Shares no code with the graph except ids and numbers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use dataflow::ids::{CategoryKey, OrderKey, ProductKey, UserKey};
use dataflow::rules::{AHEAD_MS, DAY_MS, Deleted, ListSet, PurchaseSource, Rules};
use dataflow::tables::{Interaction, Placed};
use dataflow::time::{Diff, Millis, Time};

use crate::erasures::PlainErasures;
use crate::given::{In, Update, World};
use crate::interactions::{Did, Stated, Visit, add_gaps, add_metadata};
use crate::learned::Learned;
use crate::merchandising::{Ruling, Version};
use crate::recommended::Recommended;
use crate::retention::{Lasting, counts_now, is_kept};

/// A best-seller list: of a category, or the general one.
pub(crate) type Which = Option<CategoryKey>;

/// A user's products by order, newest first.
type OrdersOfUser = BTreeMap<(Reverse<Millis>, OrderKey), BTreeSet<ProductKey>>;

/// The categories of products.
type CategoriesOf = BTreeMap<ProductKey, BTreeSet<CategoryKey>>;

/// Every list at one time.
#[derive(Debug, Default)]
pub(crate) struct Shelves {
    /// Products viewed last, and when, as shown.
    pub(crate) histories: BTreeMap<UserKey, Vec<(ProductKey, Millis)>>,
    /// All products of each history that are not removed, newest first.
    pub(crate) whole_histories: BTreeMap<UserKey, Vec<ProductKey>>,
    /// Products that count as deleted, of those that any row or event names.
    pub(crate) deleted: BTreeSet<ProductKey>,
    /// What each user bought, best to buy again first: product, score, orders with it, orders since the last of them.
    pub(crate) bought: BTreeMap<UserKey, Vec<(ProductKey, u64, usize, usize)>>,
    /// What each user did.
    pub(crate) features: BTreeMap<UserKey, Did>,
    /// The merchandising rules that are effective.
    pub(crate) ruling: Ruling,
    /// Products that merchandising rules keep off all lists, and those that cannot be bought.
    off_lists: BTreeSet<ProductKey>,
    /// Buyers of each product that has any, whatever hides it.
    buyers: BTreeMap<ProductKey, u64>,
    /// Similar products, if co-views are on.
    pub(crate) learned: Option<Learned>,
    /// Products by buyers; lists without any are absent.
    pub(crate) best_sellers: BTreeMap<Which, Vec<(ProductKey, u64)>>,
    /// The categories of every product that has one.
    pub(crate) categories_of: BTreeMap<ProductKey, BTreeSet<CategoryKey>>,
    /// Per user: whether the list is personal, the lists it is merged from, and its products.
    pub(crate) recommended: BTreeMap<UserKey, Recommended>,
    /// The same lists by the numbers and rules of the shadow, if it is on.
    pub(crate) shadow: Option<Box<Shelves>>,
}

impl Shelves {
    /// The lists as of `as_of`, from all updates shown by then.
    pub(crate) fn new(world: &World, shown: impl Iterator<Item = Update>, as_of: Time, rules: &Rules) -> Self {
        let mut tables = Tables::default();
        shown.for_each(|update| tables.take(world, update));
        let mut shelves = Shelves::by_set(world, &tables, as_of, (rules, ListSet::Live), rules);
        for &user in &world.users {
            let history = tables.history(user, as_of, rules).into_iter();
            shelves.whole_histories.insert(user, history.map(|(product, _)| product).collect());
        }
        shelves.bought = tables.buy_again(world, as_of, rules);
        if rules.features.enabled {
            let did = |user: &UserKey| (*user, tables.did(*user, &shelves.categories_of, as_of, rules));
            shelves.features = world.users.iter().map(did).collect();
        }
        let of_shadow = || Shelves::by_set(world, &tables, as_of, (&rules.of_shadow(), ListSet::Shadow), rules);
        shelves.shadow = rules.shadow.enabled.then(|| Box::new(of_shadow()));
        shelves
    }

    /// Histories, best sellers and recommendations by the numbers and rules of a set. `kept`: the numbers by which rows are kept.
    fn by_set(world: &World, tables: &Tables, as_of: Time, (rules, set): (&Rules, ListSet), kept: &Rules) -> Self {
        let mut shelves = Shelves { categories_of: tables.categories_of(world), ..Shelves::default() };
        shelves.deleted = world.products.iter().copied().filter(|key| tables.is_deleted(*key, rules)).collect();
        shelves.ruling = Ruling::new(world, tables.rules.iter().copied(), as_of, set);
        let (off_lists, off_histories) = shelves.ruling.hidden(world);
        shelves.off_lists = off_lists;
        let unavailable = tables.catalogue().filter(|(_, category)| *category == In::Unavailable);
        shelves.off_lists.extend(unavailable.map(|(product, _)| product));
        for &user in &world.users {
            let mut history = tables.history(user, as_of, rules);
            history.truncate(rules.list_size);
            if rules.deleted == Deleted::Hidden {
                history.retain(|(product, _)| !tables.is_deleted(*product, rules));
            }
            history.retain(|(product, _)| !off_histories.contains(product));
            shelves.histories.insert(user, history);
        }
        shelves.rank(tables, as_of, rules, kept);
        for &user in &world.users {
            let recommended = shelves.recommend(world, user, rules);
            shelves.recommended.insert(user, recommended);
        }
        shelves
    }

    /// Adds what is learned from the histories as of `end`, the last end of a period, by then `shown`.
    pub(crate) fn learn(&mut self, world: &World, shown: impl Iterator<Item = Update>, end: Time, rules: &Rules) {
        let mut tables = Tables::default();
        shown.for_each(|update| tables.take(world, update));
        let histories = world.users.iter().map(|user| tables.history(*user, end, rules));
        self.learned = Some(Learned::new(histories, rules.co_views));
    }

    /// What is learned.
    pub(crate) fn learned(&self) -> &Learned {
        self.learned.as_ref().expect("co-views are on")
    }

    /// Whether a product may be recommended.
    pub(crate) fn may_show(&self, product: ProductKey, rules: &Rules) -> bool {
        (rules.deleted == Deleted::Shown || !self.deleted.contains(&product)) && !self.off_lists.contains(&product)
    }

    /// How many products each category has; those without any are absent.
    pub(crate) fn sizes(&self) -> BTreeMap<CategoryKey, u64> {
        let mut sizes = BTreeMap::new();
        for category in self.categories_of.values().flatten() {
            *sizes.entry(*category).or_insert(0) += 1;
        }
        sizes
    }

    /// The categories that have a list.
    pub(crate) fn selling(&self) -> Vec<CategoryKey> {
        self.best_sellers.keys().filter_map(|which| *which).collect()
    }

    /// A product with its buyers, whatever hides it.
    pub(crate) fn with_buyers(&self, product: ProductKey) -> (ProductKey, u64) {
        (product, self.buyers.get(&product).copied().unwrap_or(0))
    }

    /// A list; empty when there is none.
    pub(crate) fn best(&self, which: Which) -> &[(ProductKey, u64)] {
        self.best_sellers.get(&which).map_or(&[], Vec::as_slice)
    }

    fn rank(&mut self, tables: &Tables, as_of: Time, rules: &Rules, kept: &Rules) {
        for (product, users) in tables.buyers(as_of, rules.window_ms, kept) {
            let sold = (product, users.len() as u64);
            self.buyers.insert(product, sold.1);
            if self.off_lists.contains(&product) {
                continue;
            }
            if rules.deleted == Deleted::Shown || !tables.is_deleted(product, rules) {
                self.best_sellers.entry(None).or_default().push(sold);
            }
            for &category in self.categories_of.get(&product).into_iter().flatten() {
                self.best_sellers.entry(Some(category)).or_default().push(sold);
            }
        }
        for list in self.best_sellers.values_mut() {
            by_buyers(list, rules.list_size);
        }
        self.best_sellers.retain(|_, list| !list.is_empty());
    }
}

/// Puts products into the order of a best-seller list, and takes the first.
pub(crate) fn by_buyers(list: &mut Vec<(ProductKey, u64)>, size: usize) {
    list.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    list.truncate(size);
}

/// Everything given, as tables.
#[derive(Default)]
struct Tables {
    views: BTreeMap<(UserKey, ProductKey), Vec<Millis>>,
    removals: BTreeMap<(UserKey, ProductKey), Vec<Millis>>,
    /// Each event in this and the next two fields has the number of its tick.
    interactions: Vec<(UserKey, ProductKey, Interaction, (usize, Millis))>,
    sessions: Vec<(Visit, usize)>,
    metadata: Vec<(Stated, usize)>,
    /// (order, user, product, when), as events say.
    stated: Vec<(usize, UserKey, ProductKey, Millis)>,
    /// (order, user, when and whether it counts), how often.
    orders: BTreeMap<(usize, UserKey, Placed), Diff>,
    /// (order, product), how often.
    lines: BTreeMap<(usize, ProductKey), Diff>,
    catalogue: BTreeMap<(ProductKey, In), Diff>,
    rules: Vec<Version>,
    erasures: PlainErasures,
    /// The number of ticks that have ended, and when the next one was opened after each.
    tick: usize,
    opened: Vec<Time>,
}

impl Tables {
    fn take(&mut self, world: &World, update: Update) {
        match update {
            Update::View { user, product, at } => {
                self.views.entry((world.users[user], world.products[product])).or_default().push(at);
            }
            Update::Removal { user, product, at } => {
                self.removals.entry((world.users[user], world.products[product])).or_default().push(at);
            }
            Update::Interaction { user, product, interaction, at } => {
                self.interactions.push((world.users[user], world.product(product), interaction, (self.tick, at)));
            }
            Update::Session { user, session, page, at, recorded } => {
                self.sessions.push(((world.users[user], session, at, recorded, world.product(page)), self.tick));
            }
            Update::Metadata { user, key, value, at } => {
                self.metadata.push(((world.users[user], key, value, at), self.tick));
            }
            Update::EventPurchase { order, user, product, at } => {
                self.stated.push((order, world.users[user], world.products[product], at));
            }
            Update::Order { order, user, placed, diff } => {
                *self.orders.entry((order, world.users[user], placed)).or_default() += diff;
            }
            Update::Line { order, product, diff } => {
                *self.lines.entry((order, world.products[product])).or_default() += diff;
            }
            Update::Catalogue { product, category, diff } => {
                *self.catalogue.entry((world.products[product], category)).or_default() += diff;
            }
            Update::Rule(version) => self.rules.push(version),
            Update::Erasure { user, at } => self.erasures.add(world.users[user], self.tick, at),
            Update::TickEnd { next } => {
                self.tick += 1;
                self.opened.push(next);
            }
        }
    }

    fn categories_of(&self, world: &World) -> BTreeMap<ProductKey, BTreeSet<CategoryKey>> {
        let mut categories: BTreeMap<ProductKey, BTreeSet<CategoryKey>> = BTreeMap::new();
        for (product, category) in self.catalogue() {
            if let In::Category(category) = category {
                categories.entry(product).or_default().insert(world.categories[category]);
            }
        }
        categories
    }

    /// The rows of the catalogue that are there.
    fn catalogue(&self) -> impl Iterator<Item = (ProductKey, In)> {
        self.catalogue.iter().filter(|(_, copies)| **copies > 0).map(|(row, _)| *row)
    }

    fn is_deleted(&self, product: ProductKey, rules: &Rules) -> bool {
        let mut rows = self.catalogue().filter(|(of, _)| *of == product);
        match rules.missing_is_deleted {
            true => !rows.any(|(_, category)| category != In::Deleted),
            false => rows.any(|(_, category)| category == In::Deleted),
        }
    }

    /// The products of a history that are not removed. A history consists of the `history_depth` products with the latest
    /// events; a removal counts for its product like a view, and precedes a view of the same time. Erased events are none, and
    /// neither are those since which `history_ms` have passed.
    fn history(&self, user: UserKey, as_of: Time, rules: &Rules) -> Vec<(ProductKey, Millis)> {
        let mut latest: BTreeMap<ProductKey, (Millis, bool)> = BTreeMap::new();
        let events = [(&self.views, false), (&self.removals, true)];
        for (times, is_removal) in events {
            for ((_, product), times) in times.iter().filter(|((of, _), _)| *of == user) {
                for at in times.iter().filter(|at| Some(**at) > self.erasures.until(user)) {
                    let known = latest.entry(*product).or_insert((*at, is_removal));
                    *known = (*known).max((*at, is_removal));
                }
            }
        }
        let mut places: Vec<(ProductKey, (Millis, bool))> = latest.into_iter().collect();
        places.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        places.retain(|(_, (at, _))| at.saturating_add(rules.history_ms) > as_of);
        places.truncate(rules.history_depth);
        places.into_iter().filter(|(_, (_, removed))| !removed).map(|(product, (at, _))| (product, at)).collect()
    }

    /// Every purchase that counts, live or not: the order, its user, when, and a product.
    fn purchases(&self, as_of: Time, rules: &Rules) -> Vec<(usize, UserKey, Millis, ProductKey)> {
        let mut all = Vec::new();
        let orders = || self.orders.iter().filter(|(_, copies)| **copies > 0).map(|(row, _)| *row);
        if rules.purchases != PurchaseSource::Events {
            let counts = |user: UserKey, placed: Placed| {
                placed.counts() && Some(placed.created_at()) > self.erasures.until(user)
            };
            for (order, user, placed) in orders().filter(|(_, user, placed)| counts(*user, *placed)) {
                let lines = self.lines.iter().filter(|((of, _), copies)| *of == order && **copies > 0);
                all.extend(lines.map(|((_, product), _)| (order, user, placed.created_at(), *product)));
            }
        }
        let mut first: BTreeMap<usize, ((Millis, UserKey), BTreeSet<ProductKey>)> = BTreeMap::new();
        let is_live = |row: &&(usize, UserKey, ProductKey, Millis)| {
            is_kept(row.3, as_of, rules) && Some(row.3) > self.erasures.until(row.1)
        };
        for &(order, user, product, at) in self.stated.iter().filter(is_live) {
            let counts = match rules.purchases {
                PurchaseSource::Orders => false,
                PurchaseSource::Events => true,
                PurchaseSource::Both => !orders().any(|(of, ..)| of == order),
            };
            if counts {
                let (earliest, products) = first.entry(order).or_insert(((at, user), BTreeSet::new()));
                *earliest = (*earliest).min((at, user));
                products.insert(product);
            }
        }
        for (order, ((at, user), products)) in first {
            all.extend(products.into_iter().map(|product| (order, user, at, product)));
        }
        all
    }

    fn buyers(&self, as_of: Time, window_ms: Millis, kept: &Rules) -> BTreeMap<ProductKey, BTreeSet<UserKey>> {
        let mut buyers: BTreeMap<ProductKey, BTreeSet<UserKey>> = BTreeMap::new();
        for (_, user, created_at, product) in self.purchases(as_of, kept) {
            if created_at + window_ms > as_of && created_at <= as_of + AHEAD_MS {
                buyers.entry(product).or_default().insert(user);
            }
        }
        buyers
    }

    fn did(&self, user: UserKey, categories_of: &CategoriesOf, as_of: Time, rules: &Rules) -> Did {
        let mut did = Did::default();
        let lasting = Lasting { days: rules.features.days, opened: &self.opened, as_of };
        let own = self.interactions.iter().filter(|(of, .., at)| *of == user && self.erasures.count(user, *at));
        let last = lasting.each(own.map(|(_, product, interaction, at)| (*product, *interaction, *at)));
        last.iter().for_each(|(product, interaction, at)| did.count(*product, *interaction, *at));
        let counts = |visit: &Visit, tick| visit.0 == user && self.erasures.count(user, (tick, visit.2));
        let visits = self.sessions.iter().filter(|(visit, tick)| counts(visit, *tick)).map(|(visit, _)| visit);
        // A gap counts with its view, if it ends in time. No view that counts is of an earlier day than one that does not any more.
        let has_view = |page, at| last.iter().any(|of| of.0 == page && of.2 / DAY_MS <= at / DAY_MS);
        add_gaps(visits, |page, at, next| !lasting.is_over(at, next) && has_view(page, at), &mut did);
        let counts = |stated: &Stated, tick| stated.0 == user && self.erasures.count(user, (tick, stated.3));
        let stated = self.metadata.iter().filter(|(stated, tick)| counts(stated, *tick));
        let last = lasting.each(stated.map(|((_, key, value, at), tick)| (*key, *value, (*tick, *at))));
        add_metadata(&last, rules.features.values_max, &mut did);
        let own = self.purchases(as_of, rules).into_iter();
        let own = own.filter(|(_, of, at, _)| *of == user && counts_now(*at, as_of, rules));
        let own: BTreeSet<(usize, ProductKey)> = own.map(|(order, _, _, product)| (order, product)).collect();
        for (_, product) in own {
            did.products.entry(product).or_default()[5] += 1;
        }
        for (product, numbers) in &did.products {
            for category in categories_of.get(product).into_iter().flatten().filter(|_| numbers[0] + numbers[5] > 0) {
                let sums = did.categories.entry(*category).or_default();
                *sums = [sums[0] + numbers[0], sums[1] + numbers[5]];
            }
        }
        did
    }

    /// What each user may buy again. An order counts if it does so by its status and has a line.
    fn buy_again(
        &self,
        world: &World,
        as_of: Time,
        rules: &Rules,
    ) -> BTreeMap<UserKey, Vec<(ProductKey, u64, usize, usize)>> {
        let mut bought: BTreeMap<UserKey, OrdersOfUser> = BTreeMap::new();
        let mut orders: BTreeMap<ProductKey, u64> = BTreeMap::new();
        let mut buyers: BTreeMap<ProductKey, BTreeSet<UserKey>> = BTreeMap::new();
        for (order, user, created_at, product) in self.purchases(as_of, rules) {
            if counts_now(created_at, as_of, rules) {
                let key = (Reverse(created_at), world.orders[order]);
                bought.entry(user).or_default().entry(key).or_default().insert(product);
            }
            // No source takes orders out of these tables, so a product's orders and buyers are all there are.
            *orders.entry(product).or_default() += 1;
            buyers.entry(product).or_default().insert(user);
        }
        let rank = |user: &UserKey| {
            let newest_first = bought.get(user).into_iter().flat_map(BTreeMap::values);
            let mut sums: BTreeMap<ProductKey, (u64, usize, usize)> = BTreeMap::new();
            for (ago, products) in newest_first.enumerate() {
                let weight = (20.0 - (ago % 60) as f64 / 60.0).exp2().floor() as u64 >> (ago / 60);
                for product in products {
                    let (sum, count, _) = sums.entry(*product).or_insert((0, 0, ago));
                    (*sum, *count) = (*sum + weight, *count + 1);
                }
            }
            let score = |(product, (sum, count, last)): (ProductKey, (u64, usize, usize))| {
                let per_buyer = (orders[&product] << 20) / buyers[&product].len() as u64;
                let root = (0..).find(|root| (root + 1) * (root + 1) > per_buyer).expect("a root exists");
                (product, sum * root, count, last)
            };
            let mut scored: Vec<_> = sums.into_iter().map(score).collect();
            scored.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
            (*user, scored)
        };
        world.users.iter().map(rank).collect()
    }
}
