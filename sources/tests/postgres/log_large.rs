//! One large transaction is held as keys until it is committed: its memory depends on the number of its rows, not on
//! their text.
//!
//! `VITRINE_ROWS` sets how many rows it has, such as 2000000.

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

/// The most that a row of a transaction may take, in the log's buffers, in what is remembered and in the graph.
const ROW_BYTES_MAX: u64 = 600;

/// What a process may take beside.
const REST_MIB_MAX: u64 = 96;

#[test]
fn a_large_transaction_is_held_as_keys() {
    let rows: u64 = std::env::var("VITRINE_ROWS").map_or(100_000, |rows| rows.parse().unwrap());
    let tables = TABLES.replace("PRIMARY KEY (order_id, product_id)", "id serial PRIMARY KEY");
    let url = database("log_large", &tables);
    execute(&url, "INSERT INTO orders SELECT n, NULL, 'user-' || n, now() FROM generate_series(1, 1000) n");
    let mut mirror = Mirror::open(&url);
    mirror.key = &["id"];
    mirror.agrees();
    mirror.live();
    let lines = format!(
        "INSERT INTO order_items (order_id, product_id) SELECT n % 1000 + 1, 'product-' || n % 5000 FROM \
         generate_series(1, {rows}) n"
    );
    let most = REST_MIB_MAX + rows * ROW_BYTES_MAX / (1 << 20);
    for sql in [&*lines, "UPDATE order_items SET product_id = product_id || 'b'", "TRUNCATE order_items"] {
        // The highest mark begins anew, because another test may have raised it. Where the system forbids that, it stays.
        let _ = fs::write("/proc/self/clear_refs", "5");
        let before = mib("VmRSS:");
        let count = mirror.view().accepted;
        execute(&url, sql);
        harness::wait_until(20 * SOON, "the rows are fed", || mirror.view().accepted >= count + rows);
        mirror.live();
        println!("{}: {before} MiB before, {} after, {} at most", &sql[..8], mib("VmRSS:"), mib("VmHWM:"));
        assert!(mib("VmHWM:") < before + most, "{} takes more than {most} MiB at some time", &sql[..8]);
    }
    mirror.agrees();
}
