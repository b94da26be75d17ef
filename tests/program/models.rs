//! `vitrine train`, `vitrine model` and `vitrine evaluate --from --until` on files.

use std::fmt::Write as _;
use std::path::Path;

use events::view_json;
use harness::{http, wait_until};
use serde_json::Value;
use vitrine::clock::wall_ms;

use crate::shop::{self, SOON};
use crate::vitrine;

/// Noon of 20 November 2026.
const NOON: &str = "2026-11-20T12:00:00Z";

/// The views of 240 users in 12 groups, who view five of the eight products of their group: step, user, product.
fn views() -> impl Iterator<Item = (u64, u64, u64)> {
    (0..5).flat_map(|step| (0..240).map(move |user| (step, user, (user % 12) * 8 + (user / 12 + step * 3) % 8)))
}

/// The views a minute apart, on two days.
fn write_views(dir: &Path) {
    let mut text = String::new();
    for (step, user, product) in views() {
        let (day, minute) = (if step < 4 { 19 } else { 20 }, step * 5 + user / 60);
        let line = format!(
            r#"{{"user_id":"u{user}","product_id":"p{product}","event_type":"view","timestamp":"2026-11-{day}T10:{minute:02}:{:02}Z"}}"#,
            user % 60
        );
        writeln!(text, "{line}").expect("a text takes all");
    }
    std::fs::write(dir.join("views.jsonl"), text).expect("the file can be written");
}

/// The same views within the last hour.
fn write_recent_views(dir: &Path) {
    let at = |step: u64, user: u64| wall_ms() - 3_600_000 + step * 300_000 + user;
    let line = |(step, user, product): (u64, u64, u64)| {
        view_json(&format!("u{user}"), &format!("p{product}"), at(step, user), "m", "web") + "\n"
    };
    std::fs::write(dir.join("views.jsonl"), views().map(line).collect::<String>()).expect("the file can be written");
}

struct Shop {
    dir: tempfile::TempDir,
}

impl Shop {
    fn new() -> Shop {
        let dir = tempfile::tempdir().expect("a directory can be made");
        std::fs::create_dir(dir.path().join("data")).expect("a directory can be made");
        write_views(&dir.path().join("data"));
        Shop { dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().expect("a name").to_owned()
    }

    /// Runs a command on the shop's files; returns its exit code, and what it wrote.
    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let files = format!("files.dir={}", self.path("data"));
        // The last value of a setting counts.
        let is_given = args.iter().any(|flag| flag.starts_with("models.als.factors="));
        let factors: &[&str] = if is_given { &[] } else { &["--set", "models.als.factors=16"] };
        let out = vitrine(&[args, &["--set", &files], factors].concat());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (out.status.code().expect("it ended"), text(out.stdout), text(out.stderr))
    }

    fn train(&self, more: &[&str]) -> (i32, String, String) {
        let dir = self.path("models");
        self.run(&[&["train", "--dir", &dir, "--until", NOON, "--set", "models.als.keep=2"], more].concat())
    }

    fn model(&self, args: &[&str]) -> (i32, String, String) {
        let dir = self.path("models");
        self.run(&[&["model"], args, &["--dir", &dir]].concat())
    }

    /// A running server with the same views, which uses the models.
    fn serve(&self, settings: &[(&str, &str)]) -> shop::Shop {
        let dir = self.path("models");
        let own = [
            ("models.als.enabled", "on"),
            ("models.als.dir", dir.as_str()),
            ("models.als.factors", "16"),
            ("recommendations.home", "als,best_sellers"),
        ];
        shop::Shop::open(&[&own, settings].concat(), write_recent_views)
    }

    fn bytes(&self, version: u64) -> Vec<u8> {
        std::fs::read(self.file(version)).expect("the model is there")
    }

    fn file(&self, version: u64) -> String {
        self.path(&format!("models/als-{version:012}.model"))
    }
}

#[test]
fn models_are_trained_listed_chosen_and_rolled_back() {
    let shop = Shop::new();
    let (code, out, errors) = shop.train(&[]);
    assert_eq!(code, 0, "{errors}");
    assert!(out.contains("240 users and 96 products have histories") && out.contains("model 1 is in use"), "{out}");
    let (code, _, errors) = shop.train(&["--threads", "3", "--set", "dataflow.workers=2"]);
    assert_eq!((code, shop.bytes(1) == shop.bytes(2)), (0, true), "the same input, other threads: {errors}");
    shop.train(&["--set", "models.als.seed=9"]);
    let (_, out, _) = shop.model(&["ls"]);
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines.len() == 3 && lines[2].contains("in use") && lines[2].contains("2026-11-20"), "two are kept: {out}");
    assert_eq!(shop.model(&["rollback"]).1, "model 2 is in use\n");
    let (_, card, _) = shop.model(&["show"]);
    let card: Value = serde_json::from_str(&card).expect("a card is JSON");
    assert_eq!(
        (card["seed"].as_u64(), card["users"].as_u64(), card["factors"].as_u64()),
        (Some(1), Some(240), Some(16))
    );
    assert!(card["metrics"]["recall@10"].as_f64() > Some(0.5), "{card}");
    assert_eq!(shop.model(&["use", "3"]).1, "model 3 is in use\n");
    let (code, _, errors) = shop.model(&["use", "1"]);
    assert!(code == 1 && errors.contains("has no model 1"), "{errors}");
}

