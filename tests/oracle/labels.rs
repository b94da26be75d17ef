//! Files of features: an export, and a join with rows of labels, equal a plain recomputation of the records before each time,
//! whatever the workers and however many times are published together. Many rows and events have equal times, and events come
//! late, so a value from the future would show.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use dataflow::features::FEATURES;
use dataflow::ids::ProductKey;
use dataflow::point_in_time::Together;
use dataflow::rules::{DAY_MS, Features, KeyNames, PurchaseSource, Rules};
use dataflow::tables::{Interaction, Placed};
use dataflow::time::{Millis, Time};
use harness::Dice;
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;
use parquet::schema::parser::parse_message_type;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use vitrine::commands::features::{Export, Join};
use vitrine::config::{Config, Flag, Request};

use crate::given::{Domain, In, METADATA, Update, World, metadata_value};
use crate::interactions::Did;
use crate::plain::Shelves;

/// 2024-03-01T00:00:00Z.
const START: Time = 1_709_251_200_000;
/// When the files were written.
const DATED: Time = START + 30 * DAY_MS;
const WINDOW_MS: Millis = 2 * DAY_MS;
const DOMAIN: Domain = Domain { users: 5, products: 6, categories: 3, orders: 40 };
const FILES: [&str; 3] = ["views.jsonl", "product-views.json", "removals.jsonl"];
const KINDS: [&str; 6] = ["view", "click", "add_to_cart", "purchase", "search", "ProductRemoved"];

/// One of few times, so that many are equal.
fn time(dice: &mut Dice) -> Millis {
    START + dice.below(8_u64) * DAY_MS / 2 + dice.below(4_u64)
}

/// A row of labels.
#[derive(Clone, Copy)]
struct Label {
    user: usize,
    product: Option<usize>,
    at: Millis,
}

/// What happens, the files that say so, and the labels.
struct Story {
    /// For each update the times from which and before which it counts.
    updates: Vec<((Time, Time), Update)>,
    files: BTreeMap<&'static str, String>,
    labels: Vec<Label>,
}

impl Story {
    fn random(seed: u64) -> Story {
        let mut dice = Dice::new(seed);
        let mut story = Story { updates: Vec::new(), files: BTreeMap::new(), labels: Vec::new() };
        for file in FILES {
            let mut service = 0;
            for _ in 0..50 {
                story.event(file, &mut service, &mut dice);
            }
        }
        story.line("product_catalog.csv", "product_id,product_name,category,attributes");
        for product in 0..DOMAIN.products {
            let category = dice.below(DOMAIN.categories);
            let [(colour, red), (size, small)] = attributes(product);
            let text = format!("{colour}={red};{size}={small}");
            story.line("product_catalog.csv", &format!("product {product},A thing,category {category},{text}"));
            story.update((0, Time::MAX), Update::Catalogue { product, category: In::Category(category), diff: 1 });
        }
        story.line("orders.csv", "order_id,user_id,product_id,quantity,created_at");
        for order in 0..DOMAIN.orders {
            let (user, product, at) = (dice.below(DOMAIN.users), dice.below(DOMAIN.products), time(&mut dice));
            story.line("orders.csv", &format!("{order},user {user},product {product},1,{at}"));
            let placed = Placed::new(at, true);
            story.update((at, Time::MAX), Update::Order { order, user, placed, diff: 1 });
            story.update((at, Time::MAX), Update::Line { order, product, diff: 1 });
        }
        for _ in 0..60 {
            // The last user and the last product are never heard of.
            let product = Some(dice.below(DOMAIN.products + 2)).filter(|product| *product <= DOMAIN.products);
            story.labels.push(Label { user: dice.below(DOMAIN.users + 1), product, at: time(&mut dice) });
        }
        story
    }

