//! `vitrine evaluate --stream`: each answer equals a plain recomputation from the lines before it.
//!
//! The reference knows no ticks: the clock is the latest time of the lines so far, and counts are those of the lines that came
//! until its last whole multiple of the period. The command must agree, also where many asks come while the clock stands.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::Parser as _;
use dataflow::ids::ProductKey;
use dataflow::rules::Rules;
use dataflow::tables::Placed;
use dataflow::time::{Millis, Time};
use proptest::prelude::*;
use vitrine::cli::{Cli, Command};
use vitrine::commands::evaluate;
use vitrine::config::{Config, Request};

use crate::given::{Domain, In, Update, World};
use crate::plain::Shelves;

const DOMAIN: Domain = Domain { users: 5, products: 12, categories: 3, orders: 40 };

/// Counts change so often.
const EVERY_MS: Millis = 20;

/// One line; ids are numbers within the domain.
#[derive(Clone, Copy, Debug)]
enum Given {
    View { user: usize, product: usize, at: Millis },
    Order { order: usize, user: usize, product: usize, at: Millis },
    Category { product: usize, category: usize },
    Ask { user: usize },
}

fn lines() -> impl Strategy<Value = Vec<Given>> {
    let (user, product) = (0..DOMAIN.users, 0..DOMAIN.products);
    // Times rise on the whole, and some are late or far ahead.
    let step = prop_oneof![3 => Just(0), 4 => 0..8_u64, 1 => 30..90_u64];
    let line = (user, product, 0..DOMAIN.categories, 0..12_u8, step, 0..4_u64)
        .prop_map(|(user, product, category, kind, step, late)| (user, product, category, kind, step, late * late * 5));
    prop::collection::vec(line, 1..120).prop_map(|all| {
        let (mut clock, mut orders) = (100, 0);
        let line = |(user, product, category, kind, step, late): (usize, usize, usize, u8, u64, u64)| {
            clock += step;
            let at = clock - late;
            match kind {
                0 if orders < DOMAIN.orders => {
                    orders += 1;
                    Given::Order { order: orders - 1, user, product, at }
                }
                1 => Given::Category { product, category },
                2..5 => Given::Ask { user },
                _ => Given::View { user, product, at },
            }
        };
        all.into_iter().map(line).collect()
    })
}