#[test]
fn what_is_wrong_with_a_training_or_a_file_is_said_and_the_model_in_use_stays() {
    let shop = Shop::new();
    let (code, _, errors) = shop.train(&["--set", "models.als.pairs_min=100000"]);
    assert!(code == 1 && errors.contains("less than the 100000 that a model needs"), "{errors}");
    let (code, _, errors) = shop.model(&["show"]);
    assert!(code == 1 && errors.contains("has no model"), "{errors}");
    shop.train(&[]);
    shop.train(&["--set", "models.als.seed=2"]);
    let torn = shop.bytes(2);
    std::fs::write(shop.file(2), &torn[..torn.len() / 2]).expect("the file can be written");
    let (code, card, errors) = shop.model(&["show"]);
    assert!(code == 0 && card.contains("\"seed\": 1"), "{card}{errors}");
    assert!(errors.contains("als-000000000002.model is refused: it is torn"), "{errors}");
    let (code, _, errors) = shop.model(&["use", "2"]);
    assert!(code == 1 && errors.contains("it is torn"), "{errors}");
    let (code, _, errors) = shop.train(&["--set", "models.als.memory_max=1048576", "--set", "models.als.factors=512"]);
    assert!(code == 1 && errors.contains("bytes of memory, more than the 1048576"), "{errors}");
}

#[test]
fn an_evaluation_asks_before_it_learns_and_writes_a_page() {
    let shop = Shop::new();
    let page = shop.path("report.html");
    let evaluate = |from: &str, until: &str, chain: &str| {
        let flags = ["evaluate", "--from", from, "--until", until, "--out", &page, "--chain", chain];
        shop.run(&[&flags[..], &["--set", "models.als.pairs_min=10"]].concat())
    };
    let (code, out, errors) = evaluate("2026-11-20", NOON, "co_views,als,best_sellers");
    assert_eq!(code, 0, "{errors}");
    let row = |name: &str| -> f64 {
        let line = out.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {out}"));
        line[name.len()..].split_whitespace().next().and_then(|recall| recall.parse().ok()).expect("a number")
    };
    // Four products of the group of eight were viewed, and the fifth is one of four left.
    assert!(row("co_views") > 0.9 && row("als") > 0.5 && row("the chain") >= row("co_views"), "{out}");
    assert_eq!(row("best_sellers"), 0.0, "nothing was bought");
    let html = std::fs::read_to_string(&page).expect("the page was written");
    assert!(html.contains("<dt>Asks</dt><dd>240</dd>") && html.contains("<svg"), "{html}");
    let (code, _, errors) = evaluate("2026-11-21", "2026-11-22", "co_views");
    assert!(code == 1 && errors.contains("nothing to measure"), "{errors}");
    let (code, _, errors) = evaluate("2026-11-20", NOON, "co_views,magic");
    assert!(code == 1 && errors.contains("there is no source \"magic\""), "{errors}");
    assert_eq!(evaluate(NOON, "2026-11-20", "co_views").0, 1);
}

