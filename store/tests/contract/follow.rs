//! Following: every change is seen once it is durable, in order, whoever wrote it.

use rusqlite::Connection;
use vitrine_store::{Action, Followed, Follower, Kind, Listed, Placed, TableRow, UnknownIds};

use crate::{Home, NOW, act, put};

fn changes(follower: &mut dyn Follower, after: i64) -> (Followed, Vec<TableRow>) {
    let mut rows = Vec::new();
    let followed = follower.read_changes(after, &mut |row| rows.push(row)).unwrap();
    (followed, rows)
}

fn lamp(category: Option<&str>, available: bool) -> TableRow {
    let now = Some(Listed { category: category.map(str::to_owned), available });
    TableRow::Product { product: "lamp".into(), now }
}

#[test]
fn a_follower_sees_what_was_written_up_to_the_change_that_the_answer_names() {
    let home = Home::sqlite(UnknownIds::Take);
    home.done(put(Kind::Products, r#"{"product_id":"lamp","category_id":"light"}"#));
    let mut follower = home.followed.as_ref().unwrap().follow().unwrap();
    let mut all = Vec::new();
    let last = follower.read_all(0, &mut |row| all.push(row)).unwrap();
    assert_eq!(all, [lamp(Some("light"), true)]);
    assert_eq!(changes(&mut *follower, last), (Followed::Unchanged, vec![]));

    let written = home.done(put(Kind::Products, r#"{"product_id":"lamp","available":false}"#));
    assert_eq!(changes(&mut *follower, last), (Followed::UpTo(written.change), vec![lamp(None, false)]));
    let last = written.change;
    home.done(act(Kind::Products, "lamp", Action::Delete));
    home.done(put(Kind::Categories, r#"{"category_id":"light","parent_id":"house"}"#));
    let two = r#"{"purchase_id":"1","user_id":"ada","created_at":1000000000000,"lines":[{"product_id":"lamp"},{"product_id":"bulb"}]}"#;
    home.done(put(Kind::Purchases, two));
    let written = home.done(act(Kind::Purchases, "1", Action::Return(1)));
    let (followed, mut rows) = changes(&mut *follower, last);
    assert_eq!(followed, Followed::UpTo(written.change));
    rows.sort_by_key(|row| format!("{row:?}"));
    rows.dedup();
    let at = 1_000_000_000_000;
    let placed = Placed { user: "ada".into(), created_at: at, counts: true };
    assert_eq!(
        rows,
        [
            TableRow::Category { category: "light".into(), now: Some(Some("house".into())) },
            TableRow::Line { order: "1".into(), line: 1, now: None },
            TableRow::Line { order: "1".into(), line: 2, now: Some((at, "bulb".into())) },
            TableRow::Order { order: "1".into(), now: Some(placed) },
            TableRow::Product { product: "lamp".into(), now: None },
        ]
    );
    assert_eq!(changes(&mut *follower, written.change + 1).0, Followed::Lost, "the number is from another store");
    let mut recent = Vec::new();
    follower.read_all(NOW, &mut |row| recent.push(row)).unwrap();
    let category = TableRow::Category { category: "light".into(), now: Some(Some("house".into())) };
    let deleted = TableRow::Product { product: "lamp".into(), now: None };
    assert_eq!(recent, [category, deleted], "the purchase is older");
    home.done(put(Kind::Products, r#"{"product_id":"lamp"}"#));
    let mut products = Vec::new();
    follower.read_all(NOW, &mut |row| products.extend(matches!(row, TableRow::Product { .. }).then_some(row))).unwrap();
    assert_eq!(products, [lamp(None, true)], "it is back");
}

#[test]
fn what_another_tool_writes_to_the_sqlite_file_is_seen_too() {
    let home = Home::sqlite(UnknownIds::Take);
    let mut follower = home.followed.as_ref().unwrap().follow().unwrap();
    let last = follower.read_all(0, &mut |_| {}).unwrap();
    let tool = Connection::open(home.dir().join("store.db")).unwrap();
    tool.execute_batch(
        "BEGIN; INSERT INTO products (product_id, category_id) VALUES ('lamp', 'light');
         INSERT INTO orders (order_id, user_id) VALUES ('1', 'ada'); INSERT INTO order_items (order_id, line, product_id)
         VALUES ('1', 1, 'lamp'); COMMIT",
    )
    .unwrap();
    let (followed, rows) = changes(&mut *follower, last);
    assert_eq!(followed, Followed::UpTo(last + 3));
    assert!(rows.contains(&lamp(Some("light"), true)) && rows.len() == 4, "{rows:?}");
    assert_eq!(home.json(Kind::Purchases, "1")["lines"][0]["product_id"], "lamp");
    tool.execute_batch("UPDATE products SET product_id = 'bulb'; DELETE FROM orders").unwrap();
    let (_, rows) = changes(&mut *follower, last + 3);
    for gone in [
        TableRow::Product { product: "lamp".into(), now: None },
        TableRow::Order { order: "1".into(), now: None },
        TableRow::Line { order: "1".into(), line: 1, now: None },
    ] {
        assert!(rows.contains(&gone), "{gone:?} in {rows:?}");
    }
    let mut all = Vec::new();
    follower.read_all(0, &mut |row| all.push(row)).unwrap();
    let product = |product: &str, now| TableRow::Product { product: product.into(), now };
    let bulb = product("bulb", Some(Listed { category: Some("light".into()), available: true }));
    assert_eq!(all, [bulb, product("lamp", None)]);
    for wrong in [
        "INSERT INTO products (product_id, price) VALUES ('x', '1e3')",
        "INSERT INTO products (product_id, attributes) VALUES ('x', '{')",
        "INSERT INTO orders (order_id, user_id, status) VALUES ('x', 'ada', 'lost')",
    ] {
        assert!(tool.execute(wrong, []).is_err(), "{wrong}");
    }
}
