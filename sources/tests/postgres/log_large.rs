//! One transaction of two million rows. Run by hand: it says what memory it took.

use std::fs;

use harness::postgres::execute;

use crate::mirror::{Mirror, TABLES, database};
use crate::running::SOON;

/// A line of what the system knows of this process, in MiB.
fn mib(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
#[ignore = "two million rows: minutes, and gigabytes of disk"]
fn a_transaction_of_two_million_rows_is_held_as_keys() {
    let tables = TABLES.replace("PRIMARY KEY (order_id, product_id)", "id serial PRIMARY KEY");
    let url = database("log_large", &tables);
    execute(&url, "INSERT INTO orders SELECT n, NULL, 'user-' || n, now() FROM generate_series(1, 1000) n");
    let mut mirror = Mirror::open(&url);
    mirror.key = &["id"];
    mirror.agrees();
    mirror.live();
    let lines = "INSERT INTO order_items (order_id, product_id) SELECT n % 1000 + 1, 'product-' || n % 5000 FROM \
                 generate_series(1, 2000000) n";
    for sql in [lines, "UPDATE order_items SET product_id = product_id || 'b'", "TRUNCATE order_items"] {
        let before = mib("VmRSS:");
        let count = mirror.view().accepted;
        execute(&url, sql);
        harness::wait_until(20 * SOON, "the rows are fed", || mirror.view().accepted >= count + 2_000_000);
        mirror.live();
        println!("{}: {before} MiB before, {} after, {} at most", &sql[..8], mib("VmRSS:"), mib("VmHWM:"));
    }
    mirror.agrees();
}
