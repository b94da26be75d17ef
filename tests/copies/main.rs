//! Copies of all kinds of lists in a real topic and a real table, beside the whole program: right after edits by hand, after
//! kills of the program, of the broker and of the database, after pauses, a restore from an older checkpoint and changed rules.
//!
//! ```text
//! views, orders ─▶ vitrine serve ─┬─ copies ─▶ the topic, the table ─▶ read by other clients ─┐
//!        SIGKILL, edits by hand ──┘└─ HTTP ─▶ the lists ──────────────────────────────────────┴▶ equal, row by row?
//! ```
//! `VITRINE_COPY_KILLS=50` kills each side that often.

#[path = "../support/local_cluster.rs"]
mod local_cluster;
mod shop;

use std::collections::BTreeMap;

use harness::{postgres, wait_until};

use crate::shop::{SOON, Shop};

/// The setting with the number of kills of each side.
const KILLS: &str = "VITRINE_COPY_KILLS";

/// Who is killed: the program more often than the services, which take longer to start.
struct Kills {
    vitrine: usize,
    broker: usize,
    database: usize,
}

impl Kills {
    fn chosen() -> Kills {
        match std::env::var(KILLS) {
            Ok(number) => {
                let each = number.parse().unwrap_or_else(|_| panic!("{KILLS} is no number: {number:?}"));
                Kills { vitrine: each, broker: each, database: each }
            }
            Err(_) => Kills { vitrine: 4, broker: 1, database: 1 },
        }
    }
}

#[test]
fn copies_are_right_after_edits_by_hand_and_kills_of_each_side() {
    let mut shop = Shop::start(1);
    shop.trade();
    shop.serve();
    shop.wait_equal("at first");

    shop.edit_table();
    shop.edit_topic();
    shop.wait_equal("after edits");
    wait_until(SOON, "the corrections are counted", || {
        ["kafka", "postgres"].iter().all(|kind| shop.sink(kind)["corrected"].as_u64() > Some(0))
    });
    let kills = Kills::chosen();
    (0..kills.vitrine).for_each(|kill| kill_vitrine(&mut shop, kill));
    shop.wait_equal("after kills of the program");
    (0..kills.broker).for_each(|_| kill_broker(&mut shop));
    (0..kills.database).for_each(|_| kill_database(&mut shop));
    freeze_broker(&mut shop);
    shop.process().freeze();
    shop.edit_table();
    shop.trade();
    shop.process().thaw();
    shop.wait_equal("after a pause");
    restore_an_older_checkpoint(&mut shop);
    change_the_rules(&mut shop);
    for kind in ["kafka", "postgres"] {
        let sink = shop.sink(kind);
        assert!(sink["follows"] == true && sink["reason"].is_null(), "{sink}");
    }
    a_missing_column_is_named_with_the_sql(&shop);
    shop.process().terminate();
    assert!(shop.process().wait_exit(SOON).success());
    assert!(!shop.process().stderr().contains("history/"), "logs have no ids of users");
}

fn kill_vitrine(shop: &mut Shop, kill: usize) {
    shop.trade();
    // At another moment each time: sometimes before the first comparison.
    if kill.is_multiple_of(2) {
        shop.wait_equal("before a kill");
        shop.trade();
    }
    shop.process().kill9();
    shop.edit_table();
    shop.trade();
    shop.serve();
}

fn kill_broker(shop: &mut Shop) {
    shop.trade();
    shop.services.kafka.kill9();
    shop.order();
    shop.edit_table();
    shop.services.kafka.restart();
    shop.edit_topic();
    shop.trade();
    shop.wait_ready();
    shop.wait_equal("after a kill of the broker");
}

/// While the broker is silent, the status shows at once how many lists wait and how long the copy has been behind.
fn freeze_broker(shop: &mut Shop) {
    shop.wait_equal("before the broker is frozen");
    shop.services.kafka.freeze();
    shop.order();
    let mut first_seen = BTreeMap::new();
    wait_until(SOON, "the lag grows between two failures", || {
        let sink = shop.sink("kafka");
        let behind = sink["behind_ms"].as_u64().expect("a number");
        let before = *first_seen.entry(sink["failures"].as_u64()).or_insert(behind);
        behind > before + 1000 && sink["waiting"].as_u64() > Some(0)
    });
    shop.services.kafka.thaw();
    shop.trade();
    shop.wait_ready();
    shop.wait_equal("after the broker was frozen");
}

fn kill_database(shop: &mut Shop) {
    shop.trade();
    shop.services.postgres.kill9();
    shop.view();
    shop.services.postgres.restart();
    shop.edit_table();
    shop.trade();
    shop.wait_ready();
    shop.wait_equal("after a kill of the database");
}

/// The lists go back to before what the copies have, and catch up again.
fn restore_an_older_checkpoint(shop: &mut Shop) {
    shop.stop_and_keep_checkpoints();
    shop.serve();
    (0..3).for_each(|_| shop.trade());
    shop.wait_equal("before a restore");
    shop.process().kill9();
    shop.edit_table();
    shop.restore_kept_checkpoints();
    shop.serve();
    shop.wait_equal("after a restore from an older checkpoint");
}

/// A product is hidden while the program runs, and lists are shorter after a restart.
fn change_the_rules(shop: &mut Shop) {
    shop.hide("p1");
    shop.wait_equal("after a product was hidden");
    shop.stop();
    shop.add_settings("[rules]\nlist_size = 4\n");
    shop.serve();
    shop.wait_equal("with shorter lists");
}

fn a_missing_column_is_named_with_the_sql(shop: &Shop) {
    postgres::execute(&shop.services.database(), "ALTER TABLE lists DROP COLUMN value");
    let details = || shop.get("/readyz")["details"].to_string();
    wait_until(SOON, "the missing column is named", || details().contains("ADD COLUMN \\\"value\\\" double precision"));
    postgres::execute(&shop.services.database(), "ALTER TABLE lists ADD COLUMN \"value\" double precision");
    shop.wait_equal("after the table was mended");
    wait_until(SOON, "nothing is wrong any more", || details() == "null");
}

#[test]
fn two_processes_keep_one_copy() {
    let mut shop = Shop::start(2);
    shop.trade();
    shop.serve();
    shop.wait_equal("of two processes");
    for number in 0..2 {
        shop.trade();
        let starts = shop.starts();
        shop.kill_process(number);
        shop.edit_table();
        shop.edit_topic();
        shop.trade();
        wait_until(SOON, "all processes are started again", || shop.starts() > starts);
        shop.wait_ready();
        shop.wait_equal("after a kill of one of two processes");
    }
    shop.process().terminate();
    assert!(shop.process().wait_exit(SOON).success());
}
