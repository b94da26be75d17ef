//! A transaction of the shop: a few statements, chosen by a seed.
//!
//! The shop's transactions stay within the guarantees of the source: an order that is about to leave the window is not
//! moved back into it, and lines are added only to young orders. Lines of any order may change.

use checkpoints::simulation::Dice;
use dataflow::time::Millis;
use sources::postgres::simulation::{ORDER_ITEMS, ORDERS, PRODUCTS};

use super::Tables;
use super::wire::{self, Plants, Value};
use crate::world::{self, CATEGORIES, LINES, ORDERS as ORDERS_MAX, PRODUCTS as PRODUCTS_MAX, USERS, WINDOW_MS};

/// Orders older than this are left to leave the window.
const YOUNG_MS: Millis = WINDOW_MS / 2;

/// Runs one transaction; returns its changes as the log reports them.
pub(super) fn run(tables: &mut Tables, dice: &mut Dice, now: Millis, plants: Plants) -> Vec<Vec<u8>> {
    let mut shop = Shop { tables, dice, now, plants, said: Vec::new() };
    for _ in 0..1 + shop.dice.below(4) {
        shop.statement();
    }
    shop.said
}

struct Shop<'a> {
    tables: &'a mut Tables,
    dice: &'a mut Dice,
    now: Millis,
    plants: Plants,
    said: Vec<Vec<u8>>,
}

