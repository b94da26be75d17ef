//! [`FeatureWalk`]: the features of one user at several times, one after the other.
//!
//! ```text
//! rows of the user, read once ─▶ as of the first time: all features ─▶ as of the next time: those of changed products anew ─▶ …
//! ```
//! Features are made by [`Definition`] from all rows of the user, or again from the rows of the products of which rows have
//! changed. So a time costs as much as what happened since the time before, whatever the user did before that.

use super::super::{IndexReader, ReadView, ValueFeatures};
use super::definition::{Categories, Sums};
use super::{Definition, ProductFeatures, UserFeatures, last_at};
use crate::graph::{Bought, OpenSessions, ProductCategories, Purchases, UserMetadata, UserProducts};
use crate::ids::{OrderKey, ProductKey, UserKey};
use crate::publish::MovingRows;
use crate::publish::snapshot::later_times;
use crate::rules::day_of;
use crate::sessions::{Gap, each_gap};
use crate::short_text::ShortText;
use crate::tables::{Activity, SessionEvent, ValueTally};
use crate::time::{Diff, Millis, Time};

/// What is read at each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whether sums over products are made.
    pub sums: bool,
    /// Whether all products of the user are given, or only one that is named.
    pub all_products: bool,
}

/// Walks over one published state.
pub struct FeatureWalks<'a> {
    reader: &'a IndexReader,
    wanted: Wanted,
    /// When products changed their categories.
    moves: Vec<Time>,
}

impl IndexReader {
    /// For walks over the state that is published now, while nothing else is published.
    #[must_use]
    pub fn feature_walks(&self, wanted: Wanted) -> FeatureWalks<'_> {
        let (snapshot, _) = self.snapshots().read(0);
        let categories = snapshot.indexes.get::<ProductCategories>();
        let moves = if wanted.sums { later_times(categories, snapshot.since) } else { Vec::new() };
        FeatureWalks { reader: self, wanted, moves }
    }
}

impl<'a> FeatureWalks<'a> {
    /// The features of a user from the first of two times to the second. None if these times are not closed, or no longer
    /// told apart.
    #[must_use]
    pub fn of(&self, user: UserKey, (from, until): (Time, Time)) -> Option<FeatureWalk<'_>> {
        self.reader.view_as_of(user, until)?;
        let view = self.reader.view_as_of(user, from)?;
        Some(FeatureWalk::new(self, view, user, (from, until)))
    }
}

/// The features of one user as of a time that moves forward.
pub struct FeatureWalk<'a> {
    walks: &'a FeatureWalks<'a>,
    user: UserKey,
    as_of: Time,
    /// As of a time since which no product has changed its categories.
    view: ReadView<'a>,
    rows: UserRows,
    /// Every product of which there are rows at some of the times.
    products: Vec<ProductFeatures>,
    /// The time of the latest event without a product.
    alone_at: Option<Millis>,
    sums: Option<Sums>,
    features: UserFeatures,
    /// The products of which rows have changed.
    touched: Vec<ProductKey>,
}

/// The rows of a user that features are made from. Orders are left out from the time on at which they are kept no longer: the
/// tables may hold them longer.
struct UserRows {
    interacted: MovingRows<ProductKey, Activity>,
    held: MovingRows<SessionEvent, Diff>,
    /// The time of an order is behind its key.
    bought: MovingRows<(ProductKey, OrderKey, Millis), Diff>,
    metadata: Vec<(ShortText, MovingRows<ShortText, ValueTally>)>,
}

impl UserRows {
    fn read(view: &ReadView<'_>, user: UserKey, times: (Time, Time)) -> Self {
        let indexes = &view.snapshot().indexes;
        let of_key = |key| {
            let rows = MovingRows::read(indexes.get::<UserMetadata>(), &(user, key), times, |value| *value);
            (key, rows)
        };
        let line = |row: &Bought| {
            let (created_at, order) = row.order();
            (row.product, order, created_at)
        };
        let kept_ms = view.rules().orders_kept_ms();
        let bought = MovingRows::read(indexes.get::<Purchases>(), &user, times, line);
        UserRows {
            interacted: MovingRows::read(indexes.get::<UserProducts>(), &user, times, |product| *product),
            held: MovingRows::read(indexes.get::<OpenSessions>(), &user, times, |event| *event),
            bought: bought.ending(times, |(.., created_at)| created_at.saturating_add(kept_ms)),
            metadata: view.rules().features.metadata.iter().map(of_key).collect(),
        }
    }

