//! Rows that are not held and change: a line that can be used again waits for its order, rows of old orders stay away, and the
//! tables are read again only for a row that is needed and whose values are not in the log.

use super::*;
use crate::postgres::rows::category_sets::RowCategories;
use crate::postgres::rows::order_window::OrderWindow;
use crate::postgres::rows::row_edit::{PartialRow, RowEdit};
use crate::postgres::rows::unheld_rows::{UnheldRows, UnusableRows};
use dataflow::dictionary::Dictionary;
use dataflow::ids::{Ids, RowKey};

const WINDOW: Millis = 1000;

struct Shop {
    cache: TableCache,
    dictionary: Dictionary,
}

impl Shop {
    fn new() -> Shop {
        Shop { cache: TableCache::of_log(None), dictionary: Dictionary::new(Ids::new([7; 16])) }
    }

    /// A process that goes on from the rows of an earlier one.
    fn resumed() -> Shop {
        let mut shop = Shop::new();
        shop.cache.unheld = UnheldRows::of_earlier_process();
        shop
    }

    fn transact(&mut self, edits: Vec<RowEdit>, now: Millis) {
        self.cache.transact(edits, OrderWindow { now, kept_ms: WINDOW }, &mut ChangeSet::default());
    }

    fn sweep(&mut self, now: Millis) {
        self.cache.sweep(OrderWindow { now, kept_ms: WINDOW }, &mut ChangeSet::default());
    }

    /// Orders and lines that are held, and whether the tables must be read again.
    fn held(&mut self) -> (usize, usize, bool) {
        (self.cache.orders.len(), self.cache.lines.len(), self.cache.unheld.take_missing().is_some())
    }

    fn row(&self, row: &str) -> RowKey {
        self.dictionary.row([row.as_bytes()])
    }

    fn line(&self, row: &str, order: &str) -> LineRow {
        let product = self.dictionary.product("lamp").unwrap();
        LineRow { order: self.dictionary.order(order), product, row: self.row(row) }
    }

    fn changed(&self, row: &str, order: &str) -> RowEdit {
        RowEdit::LineUpdated { from: self.row(row), line: self.line(row, order) }
    }

    /// A line that is returned or refused from its beginning on, or from now on.
    fn unusable(&self, row: &str, is_new: bool) -> RowEdit {
        let row = self.row(row);
        RowEdit::LineUnusable { from: (!is_new).then_some(row), row }
    }

    fn order(&self, order: &str, at: Millis) -> OrderRow {
        OrderRow::counting(self.dictionary.order(order), self.dictionary.user("ada"), at)
    }

    fn refused(&self, order: &str, is_new: bool) -> RowEdit {
        RowEdit::OrderRefused { order: self.dictionary.order(order), is_new }
    }
}

fn partly(row: PartialRow) -> RowEdit {
    RowEdit::PartialRow(Box::new(row))
}

#[test]
fn a_line_that_can_be_used_again_waits_for_its_order() {
    let mut shop = Shop::new();
    shop.transact(vec![shop.unusable("a", true), RowEdit::Line(shop.line("b", "1"))], 5000);
    shop.transact(vec![shop.unusable("b", false)], 5000);
    assert_eq!(shop.held(), (0, 0, false));
    shop.transact(vec![shop.changed("a", "1"), shop.changed("b", "1")], 5001);
    shop.transact(vec![RowEdit::Order(shop.order("1", 5002))], 5002);
    assert_eq!(shop.held(), (1, 2, false));
}

#[test]
fn a_line_that_can_be_used_again_under_another_key_waits_too() {
    let mut shop = Shop::new();
    shop.transact(vec![shop.unusable("a", true)], 5000);
    shop.transact(vec![RowEdit::LineUnusable { from: Some(shop.row("a")), row: shop.row("b") }], 5000);
    shop.transact(vec![RowEdit::LineUpdated { from: shop.row("b"), line: shop.line("c", "1") }], 5000);
    assert_eq!(shop.held(), (0, 1, false));
    // The other keys are of no row any more.
    shop.transact(vec![shop.changed("a", "1"), shop.changed("b", "1")], 5000);
    assert_eq!(shop.held(), (0, 1, false));
}

#[test]
fn it_waits_no_longer_than_orders_are_kept() {
    let mut shop = Shop::new();
    shop.transact(vec![shop.unusable("a", true), shop.unusable("b", true)], 5000);
    shop.sweep(5999);
    shop.transact(vec![shop.changed("a", "1")], 5999);
    shop.sweep(6000);
    shop.transact(vec![shop.changed("b", "1")], 6000);
    assert_eq!(shop.held(), (0, 1, false));
    shop.sweep(7000);
    assert_eq!(shop.held(), (0, 0, false));
}

#[test]
fn lines_of_an_old_order_stay_away_when_they_are_returned_and_not() {
    let mut shop = Shop::new();
    shop.transact(vec![RowEdit::Order(shop.order("old", 5000)), RowEdit::Line(shop.line("a", "old"))], 5000);
    shop.sweep(6000);
    shop.transact(vec![shop.unusable("a", false)], 6001);
    shop.transact(vec![shop.changed("a", "old")], 6002);
    assert_eq!(shop.held(), (0, 0, false));
    // The order is dated again: which lines it has, only the table knows.
    shop.transact(vec![RowEdit::OrderUpdated(shop.order("old", 4999))], 6003);
    assert_eq!(shop.held(), (0, 0, false));
    shop.transact(vec![RowEdit::OrderUpdated(shop.order("old", 6003))], 6003);
    assert_eq!(shop.held(), (1, 0, true));
    shop.transact(vec![RowEdit::OrderUpdated(shop.order("old", 6004))], 6004);
    assert_eq!(shop.held(), (1, 0, false));
}