    /// An event of any kind in a file of which this is the latest service time.
    fn event(&mut self, file: &'static str, service: &mut Time, dice: &mut Dice) {
        let (user, product, at) = (dice.below(DOMAIN.users), dice.below(DOMAIN.products), time(dice));
        let kind = KINDS[dice.below(KINDS.len())];
        let spent = Some(dice.below(2000_u64)).filter(|_| dice.below(2) == 0);
        let device = dice.below(5);
        let session = Some(dice.below(2)).filter(|_| kind != "ProductRemoved" && dice.below(4) > 0);
        let line = match kind {
            "ProductRemoved" => json!({"event": kind, "userid": format!("user {user}"),
                "properties": {"productid": format!("product {product}")}, "timestamp": at}),
            "search" => json!({"event_type": kind, "user_id": format!("user {user}"), "timestamp": at,
                "session_id": session}),
            _ => json!({"event_type": kind, "user_id": format!("user {user}"), "timestamp": at, "session_id": session,
                "product_id": format!("product {product}"),
                "metadata": {"time_on_page_ms": spent, "device": metadata_value(device)}}),
        };
        self.line(file, &line.to_string());
        *service = at.max(*service);
        let interaction = match kind {
            "view" => Interaction::View { time_on_page_ms: spent },
            "click" => Interaction::Click,
            "add_to_cart" => Interaction::AddToCart,
            _ => Interaction::Other,
        };
        let product = Some(product).filter(|_| kind != "search");
        if let Some(session) = session.filter(|_| at + 3_600_000 >= *service) {
            let page = product.filter(|_| kind == "view" && spent.is_none());
            let update = Update::Session { user, session, page, at, recorded: at };
            self.update((*service, Time::MAX), update);
        }
        self.update((*service, Time::MAX), Update::Interaction { user, product, interaction, at });
        if !["ProductRemoved", "search"].contains(&kind) {
            self.update((*service, Time::MAX), Update::Metadata { user, key: 0, value: device, at });
        }
    }

    fn update(&mut self, counts: (Time, Time), update: Update) {
        self.updates.push((counts, update));
    }

    fn line(&mut self, file: &'static str, line: &str) {
        *self.files.entry(file).or_default() += &format!("{line}\n");
    }

    /// The files in a directory, dated after everything in them.
    fn write(&self) -> TempDir {
        let dir = TempDir::with_prefix("vitrine-labels-").expect("a temporary directory");
        for (name, text) in &self.files {
            let path = dir.path().join(name);
            fs::write(&path, text).expect("a file is written");
            let file = File::options().write(true).open(&path).expect("a file that was written");
            file.set_modified(UNIX_EPOCH + Duration::from_millis(DATED)).expect("a file can be dated");
        }
        dir
    }

    /// What every user has done by a step, recomputed; it lasts `days` days.
    fn did(&self, world: &World, step: Time, days: u64) -> BTreeMap<usize, Did> {
        let metadata = KeyNames::of(&METADATA);
        let features = Features { enabled: true, days, metadata, values_max: 2, ..Features::OFF };
        let rules = Rules { features, window_ms: WINDOW_MS, ..Rules::default() };
        let mut by_day: BTreeMap<u64, Vec<Update>> = BTreeMap::new();
        let counts = self.updates.iter().filter(|((from, before), _)| *from <= step && step < *before);
        counts.for_each(|((from, _), update)| by_day.entry(from / DAY_MS).or_default().push(*update));
        let begun =
            |(day, updates): (u64, Vec<Update>)| [Update::TickEnd { next: day * DAY_MS }].into_iter().chain(updates);
        let mut shelves = Shelves::new(world, by_day.into_iter().flat_map(begun), step, &rules);
        let did = |(nth, user)| Some((nth, shelves.features.remove(user)?));
        world.users.iter().enumerate().filter_map(did).collect()
    }

    fn labels_json(&self, dir: &Path) -> PathBuf {
        let path = dir.join("labels.jsonl");
        let line = |(nth, label): (usize, &Label)| own(nth, label).to_string() + "\n";
        fs::write(&path, self.labels.iter().enumerate().map(line).collect::<String>()).expect("a file is written");
        path
    }