    /// Moves to a time; adds the products of which rows have changed, and returns whether metadata has.
    fn advance_to(&mut self, time: Time, touched: &mut Vec<ProductKey>) -> bool {
        self.interacted.advance_to(time, |product, _| touched.push(product));
        self.bought.advance_to(time, |(product, ..), _| touched.push(product));
        self.held.advance_to(time, |event, before| {
            // An event ends the gap of the event before it.
            touched.push(event.page);
            touched.extend(before.next().filter(|before| before.session == event.session).map(|before| before.page));
        });
        let mut has_metadata = false;
        self.metadata.iter_mut().for_each(|(_, rows)| rows.advance_to(time, |_, _| has_metadata = true));
        has_metadata
    }

    /// All products of which there are rows at some of the times, in order.
    fn products(&self) -> Vec<ProductKey> {
        let interacted = self.interacted.values().filter(|product| *product != ProductKey::NONE);
        let mut products: Vec<ProductKey> = interacted.collect();
        let known = products.len();
        products.extend(self.bought.values().map(|(product, ..)| product));
        if products.len() > known {
            products.sort_unstable();
            products.dedup();
        }
        products
    }

    /// The features of all products.
    fn all(&self, definition: Definition<'_>) -> (Option<Millis>, Vec<ProductFeatures>) {
        let gaps = |give: &mut dyn FnMut(Gap)| each_gap(self.held.present(), give);
        let (mut interacted, mut bought) =
            (self.interacted.present().collect(), self.bought.present().map(|(line, _)| order_of(line)).collect());
        let mut products = Vec::new();
        (definition.products(&mut interacted, gaps, &mut bought, &mut products), products)
    }

    /// The features of these products, which are in order.
    fn some(&self, definition: Definition<'_>, products: &[ProductKey]) -> (Option<Millis>, Vec<ProductFeatures>) {
        let interacted = |product| self.interacted.present_in(move |of| *of < product, move |of| *of == product);
        let bought = |product| self.bought.present_in(move |(of, ..)| *of < product, move |(of, ..)| *of == product);
        let gaps = |give: &mut dyn FnMut(Gap)| each_gap(self.held.present(), give);
        let mut interacted = products.iter().copied().flat_map(interacted).collect();
        let mut bought = products.iter().copied().flat_map(bought).map(|(line, _)| order_of(line)).collect();
        let mut made = Vec::new();
        (definition.products(&mut interacted, gaps, &mut bought, &mut made), made)
    }

    fn metadata(&self, definition: Definition<'_>) -> Vec<ValueFeatures> {
        let mut shown = Vec::new();
        for (key, rows) in &self.metadata {
            definition.show(*key, &mut rows.present().collect(), &mut shown);
        }
        shown.sort_unstable();
        shown
    }
}

/// The product and the order of a line.
fn order_of((product, order, _): (ProductKey, OrderKey, Millis)) -> (ProductKey, OrderKey) {
    (product, order)
}

impl<'a> FeatureWalk<'a> {
    fn new(walks: &'a FeatureWalks<'a>, view: ReadView<'a>, user: UserKey, times: (Time, Time)) -> Self {
        let rows = UserRows::read(&view, user, times);
        let mut walk = FeatureWalk {
            walks,
            user,
            as_of: times.0,
            view,
            products: rows.products().into_iter().map(ProductFeatures::none).collect(),
            rows,
            alone_at: None,
            sums: None,
            features: UserFeatures::default(),
            touched: Vec::new(),
        };
        walk.make_all();
        walk
    }

