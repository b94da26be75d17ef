//! One order: a user buys one to five products, and sends some of them back.

use super::Shop;
use super::rng::Rng;

/// One line in this many is returned.
const RETURNED_ONE_IN: u32 = 25;
/// Most products of one order.
const LINES_MAX: u32 = 5;
const QUANTITY_MAX: u32 = 3;

/// An order with its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Number of the order, from 0.
    pub number: u64,
    /// Number of the user, from 0.
    pub user: u32,
    /// When it was placed, in milliseconds since the epoch.
    pub at: u64,
    /// The products, none twice.
    pub lines: Vec<OrderLine>,
}

/// A product in an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLine {
    /// Number of the product, from 0.
    pub product: u32,
    /// How many of it.
    pub quantity: u32,
    /// Whether it was sent back, so that it does not count any longer.
    pub returned: bool,
}

impl Order {
    /// The order's id.
    pub fn id(&self) -> String {
        format!("order-{}", self.number + 1)
    }
}

pub(super) fn order(shop: &Shop, number: u64, at: u64, rng: &mut Rng) -> Order {
    let user = shop.taste.user(rng);
    let mut lines: Vec<OrderLine> = Vec::new();
    // Half of all orders have one line, a quarter two, and so on.
    let wanted = 1 + rng.next().trailing_ones().min(LINES_MAX - 1);
    for _ in 0..wanted {
        let product = shop.taste.product(user, rng);
        let (quantity, returned) = (1 + rng.below(QUANTITY_MAX), rng.one_in(RETURNED_ONE_IN));
        if lines.iter().all(|line| line.product != product) {
            lines.push(OrderLine { product, quantity, returned });
        }
    }
    Order { number, user, at, lines }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::tests::plan_for_tests;

    #[test]
    fn orders_have_several_lines_and_some_returns() {
        let shop = Shop::new(plan_for_tests());
        let orders: Vec<Order> = shop.orders().collect();
        assert!(orders.iter().any(|order| order.lines.len() == 1) && orders.iter().any(|order| order.lines.len() >= 3));
        let lines: Vec<&OrderLine> = orders.iter().flat_map(|order| &order.lines).collect();
        let returned = lines.iter().filter(|line| line.returned).count();
        assert!((20..200).contains(&returned), "{returned} of {}", lines.len());
    }
}
