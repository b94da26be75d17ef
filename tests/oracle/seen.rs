//! A reader's observation with its `as_of`, and its comparison with the oracle's lists of that time.

use std::collections::BTreeMap;

use dataflow::graph::{self, BestSellers, Change, Changed, ListId, Neighbor, Seller, Viewed};
use dataflow::ids::{CategoryKey, ProductKey, UserKey};
use dataflow::index_reader::for_you::Asked;
use dataflow::index_reader::{IndexReader, Kind, ProductFeatures, ReadView, Repeat, Scored, Scorer, UserFeatures};
use dataflow::merchandising::{Arranged, Arrangement, MerchList};
use dataflow::time::{Diff, Millis, Time};
use recommend::{Models, Recommender, Settings, SimilarProduct, SimilarReason, TestSettings, Workspace};

use crate::given::{History, World};
use crate::interactions::Did;
use crate::learned::Recommended;
use crate::merchandising::{On, Row};
use crate::plain::{Shelves, Which};
use crate::right::right;
use crate::shadow::{look_at_lists_in_shadow, look_at_shadow};

/// One answer, and the time it claims to be of.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) as_of: Time,
    pub(crate) seen: Seen,
}

/// An answer of a `IndexReader`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    History(UserKey, Vec<(ProductKey, Millis)>),
    Best(Which, Vec<(ProductKey, u64)>),
    /// A best-seller list as people see it.
    Listed(On, Vec<(ProductKey, u64)>),
    /// The products of a list that is made when it is asked for, and whether the list has them by itself.
    Arranged(On, Option<UserKey>, Vec<Row>),
    CategoriesOf(ProductKey, Vec<CategoryKey>),
    /// How many products a category has, looked up by itself.
    Size(CategoryKey, Option<u64>),
    /// How many products each category has.
    Sizes(Vec<(CategoryKey, u64)>),
    Selling(Vec<CategoryKey>),
    /// The number of users in whose histories a product is.
    Viewers(ProductKey, u64),
    /// Similar products with their weights, heaviest first, and in the order of people.
    Similar(ProductKey, [Vec<(ProductKey, u64)>; 2]),
    /// What is recommended to a user.
    ForYou(UserKey, Vec<Recommended>),
    /// What is recommended after some views, without one product.
    ForYouAfter(Vec<ProductKey>, ProductKey, Vec<Recommended>),
    /// What a user may buy again: product, score, orders with it, and how many orders ago the last of them was.
    BuyAgain(UserKey, Vec<(ProductKey, u64, usize, usize)>),
    /// The features of a user.
    Features(UserKey, Did),
    /// An answer of the shadow's reader.
    InShadow(Box<Seen>),
    /// Personal or not; each product with its buyers, the list it came from, and its rank there.
    Recommended(UserKey, bool, Vec<(ProductKey, u64, Which, usize)>),
}

/// Everything there is to see, known and unknown.
pub(crate) fn look(reader: &IndexReader, world: &World) -> Vec<Sample> {
    let mut samples = Vec::new();
    for &user in world.users.iter().filter(|user| reader.owner_elsewhere(**user).is_none()) {
        look_at_user(reader, user, &mut samples);
    }
    look_at_lists(&reader.view_any(), world, &mut samples);
    look_at_lists_in_shadow(reader, world, &mut samples);
    if reader.rules().co_views.enabled {
        look_at_similar(reader, world, &mut samples);
    }
    samples
}

/// A user's lists and the lists the worker of that user holds.
pub(crate) fn look_at_user(reader: &IndexReader, user: UserKey, samples: &mut Vec<Sample>) {
    look_at_lists_of(reader, user, samples);
    look_at_shadow(reader, user, samples);
    look_at_models(reader, user, samples);
}

