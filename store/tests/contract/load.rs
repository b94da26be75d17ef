//! Files that a home follows: each state of a file is the difference to the state before, and rows that were changed in
//! another way stay as long as their records do.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Cursor, Read};

use proptest::prelude::*;
use vitrine_store::{Action, ImportReport, Kind, LoadRequest, ShopFile, StoreError, UnknownIds};

use crate::import::ids;
use crate::{BOUNDS, Home, act, put};

/// Loads a state of a file whose text tells it from others.
fn load(home: &Home, file: ShopFile, text: &str) -> Option<ImportReport> {
    let request = LoadRequest { file, stamp: text.to_owned(), bounds: BOUNDS };
    home.followed.as_ref().unwrap().load(&request, &mut Cursor::new(text)).unwrap()
}

#[track_caller]
fn loaded(home: &Home, file: ShopFile, text: &str) -> i64 {
    let report = load(home, file, text).expect("this state of the file is new");
    assert!(report.written, "{report:?}");
    report.change
}

#[test]
fn rows_come_change_and_go_with_their_records() {
    let home = Home::sqlite(UnknownIds::Take);
    home.done(put(Kind::Products, r#"{"product_id":"own","name":"Own"}"#));
    let first = "product_id,product_name,category,price\nlamp,Lamp,light,1.5\nbulb,Bulb,light,2\n";
    let change = loaded(&home, ShopFile::Products, first);
    assert_eq!(ids(&home, Kind::Products), ["bulb", "lamp", "own"]);
    assert_eq!(ids(&home, Kind::Categories), ["light"]);
    assert_eq!(load(&home, ShopFile::Products, first), None, "it is loaded already");
    let moved = "price,color,product_id,product_name,category\n2,red,bulb,Bulb,light\n1.5,,lamp,Lamp,light\n";
    assert_eq!(loaded(&home, ShopFile::Products, moved), change, "the same records are no change");

    let next = "product_id,product_name,category,price\nlamp,Lamp,light,1.75\nchair,Chair,wood,9\n";
    loaded(&home, ShopFile::Products, next);
    assert_eq!(ids(&home, Kind::Products), ["chair", "lamp", "own"]);
    assert_eq!(home.json(Kind::Products, "lamp")["price"], "1.75");
    loaded(&home, ShopFile::Products, "product_id\n");
    assert_eq!(ids(&home, Kind::Products), ["own"], "a row that no file has had stays");
    assert_eq!(ids(&home, Kind::Categories), ["light", "wood"], "other rows may be in them");
}

#[test]
fn what_was_changed_in_another_way_stays_until_its_record_changes() {
    let home = Home::sqlite(UnknownIds::Take);
    let file = |lamp: &str, bulb: &str| format!("product_id,name,available\nlamp,{lamp},yes\nbulb,{bulb},no\n");
    loaded(&home, ShopFile::Products, &file("Lamp", "Bulb"));
    home.done(act(Kind::Products, "lamp", Action::Patch(br#"{"name":"Patched","price":"3"}"#.to_vec())));
    home.done(act(Kind::Products, "bulb", Action::Delete));
    loaded(&home, ShopFile::Products, &file("Lamp", "Other bulb"));
    assert_eq!(home.json(Kind::Products, "lamp")["name"], "Patched");
    assert_eq!(ids(&home, Kind::Products), ["lamp"], "a row that was removed in another way does not come back");
    loaded(&home, ShopFile::Products, &file("New lamp", "Other bulb"));
    let lamp = home.json(Kind::Products, "lamp");
    assert_eq!((&lamp["name"], &lamp["price"]), (&"New lamp".into(), &"3.00".into()), "{lamp}");
    loaded(&home, ShopFile::Products, "product_id,name\nlamp,New lamp\n");
    loaded(&home, ShopFile::Products, &file("New lamp", "Bulb"));
    assert_eq!(ids(&home, Kind::Products), ["bulb", "lamp"], "its record is new");
    assert_eq!(home.json(Kind::Products, "bulb")["available"], false);
}

#[test]
fn a_returned_line_and_a_cancelled_purchase_stay_what_they_are() {
    let home = Home::sqlite(UnknownIds::Take);
    let header = "order_id,user_id,product_id,quantity,created_at";
    let file = |quantity: u8| {
        format!(
            "{header}\n1,ada,lamp,1,2026-11-01\n2,bea,lamp,{quantity},2026-11-01\n1,ada,bulb,{quantity},2026-11-01\n"
        )
    };
    loaded(&home, ShopFile::Purchases, &file(1));
    home.done(act(Kind::Purchases, "1", Action::Return(2)));
    home.done(act(Kind::Purchases, "2", Action::Cancel));
    loaded(&home, ShopFile::Purchases, &file(5));
    let purchase = home.json(Kind::Purchases, "1");
    assert_eq!(purchase["lines"][1]["returned"], true, "{purchase}");
    assert_eq!(purchase["lines"][1]["quantity"], 5, "{purchase}");
    assert_eq!(home.json(Kind::Purchases, "2")["status"], "cancelled");
    loaded(&home, ShopFile::Purchases, &format!("{header}\n1,ada,lamp,1,2026-11-01\n"));
    assert_eq!(ids(&home, Kind::Purchases), ["1"]);
    assert_eq!(home.json(Kind::Purchases, "1")["lines"].as_array().unwrap().len(), 1);
}

#[test]
fn quotes_around_nothing_are_another_record_than_nothing() {
    let home = Home::sqlite(UnknownIds::Take);
    loaded(&home, ShopFile::Products, "product_id,name\nlamp,\n");
    assert!(home.json(Kind::Products, "lamp").get("name").is_none());
    loaded(&home, ShopFile::Products, "product_id,name\nlamp,\"\"\n");
    assert_eq!(home.json(Kind::Products, "lamp")["name"], "");
}

/// A disk that fails.
struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the disk is gone"))
    }
}

#[test]
fn a_file_with_a_bad_line_or_one_that_fails_leaves_the_rows_as_they_are() {
    let home = Home::sqlite(UnknownIds::Take);
    loaded(&home, ShopFile::Products, "product_id,name\nlamp,Lamp\n");
    for (bad, place) in [
        ("product_id,price\nbulb,1\nlamp,1e3\n", (3, "price")),
        ("product_id,category\nbulb,light\nbulb,wood\n", (3, "product_id")),
        ("name\nLamp\n", (1, "product_id")),
        ("", (1, "product_id")),
    ] {
        let report = load(&home, ShopFile::Products, bad).unwrap();
        let found = report.bad_lines.first().map(|bad| (bad.line, bad.column.as_str()));
        assert_eq!((report.written, found), (false, Some(place)), "{bad:?}: {report:?}");
        assert_eq!(ids(&home, Kind::Products), ["lamp"]);
    }
    let request = LoadRequest { file: ShopFile::Products, stamp: "x".into(), bounds: BOUNDS };
    let mut text = BufReader::new(Cursor::new("product_id\nbulb\n").chain(Failing));
    let failed = home.followed.as_ref().unwrap().load(&request, &mut text);
    assert!(matches!(&failed, Err(StoreError::Unreadable(reason)) if reason.contains("disk")), "{failed:?}");
    assert_eq!(ids(&home, Kind::Products), ["lamp"]);
    assert!(load(&home, ShopFile::Products, "product_id,name\nlamp,Lamp\n").is_none(), "its state is known as before");
}

#[test]
fn purchases_of_unknown_products_follow_the_setting() {
    let home = Home::sqlite(UnknownIds::Refuse);
    let purchases = "order_id,user_id,product_id,created_at\n1,ada,lamp,2026-11-01\n";
    assert_eq!(load(&home, ShopFile::Purchases, purchases).map(|report| report.bad), Some(1));
    home.done(put(Kind::Users, r#"{"user_id":"ada"}"#));
    loaded(&home, ShopFile::Products, "product_id\nlamp\n");
    loaded(&home, ShopFile::Purchases, purchases);
    assert_eq!(ids(&home, Kind::Purchases), ["1"]);
}

#[test]
fn a_record_that_changes_keeps_its_reference_to_a_product_that_was_deleted() {
    let home = Home::sqlite(UnknownIds::Refuse);
    home.done(put(Kind::Users, r#"{"user_id":"ada"}"#));
    let records = |records: &[&str]| {
        records.iter().fold("order_id,user_id,product_id,quantity,created_at\n".to_owned(), |text, record| {
            text + record + ",2026-11-01\n"
        })
    };
    loaded(&home, ShopFile::Products, "product_id\nlamp\nbulb\n");
    loaded(&home, ShopFile::Purchases, &records(&["1,ada,lamp,1", "1,ada,bulb,1"]));
    loaded(&home, ShopFile::Products, "product_id\nbulb\n");
    for next in [
        &["1,ada,lamp,2", "1,ada,bulb,1"][..],
        &["1,ada,bulb,1", "1,ada,lamp,2"],
        &["1,ada,bulb,1", "1,ada,lamp,2", "1,ada,lamp,3"],
    ] {
        loaded(&home, ShopFile::Purchases, &records(next));
        assert_eq!(home.json(Kind::Purchases, "1")["lines"].as_array().map(Vec::len), Some(next.len()));
    }
    let report = load(&home, ShopFile::Purchases, &records(&["1,ada,bulb,1", "1,ada,none,2", "2,ada,lamp,1"])).unwrap();
    let bad: Vec<(u64, &str)> = report.bad_lines.iter().map(|bad| (bad.line, &*bad.value)).collect();
    assert_eq!(bad, [(3, "none"), (4, "lamp")]);
}

/// A record of the file of purchases: purchase, user, product.
type Record = (u8, u8, u8);

#[derive(Clone, Debug)]
enum Step {
    /// The file has these records now.
    File(Vec<Record>),
    /// The purchase is replaced in another way: its user, and its products.
    Put(u8, u8, Vec<u8>),
    /// The purchase is removed in another way.
    Delete(u8),
}

/// Most files give each purchase one user.
fn file() -> impl Strategy<Value = Vec<Record>> {
    let records = prop::collection::vec((0..4_u8, 0..2_u8, 0..3_u8), 0..9);
    (records, prop::bool::weighted(0.2)).prop_map(|(mut records, is_mixed)| {
        let mut users = BTreeMap::new();
        for (id, user, _) in records.iter_mut().filter(|_| !is_mixed) {
            *user = *users.entry(*id).or_insert(*user);
        }
        records
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => file().prop_map(Step::File),
        1 => (0..4_u8, 5..7_u8, prop::collection::vec(5..8_u8, 1..4)).prop_map(|(id, user, lines)| Step::Put(id, user, lines)),
        1 => (0..4_u8).prop_map(Step::Delete),
    ]
}

/// A purchase: its user, and the product of each of its numbered lines.
type Bought = (u8, BTreeMap<usize, u8>);

/// What the store must hold, recomputed plainly.
#[derive(Default)]
struct Model {
    rows: BTreeMap<u8, Bought>,
    loaded: BTreeMap<u8, Vec<Record>>,
}

impl Model {
    fn file(&mut self, records: &[Record]) {
        let mut now: BTreeMap<u8, Vec<Record>> = BTreeMap::new();
        records.iter().for_each(|record| now.entry(record.0).or_default().push(*record));
        if now.values().any(|records| records.iter().any(|record| record.1 != records[0].1)) {
            // It has a bad line.
            return;
        }
        for (id, records) in &now {
            let Some(before) = self.loaded.get(id) else {
                let lines = records.iter().zip(1..).map(|((.., product), line)| (line, *product)).collect();
                self.rows.insert(*id, (records[0].1, lines));
                continue;
            };
            let Some((user, lines)) = self.rows.get_mut(id) else { continue };
            for (at, record) in records.iter().enumerate() {
                if before.get(at) == Some(record) {
                    continue;
                }
                if at == 0 {
                    *user = record.1;
                }
                lines.insert(at + 1, record.2);
            }
            lines.retain(|line, _| *line <= records.len() || *line > before.len());
        }
        for id in self.loaded.keys().filter(|id| !now.contains_key(id)) {
            self.rows.remove(id);
        }
        self.loaded = now;
    }
}

fn text(records: &[Record]) -> String {
    let line = |(id, user, product): &Record| format!("{id},{user},{product},2026-11-01\n");
    "order_id,user_id,product_id,created_at\n".to_owned() + &records.iter().map(line).collect::<String>()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_followed_file_and_other_writers_lead_to_the_rows_of_a_recomputation(steps in prop::collection::vec(step(), 1..14)) {
        let home = Home::sqlite(UnknownIds::Take);
        let mut model = Model::default();
        for step in &steps {
            match step {
                Step::File(records) => {
                    let _ = load(&home, ShopFile::Purchases, &text(records));
                    model.file(records);
                }
                Step::Put(id, user, products) => {
                    let lines: Vec<_> = products.iter().map(|product| serde_json::json!({"product_id": product.to_string()})).collect();
                    let row = serde_json::json!({"purchase_id": id.to_string(), "user_id": user.to_string(), "lines": lines});
                    home.done(put(Kind::Purchases, &row.to_string()));
                    model.rows.insert(*id, (*user, (1..).zip(products.iter().copied()).collect()));
                }
                Step::Delete(id) => {
                    let removed = home.write(vec![act(Kind::Purchases, &id.to_string(), Action::Delete)]);
                    prop_assert_eq!(removed.is_ok(), model.rows.remove(id).is_some());
                }
            }
            let found: BTreeMap<u8, (String, Vec<String>)> = ids(&home, Kind::Purchases).iter().map(|id| {
                let json = home.json(Kind::Purchases, id);
                let lines = json["lines"].as_array().unwrap().iter().map(|line| line["product_id"].as_str().unwrap().to_owned());
                (id.parse().unwrap(), (json["user_id"].as_str().unwrap().to_owned(), lines.collect()))
            }).collect();
            let expected: BTreeMap<u8, (String, Vec<String>)> = model.rows.iter()
                .map(|(id, (user, lines))| (*id, (user.to_string(), lines.values().map(u8::to_string).collect()))).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
