//! A simulated shop from a seed: catalogue, views and orders, the same for the same plan on every run.
//!
//! Everything is a stream: an event is made when it is asked for, so that data larger than memory can be written.
//! The demo, the tests and the benchmarks draw from the same shop as `vitrine generate`.

mod catalogue;
mod names;
mod orders;
mod rng;
mod taste;
mod views;
mod zipf;

pub use self::catalogue::Product;
pub use self::names::Style;
pub use self::orders::{Order, OrderLine};
pub use self::rng::Rng;
pub use self::views::View;

use self::names::ShopNames;
use self::taste::Taste;

/// Milliseconds of a day.
pub const DAY_MS: u64 = 86_400_000;

/// Views lie in the last days only: older ones say little about what a visitor looks for now.
const VIEW_DAYS_MAX: u64 = 7;

/// What to make. All times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct ShopPlan {
    /// Number of users, at least 1 if there are views or orders.
    pub users: u32,
    /// Number of products, at least 1 if there are views or orders.
    pub products: u32,
    /// Number of categories, at least 1 if there are products, and at most as many.
    pub categories: u32,
    /// Number of view events.
    pub views: u64,
    /// Number of orders.
    pub orders: u64,
    /// Days over which the orders are spread, up to `until`.
    pub days: u64,
    /// Exponent of Zipf's law for how often a user appears; 0 makes all equally frequent.
    pub user_skew: f64,
    /// Exponent of Zipf's law for how often a product is chosen; 0 makes all equally frequent.
    pub product_skew: f64,
    /// Seed of all random choices.
    pub seed: u64,
    /// End of the data.
    pub until: u64,
    /// How ids look.
    pub style: Style,
}

/// The simulated shop: the users' taste, and the names of everything.
#[derive(Debug)]
pub struct Shop {
    plan: ShopPlan,
    taste: Taste,
    names: ShopNames,
}

impl Shop {
    /// Prepares the shop; memory grows with users and products, not with views and orders.
    pub fn new(plan: ShopPlan) -> Shop {
        let taste = Taste::new(&plan);
        let names = ShopNames::new(plan.style);
        Shop { plan, taste, names }
    }

    /// The plan that the shop was made from.
    pub fn plan(&self) -> &ShopPlan {
        &self.plan
    }

    /// The id of a user, by number from 0.
    pub fn user_id(&self, user: u32) -> String {
        self.names.user(user)
    }

    /// The id of a product, by number from 0.
    pub fn product_id(&self, product: u32) -> String {
        let (category, place) = self.taste.place(product);
        self.names.product(product, category, place)
    }

    /// The id of a category, by number from 0.
    pub fn category_id(&self, category: u32) -> String {
        self.names.category(category)
    }

    /// The catalogue.
    pub fn products(&self) -> impl Iterator<Item = Product> + '_ {
        (0..self.plan.products).map(|product| catalogue::product(self, product))
    }

    /// The plan's views, oldest first, except for some late views.
    pub fn views(&self) -> impl Iterator<Item = View> + '_ {
        let span = self.plan.days.min(VIEW_DAYS_MAX) * DAY_MS;
        let mut rng = self.rng("views");
        let times = Times { until: self.plan.until, span, count: self.plan.views };
        (0..self.plan.views).map(move |number| {
            let at = times.of(number, &mut rng);
            views::view(self, at, &mut rng)
        })
    }

    /// The plan's orders, oldest first.
    pub fn orders(&self) -> impl Iterator<Item = Order> + '_ {
        let mut rng = self.rng("orders");
        let times = Times { until: self.plan.until, span: self.plan.days * DAY_MS, count: self.plan.orders };
        (0..self.plan.orders).map(move |number| {
            let at = times.of(number, &mut rng);
            orders::order(self, number, at, &mut rng)
        })
    }

    /// One more view, at a time of the caller's choice: for streams without an end.
    pub fn view(&self, at: u64, rng: &mut Rng) -> View {
        views::view(self, at, rng)
    }

    /// One more order; `number` makes its id and must not repeat.
    pub fn order(&self, number: u64, at: u64, rng: &mut Rng) -> Order {
        orders::order(self, number, at, rng)
    }

    /// A separate random number generator for each purpose, so that one kind of data does not depend on the amount of
    /// another.
    pub fn rng(&self, purpose: &str) -> Rng {
        Rng::new(self.plan.seed, purpose)
    }
}

/// Rising times: evenly spread steps, with a random time inside each step.
struct Times {
    until: u64,
    span: u64,
    count: u64,
}

impl Times {
    fn of(&self, number: u64, rng: &mut Rng) -> u64 {
        let begin = self.until.saturating_sub(self.span);
        let step = self.span as f64 / self.count as f64;
        begin + ((number as f64 + rng.unit()) * step) as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    pub(super) fn plan_for_tests() -> ShopPlan {
        ShopPlan {
            users: 50,
            products: 200,
            categories: 7,
            views: 3000,
            orders: 1000,
            days: 60,
            user_skew: 1.0,
            product_skew: 1.0,
            seed: 42,
            until: 1_800_000_000_000,
            style: Style::Numbered,
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_shop_and_another_seed_another() {
        let draw = |seed| {
            let shop = Shop::new(ShopPlan { seed, ..plan_for_tests() });
            let (views, orders): (Vec<_>, Vec<_>) = (shop.views().collect(), shop.orders().collect());
            (views, orders, shop.products().collect::<Vec<_>>())
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1).0, draw(2).0);
        assert_ne!(draw(1).1, draw(2).1);
    }

    #[test]
    fn views_do_not_depend_on_the_number_of_orders() {
        let few = Shop::new(ShopPlan { orders: 1, ..plan_for_tests() });
        let many = Shop::new(plan_for_tests());
        assert!(few.views().eq(many.views()));
    }

    #[test]
    fn times_stay_inside_their_span_and_orders_rise() {
        let shop = Shop::new(plan_for_tests());
        let until = shop.plan().until;
        assert!(shop.views().all(|view| view.at < until && view.at >= until - VIEW_DAYS_MAX * DAY_MS));
        let orders: Vec<_> = shop.orders().map(|order| order.at).collect();
        assert!(orders.is_sorted() && orders[0] >= until - 60 * DAY_MS && orders[999] < until);
        assert!(orders.iter().any(|at| *at < until - 30 * DAY_MS), "some orders lie before the window");
    }

    #[test]
    fn popularity_follows_zipfs_law() {
        let shop = Shop::new(ShopPlan { views: 50_000, ..plan_for_tests() });
        let mut counts = BTreeMap::<u32, u32>::new();
        shop.views().for_each(|view| *counts.entry(view.product).or_default() += 1);
        let mut counts: Vec<_> = counts.into_values().collect();
        counts.sort_unstable_by(|left, right| right.cmp(left));
        assert!(
            counts[0] > 10 * counts[100],
            "the first sells far better than the hundredth: {} {}",
            counts[0],
            counts[100]
        );
    }

    #[test]
    fn every_category_has_products_and_every_id_is_its_own() {
        for style in [Style::Numbered, Style::Readable] {
            let shop = Shop::new(ShopPlan { products: 5000, categories: 30, style, ..plan_for_tests() });
            let products: Vec<_> = shop.products().collect();
            let mut ids: Vec<_> = products.iter().map(|product| product.id.as_str()).collect();
            let mut categories: Vec<_> = products.iter().map(|product| product.category.as_str()).collect();
            for (list, distinct) in [(&mut ids, 5000), (&mut categories, 30)] {
                list.sort_unstable();
                list.dedup();
                assert_eq!(list.len(), distinct, "{style:?}");
            }
        }
    }
}
