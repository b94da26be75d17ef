//! Over random histories whoever needs an id finds it: lists, sources that hold ids back, and sinks that read changes late. When
//! everything has left, no id is held.

use super::*;
use dataflow::graph::{BestSellers, History, Index, List, ListId, Purchases, ReadChange, UserProducts};
use dataflow::index_reader::ReadView;
use dataflow::merchandising::{MerchAction, MerchList, MerchRule, RuleId, RuleScope, RuleVersion};
use dataflow::rules::{CoViews, Features, PurchaseSource};
use dataflow::tables::{
    Catalogue, CatalogueRow, EventPurchaseRow, Interaction, LineRow, Lines, MerchRules, SessionEvent,
};

const PRODUCTS: usize = 4;

/// What a source reads of a user and a product.
#[derive(Clone, Copy, Debug)]
enum Read {
    View,
    Removal,
    Click,
    Session,
    Purchase,
    Order(usize),
    /// The product is in the catalogue.
    Listed,
    /// A rule is about the product.
    Rule,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    /// A source reads something that is dated this many milliseconds ago, and gives it at once.
    Give(usize, usize, Read, Millis),
    /// A source reads something, and gives it later.
    Take(usize, usize, Read, Millis),
    /// What was taken first is given.
    GiveTaken,
    /// An order leaves its table, or the catalogue, or the rule.
    Gone(usize),
    Erase(usize),
    /// A sink reads some of the changes.
    Sink(usize),
    /// Time passes.
    Pass(Millis),
    /// Time passes, and a round ends.
    Round(Millis),
}

fn act() -> impl Strategy<Value = Act> {
    let read = prop_oneof![
        4 => Just(Read::View),
        1 => Just(Read::Removal),
        2 => Just(Read::Click),
        1 => Just(Read::Session),
        1 => Just(Read::Purchase),
        1 => (0..ORDERS).prop_map(Read::Order),
        1 => Just(Read::Listed),
        1 => Just(Read::Rule),
    ];
    let what = || (0..USERS, 0..PRODUCTS, read.clone(), prop_oneof![3 => 0..1000u64, 1 => 0..3 * DAY_MS]);
    let ms = || prop_oneof![3 => 1..1000u64, 2 => 1..DAY_MS, 1 => Just(DAY_MS), 1 => Just(3 * DAY_MS)];
    prop_oneof![
        4 => what().prop_map(|(user, product, read, ago)| Act::Give(user, product, read, ago)),
        1 => what().prop_map(|(user, product, read, ago)| Act::Take(user, product, read, ago)),
        2 => Just(Act::GiveTaken),
        2 => (0..ORDERS + 2).prop_map(Act::Gone),
        1 => (0..USERS).prop_map(Act::Erase),
        4 => (1..20usize).prop_map(Act::Sink),
        1 => ms().prop_map(Act::Pass),
        8 => ms().prop_map(Act::Round),
    ]
}

/// The world with what else is in its tables.
struct Shop {
    world: World,
    lines: BTreeMap<OrderKey, LineRow>,
    listed: BTreeSet<CatalogueRow>,
    rule: Option<ProductKey>,
}

impl Shop {
    fn new() -> Shop {
        let rules = Rules {
            history_ms: DAY_MS,
            window_ms: 2 * DAY_MS,
            purchases: PurchaseSource::Both,
            features: Features { enabled: true, days: 1, ..Features::OFF },
            co_views: CoViews { enabled: true, every_ms: 1, ..CoViews::OFF },
            ..Rules::default()
        };
        Shop { world: World::new(rules, true), lines: BTreeMap::new(), listed: BTreeSet::new(), rule: None }
    }

    fn keys(&self, user: usize, product: usize) -> (UserKey, ProductKey) {
        let dictionary = &self.world.dictionary;
        (dictionary.user(&id(user)), dictionary.product(&format!("product {product}")).unwrap())
    }