/// A user's history and recommendations, and the general best sellers, from one view.
pub(crate) fn look_at_lists_of(reader: &IndexReader, user: UserKey, samples: &mut Vec<Sample>) {
    let view = reader.view(user);
    let mut rows: Vec<(Viewed, Diff)> = Vec::new();
    view.rows::<graph::History>(&user, &mut rows);
    let history = rows.iter().map(|(viewed, copies)| (once(viewed.product, *copies), viewed.at())).collect();
    let picked = view.recommendations(user);
    let pick = |pick: &dataflow::index_reader::Pick| {
        (pick.seller.product, pick.seller.buyers(), which(pick.ranking), pick.rank)
    };
    let picks = picked.picks.iter().map(pick).collect();
    let personal = picked.kind == Kind::Personalized;
    let as_of = view.as_of();
    samples.push(Sample { as_of, seen: Seen::History(user, history) });
    samples.push(Sample { as_of, seen: Seen::Recommended(user, personal, picks) });
    samples.push(Sample { as_of, seen: Seen::Best(None, best(&view, None)) });
    samples.push(Sample { as_of, seen: Seen::Selling(view.selling_categories()) });
    samples.push(Sample { as_of, seen: Seen::Listed(On::BestSellers, listed(&view, None)) });
}

/// What is learned of a user.
fn look_at_models(reader: &IndexReader, user: UserKey, samples: &mut Vec<Sample>) {
    let rules = reader.rules();
    if rules.co_views.enabled {
        let (view, mut scorer) = (reader.wide_view(user), Scorer::new(&rules.co_views));
        let scored = view.for_you(user, &[], rules.list_size, &mut scorer, |_| true);
        samples.push(Sample { as_of: view.as_of(), seen: Seen::ForYou(user, with_reasons(&scored)) });
        let find = |size| view.for_you(user, &[], size, &mut scorer, |_| true);
        let rows =
            rows_of(view.arranged(MerchList::ForYou, rules.list_size, find, |row| row.product), |row| row.product);
        samples.push(Sample { as_of: view.as_of(), seen: Seen::Arranged(On::ForYou, Some(user), rows) });
    }
    if rules.features.enabled {
        let view = reader.view(user);
        let own = did(view.features(user, Some(reader.attributes())));
        samples.push(Sample { as_of: view.as_of(), seen: Seen::Features(user, own) });
        let wide = reader.wide_view_any();
        samples.push(Sample {
            as_of: wide.as_of(),
            seen: Seen::Features(user, did(wide.features_of(user, Some(reader.attributes())))),
        });
    }
    if rules.buy_again.enabled {
        let view = reader.wide_view(user);
        let repeats = view.buy_again(user, &[], rules.list_size, |_| true);
        let row = |repeat: &Repeat| (repeat.product, repeat.score, repeat.orders, repeat.last);
        samples.push(Sample { as_of: view.as_of(), seen: Seen::BuyAgain(user, repeats.iter().map(row).collect()) });
        let find = |size| view.buy_again(user, &[], size, |_| true);
        let rows =
            rows_of(view.arranged(MerchList::BuyAgain, rules.list_size, find, |row| row.product), |row| row.product);
        samples.push(Sample { as_of: view.as_of(), seen: Seen::Arranged(On::BuyAgain, Some(user), rows) });
    }
}

fn did(features: UserFeatures) -> Did {
    let numbers = |of: &ProductFeatures| {
        let (time, timed) = of.activity.time_on_page();
        (of.product, [of.activity.views(), of.activity.clicks(), of.activity.carts(), time, timed, of.purchases])
    };
    Did {
        last: features.last_at,
        products: features.products.iter().map(numbers).collect(),
        categories: features.categories.iter().map(|of| (of.category, [of.views, of.purchases])).collect(),
        metadata: features.metadata.iter().map(|of| (of.name(), of.events)).collect(),
    }
}