    /// Moves to a time, which is not before the time of the call before and not after the last time of the walk, and returns the
    /// features as of it. If not all products are wanted, those of this one are given alone.
    pub fn as_of(&mut self, time: Time, product: ProductKey) -> &UserFeatures {
        if time > self.as_of {
            self.advance_to(time);
        }
        let shown = &mut self.features.products;
        shown.clear();
        if self.walks.wanted.all_products {
            shown.extend(self.products.iter().filter(|of| !of.is_none()));
        } else if let Ok(place) = place(&self.products, product) {
            shown.extend(self.products.get(place).filter(|of| !of.is_none()));
        }
        &self.features
    }

    fn advance_to(&mut self, time: Time) {
        let before = std::mem::replace(&mut self.as_of, time);
        self.touched.clear();
        let has_metadata = self.rows.advance_to(time, &mut self.touched);
        let rules = &self.walks.reader.rules().features;
        let begins_day = rules.are_dropped() && day_of(before) != day_of(time);
        if begins_day || self.has_moved(before) {
            let view = self.walks.reader.view_as_of(self.user, time);
            self.view = view.expect("the published state tells apart the times of the walk");
            self.make_all();
            return;
        }
        if !self.touched.is_empty() {
            self.make_touched();
        }
        if has_metadata {
            self.features.metadata = self.rows.metadata(self.definition());
        }
    }

    /// Whether a product has changed its categories since that time.
    fn has_moved(&self, before: Time) -> bool {
        let next = self.walks.moves.partition_point(|at| *at <= before);
        self.walks.moves.get(next).is_some_and(|at| *at <= self.as_of)
    }

    fn definition(&self) -> Definition<'a> {
        Definition { rules: &self.walks.reader.rules().features, as_of: self.as_of }
    }

    /// Makes everything from all rows.
    fn make_all(&mut self) {
        let definition = self.definition();
        let (alone_at, made) = self.rows.all(definition);
        self.alone_at = alone_at;
        self.products.iter_mut().for_each(|of| *of = ProductFeatures::none(of.product));
        self.put(&made);
        self.features.last_at = alone_at.max(last_at(&made));
        if self.walks.wanted.sums {
            let mut sums = Sums::new(Some(self.walks.reader.attributes()));
            sums.add(&made, categories_of(&self.view));
            self.sums = Some(sums);
            self.show_sums();
        }
        self.features.metadata = self.rows.metadata(definition);
    }

    /// Makes the features of the products of which rows have changed.
    fn make_touched(&mut self) {
        self.touched.sort_unstable();
        self.touched.dedup();
        let (alone_at, made) = self.rows.some(self.definition(), &self.touched);
        let places = self.touched.iter().filter_map(|product| place(&self.products, *product).ok());
        let old: Vec<ProductFeatures> = places.map(|place| self.products[place]).collect();
        let mut old_at = last_at(&old);
        if self.touched.contains(&ProductKey::NONE) {
            old_at = old_at.max(std::mem::replace(&mut self.alone_at, alone_at));
        }
        for of in &old {
            self.put(&[ProductFeatures::none(of.product)]);
        }
        self.put(&made);
        let new_at = alone_at.max(last_at(&made));
        if new_at >= self.features.last_at {
            self.features.last_at = new_at;
        } else if old_at == self.features.last_at {
            self.features.last_at = self.alone_at.max(last_at(&self.products));
        }
        if let Some(sums) = &mut self.sums {
            sums.take_out(&old, categories_of(&self.view));
            sums.add(&made, categories_of(&self.view));
            self.show_sums();
        }
    }

    /// Puts features of products in the place of those that were there.
    fn put(&mut self, made: &[ProductFeatures]) {
        for of in made {
            let place = place(&self.products, of.product).expect("every product that has rows has a place");
            self.products[place] = *of;
        }
    }

    fn show_sums(&mut self) {
        if let Some(sums) = &self.sums {
            self.features.categories = sums.categories().collect();
            let rules = &self.walks.reader.rules().features;
            self.features.attribute_views = sums.attribute_views(rules, &self.products);
        }
    }
}

/// The categories in which the view shows a product.
fn categories_of(view: &ReadView<'_>) -> impl FnMut(usize, ProductKey, &mut Categories) {
    |_, product, found| view.categories_of(product, found)
}

fn place(products: &[ProductFeatures], product: ProductKey) -> Result<usize, usize> {
    products.binary_search_by_key(&product, |of| of.product)
}