    fn give(&mut self, (user, product): (UserKey, ProductKey), read: Read, ago: Millis) {
        let World { graph, dictionary, .. } = &mut self.world;
        let at = graph.tick() - ago;
        let (order, category) = (dictionary.order(&format!("of an event at {at}")), CategoryKey::NONE);
        let inputs = graph.inputs();
        match read {
            Read::View => inputs.view(user, product, at),
            Read::Removal => inputs.removal(user, product, at),
            Read::Click => inputs.interaction(user, product, Interaction::Click, at),
            Read::Session => {
                let event = SessionEvent { session: RowKey::NONE, at, recorded: at, page: product };
                let _ = inputs.session_event(user, event);
            }
            Read::Purchase => inputs.event_purchase(EventPurchaseRow { order, user, product, at }),
            Read::Order(order) => self.order(order, user, product),
            Read::Listed => {
                let row = CatalogueRow { product, category };
                if self.listed.insert(row) {
                    inputs.update::<Catalogue>(row, 1);
                }
            }
            Read::Rule => self.rule(Some(product)),
        }
    }

    fn order(&mut self, order: usize, user: UserKey, product: ProductKey) {
        self.gone(order);
        self.world.order(order, user);
        let line = LineRow { order: self.world.orders[&order].order, product, row: RowKey::NONE };
        self.world.graph.inputs().update::<Lines>(line, 1);
        self.lines.insert(line.order, line);
    }

    fn rule(&mut self, product: Option<ProductKey>) {
        // Versions are told apart by their times.
        self.world.cut(1);
        let at = self.world.graph.tick();
        let always = |action| MerchRule { action, from: 0, until: Millis::MAX, scope: RuleScope::Both };
        let rule = product.map(|product| always(MerchAction::Pin(product, MerchList::BestSellers, 1)));
        self.world.graph.inputs().update::<MerchRules>((RuleId::of("pin").unwrap(), ()), RuleVersion { at, rule });
        self.rule = product;
    }

    fn gone(&mut self, what: usize) {
        if what == ORDERS {
            let listed = std::mem::take(&mut self.listed);
            listed.into_iter().for_each(|row| self.world.graph.inputs().update::<Catalogue>(row, -1));
        } else if what > ORDERS {
            self.rule(None);
        } else if let Some(order) = self.world.orders.get(&what) {
            let line = self.lines.remove(&order.order).expect("each order has a line");
            self.world.graph.inputs().update::<Lines>(line, -1);
            self.world.gone(what);
        }
    }

    fn erase(&mut self, user: usize) {
        let now = self.world.graph.tick();
        let user = self.world.dictionary.find_user(&id(user));
        self.world.graph.inputs().erasure(user, now);
    }

    /// Whether everyone and everything that a list or a table shows has a name.
    fn has_names(&self) -> bool {
        let (reader, ids) = (self.world.graph.reader(), Dictionary::new(Ids::new([1; 16])));
        let of_user = |user: usize| {
            let user = ids.user(&id(user));
            let view = reader.view(user);
            let mut seen = products::<History>(&view, &user, |row| row.product);
            seen.extend(products::<UserProducts>(&view, &user, |row| row.product));
            seen.extend(products::<Purchases>(&view, &user, |row| row.product));
            (seen.is_empty() || self.world.is_named(user)).then_some(seen)
        };
        let Some(of_users) = (0..USERS).map(of_user).collect::<Option<Vec<_>>>() else { return false };
        let (view, wide) = (reader.view_any(), reader.wide_view_any());
        let similar = |product: usize| {
            let (product, mut rows) = (ids.product(&format!("product {product}")).unwrap(), Vec::new());
            wide.similar(product, &mut rows);
            let near: Vec<ProductKey> = rows.iter().map(|(near, _)| near.product).collect();
            if near.is_empty() { near } else { [near, vec![product]].concat() }
        };
        let products = of_users.into_iter().flatten().chain((0..PRODUCTS).flat_map(similar));
        let products = products.chain(products_of_sellers(&view)).chain(self.rule);
        let products = products.chain(self.listed.iter().map(|row| row.product));
        let mut products = products.chain(self.lines.values().map(|line| line.product));
        let mut users = self.world.orders.values().map(|row| row.user);
        products.all(|product| self.world.dictionary.product_name(product).is_some())
            && users.all(|user| self.world.is_named(user))
    }

