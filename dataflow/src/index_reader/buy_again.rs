//! "Buy again": the products that a user bought before, by how recently and how often, and by how often people buy them
//! again at all.
//!
//! ```text
//! score(p) = S(p) · ⌊√((orders(p) ≪ 20) / buyers(p))⌋
//! S(p)     = Σ over the user's orders with p of T[k mod 60] ≫ ⌊k/60⌋
//! ```
//! k counts the user's orders that count and have a line back from the newest one, which has k = 0; orders of the same
//! time are in the order of their keys. `T[k]` is ⌊2^(20 - k/60)⌋, so the weight of an order halves every 60 orders, and
//! from k = 1201 on it is 0. An order counts once for each of its products. orders(p) is the number of orders of all
//! users with p, buyers(p) the number of users with such an order. Ties by key. Only orders that the rules still keep
//! count, and none dated ahead ([`Rules::counts_order`](crate::rules::Rules::counts_order)); orders(p) and buyers(p) have all those
//! that the tables hold.

use std::cmp::Reverse;

use crate::graph::Bought;
use crate::ids::{OrderKey, ProductKey};
use crate::time::Millis;

/// After how many orders the weight has halved.
const HALVED_AFTER: usize = 60;

/// The last order, counted from 0, whose weight is not 0.
const LAST_ORDER: usize = 1200;

/// ⌊2^(20 - k/60)⌋ for k from 0 to 59.
const WEIGHTS: [u64; HALVED_AFTER] = [
    1_048_576, 1_036_532, 1_024_626, 1_012_857, 1_001_223, 989_723, 978_356, 967_118, 956_010, 945_029, 934_175,
    923_445, 912_838, 902_353, 891_989, 881_743, 871_616, 861_604, 851_708, 841_925, 832_255, 822_696, 813_246,
    803_905, 794_672, 785_544, 776_521, 767_602, 758_785, 750_070, 741_455, 732_938, 724_520, 716_198, 707_972,
    699_840, 691_802, 683_856, 676_001, 668_236, 660_561, 652_974, 645_474, 638_060, 630_731, 623_487, 616_325,
    609_246, 602_248, 595_331, 588_493, 581_733, 575_052, 568_447, 561_917, 555_463, 549_083, 542_776, 536_542,
    530_379,
];

/// A product that a user may buy again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// The product.
    pub product: ProductKey,
    /// Its score; never 0.
    pub score: u64,
    /// The number of the user's orders with it, among those whose weight is not 0.
    pub orders: usize,
    /// How many orders ago the user bought it last; 0 is the newest order.
    pub last: usize,
}

/// How often a product is bought, by all users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SalesOf {
    /// The orders that it is in.
    pub orders: u64,
    /// The users who bought it.
    pub buyers: u64,
}

/// The orders of a user, newest first.
#[derive(Default)]
pub(super) struct OrdersOfUser {
    bought: Vec<(ProductKey, usize)>,
    order: Option<(Millis, OrderKey)>,
    orders: usize,
}

impl OrdersOfUser {
    /// Takes the next row, in order; false if this row and all later ones count nothing.
    pub(super) fn take(&mut self, bought: &Bought) -> bool {
        if self.order != Some(bought.order()) {
            self.order = Some(bought.order());
            self.orders += 1;
        }
        let ago = self.orders - 1;
        if ago > LAST_ORDER {
            return false;
        }
        self.bought.push((bought.product, ago));
        true
    }

    /// The best `size` products. `sales` says how often a product is bought, `admits` may refuse a product.
    pub(super) fn rank(
        mut self,
        size: usize,
        sales: impl Fn(ProductKey) -> SalesOf,
        mut admits: impl FnMut(ProductKey) -> bool,
    ) -> Vec<Repeat> {
        self.bought.sort_unstable();
        let repeats = self.bought.chunk_by(|one, next| one.0 == next.0).filter_map(|orders| {
            let sum: u64 = orders.iter().map(|(_, ago)| weight(*ago)).sum();
            let (product, last) = orders[0];
            let SalesOf { orders: all, buyers } = sales(product);
            let score = sum * ((all << 20) / buyers.max(1)).isqrt();
            (score > 0).then_some(Repeat { product, score, orders: orders.len(), last })
        });
        let mut repeats: Vec<Repeat> = repeats.collect();
        repeats.sort_unstable_by_key(|repeat| (Reverse(repeat.score), repeat.product));
        repeats.into_iter().filter(|repeat| admits(repeat.product)).take(size).collect()
    }
}

/// The weight of the order `ago` orders before the newest one.
fn weight(ago: usize) -> u64 {
    WEIGHTS[ago % HALVED_AFTER] >> (ago / HALVED_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_of_an_order_halves_every_sixty_orders() {
        let exponent = |ago: usize| 20.0 - ago as f64 / 60.0;
        assert!((0..60).all(|ago| weight(ago) == exponent(ago).exp2().floor() as u64));
        assert_eq!([0, 60, 120].map(weight), [1 << 20, 1 << 19, 1 << 18]);
        assert_eq!([LAST_ORDER, LAST_ORDER + 1].map(weight), [1, 0]);
    }
}
