//! A replay of files: the output is the same for any workers and batches, and at every step the lists equal a plain
//! recomputation of the records that count by then.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use dataflow::rules::{
    BuyAgain, CoViews, DAY_MS, Deleted, EventRules, Features, PurchaseSource, RecommendationRule, Rules, SessionRules,
    Shadow,
};
use dataflow::tables::Placed;
use dataflow::time::{Millis, Time};
use harness::Dice;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;
use tempfile::TempDir;
use vitrine::commands::replay::Job;
use vitrine::config::{Config, Flag, Request};

use crate::given::{Domain, In, Update, World};
use crate::plain::Shelves;

/// 2024-03-01T00:00:00Z.
const START: Time = 1_709_251_200_000;
const WINDOW_DAYS: u64 = 2;
const RULES: Rules = Rules {
    list_size: 3,
    history_depth: 200,
    history_ms: 3 * DAY_MS,
    window_ms: WINDOW_DAYS * DAY_MS,
    purchases: PurchaseSource::Orders,
    categories_max: 3,
    items_min: 0,
    deleted: Deleted::InHistories,
    missing_is_deleted: true,
    recommendations: RecommendationRule::BestSellersForYou,
    co_views: CoViews::OFF,
    buy_again: BuyAgain::OFF,
    features: Features::OFF,
    sessions: SessionRules { events_max: 1000 },
    events: EventRules::OFF,
    shadow: Shadow::OFF,
};
const DOMAIN: Domain = Domain { users: 6, products: 12, categories: 3, orders: 60 };
const STORIES: u64 = 6;

/// The start, then a day each, and an odd end.
fn steps() -> Vec<Time> {
    (0..5).map(|day| START + day * DAY_MS).chain([START + 4 * DAY_MS + 12_345]).collect()
}

/// About the time at which event `nth` of `all` is due, often at the very edge of a step or of a window.
fn time(dice: &mut Dice, nth: usize, all: usize) -> Millis {
    let due = START - DAY_MS + 7 * DAY_MS * nth as u64 / all as u64;
    let late = due - dice.below(12_u64) * 3_600_000;
    match dice.below(3) {
        0 => late,
        _ => (late / DAY_MS) * DAY_MS + dice.below(3_u64) - 1,
    }
}

/// What happens, and the files that say so.
#[derive(Default)]
struct Story {
    /// For each update the time from which it counts.
    updates: Vec<(Time, Update)>,
    files: BTreeMap<&'static str, String>,
    refused: usize,
}

impl Story {
    fn random(seed: u64) -> Story {
        let (mut dice, mut story) = (Dice::new(seed), Story::default());
        story.events(&mut dice, "views.jsonl", 120);
        story.events(&mut dice, "product-views.json", 40);
        story.events(&mut dice, "removals.jsonl", 30);
        let catalogue = (0..DOMAIN.products).filter(|product| product % 4 != 3);
        let catalogue: Vec<_> = catalogue.map(|product| (product, dice.below(DOMAIN.categories))).collect();
        story.catalogue(&catalogue);
        let mut orders = Vec::new();
        for order in 0..DOMAIN.orders {
            let at = time(&mut dice, order, DOMAIN.orders) - dice.below(3_u64) * DAY_MS;
            orders.push((order, dice.below(DOMAIN.users), dice.below(DOMAIN.products), at));
        }
        story.orders(&orders);
        story
    }

    fn events(&mut self, dice: &mut Dice, file: &'static str, all: usize) {
        let mut service = 0;
        for nth in 0..all {
            let (user, product) = (dice.below(DOMAIN.users), dice.below(DOMAIN.products));
            let at = time(dice, nth, all);
            if dice.below(20) == 0 {
                self.file(file, "{\"event\":\"ProductView\",\"userid\":\"user 1\"}");
                // What comes after the last step is not looked at any more.
                self.refused += usize::from(service <= *steps().last().expect("a last step"));
                continue;
            }
            service = at.max(service);
            let update = self.event(file, user, product, at);
            self.updates.push((service, update));
        }
    }

    /// Writes one event.
    fn event(&mut self, file: &'static str, user: usize, product: usize, at: Millis) -> Update {
        let shop = |event: &str| {
            let seconds = at as f64 / 1000.0;
            format!(
                "{{\"event\":\"{event}\",\"userid\":\"user {user}\",\"properties\":{{\"productid\":\"product {product}\"}},\
                 \"timestamp\":{seconds:.3}}}"
            )
        };
        let (line, update) = match file {
            "removals.jsonl" => (shop("ProductRemoved"), Update::Removal { user, product, at }),
            "views.jsonl" => (shop("ProductView"), Update::View { user, product, at }),
            _ => (
                format!(
                    "{{\"event_type\":\"view\",\"user_id\":\"user {user}\",\"product_id\":\"product {product}\",\
                     \"timestamp\":{at}}}"
                ),
                Update::View { user, product, at },
            ),
        };
        self.file(file, &line);
        update
    }

