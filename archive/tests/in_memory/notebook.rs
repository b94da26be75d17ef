//! The notebook, run from top to bottom on a small archive: its figures are those of a plain recount of the events.
//!
//! The archive is left as an interrupted merging leaves it: records are in small files and in merged ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use archive::compact::compact;
use archive::status::SharedStatus;
use archive::store::{Dir, Store as _};
use archive::{Archiver, Now, Settings, Share};
use chrono::DateTime;
use harness::Dice;
use serde_json::{Value, json};

use crate::memory_log::{MemoryLog, START_MS};

const NOTEBOOKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../notebooks");
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const KINDS: [&str; 7] = ["view", "view", "view", "click", "add_to_cart", "purchase", "search"];

/// An event as the recount knows it.
struct Happened {
    at: u64,
    user: String,
    kind: &'static str,
    products: Vec<String>,
}

/// Events of 15 days, 200 in an hour of each, in two partitions, with the payloads that state them.
fn events() -> (Vec<Happened>, Vec<Vec<(u64, String)>>) {
    let (mut dice, mut events, mut payloads) = (Dice::new(41), Vec::new(), vec![Vec::new(), Vec::new()]);
    for n in 0..3000 {
        let recorded = START_MS + n / 200 * DAY_MS + n % 200 * 15_000;
        let (user, kind) = (format!("user-{}", dice.below(40)), KINDS[n as usize % KINDS.len()]);
        // What is viewed changes with time.
        let product = |dice: &mut Dice| format!("product-{}", dice.below(12) + n / 600);
        let mut products = if kind == "search" { vec![] } else { vec![product(&mut dice)] };
        let mut event = json!({"user_id": user, "event_type": kind});
        if kind == "purchase" && n % 2 == 0 {
            products.push(product(&mut dice));
            products.dedup();
            event["items"] = products.iter().map(|product| json!({"product_id": product, "quantity": 2})).collect();
        } else if let [product] = products.as_slice() {
            event["product_id"] = product.as_str().into();
        }
        let at = if n % 5 == 0 { recorded } else { recorded - dice.below(2 * HOUR_MS) };
        if at != recorded {
            event["timestamp"] = at.into();
        }
        let partition = n as usize % 2;
        if n % 50 == 7 {
            payloads[partition].push((recorded, "no event".to_owned()));
        }
        payloads[partition].push((recorded, event.to_string()));
        events.push(Happened { at, user, kind, products });
    }
    (events, payloads)
}

/// Archives the records into small files, and merges them without removing the small ones.
fn archive(dir: &Path, payloads: &[Vec<(u64, String)>]) {
    let (store, log) = (Arc::new(Dir::new(dir)), MemoryLog::of(payloads));
    let settings = Settings { file_bytes_max: 4000, rate_mb_max: 0, ..Settings::default() };
    let mut archiver = Archiver::new(settings, Share::ALL, store.clone(), log, SharedStatus::default());
    for second in 0..400 {
        archiver.turn(Now { since_start: Duration::from_secs(second * 400), wall_ms: START_MS + 20 * DAY_MS });
    }
    assert!(archiver.flush(|| true));
    drop(archiver);
    let names = || store.list("").expect("a list").into_iter().map(|object| object.name).collect::<BTreeSet<_>>();
    let small = names().into_iter().map(|name| (store.get(&name).expect("a file"), name)).collect::<Vec<_>>();
    compact(&*store, &Settings::default()).expect("files are merged");
    assert!(names().len() < small.len(), "nothing was merged");
    for (bytes, name) in small {
        store.put(&name, bytes.clone()).expect("a file");
        if name.contains("/0-0-") {
            // A merging that was killed before its closing file.
            let part = name.replace(".parquet", "9.part.parquet").replace(".part9.part", "9.part");
            store.put(&part, bytes).expect("a file");
        }
    }
}

/// Writes lists as a replay does, of two steps.
fn write_lists(dir: &Path) {
    let rows = "values ('2026-12-01 00:00:00+00'::timestamptz, 'bestsellers', 1, 'a'), \
                ('2026-12-01 00:00:00+00', 'bestsellers', 2, 'b'), ('2026-12-01 00:00:00+00', 'category', 1, 'c'), \
                ('2026-12-02 00:00:00+00', 'bestsellers', 1, 'b')";
    write_parquet(&dir.join("lists-1.parquet"), "as_of, list, rank, product", rows);
}

/// Writes features as an export does, of two users.
fn write_features(file: &Path) {
    let none = "map([]::varchar[], []::bigint[])";
    let rows = format!(
        "values ('ada', map(['cup', 'lamp'], [2, 1]::bigint[]), map(['cup'], [1]::bigint[])), ('ben', {none}, {none})"
    );
    write_parquet(file, "user_id, user_product_views, user_product_purchases", &rows);
}

/// Writes rows with these columns.
fn write_parquet(file: &Path, columns: &str, rows: &str) {
    let script = format!("import duckdb; duckdb.sql(\"copy (from ({rows}) rows({columns})) to '{}'\")", file.display());
    let output = Command::new(harness::python_program("python")).args(["-c", &script]).output();
    let output = output.expect("Python starts");
    assert!(output.status.success(), "{}", harness::stderr(&output));
}