/// A line of a file of events: what happened on 20 November 2026 at this time of the day.
fn viewed(user: &str, product: &str, time: &str) -> String {
    let at = format!("2026-11-20T{time}Z");
    format!(r#"{{"user_id":"{user}","product_id":"{product}","event_type":"view","timestamp":"{at}"}}"#) + "\n"
}

/// What an evaluation of one source over some files found.
struct Evaluated {
    recall: f64,
    asks: String,
    repeated: String,
}

/// Evaluates a source over files from a time until 10:05.
fn evaluate(files: &[(&str, String)], source: &str, from: &str, more: &[&str]) -> Evaluated {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = |name: &str| dir.path().join(name).to_str().expect("a name").to_owned();
    files.iter().for_each(|(name, text)| std::fs::write(path(name), text).expect("the file can be written"));
    let (set, page) = (format!("files.dir={}", path("")), path("report.html"));
    let flags = ["evaluate", "--from", from, "--until", "2026-11-20T10:05:00Z", "--out", &page, "--chain", source];
    let out = vitrine(&[&flags[..], &["--set", &set], more].concat());
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
    let row = text.lines().find(|line| line.starts_with("the chain")).expect("a row of the chain");
    let recall = row["the chain".len()..].split_whitespace().next().expect("a measure").parse().expect("a number");
    let html = std::fs::read_to_string(page).expect("the page was written");
    let fact = |name: &str| {
        let (_, value) = html.split_once(name).unwrap_or_else(|| panic!("{name} in {html}"));
        value.split(['<', '>']).find(|text| text.parse::<u64>().is_ok()).expect("a number").to_owned()
    };
    Evaluated { recall, asks: fact("<dt>Asks"), repeated: fact("<dt>Views of products in") }
}

#[test]
fn an_evaluation_has_learned_each_view_before_the_next_one() {
    let views = [("A", "10:00:05.000"), ("X", "10:00:10.100"), ("X", "10:00:10.200")];
    let views: String = views.iter().map(|(product, time)| viewed("ada", product, time)).collect();
    let found = evaluate(&[("views.jsonl", views)], "co_views", "2026-11-20T10:00:06Z", &[]);
    assert_eq!((found.asks.as_str(), found.repeated.as_str()), ("1", "1"));
}

#[test]
fn an_evaluation_knows_an_order_that_came_just_before_the_view() {
    let views = viewed("ada", "A", "10:00:05.000") + &viewed("ada", "X", "10:00:10.900");
    for (time, recall) in [("10:00:10.100", 1.0), ("10:00:10.950", 0.0)] {
        let orders = format!("order_id,user_id,product_id,quantity,created_at\no1,zoe,X,1,2026-11-20T{time}Z\n");
        let files = [("views.jsonl", views.clone()), ("orders.csv", orders)];
        let found = evaluate(&files, "best_sellers", "2026-11-20T10:00:06Z", &[]);
        assert_eq!((found.asks.as_str(), found.recall), ("1", recall), "an order at {time}");
    }
}

#[test]
fn an_evaluation_goes_through_several_files_in_the_order_of_time() {
    let views = [
        ("z", "X", "09:00:00.000"),
        ("z", "Y", "09:00:01.000"),
        ("q", "Y", "09:00:03.000"),
        ("q", "Z", "09:00:04.000"),
        ("q2", "Y", "09:00:05.000"),
        ("q2", "Z", "09:00:06.000"),
        ("ada", "A", "09:59:00.000"),
        ("ada", "X", "10:00:10.900"),
    ];
    let views: String = views.iter().map(|(user, product, time)| viewed(user, product, time)).collect();
    let files = [("views.jsonl", views), ("product-views.json", viewed("ada", "Y", "10:00:10.100"))];
    let one_similar = ["--set", "models.co_views.similar=1"];
    let found = evaluate(&files, "co_views", "2026-11-20T10:00:00Z", &one_similar);
    assert_eq!((found.asks.as_str(), found.recall), ("2", 0.0), "the view of Y came before that of X");
}

#[test]
fn an_evaluation_passes_over_a_month_without_records() {
    let times = ["10:00:05.000", "10:00:10.100", "10:00:10.900", "10:02:00.000", "10:04:59.000"];
    let views: String = times.iter().zip(["A", "B", "C", "D", "E"]).map(|(time, of)| viewed("ada", of, time)).collect();
    let start = std::time::Instant::now();
    let found = evaluate(&[("views.jsonl", views)], "co_views", "2026-10-20T10:00:00Z", &[]);
    assert_eq!(found.asks, "4");
    // A tick for each second would take minutes.
    assert!(start.elapsed() < std::time::Duration::from_secs(60), "{:?}", start.elapsed());
}

#[test]
fn an_evaluation_of_a_stream_leaves_its_input_alone_and_refuses_ids_that_are_none() {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = |name: &str| dir.path().join(name).to_str().expect("a name").to_owned();
    let evaluate = |input: &str, output: &str| {
        let out = vitrine(&["evaluate", "--stream", &path(input), "--out", &path(output), "--chain", "co_views"]);
        (out.status.code().expect("it ended"), String::from_utf8(out.stderr).expect("UTF-8"))
    };
    let lines = "{\"view\": [\"ada\", \"lamp\", 1795132800000]}\n{\"ask\": 1, \"user\": \"ada\"}\n";
    std::fs::write(path("in.jsonl"), lines).expect("the file can be written");
    std::os::unix::fs::symlink(path("in.jsonl"), path("link.jsonl")).expect("a link can be made");
    std::fs::create_dir(path("sub")).expect("a directory can be made");
    for output in ["in.jsonl", "link.jsonl", "sub/../in.jsonl"] {
        let (code, errors) = evaluate("in.jsonl", output);
        assert!(code == 1 && errors.contains("is the input"), "{errors}");
        assert_eq!(std::fs::read_to_string(path("in.jsonl")).expect("it is there"), lines);
    }
    for input in ["missing.jsonl", "sub"] {
        let (code, errors) = evaluate(input, "out.jsonl");
        assert!(code == 1 && errors.contains("cannot be read"), "{errors}");
        assert!(!dir.path().join("out.jsonl").exists(), "nothing was read, and nothing is written");
    }
    assert_eq!(evaluate("in.jsonl", "out.jsonl").0, 0);
    std::fs::write(path("bad.jsonl"), "{\"view\": [\"\", \"lamp\", 5]}\n").expect("the file can be written");
    let (code, errors) = evaluate("bad.jsonl", "out.jsonl");
    assert!(code == 1 && errors.contains("bad.jsonl: the id of the user is empty"), "{errors}");
    std::fs::write(path("bad.jsonl"), "{\"view\": [\"ada\"]}\n").expect("the file can be written");
    let (_, errors) = evaluate("bad.jsonl", "out.jsonl");
    assert_eq!(errors.matches("at line 1 column").count(), 1, "{errors}");
}

/// The explained list of a user of the first group.
fn explained(server: &shop::Shop) -> Vec<Value> {
    let answer = http::get(&server.url("/v1/users/u0/for-you?explain=true"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["explain"].as_array().expect("explanations").clone()
}

/// The version that the first product of the list comes from.
fn version(server: &shop::Shop) -> Option<u64> {
    explained(server).first().and_then(|row| row["model_version"].as_u64())
}

fn status(server: &shop::Shop) -> Value {
    http::get(&server.url("/v1/status")).json()["als"].clone()
}

#[test]
fn the_server_uses_the_version_that_is_chosen_without_a_restart() {
    let shop = Shop::new();
    let server = shop.serve(&[("models.als.every_s", "0")]);
    assert_eq!((explained(&server), status(&server)["version"].as_u64()), (vec![], None), "there is no model");
    for (seed, expected) in [("models.als.seed=1", 1), ("models.als.seed=2", 2)] {
        let (code, _, errors) = shop.train(&["--set", seed]);
        assert_eq!(code, 0, "{errors}");
        wait_until(SOON, "the new version is used", || version(&server) == Some(expected));
    }
    let rows = explained(&server);
    // The user has viewed five of the eight products of its group.
    for row in &rows[..3] {
        assert!(["p2", "p5", "p7"].contains(&row["product"].as_str().expect("an id")), "{row}");
        assert!(row["source"] == "als" && row["fit"].as_f64() > Some(0.0) && row["model_version"] == 2, "{row}");
    }
    assert_eq!(shop.model(&["use", "1"]).0, 0);
    wait_until(SOON, "the version that was chosen is used", || version(&server) == Some(1));
    let metrics = http::get(&server.url("/metrics")).text();
    assert!(
        metrics.contains("vitrine_als_version 1.0") && metrics.contains("vitrine_als_trainings_total 0"),
        "{metrics}"
    );
    drop(server);

    // A file that is torn is refused by name, and the version before it is used.
    let torn = shop.bytes(2);
    assert_eq!(shop.model(&["use", "2"]).0, 0);
    std::fs::write(shop.file(2), &torn[..torn.len() / 2]).expect("the file can be written");
    let server = shop.serve(&[("models.als.every_s", "0")]);
    assert_eq!(version(&server), Some(1));
    let refused = status(&server)["refused"].as_str().expect("a version is refused").to_owned();
    assert!(refused.contains("als-000000000002.model is refused: it is torn"), "{refused}");
}

#[test]
fn the_server_trains_by_schedule_and_says_what_is_missing() {
    let shop = Shop::new();
    let server = shop.serve(&[("models.als.every_s", "1"), ("models.als.pairs_min", "100000")]);
    wait_until(SOON, "a training fails", || status(&server)["failed"].as_u64() >= Some(1));
    let failed = status(&server);
    let failure = failed["failure"].as_str().expect("it is said why");
    assert!(failure.contains("less than the 100000 that a model needs"), "{failure}");
    assert!(failed["version"].is_null() && failed["trained"] == 0, "{failed}");
    drop(server);
    let server = shop.serve(&[("models.als.every_s", "1")]);
    wait_until(SOON, "a model is trained and used", || {
        version(&server).is_some() && status(&server)["trained"].as_u64() >= Some(1)
    });
    assert!(status(&server)["failure"].is_null());
}