    fn labels_parquet(&self, dir: &Path) -> PathBuf {
        let path = dir.join("labels.parquet");
        let schema = "message m { REQUIRED INT32 label; REQUIRED BYTE_ARRAY user_id (STRING);
            OPTIONAL BYTE_ARRAY product_id (STRING); REQUIRED INT64 event_time (TIMESTAMP(MILLIS, true)); }";
        let schema = Arc::new(parse_message_type(schema).expect("a sound schema"));
        let file = File::create(&path).expect("a file is created");
        let mut file = SerializedFileWriter::new(file, schema, Arc::default()).expect("a file is begun");
        let all: Vec<(usize, &Label)> = self.labels.iter().enumerate().collect();
        for rows in all.chunks(25) {
            let mut group = file.next_row_group().expect("a group");
            let text = |text: String| ByteArray::from(text.into_bytes());
            let users: Vec<ByteArray> = rows.iter().map(|(_, label)| text(format!("user {}", label.user))).collect();
            let products = rows.iter().filter_map(|(_, label)| Some(text(format!("product {}", label.product?))));
            let levels: Vec<i16> = rows.iter().map(|(_, label)| label.product.is_some().into()).collect();
            let numbers: Vec<i32> = rows.iter().map(|(nth, _)| *nth as i32).collect();
            let times: Vec<i64> = rows.iter().map(|(_, label)| label.at.cast_signed()).collect();
            let mut column = group.next_column().expect("a column").expect("a column");
            column.typed::<Int32Type>().write_batch(&numbers, None, None).expect("values");
            column.close().expect("a column ends");
            let mut column = group.next_column().expect("a column").expect("a column");
            column.typed::<ByteArrayType>().write_batch(&users, None, None).expect("values");
            column.close().expect("a column ends");
            let mut column = group.next_column().expect("a column").expect("a column");
            let products: Vec<ByteArray> = products.collect();
            column.typed::<ByteArrayType>().write_batch(&products, Some(&levels), None).expect("values");
            column.close().expect("a column ends");
            let mut column = group.next_column().expect("a column").expect("a column");
            column.typed::<Int64Type>().write_batch(&times, None, None).expect("values");
            column.close().expect("a column ends");
            group.close().expect("a group ends");
        }
        file.close().expect("a file ends");
        path
    }
}

/// A label's own columns.
fn own(nth: usize, label: &Label) -> Value {
    let product = label.product.map(|product| format!("product {product}"));
    json!({"label": nth, "user_id": format!("user {}", label.user), "product_id": product, "event_time": label.at})
}