/// What is similar to each product, and what is recommended to somebody who viewed the first few.
pub(crate) fn look_at_similar(reader: &IndexReader, world: &World, samples: &mut Vec<Sample>) {
    let (view, rules) = (reader.wide_view_any(), reader.rules());
    let (mut scorer, mut workspace) = (Scorer::new(&rules.co_views), Workspace::new(rules));
    let recommender = Recommender::new(rules, Settings::default(), &TestSettings::default(), Models::default());
    let (as_of, mut rows) = (view.as_of(), Vec::<(Neighbor, Diff)>::new());
    let shown = |row: &SimilarProduct| match row.reason {
        SimilarReason::CoViewed { weight } => (row.product, weight),
        SimilarReason::Alike { .. } => panic!("there are no content vectors"),
    };
    for (number, &product) in world.products.iter().enumerate() {
        samples.push(Sample { as_of, seen: Seen::Viewers(product, view.viewers(product)) });
        view.similar(product, &mut rows);
        let heaviest = rows.iter().map(|(row, copies)| (once(row.product, *copies), row.weight())).collect();
        let shown: Vec<(ProductKey, u64)> =
            recommender.all_similar(&view, product, rules.co_views.similar, &mut workspace).iter().map(shown).collect();
        let find = |size| shown.iter().map(|(product, _)| *product).take(size).collect();
        let arrangement = view.arranged(MerchList::SimilarTo(product), rules.list_size, find, |product| *product);
        let seen = Seen::Arranged(On::SimilarTo(number), None, rows_of(arrangement, |product| *product));
        samples.push(Sample { as_of, seen });
        samples.push(Sample { as_of, seen: Seen::Similar(product, [heaviest, shown]) });
    }
    let (viewed, exclude) = (world.products[..3].to_vec(), world.products[4]);
    let asked = Asked { history: &viewed, exclude: &[exclude], size: rules.list_size };
    let scored = view.for_you_after(&asked, &mut scorer, |_| true);
    samples.push(Sample { as_of, seen: Seen::ForYouAfter(viewed, exclude, with_reasons(&scored)) });
}

fn with_reasons(scored: &[Scored]) -> Vec<Recommended> {
    let because = |scored: &Scored| {
        scored.because.iter().map(|row| (row.product, row.place, u64::from(row.weight.unsigned_abs()))).collect()
    };
    scored.iter().map(|scored| (scored.product, scored.score, because(scored))).collect()
}

/// What every worker holds, from one view.
pub(crate) fn look_at_lists(view: &ReadView<'_>, world: &World, samples: &mut Vec<Sample>) {
    let as_of = view.as_of();
    let mut see = |seen| samples.push(Sample { as_of, seen });
    see(Seen::Best(None, best(view, None)));
    for (number, &category) in world.categories.iter().enumerate() {
        see(Seen::Best(Some(category), best(view, Some(category))));
        see(Seen::Listed(On::Category(number), listed(view, Some(category))));
        see(Seen::Size(category, view.category_size(category).map(|size| size.products)));
    }
    see(Seen::Sizes(view.category_sizes().into_iter().map(|(category, size)| (category, size.products)).collect()));
    let mut rows = Vec::new();
    for &product in &world.products {
        view.categories_of(product, &mut rows);
        see(Seen::CategoriesOf(product, rows.iter().map(|(category, _)| *category).collect()));
    }
}

fn best(view: &ReadView<'_>, which: Which) -> Vec<(ProductKey, u64)> {
    let mut rows: Vec<(Seller, Diff)> = Vec::new();
    view.rows::<BestSellers>(&which.map_or(ListId::General, ListId::Category), &mut rows);
    rows.iter().map(|(seller, copies)| (once(seller.product, *copies), seller.buyers())).collect()
}

fn listed(view: &ReadView<'_>, which: Which) -> Vec<(ProductKey, u64)> {
    let mut rows: Vec<(Seller, Diff)> = Vec::new();
    view.list::<BestSellers>(&which.map_or(ListId::General, ListId::Category), &mut rows);
    rows.iter().map(|(seller, copies)| (once(seller.product, *copies), seller.buyers())).collect()
}

fn rows_of<R>(arrangement: Arrangement<R>, product: impl Fn(&R) -> ProductKey) -> Vec<Row> {
    let row = |row: &Arranged<R>| match row {
        Arranged::Own(row) => (product(row), true),
        Arranged::Pinned(product) => (*product, false),
    };
    arrangement.rows.iter().map(row).collect()
}

fn which(ranking: ListId) -> Which {
    match ranking {
        ListId::General => None,
        ListId::Category(category) => Some(category),
    }
}

fn once(product: ProductKey, copies: Diff) -> ProductKey {
    assert_eq!(copies, 1, "a list holds each of its rows once");
    product
}