fn figures(archive: &Path, lists: &Path, features: &Path) -> Value {
    let output = Command::new(harness::python_program("python"))
        .args(["run.py", "shop.ipynb"])
        .current_dir(NOTEBOOKS)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("VITRINE_ARCHIVE", archive)
        .env("VITRINE_LISTS", lists)
        .env("VITRINE_FEATURES", features)
        .output()
        .expect("Python starts");
    assert!(output.status.success(), "{}", harness::stderr(&output));
    serde_json::from_str(&harness::stdout(&output)).expect("the figures as JSON")
}

/// Counts by key.
fn count<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, u64> {
    let mut counts = BTreeMap::new();
    keys.for_each(|key| *counts.entry(key).or_default() += 1);
    counts
}

fn formatted(at: u64, format: &str) -> String {
    DateTime::from_timestamp_millis(at.cast_signed()).expect("a time").format(format).to_string()
}

/// Products with the number of their buyers, as the notebook orders them.
fn best_sellers(events: &[Happened]) -> Vec<(String, u64)> {
    let purchases = events.iter().filter(|event| event.kind == "purchase");
    let buyers: BTreeSet<(&String, &String)> =
        purchases.flat_map(|event| event.products.iter().map(|product| (product, &event.user))).collect();
    let mut best: Vec<(String, u64)> =
        count(buyers.into_iter().map(|(product, _)| product.clone())).into_iter().collect();
    best.sort_by_key(|(product, buyers)| (u64::MAX - buyers, product.clone()));
    best.truncate(5);
    best
}

fn buyers_by_day(events: &[Happened], best: &[(String, u64)]) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut days: BTreeMap<String, BTreeMap<String, BTreeSet<&str>>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.kind == "purchase") {
        let day = days.entry(formatted(event.at, "%Y-%m-%d")).or_default();
        for product in event.products.iter().filter(|product| best.iter().any(|(name, _)| name == *product)) {
            day.entry(product.clone()).or_default().insert(&event.user);
        }
    }
    let mut counts: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (day, products) in days {
        let sizes = products.into_iter().map(|(product, users)| (product, users.len() as u64));
        counts.insert(day, sizes.collect());
    }
    counts
}

/// Half the sum of the differences between the shares of two weeks.
fn drift(events: &[Happened]) -> f64 {
    let views: Vec<(u64, &String)> =
        events.iter().filter(|event| event.kind == "view").map(|event| (event.at, &event.products[0])).collect();
    let until = views.iter().map(|(at, _)| *at).max().expect("a view");
    let week = |from: u64, to: u64| {
        let within = views.iter().filter(|(at, _)| (from + 1..=to).contains(at)).map(|(_, product)| *product);
        let counts = count(within);
        let all: u64 = counts.values().sum();
        counts.into_iter().map(|(product, count)| (product, count as f64 / all as f64)).collect::<BTreeMap<_, _>>()
    };
    let (before, after) = (week(until - 14 * DAY_MS, until - 7 * DAY_MS), week(until - 7 * DAY_MS, until));
    let products: BTreeSet<&&String> = before.keys().chain(after.keys()).collect();
    let share = |week: &BTreeMap<&String, f64>, product: &String| week.get(&product).copied().unwrap_or_default();
    products.into_iter().map(|product| (share(&before, product) - share(&after, product)).abs()).sum::<f64>() / 2.0
}

#[test]
fn the_notebook_shows_what_a_plain_recount_shows() {
    let (events, payloads) = events();
    let (place, lists) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    archive(place.path(), &payloads);
    write_lists(lists.path());
    let features = lists.path().join("features.parquet");
    write_features(&features);
    let figures = figures(place.path(), lists.path(), &features);

    assert_eq!(figures["events"], json!(count(events.iter().map(|event| event.kind))));
    let views = events.iter().filter(|event| event.kind == "view");
    let hours = count(views.map(|event| formatted(event.at, "%Y-%m-%dT%H:00:00")));
    assert_eq!(figures["views_per_hour"], json!(hours));
    let users: BTreeSet<(&str, &String)> = events.iter().map(|event| (event.kind, &event.user)).collect();
    let mut funnel = count(users.into_iter().map(|(kind, _)| kind));
    funnel.remove("search");
    assert_eq!(figures["funnel"], json!(funnel));
    let best = best_sellers(&events);
    assert_eq!(figures["best_sellers"], json!(best));
    let mut days = buyers_by_day(&events, &best);
    let found: BTreeMap<String, BTreeMap<String, u64>> =
        serde_json::from_value(figures["buyers_by_day"].clone()).expect("buyers by day");
    days.retain(|day, products| !products.is_empty() || found.contains_key(day));
    assert_eq!(found, days);
    assert_eq!(figures["ranks"], json!({"2026-12-01T00:00:00": ["a", "b"], "2026-12-02T00:00:00": ["b"]}));
    assert_eq!(figures["users"], json!({"ada": [3, 1], "ben": [0, 0]}));
    let (expected, drift) = (drift(&events), figures["drift"].as_f64().expect("a number"));
    assert!(expected > 0.1 && (drift - expected).abs() < 1e-9, "{drift} is not {expected}");
}

#[test]
fn the_notebook_is_committed_without_outputs() {
    let text = std::fs::read_to_string(format!("{NOTEBOOKS}/shop.ipynb")).expect("the notebook");
    let notebook: Value = serde_json::from_str(&text).expect("JSON");
    let cells = notebook["cells"].as_array().expect("cells");
    let code = cells.iter().filter(|cell| cell["cell_type"] == "code").collect::<Vec<_>>();
    assert!(
        code.len() > 4 && code.iter().all(|cell| cell["outputs"] == json!([]) && cell["execution_count"].is_null())
    );
}
