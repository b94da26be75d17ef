//! Five days of a small shop, written to files or to services.

use std::fs;
use std::path::Path;

use harness::kafka::Broker;
use harness::postgres::execute;

/// 2026-11-01T00:00:00Z. The services take any time; files are dated now, which is later.
pub(crate) const START: u64 = 1_793_491_200_000;
pub(crate) const DAY: u64 = 86_400_000;

const VIEWS: u64 = 400;
const REMOVALS: u64 = 40;
const ORDERS: u64 = 120;
const USERS: u64 = 12;
const PRODUCTS: u64 = 30;
const PARTITIONS: u64 = 3;

/// The time of the `nth` of `all`, over six days; later ones are later, so that each counts at its own time wherever it is.
fn time(nth: u64, all: u64) -> u64 {
    START - DAY + 6 * DAY * nth / all
}

/// The user of a view, and of a removal.
fn viewer(nth: u64) -> u64 {
    nth * 7 % USERS
}

fn remover(nth: u64) -> u64 {
    nth * 5 % USERS
}

/// The number of views and removals of `user-USER`.
pub(crate) fn records_of(user: u64) -> usize {
    let views = (0..VIEWS).filter(|nth| viewer(*nth) == user).count();
    views + (0..REMOVALS).filter(|nth| remover(*nth) == user).count()
}

fn view(nth: u64) -> String {
    let (user, product, at) = (viewer(nth), nth * nth % PRODUCTS, time(nth, VIEWS));
    format!(
        "{{\"user_id\":\"user-{user}\",\"product_id\":\"product-{product}\",\"event_type\":\"view\",\"timestamp\":{at}}}"
    )
}

fn removal(nth: u64) -> String {
    let (user, product, at) = (remover(nth), nth * 4 % PRODUCTS, time(nth, REMOVALS));
    format!(
        "{{\"event\":\"ProductRemoved\",\"userid\":\"user-{user}\",\"properties\":{{\"productid\":\"product-{product}\"}},\
         \"timestamp\":{at}}}"
    )
}

/// User, products and time of an order.
fn order(nth: u64) -> (u64, Vec<u64>, u64) {
    let products = (0..=nth % 3).map(|line| (nth * 11 + line * 7) % PRODUCTS).collect();
    // Some left the window during these days, some were made only after them.
    (nth % USERS, products, START - 29 * DAY + 40 * DAY * nth / ORDERS)
}

fn category(product: u64) -> Option<u64> {
    (!product.is_multiple_of(7)).then_some(product % 4)
}

/// Into the files of a directory.
pub(crate) fn write_files(dir: &Path) {
    let write = |name: &str, text: String| fs::write(dir.join(name), text).expect("a file is written");
    let lines = |lines: &mut dyn Iterator<Item = String>| lines.map(|line| line + "\n").collect::<String>();
    write("views.jsonl", "not json\n".to_owned() + &lines(&mut (0..VIEWS).map(view)));
    write("removals.jsonl", lines(&mut (0..REMOVALS).map(removal)));
    let catalogue = (0..PRODUCTS).filter_map(|product| Some((product, category(product)?)));
    let catalogue = &mut catalogue.map(|(product, category)| format!("product-{product},category-{category}"));
    write("product_catalog.csv", "product_id,category\n".to_owned() + &lines(catalogue));
    let sales = (0..ORDERS).flat_map(|nth| {
        let (user, products, at) = order(nth);
        products.into_iter().map(move |product| format!("{nth},user-{user},product-{product},{at}"))
    });
    write("orders.csv", "order_id,user_id,product_id,created_at\n".to_owned() + &lines(&mut { sales }));
}

/// Into topics, spread over partitions, with records that do not count in between.
pub(crate) fn write_topics(broker: &Broker) {
    // The broker would delete what is as old as this.
    let kept = [("retention.ms", "-1")];
    broker.create_topic_with("views", PARTITIONS as i32, &kept);
    broker.create_topic_with("history-removals", 1, &kept);
    let written = (START + 6 * DAY).cast_signed();
    broker.produce_at("views", Some(0), written, ["not json"]);
    for partition in 0..PARTITIONS {
        let mine = (0..VIEWS).filter(|nth| nth % PARTITIONS == partition).map(view);
        broker.produce_at("views", Some(partition as i32), written, mine);
    }
    broker.produce_at("history-removals", Some(0), written, (0..REMOVALS).map(removal));
}

/// Into the tables of a database.
pub(crate) fn write_tables(url: &str) {
    let mut sql = "CREATE TABLE products (product_id text PRIMARY KEY, category_id text);
         CREATE TABLE orders (order_id bigint PRIMARY KEY, user_id text, created_at timestamptz);
         CREATE TABLE order_items (order_id bigint, product_id text, quantity int, PRIMARY KEY (order_id, product_id));\n"
        .to_owned();
    for product in 0..PRODUCTS {
        let category = category(product).map_or("NULL".to_owned(), |category| format!("'category-{category}'"));
        sql += &format!("INSERT INTO products VALUES ('product-{product}', {category});\n");
    }
    for nth in 0..ORDERS {
        let (user, products, at) = order(nth);
        sql += &format!("INSERT INTO orders VALUES ({nth}, 'user-{user}', to_timestamp({at} / 1000.0));\n");
        for product in products {
            sql += &format!("INSERT INTO order_items VALUES ({nth}, 'product-{product}', 1);\n");
        }
    }
    execute(url, &sql);
}