/// The oracle's lists at the times that were seen, each recomputed once.
pub(crate) struct Oracle<'a> {
    world: &'a World,
    history: &'a History,
    known: BTreeMap<Time, Shelves>,
}

impl<'a> Oracle<'a> {
    pub(crate) fn new(world: &'a World, history: &'a History) -> Self {
        Oracle { world, history, known: BTreeMap::new() }
    }

    /// The lists as of a time at which something was seen.
    pub(crate) fn at(&mut self, as_of: Time) -> &Shelves {
        let (world, history) = (self.world, self.history);
        self.known.entry(as_of).or_insert_with(|| recompute(world, history, as_of))
    }

    /// What is wrong with a sample, if anything.
    pub(crate) fn judge(&mut self, sample: &Sample) -> Result<(), String> {
        let as_of = sample.as_of;
        // Before anything has closed, the time is 0; from then on it is always the end of a tick.
        if as_of != 0 && self.history.ticks.iter().all(|tick| tick.as_of() != as_of) {
            return Err(format!("no tick ends at {as_of}: {:?}", sample.seen));
        }
        let (rules, world) = (self.history.rules, self.world);
        let right = right(self.at(as_of), world, &rules, &sample.seen);
        if right == sample.seen {
            return Ok(());
        }
        Err(format!("as of {as_of} seen {:?}\n     but right is {right:?}", sample.seen))
    }

    /// Replays the changes handed out: ascending times, and after each tick exactly the oracle's lists. Counts may change
    /// between two ticks, at the ends of periods.
    pub(crate) fn judge_changes(&mut self, changes: &[Changed]) -> Result<(), String> {
        let mut lists: BTreeMap<Change, Diff> = BTreeMap::new();
        let mut changes = changes.iter().peekable();
        let mut latest = 0;
        for tick in &self.history.ticks {
            while let Some(changed) = changes.next_if(|changed| changed.tick < tick.next) {
                if changed.tick <= latest {
                    return Err(format!("changes of {} are handed out after those of {latest}", changed.tick));
                }
                latest = changed.tick;
                for (change, diff) in &changed.rows {
                    *lists.entry(*change).or_default() += diff;
                }
                lists.retain(|_, copies| *copies != 0);
            }
            let as_of = tick.as_of();
            let shelves = recompute(self.world, self.history, as_of);
            let mut right = BTreeMap::new();
            for (user, list) in &shelves.histories {
                right.extend(list.iter().map(|(product, at)| (Change::History(*user, Viewed::new(*at, *product)), 1)));
            }
            let of_categories = self.world.categories.iter().enumerate();
            let of_categories = of_categories.map(|(number, key)| (On::Category(number), ListId::Category(*key)));
            for (on, ranking) in of_categories.chain([(On::BestSellers, ListId::General)]) {
                let list = shelves.listed(self.world, on, &self.history.rules);
                let row = |(product, buyers): &(ProductKey, u64)| Seller::new(*buyers, *product);
                right.extend(list.iter().map(|sold| (Change::BestSellers(ranking, row(sold)), 1)));
            }
            for (learned, product) in
                shelves.learned.iter().flat_map(|l| self.world.products.iter().map(move |p| (l, *p)))
            {
                let row = |(other, weight): (ProductKey, u64)| Change::Similar(product, Neighbor::new(weight, other));
                right.extend(learned.similar(product).into_iter().map(|pair| (row(pair), 1)));
            }
            if lists != right {
                return Err(format!("changes replayed up to {as_of} give {lists:?}\n   but right is {right:?}"));
            }
            self.known.insert(as_of, shelves);
        }
        changes.next().map_or(Ok(()), |rest| Err(format!("a change at {}, which no tick is or comes late", rest.tick)))
    }
}

/// All lists as of a time. What is learned is of the last whole multiple of `every_ms`.
fn recompute(world: &World, history: &History, as_of: Time) -> Shelves {
    let rules = &history.rules;
    let mut shelves = Shelves::new(world, history.shown(as_of), as_of, rules);
    if rules.co_views.enabled {
        let counted_at = as_of / rules.co_views.every_ms * rules.co_views.every_ms;
        shelves.learn(world, history.dated_by(counted_at), counted_at, rules);
    }
    shelves
}
