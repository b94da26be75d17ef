//! Transactions of orders: orders are created, changed, moved to another user, deleted and rolled back, and some leave
//! the window.

use harness::Dice;
use postgres::{Client, Error, NoTls};

use super::{CATEGORIES, LoadTarget, Work, product, user};

/// Orders that are kept; beyond, old ones are deleted.
const ORDERS_MAX: usize = 400;

/// A shop's back end.
pub(super) struct Orders {
    target: LoadTarget,
    rng: Dice,
    client: Option<Client>,
    orders: Vec<String>,
    made: usize,
}

impl Orders {
    pub(super) fn new(target: LoadTarget, rng: Dice) -> Orders {
        Orders { target, rng, client: None, orders: Vec::new(), made: 0 }
    }

    fn transaction(&mut self) -> Result<(), Error> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => Client::connect(&self.target.database, NoTls)?,
        };
        let sql: String = (0..=self.rng.below(3)).map(|_| self.statements()).collect();
        let rolled_back = self.rng.below(10) == 0;
        let mut transaction = client.transaction()?;
        // A key that is taken, for instance: nothing of it happens then.
        let done = transaction.batch_execute(&sql);
        if done.is_ok() && !rolled_back {
            transaction.commit()?
        } else {
            transaction.rollback()?
        }
        self.client = Some(client);
        Ok(())
    }

    fn statements(&mut self) -> String {
        let (any, other) = (self.number(), self.number());
        let full = self.orders.len() > ORDERS_MAX;
        let known = if self.orders.is_empty() { String::new() } else { self.rng.pick(&self.orders).clone() };
        match self.rng.below(if full { 3 } else { 12 }) {
            0 | 1 if full => {
                let order = self.orders.swap_remove(any % self.orders.len());
                format!(
                    "DELETE FROM order_items WHERE order_id = '{order}'; DELETE FROM orders WHERE order_id = '{order}';"
                )
            }
            0 => format!("DELETE FROM order_items WHERE order_id = '{known}' AND product_id = '{}';", product(any)),
            1 => format!("UPDATE orders SET user_id = '{}' WHERE order_id = '{known}';", user(any)),
            2 => format!(
                "UPDATE products SET category_id = 'c-{}' WHERE product_id = '{}';",
                other % CATEGORIES,
                product(any)
            ),
            3 => format!(
                "UPDATE order_items SET product_id = '{}' WHERE order_id = '{known}' AND quantity = 1;",
                product(any)
            ),
            4 => {
                let renamed = self.new_order();
                format!(
                    "UPDATE orders SET order_id = '{renamed}' WHERE order_id = '{known}';
                     UPDATE order_items SET order_id = '{renamed}' WHERE order_id = '{known}';"
                )
            }
            // Nothing that is read changes.
            5 => format!("UPDATE products SET description = 'x{any}' WHERE product_id = '{}';", product(any)),
            _ => self.order(any, other),
        }
    }

    fn order(&mut self, any: usize, other: usize) -> String {
        let (order, user) = (self.new_order(), user(any));
        let age = match self.rng.below(20) {
            // Leaves the window in some seconds, or has left it.
            0 => format!("interval '30 days' - interval '{} s'", 1 + other % 20),
            1 => "interval '31 days'".to_owned(),
            _ => format!("interval '{} h'", other % 700),
        };
        let lines: Vec<String> = (0..=self.rng.below(3_usize))
            .map(|line| format!("('{order}', '{}', {})", product(other + line), line + 1))
            .collect();
        format!(
            "INSERT INTO orders VALUES ('{order}', '{user}', now() - {age});
             INSERT INTO order_items VALUES {};",
            lines.join(", ")
        )
    }

    fn new_order(&mut self) -> String {
        self.made += 1;
        let order = format!("{}{}", self.target.order_prefix, self.made);
        self.orders.push(order.clone());
        order
    }

    fn number(&mut self) -> usize {
        self.rng.below(1_000_000)
    }
}

impl Work for Orders {
    fn once(&mut self) {
        // The server may be away; what it holds is read from it, whatever came of it.
        if self.transaction().is_err() {
            self.client = None;
        }
    }
}
