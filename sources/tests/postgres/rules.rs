//! A table of merchandising rules: its rules come, change and go with their rows, a wrong row is a dead letter, and a restart
//! goes on from the rules that the graph has.

use std::time::Duration;

use dataflow::ids::ProductKey;
use dataflow::merchandising::{MerchAction, MerchRule, RuleId, RuleScope, RuleText, RuleVersion};
use harness::postgres::{connect, execute};
use sources::postgres::Settings;
use sources::postgres::rules::{self, RulesReport, Source};

use crate::running::Running;
use crate::shop::{SOON, database_of, settings};

const TABLE: &str = "
    CREATE TABLE shelf_rules (
        rule_id text PRIMARY KEY, rule text NOT NULL, product_id text, category_id text, list text, position int, n int,
        valid_from timestamptz, valid_until timestamptz, list_set text);";

const ADVENT: &str = "
    INSERT INTO shelf_rules (rule_id, rule, product_id, list, position, valid_until)
    VALUES ('advent', 'pin', 'lamp', 'bestsellers', 1, '2026-12-25 01:00:00+01');";

fn with_table(url: &str) -> Settings {
    let mut settings = settings(url);
    settings.rules.name = Some("shelf_rules".into());
    settings.rules.refresh = Duration::from_millis(20);
    settings
}

fn open(settings: &Settings, resumed: Vec<(RuleId, RuleVersion)>) -> Running {
    Running::start(settings.kept_ms, 2, |clock, status, letters| {
        let source = Source::new(settings, clock, status, letters, resumed).unwrap().expect("there is a table");
        Box::new(move |worker| source.open(worker))
    })
}

/// The rules that the graph has, with their ids and products, and the time of each.
fn rule_book(shop: &Running) -> Vec<(String, RuleText, u64)> {
    shop.ask(|reader| {
        let text = |(id, rule, at): (RuleId, MerchRule, u64)| {
            (id.text().to_owned(), RuleText::of(&rule, reader.dictionary()), at)
        };
        reader.view_any().rule_book().into_iter().map(text).collect()
    })
}

#[track_caller]
fn wait_for(shop: &Running, expected: &[(&str, &str)]) {
    harness::wait_until(SOON, &format!("the rules are {expected:?}"), || {
        let book = rule_book(shop);
        let book: Vec<_> =
            book.iter().map(|(id, text, _)| (id.as_str(), text.product.as_deref().unwrap_or_default())).collect();
        book == expected
    });
}

#[test]
fn rules_come_change_and_go_with_their_rows() {
    let url = database_of("rules_rows", &[TABLE, ADVENT].concat());
    let shop = open(&with_table(&url), Vec::new());
    wait_for(&shop, &[("table.advent", "lamp")]);
    shop.live();
    let (_, pin, at) = rule_book(&shop).remove(0);
    assert_eq!((pin.list.as_deref(), pin.position), (Some("bestsellers"), Some(1)));
    assert_eq!((pin.from, pin.until), (None, Some(1_798_156_800_000)));
    execute(
        &url,
        "INSERT INTO shelf_rules (rule_id, rule, product_id, valid_from) VALUES ('sale', 'hide', 'mug', '-infinity')",
    );
    wait_for(&shop, &[("table.advent", "lamp"), ("table.sale", "mug")]);
    assert_eq!(rule_book(&shop)[0].2, at, "the rule that has not changed keeps its version");
    execute(&url, "UPDATE shelf_rules SET product_id = 'cup' WHERE rule_id = 'sale'");
    wait_for(&shop, &[("table.advent", "lamp"), ("table.sale", "cup")]);
    execute(&url, "UPDATE shelf_rules SET rule_id = 'autumn' WHERE rule_id = 'sale'");
    wait_for(&shop, &[("table.advent", "lamp"), ("table.autumn", "cup")]);
    execute(&url, "DELETE FROM shelf_rules WHERE rule_id = 'advent'");
    wait_for(&shop, &[("table.autumn", "cup")]);
    execute(&url, "TRUNCATE shelf_rules");
    wait_for(&shop, &[]);
    execute(&url, ADVENT);
    wait_for(&shop, &[("table.advent", "lamp")]);
}