fn text(lines: &[Given]) -> String {
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let written = match line {
            Given::View { user, product, at } => {
                writeln!(text, r#"{{"view":["user {user}","product {product}",{at}]}}"#)
            }
            Given::Order { order, user, product, at } => {
                writeln!(text, r#"{{"order":["user {user}","product {product}",{at},"order {order}"]}}"#)
            }
            Given::Category { product, category } => {
                writeln!(text, r#"{{"category":["product {product}","category {category}"]}}"#)
            }
            Given::Ask { user } => writeln!(text, r#"{{"ask":{number},"user":"user {user}"}}"#),
        };
        written.expect("a text takes all");
    }
    text
}

/// The updates so far, with the clock when they came.
struct Reference {
    updates: Vec<(Time, Update)>,
    categories: Vec<(usize, usize)>,
    clock: Time,
}

impl Reference {
    fn new() -> Reference {
        Reference { updates: Vec::new(), categories: Vec::new(), clock: 1 }
    }

    fn take(&mut self, line: Given) {
        if let Given::View { at, .. } | Given::Order { at, .. } = line {
            self.clock = self.clock.max(at);
        }
        let clock = self.clock;
        let mut add = |update| self.updates.push((clock, update));
        match line {
            Given::View { user, product, at } => add(Update::View { user, product, at }),
            Given::Order { order, user, product, at } => {
                add(Update::Order { order, user, placed: Placed::new(at, true), diff: 1 });
                add(Update::Line { order, product, diff: 1 });
            }
            Given::Category { product, category } if !self.categories.contains(&(product, category)) => {
                self.categories.push((product, category));
                add(Update::Catalogue { product, category: In::Category(category), diff: 1 });
            }
            Given::Category { .. } | Given::Ask { .. } => {}
        }
    }

    /// The list for a user: "for you", then the best sellers of the user's categories and those of the shop that the user
    /// has not viewed.
    fn ask(&self, world: &World, user: usize, rules: &Rules) -> Vec<ProductKey> {
        let now = self.clock;
        let all = || self.updates.iter().map(|(_, update)| *update);
        let mut shelves = Shelves::new(world, all(), now, rules);
        let end = now - now % EVERY_MS;
        let counted = self.updates.iter().filter(|(came, _)| *came <= end).map(|(_, update)| *update);
        shelves.learn(world, counted, end, rules);
        let user = world.users[user];
        let history = &shelves.whole_histories[&user];
        let scored = shelves.learned().for_you(history, &[], 10, |product| shelves.may_show(product, rules));
        let mut list: Vec<ProductKey> = scored.into_iter().map(|(product, ..)| product).collect();
        let merged_from = shelves.recommended[&user].merged_from.iter();
        let merged: BTreeSet<(ProductKey, u64)> = merged_from.flat_map(|which| shelves.best(*which)).copied().collect();
        let mut merged: Vec<(ProductKey, u64)> = merged.into_iter().collect();
        merged.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let best = merged.iter().chain(shelves.best(None)).map(|(product, _)| *product);
        for product in best.filter(|product| !history.contains(product)) {
            if !list.contains(&product) {
                list.push(product);
            }
        }
        list.truncate(10);
        list
    }
}

fn config() -> Config {
    let mut config = Config::load(&Request::default()).expect("the defaults are a configuration");
    config.dataflow.id_key = [3; 16];
    config.rules.co_views.enabled = true;
    config.rules.co_views.every_ms = EVERY_MS;
    config.rules.co_views.similar = 4;
    config
}

/// What the command writes for a stream; `more` are further flags.
fn written(stream: impl AsRef<[u8]>, more: &[&str]) -> anyhow::Result<String> {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    std::fs::write(&input, stream).expect("a file can be written");
    let (stream, out) = (input.to_str().expect("a name"), output.to_str().expect("a name"));
    let cli = Cli::parse_from([&["vitrine", "evaluate", "--stream", stream, "--out", out], more].concat());
    let Command::Evaluate(args) = cli.command else { unreachable!("this is the command") };
    evaluate::run(&args, config()).map(|_| std::fs::read_to_string(&output).expect("the answers can be read"))
}

/// The answers of the command.
fn answers(stream: &str) -> Vec<(u64, Vec<String>)> {
    let answer = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("an answer is JSON");
        let list = line["list"].as_array().expect("a list").iter();
        let list = list.map(|product| product.as_str().expect("an id").to_owned()).collect();
        (line["user"].as_u64().expect("the key"), list)
    };
    written(stream, &[]).expect("the stream can be used").lines().map(answer).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_answer_is_that_of_the_lines_before_it(lines in lines()) {
        let (world, rules) = (World::new(DOMAIN), config().rules);
        let mut found = answers(&text(&lines)).into_iter();
        let mut reference = Reference::new();
        for (number, line) in lines.iter().enumerate() {
            reference.take(*line);
            if let Given::Ask { user } = line {
                let expected = reference.ask(&world, *user, &rules);
                let name = |product: ProductKey| world.dictionary.product_name(product).expect("it is known").to_string();
                let expected = (number as u64, expected.into_iter().map(name).collect::<Vec<_>>());
                prop_assert_eq!(found.next(), Some(expected), "line {}", number);
            }
        }
        prop_assert_eq!(found.next(), None);
    }
}

#[test]
fn asks_and_late_lines_do_not_move_the_clock_past_the_end_of_a_period() {
    let views = [("u0", "p0", 1978), ("u5", "p0", 1990), ("u5", "p2", 1999)];
    let view = |(user, product, at): (&str, &str, u64)| format!("{{\"view\":[\"{user}\",\"{product}\",{at}]}}\n");
    let ask = |user| format!("{{\"ask\":0,\"user\":\"{user}\"}}\n");
    let late: String = (0..50).map(|product| view(("u2", &*format!("p{product}"), 1985)) + &ask("u2")).collect();
    let stream = views.map(view).concat() + &late + &ask("u0");
    let last = |stream: &str| {
        let written = written(stream, &["--chain", "co_views"]).expect("it runs");
        written.lines().last().expect("an answer").to_owned()
    };
    assert_eq!(last(&stream), r#"{"user":0,"list":[]}"#, "the counts are those of 1980");
    let next = stream + &view(("u7", "p50", 2000)) + &ask("u0");
    assert!(last(&next).contains(r#""list":["p"#), "the counts are those of 2000: {}", last(&next));
}

#[test]
fn buy_again_counts_orders_that_have_left_the_window() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let list = |days: u64| {
        let later = 100 + days * DAY_MS;
        let lines = format!("{{\"order\":[1,10,100,\"o\"]}}\n{{\"view\":[2,20,{later}]}}\n{{\"ask\":0,\"user\":1}}\n");
        written(&lines, &["--chain", "buy_again"]).expect("it runs")
    };
    assert_eq!(list(364), "{\"user\":0,\"list\":[10]}\n");
    assert_eq!(list(366), "{\"user\":0,\"list\":[]}\n");
}

#[test]
fn lines_of_an_order_with_another_user_or_time_are_orders_of_their_own() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let later = 100 + 200 * DAY_MS;
    let lines = format!(
        "{{\"order\":[1,10,100,\"o\"]}}\n{{\"order\":[2,20,100,\"o\"]}}\n{{\"order\":[1,30,{later},\"o\"]}}\n\
         {{\"ask\":0,\"user\":2}}\n{{\"view\":[3,40,{}]}}\n{{\"ask\":1,\"user\":1}}\n",
        later + 200 * DAY_MS
    );
    let written = written(&lines, &["--chain", "buy_again"]).expect("it runs");
    assert_eq!(written, "{\"user\":0,\"list\":[20]}\n{\"user\":1,\"list\":[30]}\n");
}

#[test]
fn keys_stay_as_they_are_written_and_a_line_that_is_not_utf_8_is_named() {
    let keys = ["12345678901234567890123", "1.0", "{\"b\": [1, 2], \"a\": 1e400}"];
    let asks = keys.map(|key| format!("{{\"ask\": {key} , \"user\": 1}}\n")).concat();
    let expected = keys.map(|key| format!("{{\"user\":{key},\"list\":[]}}\n")).concat();
    assert_eq!(written(&asks, &["--chain", "co_views"]).expect("it runs"), expected);
    let error = written(b"{\"view\":[1,10,100]}\n{\"view\":[\"\xff\",10,100]}\n", &[]).expect_err("it is not UTF-8");
    let error = format!("{error:#}");
    assert!(error.starts_with("line 2 of ") && error.contains("it is not UTF-8"), "{error}");
}

#[test]
fn numbers_stay_numbers_and_a_bad_line_is_named() {
    let run = |stream: &str| written(stream, &["--chain", "co_views"]);
    let views = "{\"view\":[1,10,100]}\n{\"view\":[1,20,110]}\n\n{\"view\":[\"b\",10,150]}\n";
    let written =
        run(&format!("{views}{{\"ask\":{{\"n\":1}},\"user\":\"b\"}}\n{{\"ask\":null,\"user\":9}}")).expect("it runs");
    assert_eq!(written, "{\"user\":{\"n\":1},\"list\":[20]}\n{\"user\":null,\"list\":[]}\n");
    let error = format!("{:#}", run(&format!("{views}{{\"view\":[1,2]}}\n")).expect_err("the line is wrong"));
    assert!(error.starts_with("line 5 of ") && error.contains("it is not one of"), "{error}");
}

#[test]
fn a_chain_switches_its_models_on() {
    let lines = "{\"order\":[1,10,100,\"o\"]}\n{\"view\":[1,10,110]}\n{\"ask\":1,\"user\":1}\n{\"ask\":2,\"user\":2}\n";
    assert!(!config().rules.buy_again.enabled);
    let bought = written(lines, &["--chain", "buy_again"]).expect("it runs");
    assert_eq!(bought, "{\"user\":1,\"list\":[10]}\n{\"user\":2,\"list\":[]}\n");
    // The factor model has too little to learn from, and the next source fills the list.
    let both = written(lines, &["--chain", "als,best_sellers"]).expect("it runs");
    assert_eq!(both, "{\"user\":1,\"list\":[]}\n{\"user\":2,\"list\":[10]}\n");
    let error = written(lines, &["--chain", "buy_again,magic"]).expect_err("there is no such source");
    assert!(
        error.to_string().contains("co_views, buy_again, als, content, best_sellers_for_you, best_sellers"),
        "{error:#}"
    );
}