#[test]
fn a_cart_that_gets_its_date_later_has_its_lines() {
    let mut shop = Shop::new();
    shop.transact(vec![RowEdit::Order(shop.order("cart", 0)), RowEdit::Line(shop.line("a", "cart"))], 5000);
    assert_eq!(shop.held(), (0, 1, false));
    shop.transact(vec![RowEdit::OrderUpdated(shop.order("cart", 0))], 5001);
    shop.transact(vec![RowEdit::OrderUpdated(shop.order("cart", 5002))], 5002);
    assert_eq!(shop.held(), (1, 1, false), "no reading is needed");
}

#[test]
fn a_change_of_a_line_that_cannot_be_used_does_not_keep_it_longer() {
    let mut shop = Shop::new();
    shop.transact(vec![shop.unusable("a", true)], 5000);
    shop.transact(vec![shop.unusable("a", false)], 5900);
    shop.sweep(6000);
    shop.transact(vec![shop.changed("a", "1")], 6000);
    assert_eq!(shop.held(), (0, 0, false));
}

#[test]
fn an_order_that_was_refused_has_its_lines_when_it_is_mended() {
    let mut shop = Shop::new();
    let line = RowEdit::Line(shop.line("a", "1"));
    shop.transact(vec![shop.refused("1", true), line, shop.unusable("b", true)], 5000);
    shop.transact(vec![shop.changed("b", "1")], 5000);
    shop.transact(vec![RowEdit::OrderUpdated(shop.order("1", 5000))], 5001);
    assert_eq!(shop.held(), (1, 2, false));
    // Refused later, and mended again.
    shop.transact(vec![shop.refused("1", false)], 5002);
    assert_eq!(shop.held(), (0, 2, false));
    shop.transact(vec![RowEdit::OrderUpdated(shop.order("1", 5000))], 5003);
    assert_eq!(shop.held(), (1, 2, false));
}

#[test]
fn what_an_earlier_process_knew_of_a_line_is_read_when_its_order_comes() {
    let mut shop = Shop::resumed();
    shop.transact(vec![shop.changed("a", "1")], 5000);
    assert_eq!(shop.held(), (0, 0, false));
    shop.transact(vec![RowEdit::Order(shop.order("other", 5000))], 5000);
    assert_eq!(shop.held(), (1, 0, false));
    shop.transact(vec![RowEdit::Order(shop.order("1", 5000))], 5000);
    assert_eq!(shop.held(), (2, 0, true));
    // A reading says which lines cannot be used; any other one that is not held is of an old order.
    let lines = Some([shop.row("b")].into_iter().collect());
    shop.cache.unheld.read(UnusableRows { orders: Some(Vec::new()), lines, is_partial: false }, 5001);
    shop.transact(vec![shop.changed("a", "2"), shop.changed("b", "2")], 5001);
    shop.transact(vec![RowEdit::Order(shop.order("2", 5001))], 5001);
    assert_eq!(shop.held(), (3, 1, false));
}

#[test]
fn values_that_the_log_does_not_repeat_are_read_if_the_row_is_needed() {
    let mut shop = Shop::new();
    let [one, two] = ["1", "2"].map(|order| shop.dictionary.order(order));
    let lamp = shop.dictionary.product("lamp").unwrap();
    let order = |at| PartialRow::Order { from: one, order: one, user: None, at: Some(at), counts: Some(true) };
    let line = |row, order| PartialRow::Line { from: row, row, order, product: None };
    let [a, b] = ["a", "b"].map(|row| shop.row(row));
    // Of an order, only if it is not too old.
    shop.transact(vec![shop.refused("1", true), partly(order(4000))], 5000);
    assert_eq!(shop.held(), (0, 0, false));
    shop.transact(vec![partly(order(4500))], 5000);
    assert_eq!(shop.held(), (0, 0, true));
    // Of a line, when its order is there.
    shop.transact(vec![shop.unusable("a", true)], 5000);
    shop.transact(vec![partly(line(a, Some(one))), partly(line(b, Some(two))), partly(line(b, None))], 5000);
    assert_eq!(shop.held(), (0, 0, false));
    shop.transact(vec![RowEdit::OrderUpdated(shop.order("1", 4500))], 5000);
    assert_eq!(shop.held(), (1, 0, true));
    shop.transact(vec![partly(line(a, Some(one)))], 5000);
    assert_eq!(shop.held(), (1, 0, true));
    shop.transact(vec![partly(line(a, None))], 5000);
    assert_eq!(shop.held(), (1, 0, true));
    // Of a product always.
    let product = || PartialRow::Product { from: lamp, product: lamp, available: true };
    shop.transact(vec![partly(product())], 5000);
    assert_eq!(shop.held(), (1, 0, true));
    let categories = RowCategories::One(CategoryKey::NONE);
    shop.transact(vec![RowEdit::Product { product: lamp, categories }, partly(product())], 5000);
    assert_eq!(shop.held(), (1, 0, false));
}

#[test]
fn a_product_that_came_and_went_at_once_is_not_a_deleted_one() {
    let mut shop = Shop::new();
    let lamp = shop.dictionary.product("lamp").unwrap();
    let listed = || RowEdit::Product { product: lamp, categories: RowCategories::One(CategoryKey::NONE) };
    shop.transact(vec![listed(), RowEdit::ProductDeleted(lamp)], 5000);
    assert!(!shop.cache.deleted.contains(lamp));
    shop.transact(vec![listed()], 5000);
    shop.transact(vec![RowEdit::ProductDeleted(lamp), listed(), RowEdit::ProductDeleted(lamp)], 5000);
    assert!(shop.cache.deleted.contains(lamp));
}