    fn catalogue(&mut self, rows: &[(usize, usize)]) {
        self.file("product_catalog.csv", "product_id,product_name,category");
        for (product, category) in rows {
            self.file("product_catalog.csv", &format!("product {product},A thing,category {category}"));
            self.updates.push((0, Update::Catalogue { product: *product, category: In::Category(*category), diff: 1 }));
        }
    }

    fn orders(&mut self, rows: &[(usize, usize, usize, Millis)]) {
        self.file("orders.csv", "order_id,user_id,product_id,quantity,created_at");
        for &(order, user, product, created_at) in rows {
            self.file("orders.csv", &format!("{order},user {user},product {product},1,{created_at}"));
            self.updates
                .push((created_at, Update::Order { order, user, placed: Placed::new(created_at, true), diff: 1 }));
            self.updates.push((created_at, Update::Line { order, product, diff: 1 }));
        }
    }

    fn file(&mut self, name: &'static str, line: &str) {
        *self.files.entry(name).or_default() += &format!("{line}\n");
    }

    /// The files in a directory, dated after everything in them.
    fn write(&self) -> TempDir {
        let dir = TempDir::with_prefix("vitrine-past-").expect("a temporary directory");
        for (name, text) in &self.files {
            let path = dir.path().join(name);
            fs::write(&path, text).expect("a file is written");
            let file = File::options().write(true).open(&path).expect("a file that was written");
            let modified = UNIX_EPOCH + Duration::from_millis(START + 30 * DAY_MS);
            file.set_modified(modified).expect("a file can be dated");
        }
        dir
    }

    /// Every row as of a step, recomputed.
    fn expected(&self, world: &World, step: Time) -> Vec<Row> {
        let shown = self.updates.iter().filter(|(time, _)| *time <= step).map(|(_, update)| *update);
        let shelves = Shelves::new(world, shown, step, &RULES);
        let product = |key| world.dictionary.product_name(key).expect("a known product").to_string();
        let category = |key| world.dictionary.category_name(key).expect("a known category").to_string();
        let mut rows = Vec::new();
        let sellers: BTreeMap<Option<String>, _> =
            shelves.best_sellers.iter().map(|(which, list)| (which.map(&category), list)).collect();
        for (id, list) in sellers {
            for (rank, (key, buyers)) in (1..).zip(list) {
                let list = if id.is_some() { "category" } else { "bestsellers" };
                let (id, list, product) = (id.clone(), list.to_owned(), product(*key));
                rows.push(Row { as_of: step, list, id, rank, product, viewed_at: None, buyers: Some(*buyers) });
            }
        }
        for user in 0..DOMAIN.users {
            for (rank, (key, at)) in (1..).zip(&shelves.histories[&world.users[user]]) {
                let (id, list, product) = (Some(format!("user {user}")), "history".to_owned(), product(*key));
                rows.push(Row { as_of: step, list, id, rank, product, viewed_at: Some(*at), buyers: None });
            }
        }
        rows
    }
}

/// A row of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    as_of: u64,
    list: String,
    id: Option<String>,
    rank: u64,
    product: String,
    viewed_at: Option<u64>,
    buyers: Option<u64>,
}

fn from_json(text: &str) -> Vec<Row> {
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).expect("a line of JSON");
        let text = |name: &str| row[name].as_str().map(str::to_owned);
        Row {
            as_of: row["as_of"].as_u64().expect("a time"),
            list: text("list").expect("a list"),
            id: text("id"),
            rank: row["rank"].as_u64().expect("a rank"),
            product: text("product").expect("a product"),
            viewed_at: row["viewed_at"].as_u64(),
            buyers: row["buyers"].as_u64(),
        }
    };
    text.lines().map(row).collect()
}

fn from_parquet(path: &Path) -> Vec<Row> {
    let reader = SerializedFileReader::new(File::open(path).expect("the file is there")).expect("a Parquet file");
    let text = |field: &Field| match field {
        Field::Str(text) => Some(text.clone()),
        Field::Null => None,
        other => panic!("{other} is no text"),
    };
    let number = |field: &Field| match field {
        Field::TimestampMillis(number) | Field::Long(number) => Some(u64::try_from(*number).expect("not negative")),
        Field::Int(number) => Some(u64::try_from(*number).expect("not negative")),
        Field::Null => None,
        other => panic!("{other} is no number"),
    };
    let row = |row: parquet::record::Row| {
        let columns: Vec<_> = row.get_column_iter().collect();
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["as_of", "list", "id", "rank", "product", "viewed_at", "buyers", "weight"]);
        Row {
            as_of: number(columns[0].1).expect("a time"),
            list: text(columns[1].1).expect("a list"),
            id: text(columns[2].1),
            rank: number(columns[3].1).expect("a rank"),
            product: text(columns[4].1).expect("a product"),
            viewed_at: number(columns[5].1),
            buyers: number(columns[6].1),
        }
    };
    reader.get_row_iter(None).expect("rows").map(|read| row(read.expect("a row"))).collect()
}

