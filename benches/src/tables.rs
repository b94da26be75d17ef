//! The shop's tables in PostgreSQL, and orders for them, as SQL.

use std::fmt::Write as _;
use std::ops::Range;

use crate::shop::{CATEGORIES, PRODUCTS, USERS};

/// The distance between consecutive products of an order, so that no product is in it twice.
const APART: u32 = 7919;

/// Creates the tables, with the shop's catalogue.
pub(crate) fn create() -> String {
    format!(
        "CREATE TABLE products (product_id text PRIMARY KEY, category_id text);
         CREATE TABLE orders (order_id bigint PRIMARY KEY, user_id text, created_at timestamptz);
         CREATE TABLE order_items (order_id bigint, product_id text, quantity int, PRIMARY KEY (order_id, product_id));
         INSERT INTO products
             SELECT 'product-' || n, 'category-' || n % {CATEGORIES} FROM generate_series(1, {PRODUCTS}) n"
    )
}

/// Orders of two and three lines in turn, spread evenly over `span` from `start` on, both as SQL.
pub(crate) fn orders(numbers: Range<u64>, start: &str, span: &str) -> String {
    let Range { start: first, end } = numbers;
    let (count, last) = (end - first, end - 1);
    format!(
        "INSERT INTO orders
             SELECT n, 'user-' || 1 + n * 7 % {USERS}, {start} + {span} * ((n - {first})::float8 / {count})
             FROM generate_series({first}, {last}) n;
         INSERT INTO order_items SELECT n, 'product-' || 1 + (n * 31 + line * {APART}) % {PRODUCTS}, 1
             FROM generate_series({first}, {last}) n, generate_series(0, 1 + n % 2) line"
    )
}

/// The number of orders that have about that many lines.
pub(crate) fn orders_of_lines(lines: usize) -> u64 {
    lines as u64 / 5 * 2
}

/// The lines of one order, beginning with this product: two of an even order, three of an odd one.
pub(crate) fn lines(order: u64, product: u32) -> String {
    let mut sql = "INSERT INTO order_items VALUES".to_owned();
    for line in 0..2 + (order % 2) as u32 {
        let (comma, product) = (if line == 0 { "" } else { "," }, 1 + (product + line * APART) % PRODUCTS);
        write!(sql, "{comma} ({order}, 'product-{product}', 1)").expect("a String takes everything");
    }
    sql + ";"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_has_two_lines_or_three_of_different_products() {
        assert_eq!(lines(2, PRODUCTS - 1).matches("product-").count(), 2);
        let three = lines(3, PRODUCTS - 1);
        assert_eq!(
            three,
            "INSERT INTO order_items VALUES (3, 'product-50000', 1), (3, 'product-7919', 1), (3, 'product-15838', 1);"
        );
        assert_eq!(orders_of_lines(1_250_000), 500_000);
    }
}