#[test]
fn a_wrong_row_is_a_dead_letter_once_and_its_rule_is_gone() {
    let url = database_of("rules_wrong", &[TABLE, ADVENT].concat());
    execute(&url, "INSERT INTO shelf_rules (rule_id, rule, product_id) VALUES ('sale', 'hide', 'mug')");
    let shop = open(&with_table(&url), Vec::new());
    wait_for(&shop, &[("table.advent", "lamp"), ("table.sale", "mug")]);
    execute(&url, "UPDATE shelf_rules SET position = 101 WHERE rule_id = 'advent'");
    wait_for(&shop, &[("table.sale", "mug")]);
    let letter = shop.letters.recv_timeout(SOON).expect("a letter");
    assert_eq!((&*letter.stream, letter.reason), ("shelf_rules", "invalid_rule"));
    assert!(letter.detail.contains("from 1 to 100"), "{}", letter.detail);
    let payload: serde_json::Value = serde_json::from_slice(&letter.payload).unwrap();
    assert_eq!((&payload["rule_id"], &payload["position"]), (&"advent".into(), &"101".into()));
    // Each of these shows that the table has been read again.
    execute(&url, "UPDATE shelf_rules SET product_id = 'cup' WHERE rule_id = 'sale'");
    wait_for(&shop, &[("table.sale", "cup")]);
    execute(&url, "UPDATE shelf_rules SET position = 2 WHERE rule_id = 'advent'");
    wait_for(&shop, &[("table.advent", "lamp"), ("table.sale", "cup")]);
    assert!(shop.letters.try_recv().is_err(), "a row is refused once");
    assert_eq!(shop.view().rejected["invalid_rule"], 1);
}

#[test]
fn a_table_that_cannot_be_read_leaves_the_rules_as_they_are() {
    let url = database_of("rules_missing", &[TABLE, ADVENT].concat());
    let shop = open(&with_table(&url), Vec::new());
    wait_for(&shop, &[("table.advent", "lamp")]);
    execute(&url, "ALTER TABLE shelf_rules RENAME valid_until TO ends_at");
    shop.complains(&["has no column valid_until", "[postgres.tables.rules] until"]);
    execute(&url, "ALTER TABLE shelf_rules RENAME TO elsewhere");
    shop.complains(&["table shelf_rules does not exist", "docs/merchandising.md"]);
    assert_eq!(rule_book(&shop).len(), 1);
    execute(&url, "ALTER TABLE elsewhere RENAME ends_at TO valid_until; ALTER TABLE elsewhere RENAME TO shelf_rules");
    execute(&url, "UPDATE shelf_rules SET product_id = 'mug'");
    wait_for(&shop, &[("table.advent", "mug")]);
    shop.live();
}

#[test]
fn a_start_without_the_table_waits_for_no_one() {
    let url = database_of("rules_late", "SELECT 1");
    let shop = open(&with_table(&url), Vec::new());
    shop.complains(&["table shelf_rules does not exist"]);
    harness::wait_until(SOON, "ticks go on", || shop.ask(|reader| reader.view_any().as_of()) > 0);
    execute(&url, &[TABLE, ADVENT].concat());
    wait_for(&shop, &[("table.advent", "lamp")]);
}

