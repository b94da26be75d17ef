//! A crowd's orders: their number in the window is constant, while some orders leave it and others change.

use std::time::{Duration, Instant};

use harness::postgres::{connect, execute};
use vitrine::generate::Rng;

use super::WINDOW;
use crate::shop::{CATEGORIES, PRODUCTS, USERS, shop};
use crate::tables;

/// All orders of the beginning leave the window within this time, one after the other.
const LEAVING: Duration = Duration::from_secs(7200);

/// Orders written in one transaction at the beginning.
const BATCH: u64 = 2000;

/// Each crowd's orders have numbers of their own.
const NUMBERS: u64 = 1_000_000_000_000;

/// Writes a crowd's orders into the tables, in the order in which they are to leave the window.
pub(super) fn fill(url: &str, crowd: u32, orders: u64) {
    let (first, leaving) = (u64::from(crowd) * NUMBERS, LEAVING.as_secs_f64());
    for begin in (0..orders).step_by(BATCH as usize) {
        let end = orders.min(begin + BATCH);
        let at = |order: u64| leaving * order as f64 / orders as f64;
        let start = format!("now() - {WINDOW} + interval '{} s'", at(begin));
        let span = format!("interval '{} s'", at(end) - at(begin));
        execute(url, &tables::orders(first + begin..first + end, &start, &span));
    }
}

/// A crowd's orders in the window, and the next changes of them.
pub(super) struct CrowdOrders {
    /// The order at each place. Places leave the window in turn, and then get a new order.
    places: Vec<u64>,
    /// Orders that have left the window so far.
    left: usize,
    /// Orders made so far, the first ones too.
    made: u64,
    first: u64,
    start: Instant,
    rng: Rng,
}

impl CrowdOrders {
    /// The orders that [`fill`] has written just now.
    pub(super) fn new(crowd: u32, orders: u64) -> CrowdOrders {
        let first = u64::from(crowd) * NUMBERS;
        let rng = shop(0).rng(&format!("orders of crowd {crowd}"));
        CrowdOrders {
            places: (first..first + orders).collect(),
            left: 0,
            made: orders,
            first,
            start: Instant::now(),
            rng,
        }
    }

    /// Runs one transaction after the other: statements sent together form one transaction.
    pub(super) fn work(mut self, url: &str) -> impl FnMut(u64) -> anyhow::Result<()> + Send + use<> {
        let mut client = connect(url);
        move |_| {
            let statements = self.transaction();
            client.batch_execute(&statements)?;
            Ok(())
        }
    }

    /// A new order in the place of one that has just left the window, or a change of one that is in it.
    fn transaction(&mut self) -> String {
        let due = self.start.elapsed().as_secs_f64() / LEAVING.as_secs_f64() * self.places.len() as f64;
        let (user, product) = (1 + self.rng.below(USERS), 1 + self.rng.below(PRODUCTS));
        if (self.left as f64) < due.floor() {
            let place = self.left % self.places.len();
            self.left += 1;
            let order = self.renew(place);
            let (lines, leaving) = (tables::lines(order, product), LEAVING.as_secs());
            return format!(
                "INSERT INTO orders VALUES ({order}, 'user-{user}', now() - {WINDOW} + interval '{leaving} s'); {lines}"
            );
        }
        let place = self.rng.below(self.places.len() as u32) as usize;
        let old = self.places[place];
        match self.rng.below(10) {
            0..4 => {
                let order = self.renew(place);
                let lines = tables::lines(order, product);
                format!(
                    "INSERT INTO orders SELECT {order}, 'user-{user}', created_at FROM orders WHERE order_id = {old}; {lines}
                     DELETE FROM order_items WHERE order_id = {old}; DELETE FROM orders WHERE order_id = {old};"
                )
            }
            4..7 => format!("UPDATE orders SET user_id = 'user-{user}' WHERE order_id = {old};"),
            7..9 => format!(
                "UPDATE order_items SET product_id = 'product-{product}' WHERE order_id = {old}
                     AND product_id = (SELECT min(product_id) FROM order_items WHERE order_id = {old})
                     AND NOT EXISTS
                         (SELECT FROM order_items WHERE order_id = {old} AND product_id = 'product-{product}');"
            ),
            _ => format!(
                "UPDATE products SET category_id = 'category-{}' WHERE product_id = 'product-{product}';",
                self.rng.below(CATEGORIES)
            ),
        }
    }

    /// Another order takes this place; it has as many lines.
    fn renew(&mut self, place: usize) -> u64 {
        let order = self.first + 2 * self.made + self.places[place] % 2;
        self.made += 1;
        self.places[place] = order;
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_stay_as_many_and_are_never_made_twice() {
        let mut crowd_orders = CrowdOrders::new(1, 100);
        let odd = |crowd_orders: &CrowdOrders| crowd_orders.places.iter().filter(|order| **order % 2 == 1).count();
        let (lines, mut made) = (odd(&crowd_orders), crowd_orders.places.clone());
        for _ in 0..1000 {
            let sql = crowd_orders.transaction();
            if let Some((_, order)) = sql.split_once("INTO order_items VALUES (") {
                made.push(order.split(',').next().unwrap().parse().unwrap());
            }
        }
        assert_eq!((crowd_orders.places.len(), odd(&crowd_orders)), (100, lines));
        let orders = made.len();
        assert!(orders > 300, "{orders}");
        made.sort_unstable();
        made.dedup();
        assert_eq!(made.len(), orders);
    }
}