fn config(dir: &Path) -> Config {
    let dir = dir.to_str().expect("a temporary directory has a plain name");
    let key = "03".repeat(16);
    let rules = [("rules.list_size", "3"), ("rules.window_days", "2"), ("rules.missing_products", "deleted")];
    let set = [("files.dir", dir), ("dataflow.id_key", &key), ("rules.history_days", "3")].into_iter().chain(rules);
    let flags = set.map(|(key, value)| Flag { name: "--set".into(), key: key.into(), value: value.into() });
    Config::load(&Request { flags: flags.collect(), ..Request::default() }).expect("the test's settings are sound")
}

/// Replays into a directory; returns its files.
fn replay(data: &Path, out: &Path, workers: usize, batch: usize) -> BTreeMap<String, Vec<u8>> {
    let job = Job { steps: steps(), out: out.to_owned(), workers, batch };
    job.run(&config(data)).expect("the replay comes to its end");
    let files = fs::read_dir(out).expect("the directory is there").map(|entry| {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a plain name");
        (name, fs::read(entry.path()).expect("a file"))
    });
    files.collect()
}

/// The names of a step's files.
fn names(step: Time) -> [String; 2] {
    let time = chrono::DateTime::from_timestamp_millis(step.cast_signed()).expect("a time");
    ["jsonl", "parquet"].map(|ending| format!("lists-{}.{ending}", time.format("%Y%m%dT%H%M%S%.3fZ")))
}

fn compare(story: &Story, world: &World, out: &Path) {
    for step in steps() {
        let [json, parquet] = names(step);
        let expected = story.expected(world, step);
        let found = from_json(&fs::read_to_string(out.join(json)).expect("the step is written"));
        assert_eq!(found, expected, "at {step}");
        assert_eq!(from_parquet(&out.join(parquet)), expected, "at {step}");
    }
}

#[test]
fn a_replay_is_the_recomputation_at_every_step_and_the_same_bytes_however_it_is_run() {
    let world = World::new(DOMAIN);
    for seed in 0..STORIES {
        let story = Story::random(seed);
        let (data, out) = (story.write(), TempDir::new().expect("a temporary directory"));
        let first = replay(data.path(), out.path(), 1, 16_384);
        compare(&story, &world, out.path());
        let letters = first.get("dead-letters.jsonl").map_or(0, |text| text.split(|byte| *byte == b'\n').count() - 1);
        assert_eq!(letters, story.refused, "story {seed}");
        assert_eq!(first.len(), 2 * steps().len() + usize::from(story.refused > 0));
        assert!(replay(data.path(), out.path(), 1, 16_384) == first, "again, story {seed}");
        for (workers, batch) in [(1, 1), (2, 7), (4, 1), (4, 1000)] {
            let out = TempDir::new().expect("a temporary directory");
            let files = replay(data.path(), out.path(), workers, batch);
            assert!(files == first, "{workers} workers, batches of {batch}, story {seed}");
        }
    }
}

#[test]
fn a_step_holds_what_happened_up_to_its_very_millisecond() {
    let (world, mut story) = (World::new(DOMAIN), Story::default());
    let (second, window) = (START + DAY_MS, WINDOW_DAYS * DAY_MS);
    // In the order of the file: just at a step, just after it, and one that came late and counts when it came.
    for (product, at, service) in [
        (0, second, second),
        (1, second + 1, second + 1),
        (2, START, second + 1),
        (3, second + DAY_MS, second + DAY_MS),
    ] {
        let update = story.event("views.jsonl", 0, product, at);
        story.updates.push((service, update));
    }
    story.catalogue(&[(0, 0), (1, 0), (2, 1)]);
    story.orders(&[
        (0, 0, 0, START),
        (1, 1, 0, START + 1),
        (2, 2, 1, START - window),
        (3, 3, 1, START - window + 1),
        (4, 4, 2, START + 4 * DAY_MS + 12_345),
        (5, 5, 2, START + 4 * DAY_MS + 12_346),
    ]);
    let (data, out) = (story.write(), TempDir::new().expect("a temporary directory"));
    replay(data.path(), out.path(), 2, 1);
    compare(&story, &world, out.path());
    let counts = |step: Time| {
        let rows = from_json(&fs::read_to_string(out.path().join(&names(step)[0])).expect("the step is written"));
        let sold = rows.iter().filter(|row| row.list == "bestsellers");
        let sold: Vec<_> = sold.map(|row| (row.product.clone(), row.buyers.expect("buyers"))).collect();
        let seen = rows.iter().filter(|row| row.list == "history").count();
        (sold, seen)
    };
    let sold = |products: &[(usize, u64)]| -> Vec<(String, u64)> {
        products.iter().map(|(product, buyers)| (format!("product {product}"), *buyers)).collect()
    };
    assert_eq!(counts(START).1, 0);
    assert_eq!(counts(second), (sold(&[(0, 2)]), 1), "the orders of the start and just after it, one view");
    assert_eq!(counts(second + DAY_MS), (sold(&[(0, 1)]), 3), "the first order has left, and a list holds three");
    assert_eq!(counts(START + 4 * DAY_MS + 12_345).0, sold(&[(2, 1)]), "the order of the last step, not the later one");
}