#[test]
fn columns_of_other_names_and_types_are_read() {
    let url = database_of(
        "rules_columns",
        "CREATE SCHEMA shop;
         CREATE TABLE shop.raw (id int, kind text, product int, ends date, starts timestamp);
         INSERT INTO shop.raw VALUES (7, 'hide', 393, '2026-12-25', '2026-12-01 12:00:00');
         CREATE VIEW shop.\"Rules\" AS SELECT * FROM shop.raw;",
    );
    let mut settings = with_table(&url);
    settings.tables.orders.time_zone = Some("Europe/Berlin".into());
    let rules = &mut settings.rules;
    rules.name = Some("shop.Rules".into());
    (rules.rule_id, rules.rule, rules.product_id) = ("id".into(), "kind".into(), Some("product".into()));
    (rules.from, rules.until) = (Some("starts".into()), Some("ends".into()));
    (rules.category_id, rules.list, rules.position, rules.n, rules.set) = (None, None, None, None, None);
    let shop = open(&settings, Vec::new());
    wait_for(&shop, &[("table.7", "393")]);
    let (_, hide, _) = rule_book(&shop).remove(0);
    assert_eq!((hide.from, hide.until), (Some(1_796_122_800_000), Some(1_798_153_200_000)));
}

#[test]
fn a_restart_takes_rules_away_whose_rows_went_meanwhile() {
    let url = database_of("rules_resumed", &[TABLE, ADVENT].concat());
    let action = MerchAction::Hide(ProductKey::default());
    let hide = MerchRule { action, from: 0, until: u64::MAX, scope: RuleScope::Both };
    // The version of a process whose clock was ahead.
    let held = RuleVersion { at: 4_000_000_000_000, rule: Some(hide) };
    let ids = ["gone", "advent"].map(|id| RuleId::of_table(id).unwrap());
    let shop = open(&with_table(&url), ids.map(|id| (id, held)).to_vec());
    wait_for(&shop, &[("table.advent", "lamp")]);
    let written = ids.map(|id| shop.ask(|reader| reader.view_any().rule_written_at(id)));
    assert_eq!(written, [held.at + 1; 2], "both changes are later than the version held");
}

#[test]
fn inspect_reads_the_table_as_the_source_does() {
    let url = database_of("rules_inspect", &[TABLE, ADVENT].concat());
    execute(&url, "INSERT INTO shelf_rules (rule_id, rule) VALUES ('a', 'hide'), ('b', 'hide'), ('c d', 'hide')");
    let mut client = connect(&url);
    assert_eq!(rules::inspect(&mut client, &settings(&url)).unwrap(), None);
    let RulesReport { rules, refused } = rules::inspect(&mut client, &with_table(&url)).unwrap().expect("a table");
    assert_eq!((rules, refused.len()), (1, 2));
    assert!(
        refused[0].starts_with("`product` is missing") && refused[1].starts_with("`rule_id` is no id"),
        "{refused:?}"
    );
}

#[test]
fn a_missing_right_is_named_with_the_statement_that_gives_it() {
    let url = database_of("rules_denied", &[TABLE, ADVENT].concat());
    execute(
        &url,
        "CREATE ROLE \"rules reader\";
         CREATE SCHEMA shop; CREATE TABLE shop.shelf_rules AS SELECT * FROM shelf_rules;",
    );
    let mut client = connect(&url);
    client.batch_execute("SET ROLE \"rules reader\"").unwrap();
    let mut of_schema = with_table(&url);
    of_schema.rules.name = Some("shop.shelf_rules".into());
    for (settings, rights) in [
        (with_table(&url), &["SELECT ON \"shelf_rules\""][..]),
        (of_schema, &["USAGE ON SCHEMA \"shop\"", "SELECT ON \"shop\".\"shelf_rules\""]),
    ] {
        for right in rights {
            let error = rules::inspect(&mut client, &settings).unwrap_err();
            let sql = format!("GRANT {right} TO \"rules reader\";");
            assert!(error.problem().contains("permission denied"), "{error}");
            assert_eq!(error.mend().as_ref(), Some(&sql));
            assert!(error.to_string().ends_with(&format!("; to mend it: {sql}")), "{error}");
            execute(&url, &sql);
        }
        assert_eq!(rules::inspect(&mut client, &settings).unwrap().expect("a table").rules, 1);
    }
}
