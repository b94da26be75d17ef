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