/// The attributes of a product.
fn attributes(product: usize) -> [(&'static str, usize); 2] {
    [("colour", product % 2), ("size", product % 3)]
}

/// The six numbers of a product in `Did`, as features.
fn numbers(did: [u64; 6]) -> [(&'static str, Value); 5] {
    let [views, clicks, carts, time, timed, orders] = did;
    [
        ("user_product_views", json!(views)),
        ("user_product_clicks", json!(clicks)),
        ("user_product_add_to_cart", json!(carts)),
        ("user_product_avg_time", if timed > 0 { json!(time as f64 / timed as f64) } else { Value::Null }),
        ("user_product_purchases", json!(orders)),
    ]
}

/// The columns of features of a row: of one product, of a product that is missing, or of all.
fn features(world: &World, did: &Did, product: Option<Option<usize>>) -> Map<String, Value> {
    let name = |key| world.dictionary.product_name(key).expect("a known product").to_string();
    let mut row = Map::new();
    match product {
        Some(Some(product)) => {
            let did = did.products.get(&world.products[product]).copied().unwrap_or_default();
            row.extend(numbers(did).map(|(feature, value)| (feature.to_owned(), value)));
        }
        Some(None) => row.extend(numbers([0; 6]).map(|(feature, _)| (feature.to_owned(), Value::Null))),
        None => {
            for (feature, _) in numbers([0; 6]) {
                let value = |(key, did): (&ProductKey, &[u64; 6])| {
                    let value = numbers(*did).into_iter().find(|(name, _)| *name == feature).expect("it is there").1;
                    Some((name(*key), value)).filter(|(_, value)| !value.is_null() && *value != json!(0))
                };
                row.insert(feature.to_owned(), Value::Object(did.products.iter().filter_map(value).collect()));
            }
        }
    }
    for (feature, which) in [("user_category_views", 0), ("user_category_purchases", 1)] {
        let sums = did.categories.iter().filter(|(_, sums)| sums[which] > 0);
        let name = |key| world.dictionary.category_name(key).expect("a known category").to_string();
        let sums = sums.map(|(key, sums)| (name(*key), json!(sums[which])));
        row.insert(feature.to_owned(), Value::Object(sums.collect()));
    }
    row.insert("user_last_interaction".to_owned(), json!(did.last));
    row.insert("user_metadata".to_owned(), json!(did.metadata));
    let mut views: BTreeMap<String, u64> = BTreeMap::new();
    for (number, key) in world.products.iter().enumerate().take(DOMAIN.products) {
        let viewed = did.products.get(key).map_or(0, |numbers| numbers[0]);
        let attributes = attributes(number).into_iter().filter(|_| viewed > 0);
        attributes.for_each(|(name, value)| *views.entry(format!("{name}={value}")).or_default() += viewed);
    }
    row.insert("user_attribute_views".to_owned(), json!(views));
    row
}

fn from_json(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the file is there");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn from_parquet(path: &Path) -> Vec<Value> {
    fn value(field: &Field) -> Value {
        match field {
            Field::Null => Value::Null,
            Field::Int(number) => json!(number),
            Field::Long(number) | Field::TimestampMillis(number) => json!(number),
            Field::Double(number) => json!(number),
            Field::Str(text) => json!(text),
            Field::MapInternal(map) => {
                let entry = |(key, of): &(Field, Field)| (value(key).as_str().expect("a text").to_owned(), value(of));
                Value::Object(map.entries().iter().map(entry).collect())
            }
            other => panic!("{other} is of no type of ours"),
        }
    }
    let reader = SerializedFileReader::new(File::open(path).expect("the file is there")).expect("a Parquet file");
    let rows = reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row"));
    rows.map(|row| Value::Object(row.get_column_iter().map(|(name, of)| (name.clone(), value(of))).collect())).collect()
}

fn config(dir: &Path, days: u64) -> Config {
    let dir = dir.to_str().expect("a temporary directory has a plain name");
    let key = "03".repeat(16);
    let (metadata, days) = (METADATA.join(","), days.to_string());
    let rules = [("rules.window_days", "2"), ("events.dedup_s", "0"), ("features.values_max", "2")];
    let rules = rules.into_iter().chain([("features.metadata", &*metadata), ("features.attributes", "colour,size")]);
    let rules = rules.chain([("features.days", &*days)]);
    let set = [("files.dir", dir), ("dataflow.id_key", &key)].into_iter().chain(rules);
    let flags = set.map(|(key, value)| Flag { name: "--set".into(), key: key.into(), value: value.into() });
    Config::load(&Request { flags: flags.collect(), ..Request::default() }).expect("the test's settings are sound")
}

#[test]
fn each_row_of_labels_gets_what_happened_before_its_time() {
    let world = World::new(DOMAIN);
    for seed in 0..4 {
        let (story, days) = (Story::random(seed), [0, 1, 2, 4][seed as usize]);
        let (data, dir) = (story.write(), TempDir::new().expect("a temporary directory"));
        let row = |(nth, label): (usize, &Label)| {
            let mut row = own(nth, label).as_object().expect("an object").clone();
            row.extend(features(&world, &story.did(&world, label.at - 1, days)[&label.user], Some(label.product)));
            Value::Object(row)
        };
        let expected: Vec<Value> = story.labels.iter().enumerate().map(row).collect();
        for (times, records) in [(1, 1), (3, 1000), (4096, 1 << 17)] {
            for rows in [story.labels_json(dir.path()), story.labels_parquet(dir.path())] {
                let out = rows.with_file_name("joined").with_extension(rows.extension().expect("an ending"));
                let features = FEATURES.iter().collect();
                let join = Join { rows, out: out.clone(), features, together: Together { times, records } };
                join.run(config(data.path(), days)).expect("the join comes to its end");
                let is_json = out.extension().expect("an ending") == "jsonl";
                let found = if is_json { from_json(&out) } else { from_parquet(&out) };
                for (found, expected) in found.iter().zip(&expected) {
                    assert_eq!(found, expected, "story {seed}, {times} times together");
                }
                assert_eq!(found.len(), expected.len());
            }
        }
    }
}

#[test]
fn an_export_has_every_user_with_everything_up_to_its_time() {
    let world = World::new(DOMAIN);
    let story = Story::random(7);
    let (data, dir) = (story.write(), TempDir::new().expect("a temporary directory"));
    let cases = [(START + 1, 1, 0), (START + DAY_MS + 1, 2, 1), (START + 4 * DAY_MS, 3, 1), (START - DAY_MS, 1, 365)];
    for (at, workers, days) in cases {
        let did = story.did(&world, at, days).into_iter().filter(|(_, did)| *did != Did::default());
        let row = |(user, did): (usize, Did)| {
            let mut row = features(&world, &did, None);
            row.extend([("user_id".to_owned(), json!(format!("user {user}"))), ("as_of".to_owned(), json!(at))]);
            Value::Object(row)
        };
        let expected: Vec<Value> = did.map(row).collect();
        for name in ["features.jsonl", "features.parquet"] {
            let out = dir.path().join(name);
            let export = Export { at, out: out.clone(), features: FEATURES.iter().collect(), workers };
            export.run(config(data.path(), days)).expect("the export comes to its end");
            let found = if name.ends_with("jsonl") { from_json(&out) } else { from_parquet(&out) };
            assert_eq!(found, expected, "at {at}, {name}");
        }
    }
}

#[test]
fn a_purchase_event_of_an_order_that_has_left_counts_no_purchase() {
    let mut story = Story { updates: Vec::new(), files: BTreeMap::new(), labels: Vec::new() };
    story.line("product_catalog.csv", "product_id,product_name,category,attributes");
    story.line("orders.csv", "order_id,user_id,product_id,quantity,created_at");
    story.line("orders.csv", &format!("o-1,user 0,product 0,1,{START}"));
    // The event is dated a day after its order, so it is kept for a day longer.
    let event = json!({"event_type": "purchase", "user_id": "user 0", "product_id": "product 0",
        "timestamp": START + DAY_MS, "metadata": {"order_id": "o-1"}});
    story.line("views.jsonl", &event.to_string());
    for (product, at) in [(0, START + WINDOW_MS), (0, START + WINDOW_MS + DAY_MS / 2)] {
        story.labels.push(Label { user: 0, product: Some(product), at });
    }
    let (data, dir) = (story.write(), TempDir::new().expect("a temporary directory"));
    let mut config = config(data.path(), 1);
    config.rules.purchases = PurchaseSource::Both;
    let (rows, out) = (story.labels_json(dir.path()), dir.path().join("joined.jsonl"));
    let join = Join { rows, out: out.clone(), features: FEATURES.iter().collect(), together: Together::default() };
    join.run(config).expect("the join comes to its end");
    let purchases = from_json(&out).into_iter().map(|row| row["user_product_purchases"].clone());
    assert_eq!(purchases.collect::<Vec<_>>(), [json!(1), json!(0)]);
}