impl Shop<'_> {
    fn statement(&mut self) {
        match self.dice.below(100) {
            0..26 => self.put_order(),
            26..46 => self.put_line(),
            46..50 => self.touch_line(),
            50..58 => self.delete_order(),
            58..66 => self.delete_line(),
            66..72 => self.rename_order(),
            72..78 => self.renumber_line(),
            78..90 => self.put_product(),
            90..93 => self.rename_product(),
            93..96 => self.delete_product(),
            _ => self.truncate(),
        }
    }

    fn is_young(&self, order: usize) -> bool {
        self.tables.orders.get(&order).is_some_and(|(_, at)| at + YOUNG_MS > self.now)
    }

    /// A young order, if there is one.
    fn young(&mut self) -> Option<usize> {
        let young: Vec<usize> = self.tables.orders.keys().copied().filter(|order| self.is_young(*order)).collect();
        (!young.is_empty()).then(|| young[self.dice.one_of(young.len())])
    }

    /// An unchanged value, which is sometimes not sent.
    fn kept(&mut self, same: bool, text: String) -> Value {
        if same && self.dice.once_in(3) { Value::Kept } else { Value::Text(text) }
    }

    fn put_order(&mut self) {
        let (order, user) = (self.dice.one_of(ORDERS_MAX), self.dice.one_of(USERS));
        // Sometimes slightly in the future, or already old.
        let at = match self.dice.below(8) {
            0 => self.now + self.dice.below(1500),
            1 => self.now - self.dice.below(WINDOW_MS + 10_000),
            _ => self.now - self.dice.below(5000),
        };
        let Some(&(before_user, before_at)) = self.tables.orders.get(&order) else {
            let row = order_row(order, user, at);
            self.said.push(wire::insert(ORDERS, &row));
            self.tables.orders.insert(order, (user, at));
            return;
        };
        // The time of an order stays the same, unless the order is young.
        let at = if self.is_young(order) && self.dice.once_in(2) { at.max(self.now - YOUNG_MS / 2) } else { before_at };
        let user_sent = self.kept(user == before_user, world::user(user));
        let at_sent = self.kept(at == before_at && self.is_young(order), at.to_string());
        let user_sent = if self.is_young(order) { user_sent } else { Value::Text(world::user(user)) };
        let row = [Value::Text(world::order(order)), user_sent, at_sent];
        self.said.push(wire::update(ORDERS, None, &row, self.plants));
        self.tables.orders.insert(order, (user, at));
    }

    fn put_line(&mut self) {
        let Some(order) = self.young() else { return };
        let (line, product) = (self.dice.one_of(LINES), self.dice.one_of(PRODUCTS_MAX));
        match self.tables.lines.get(&line).copied() {
            None => self.said.push(wire::insert(ORDER_ITEMS, &line_row(line, order, product))),
            Some((before_order, before_product)) => {
                // The lines of an order that has left the window are not known any more.
                let known = self.is_young(before_order);
                let order_sent = self.kept(known && order == before_order, world::order(order));
                let product_sent = self.kept(known && product == before_product, world::product(product));
                let row = [Value::Text(line.to_string()), order_sent, product_sent];
                self.said.push(wire::update(ORDER_ITEMS, None, &row, self.plants));
            }
        }
        self.tables.lines.insert(line, (order, product));
    }

    /// A line of any order is written again, also of an order that has left the window: unchanged, or with another
    /// product.
    fn touch_line(&mut self) {
        let line = self.dice.one_of(LINES);
        let other = self.dice.once_in(2).then(|| self.dice.one_of(PRODUCTS_MAX));
        if let Some((order, product)) = self.tables.lines.get_mut(&line) {
            *product = other.unwrap_or(*product);
            self.said.push(wire::update(ORDER_ITEMS, None, &line_row(line, *order, *product), self.plants));
        }
    }

    fn delete_order(&mut self) {
        let order = self.dice.one_of(ORDERS_MAX);
        if self.tables.orders.remove(&order).is_none() {
            return;
        }
        let lines: Vec<usize> = self.lines_of(order);
        for line in lines {
            self.tables.lines.remove(&line);
            self.said.push(wire::delete(ORDER_ITEMS, &line_key(line)));
        }
        self.said.push(wire::delete(ORDERS, &[Value::Text(world::order(order)), Value::Null, Value::Null]));
    }

    fn lines_of(&self, order: usize) -> Vec<usize> {
        self.tables.lines.iter().filter(|(_, (of, _))| *of == order).map(|(line, _)| *line).collect()
    }

    fn delete_line(&mut self) {
        let line = self.dice.one_of(LINES);
        if self.tables.lines.remove(&line).is_some() {
            self.said.push(wire::delete(ORDER_ITEMS, &line_key(line)));
        }
    }

    /// The key of an order changes, and its lines follow.
    fn rename_order(&mut self) {
        let Some(from) = self.young() else { return };
        let to = self.dice.one_of(ORDERS_MAX);
        if self.tables.orders.contains_key(&to) {
            return;
        }
        let Some((user, at)) = self.tables.orders.remove(&from) else { return };
        let old = [Value::Text(world::order(from)), Value::Null, Value::Null];
        self.said.push(wire::update(ORDERS, Some(&old), &order_row(to, user, at), self.plants));
        self.tables.orders.insert(to, (user, at));
        for line in self.lines_of(from) {
            let Some((order, product)) = self.tables.lines.get_mut(&line) else { continue };
            *order = to;
            let row = line_row(line, to, *product);
            self.said.push(wire::update(ORDER_ITEMS, None, &row, self.plants));
        }
    }

    fn renumber_line(&mut self) {
        let (from, to) = (self.dice.one_of(LINES), self.dice.one_of(LINES));
        if self.tables.lines.contains_key(&to) {
            return;
        }
        let Some((order, product)) = self.tables.lines.remove(&from) else { return };
        let row = line_row(to, order, product);
        self.said.push(wire::update(ORDER_ITEMS, Some(&line_key(from)), &row, self.plants));
        self.tables.lines.insert(to, (order, product));
    }

    fn put_product(&mut self) {
        let product = self.dice.one_of(PRODUCTS_MAX);
        let category = (!self.dice.once_in(6)).then(|| self.dice.one_of(CATEGORIES));
        let row = [Value::Text(world::product(product)), category_value(category)];
        self.said.push(match self.tables.products.insert(product, category) {
            None => wire::insert(PRODUCTS, &row),
            Some(_) => wire::update(PRODUCTS, None, &row, self.plants),
        });
    }

    fn rename_product(&mut self) {
        let (from, to) = (self.dice.one_of(PRODUCTS_MAX), self.dice.one_of(PRODUCTS_MAX));
        if self.tables.products.contains_key(&to) {
            return;
        }
        let Some(category) = self.tables.products.remove(&from) else { return };
        let old = [Value::Text(world::product(from)), Value::Null];
        let sent = if self.dice.once_in(3) { Value::Kept } else { category_value(category) };
        let row = [Value::Text(world::product(to)), sent];
        self.said.push(wire::update(PRODUCTS, Some(&old), &row, self.plants));
        self.tables.products.insert(to, category);
    }

    fn delete_product(&mut self) {
        let product = self.dice.one_of(PRODUCTS_MAX);
        if self.tables.products.remove(&product).is_some() {
            self.said.push(wire::delete(PRODUCTS, &[Value::Text(world::product(product)), Value::Null]));
        }
    }

    fn truncate(&mut self) {
        let emptied: &[u32] = match self.dice.below(3) {
            0 => &[ORDER_ITEMS],
            // Lines refer to orders, so they are removed too.
            1 => &[ORDERS, ORDER_ITEMS],
            _ => &[PRODUCTS],
        };
        self.said.push(wire::truncate(emptied, self.plants));
        for table in emptied {
            match *table {
                ORDERS => self.tables.orders.clear(),
                ORDER_ITEMS => self.tables.lines.clear(),
                _ => self.tables.products.clear(),
            }
        }
    }
}

fn order_row(order: usize, user: usize, at: Millis) -> [Value; 3] {
    [Value::Text(world::order(order)), Value::Text(world::user(user)), Value::Text(at.to_string())]
}

fn line_row(line: usize, order: usize, product: usize) -> [Value; 3] {
    [Value::Text(line.to_string()), Value::Text(world::order(order)), Value::Text(world::product(product))]
}

fn line_key(line: usize) -> [Value; 3] {
    [Value::Text(line.to_string()), Value::Null, Value::Null]
}

fn category_value(category: Option<usize>) -> Value {
    category.map_or(Value::Null, |category| Value::Text(world::category(category)))
}
