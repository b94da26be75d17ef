//! Imports into PostgreSQL while the server's statistics say that the tables are empty: each row is still found by the index of
//! its key. Any other plan takes time that grows with the square of the rows.

use std::io::{BufRead, Cursor, Read, Result};
use std::time::Duration;

use harness::postgres::{connect, execute};
use harness::wait_until;
use postgres::Client;
use vitrine_store::{FileContent, ImportRequest, Kind, UnknownIds};

use crate::Home;
use crate::import::{import, request};

const SOON: Duration = Duration::from_secs(120);

/// More than two runs of an import, so that one of them is written before the last one is read.
const ROWS: usize = 40_000;

/// The server may look at an index when it plans a statement.
const FEW: i64 = 1000;

const HEADER: &str = "customer,product,category,order_id\n";

/// An empty part of a file: when the reader comes to it, something is done.
struct Meanwhile<F: FnMut()>(F);

impl<F: FnMut()> Read for Meanwhile<F> {
    fn read(&mut self, _: &mut [u8]) -> Result<usize> {
        (self.0)();
        Ok(0)
    }
}

impl<F: FnMut()> BufRead for Meanwhile<F> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        (self.0)();
        Ok(&[])
    }

    fn consume(&mut self, _: usize) {}
}

fn shop() -> ImportRequest {
    ImportRequest { content: FileContent::Shop, ..request(Kind::Products) }
}

fn records(numbers: std::ops::Range<usize>) -> String {
    // Each record is a new user, a new product and a new purchase.
    numbers.map(|number| format!("u{number},p{number},c,o{number}\n")).collect()
}

/// Checks that an import of new rows found rows by the indexes of keys, and read no whole index. Each index has `dead` entries
/// of rows that were there before, and may be read once while rows are counted.
fn assert_rows_were_found_by_key(tool: &mut Client, dead: i64) {
    let added = i64::try_from(ROWS).unwrap();
    let sql = "SELECT FROM pg_stat_user_tables WHERE relname = 'order_items' AND n_tup_ins >= $1";
    wait_until(SOON, "the server has counted the rows", || tool.query(sql, &[&added]).unwrap().len() == 1);
    let sql = "SELECT indexrelname, idx_scan, idx_tup_read FROM pg_stat_user_indexes";
    for row in tool.query(sql, &[]).unwrap() {
        let (index, searches, entries): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
        match index.as_str() {
            "products_of_category" | "orders_of_user" => {
                assert!(searches < FEW, "{index} was searched {searches} times")
            }
            // Each line finds its purchase, and each product its category.
            "orders_pkey" | "categories_pkey" => {
                assert!(entries < added + dead + FEW, "{index}: {entries} entries were read")
            }
            _ => assert!(entries < dead + FEW, "{index}: {entries} entries were read"),
        }
    }
}

#[test]
fn an_import_reads_no_whole_index_after_a_vacuum_that_finds_no_committed_rows() {
    let home = Home::postgres(UnknownIds::Take);
    let mut tool = connect(home.url());
    let first = HEADER.to_owned() + &records(0..ROWS - 5_000);
    let vacuum = || {
        // A table that the import keeps for itself is left out.
        for table in ["categories", "users", "products", "orders", "order_items"] {
            execute(home.url(), &format!("VACUUM (SKIP_LOCKED) {table}"));
        }
    };
    let mut file = Cursor::new(first).chain(Meanwhile(vacuum)).chain(Cursor::new(records(ROWS - 5_000..ROWS)));
    let report = home.store.import(&shop(), &mut file).unwrap();
    assert!(report.written && report.rows == ROWS as u64, "{report:?}");
    assert_rows_were_found_by_key(&mut tool, 0);
}

#[test]
fn an_import_into_tables_that_were_counted_as_empty_reads_no_whole_index() {
    let home = Home::postgres(UnknownIds::Take);
    assert!(import(&home, &shop(), HEADER).written, "the tables are made");
    let mut tool = connect(home.url());
    let mut failing = tool.transaction().unwrap();
    failing
        .batch_execute(
            "INSERT INTO products (product_id, category_id) SELECT 'x' || n, 'c' FROM generate_series(1, 20000) AS n;
             INSERT INTO users (user_id) SELECT 'x' || n FROM generate_series(1, 20000) AS n;
             INSERT INTO orders (order_id, user_id) SELECT 'x' || n, 'ada' FROM generate_series(1, 20000) AS n",
        )
        .unwrap();
    for table in ["products", "users", "orders"] {
        execute(home.url(), &format!("VACUUM {table}"));
    }
    failing.rollback().unwrap();
    let sql =
        "SELECT FROM pg_class WHERE relname IN ('products', 'users', 'orders') AND relpages > 0 AND reltuples = 0";
    assert_eq!(tool.query(sql, &[]).unwrap().len(), 3, "the server takes them for empty");
    let report = import(&home, &shop(), &(HEADER.to_owned() + &records(0..ROWS)));
    assert!(report.written, "{report:?}");
    assert_rows_were_found_by_key(&mut tool, 20_000);
}
