//! Orders with their lines for the lab, created while they are fed: two and three lines in turn.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::ids::{ProductKey, RowKey, UserKey};
use dataflow::tables::{CatalogueRow, LineRow, OrderRow};
use dataflow::time::Millis;
use vitrine::generate::{Rng, Shop};

use crate::lab::{Lab, Row};
use crate::shop::{CATEGORIES, PRODUCTS, USERS, shop};

/// Lines of two orders that follow each other.
const LINES_OF_TWO: usize = 5;

/// How products are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// By popularity and the user's taste, as in the shop.
    Popular,
    /// All products equally often.
    Uniform,
    /// Every other line has the first product, the rest have all products equally often.
    HalfOnOne,
}

/// An endless sequence of orders.
#[derive(Clone)]
pub(crate) struct Orders {
    shop: Arc<Shop>,
    users: Arc<[UserKey]>,
    products: Arc<[ProductKey]>,
    dictionary: Arc<Dictionary>,
    choice: Choice,
    rng: Rng,
    /// Orders made so far.
    orders: u64,
    /// Lines made so far.
    lines: u64,
}

impl Orders {
    /// Orders for a lab, whose catalogue is loaded too.
    pub(crate) fn new(lab: &mut Lab, choice: Choice) -> Orders {
        let (users, products) = (lab.users(USERS as usize), lab.products(PRODUCTS as usize));
        let dictionary = lab.dictionary().clone();
        let category = |number| dictionary.category(&format!("category-{number}"));
        let categories: Vec<_> =
            (0..CATEGORIES).map(|number| category(number).expect("so few categories do not collide")).collect();
        let in_category = products.clone();
        lab.load((0..products.len()).map(move |product| {
            let category = categories[product % categories.len()];
            Row::Catalogue(CatalogueRow { product: in_category[product], category })
        }));
        let shop = Arc::new(shop(0));
        let rng = shop.rng("orders of a benchmark");
        Orders { shop, users, products, dictionary, choice, rng, orders: 0, lines: 0 }
    }

    /// The product of every other line under [`Choice::HalfOnOne`].
    pub(crate) fn hot_product(&self) -> ProductKey {
        self.products[0]
    }

    /// Orders with about `lines` lines, spread evenly over `span`.
    pub(crate) fn spread(
        &mut self,
        lines: usize,
        span: Range<Millis>,
    ) -> impl ExactSizeIterator<Item = Row> + Send + use<> {
        let pairs = lines.div_ceil(LINES_OF_TWO);
        let mut orders = self.clone();
        // The next call continues with other orders.
        self.orders += 2 * pairs as u64;
        self.rng = Rng::new(self.orders, "orders of a benchmark, continued");
        let first = orders.orders;
        let step = (span.end - span.start) as f64 / (2 * pairs) as f64;
        let mut waiting = VecDeque::new();
        (0..pairs * (LINES_OF_TWO + 2)).map(move |_| {
            if waiting.is_empty() {
                let at = span.start + ((orders.orders - first) as f64 * step) as Millis;
                orders.one(at, 2 + (orders.orders % 2) as usize, &mut waiting);
            }
            waiting.pop_front().expect("an order has rows")
        })
    }

    /// The rows of one more order.
    pub(crate) fn one(&mut self, at: Millis, lines: usize, rows: &mut VecDeque<Row>) {
        let order = self.dictionary.order(&format!("order-{}", self.orders));
        self.orders += 1;
        let user = self.shop.view(at, &mut self.rng).user;
        // Views are made by few users, orders by most: the user is drawn evenly when products are.
        let user = if self.choice == Choice::Popular { user } else { self.rng.below(USERS) };
        rows.push_back(Row::Order(OrderRow::counting(order, self.users[user as usize], at)));
        for _ in 0..lines {
            let product = self.product(at);
            rows.push_back(Row::Line(LineRow { order, product: self.products[product as usize], row: RowKey::NONE }));
        }
    }

    fn product(&mut self, at: Millis) -> u32 {
        self.lines += 1;
        match self.choice {
            Choice::Popular => self.shop.view(at, &mut self.rng).product,
            Choice::HalfOnOne if self.lines.is_multiple_of(2) => 0,
            Choice::HalfOnOne | Choice::Uniform => self.rng.below(PRODUCTS),
        }
    }
}