    /// A sink reads up to `most` of what it was given; whether all that was changed has names.
    fn read(&self, most: usize) -> bool {
        let World { dictionary, outlet, .. } = &self.world;
        let (mut changes, mut touched) = (outlet.changes.lock().unwrap(), outlet.touched.lock().unwrap());
        let (changes_max, touched_max) = (changes.len().min(most), touched.len().min(most));
        let changed = |(changed, _hold): (Changed, Hold)| {
            changed.rows.iter().all(|(change, _)| change.read(HasNames(dictionary)))
        };
        let touches = |(list, _hold): (TouchedList, Hold)| match list {
            TouchedList::History(user) | TouchedList::Activity(user) => self.world.is_named(user),
            TouchedList::Similar(product) => dictionary.product_name(product).is_some(),
            TouchedList::BestSellers(_) => true,
        };
        changes.drain(..changes_max).all(changed) && touched.drain(..touched_max).all(touches)
    }

    /// Everything leaves.
    fn forget_all(&mut self) {
        assert!(self.read(usize::MAX), "every change has its names");
        (0..ORDERS + 2).for_each(|what| self.gone(what));
        (0..USERS).for_each(|user| self.erase(user));
        for _ in 0..6 {
            assert!(self.world.round(DAY_MS), "nothing is held");
            assert!(self.read(usize::MAX), "every change has its names");
        }
        assert_eq!((self.world.dictionary.users_len(), self.world.dictionary.products_len()), (0, 0));
    }
}

fn products<I: Index>(view: &ReadView<'_>, key: &I::Key, product: impl Fn(&I::Row) -> ProductKey) -> Vec<ProductKey> {
    let mut rows = Vec::new();
    view.rows::<I>(key, &mut rows);
    let products = rows.iter().map(|(row, _)| product(row));
    products.filter(|product| *product != ProductKey::NONE).collect()
}

fn products_of_sellers(view: &ReadView<'_>) -> Vec<ProductKey> {
    products::<BestSellers>(view, &ListId::General, |row| row.product)
}

/// Whether the ids of a change are known.
struct HasNames<'d>(&'d Dictionary);

impl ReadChange for HasNames<'_> {
    type Output = bool;

    fn read<L: List>(self, key: &L::Key, row: &L::Row) -> bool {
        let subject = L::subject(key).is_none_or(|subject| subject.id(self.0).is_some());
        subject && self.0.product_name(L::product(row)).is_some()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn every_list_and_every_change_finds_its_ids(acts in vec(act(), 1..80)) {
        let (mut shop, mut taken) = (Shop::new(), VecDeque::new());
        for act in acts {
            match act {
                Act::Give(user, product, read, ago) => shop.give(shop.keys(user, product), read, ago),
                Act::Take(user, product, read, ago) => {
                    let held = shop.world.dictionary.hold();
                    taken.push_back((shop.keys(user, product), read, ago, held));
                }
                Act::GiveTaken => {
                    if let Some((keys, read, ago, _held)) = taken.pop_front() {
                        let is_known = shop.world.dictionary.product_name(keys.1).is_some();
                        prop_assert!(is_known && shop.world.is_named(keys.0), "ids on their way were forgotten");
                        shop.give(keys, read, ago);
                    }
                }
                Act::Gone(what) => shop.gone(what),
                Act::Erase(user) => shop.erase(user),
                Act::Sink(most) => prop_assert!(shop.read(most), "a change has lost an id"),
                Act::Pass(ms) => drop(shop.world.cut(ms)),
                Act::Round(ms) => {
                    shop.world.round(ms);
                }
            }
            prop_assert!(shop.has_names(), "a list has lost an id");
        }
        taken.clear();
        shop.forget_all();
    }
}
