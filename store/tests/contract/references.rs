//! Stores that refuse unknown ids: a reference is checked when it is new. A row keeps its references to rows that were deleted,
//! whichever way it is written.

use vitrine_store::{Action, FileContent, FileFormat, ImportMode, ImportRequest, Kind, Refusal, RowWriter, UnknownIds};

use crate::constraints::run;
use crate::import::{ids, import, request};
use crate::{Home, act, on_every_home_with, put};

const PURCHASE: &str = r#"{"purchase_id":"1","user_id":"ada","created_at":"2026-11-01T00:00:00Z",
                           "lines":[{"product_id":"lamp"},{"product_id":"bulb"}]}"#;

/// A purchase whose user and first product are deleted, and a product and a category without their categories.
fn fill(home: &Home) {
    for (kind, json) in [
        (Kind::Users, r#"{"user_id":"ada"}"#),
        (Kind::Users, r#"{"user_id":"eve"}"#),
        (Kind::Categories, r#"{"category_id":"light"}"#),
        (Kind::Categories, r#"{"category_id":"house"}"#),
        (Kind::Categories, r#"{"category_id":"desk","parent_id":"house"}"#),
        (Kind::Products, r#"{"product_id":"lamp"}"#),
        (Kind::Products, r#"{"product_id":"bulb","category_id":"light"}"#),
        (Kind::Purchases, PURCHASE),
    ] {
        home.done(put(kind, json));
    }
    home.done(act(Kind::Products, "lamp", Action::Delete));
    home.done(act(Kind::Users, "ada", Action::Delete));
    run(home, "DELETE FROM categories WHERE category_id IN ('light', 'house')");
}

/// The fields at fault.
fn fields(refusal: Refusal) -> Vec<String> {
    match refusal {
        Refusal::Invalid(faults) => faults.into_iter().map(|fault| fault.field).collect(),
        other => panic!("{other:?}"),
    }
}

fn bought(products: &[&str]) -> String {
    let lines: Vec<_> = products.iter().map(|product| serde_json::json!({"product_id": product})).collect();
    serde_json::json!({"purchase_id": "1", "user_id": "ada", "lines": lines}).to_string()
}

#[test]
fn a_write_is_refused_for_new_references_only() {
    on_every_home_with(UnknownIds::Refuse, |home| {
        fill(home);
        let patch = |kind, id: &str, text: &str| act(kind, id, Action::Patch(text.as_bytes().to_vec()));
        home.done(act(Kind::Purchases, "1", Action::Return(1)));
        home.done(put(Kind::Purchases, PURCHASE));
        home.done(patch(Kind::Purchases, "1", r#"{"status":"placed"}"#));
        home.done(act(Kind::Purchases, "1", Action::Cancel));
        home.done(patch(Kind::Products, "bulb", r#"{"name":"Bulb"}"#));
        home.done(patch(Kind::Categories, "desk", r#"{"name":"Desks"}"#));
        home.done(put(Kind::Purchases, &bought(&["bulb", "lamp", "lamp"])));
        home.write(vec![
            put(Kind::Purchases, PURCHASE),
            put(Kind::Products, r#"{"product_id":"bulb","category_id":"light"}"#),
            put(Kind::Categories, r#"{"category_id":"desk","parent_id":"house"}"#),
        ])
        .unwrap();

        let refused = home.refused(put(Kind::Purchases, &bought(&["lamp", "none", "bulb"])));
        assert_eq!(fields(refused), ["lines[1].product_id"]);
        for (write, field) in [
            (patch(Kind::Purchases, "1", r#"{"user_id":"bob"}"#), "user_id"),
            (patch(Kind::Products, "bulb", r#"{"category_id":"house"}"#), "category_id"),
            (patch(Kind::Categories, "desk", r#"{"parent_id":"light"}"#), "parent_id"),
        ] {
            assert_eq!(fields(home.refused(write)), [field]);
        }
        home.done(put(Kind::Purchases, &bought(&["bulb"])));
        let refused = home.refused(put(Kind::Purchases, PURCHASE));
        assert_eq!(fields(refused), ["lines[0].product_id"], "the row has given it up");
    });
}

fn exported(home: &Home, kind: Kind, format: FileFormat) -> String {
    let mut text = Vec::new();
    let mut file = RowWriter::new(kind, format, &mut text).unwrap();
    home.store.export(kind, &mut |row| file.write(&row).is_ok()).unwrap();
    file.finish().unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn an_export_is_imported_again() {
    on_every_home_with(UnknownIds::Refuse, |home| {
        fill(home);
        for format in [FileFormat::Csv, FileFormat::JsonLines] {
            for mode in [ImportMode::Upsert, ImportMode::Replace] {
                for kind in Kind::ALL {
                    let text = exported(home, kind, format);
                    let report = import(home, &ImportRequest { mode, format, ..request(kind) }, &text);
                    assert!(report.written && report.rows > 0, "{kind:?} {mode:?} {format:?}: {report:?}");
                    assert_eq!(exported(home, kind, format), text);
                }
            }
        }
    });
}

#[test]
fn a_file_is_refused_for_new_references_only() {
    on_every_home_with(UnknownIds::Refuse, |home| {
        fill(home);
        let file = "order_id,customer,product\n1,ada,lamp\n1,ada,bulb\n1,ada,none\n2,ada,lamp\n";
        let report = import(home, &request(Kind::Purchases), file);
        let found: Vec<(u64, &str, &str)> =
            report.bad_lines.iter().map(|bad| (bad.line, &*bad.column, &*bad.value)).collect();
        assert_eq!(
            (found, report.bad),
            (vec![(4, "product", "none"), (5, "customer", "ada"), (5, "product", "lamp")], 2)
        );
        for (kind, file, column) in [
            (Kind::Products, "product_id,category\nbulb,light\ncup,light\n", "category"),
            (Kind::Categories, "category_id,parent\ndesk,house\nchair,house\n", "parent"),
        ] {
            let report = import(home, &request(kind), file);
            let found: Vec<(u64, &str)> = report.bad_lines.iter().map(|bad| (bad.line, &*bad.column)).collect();
            assert_eq!(found, [(3, column)], "{report:?}");
        }
    });
}

#[test]
fn a_file_may_repeat_a_reference_behind_a_record_that_replaces_it() {
    const OTHERS: usize = 20_000;
    on_every_home_with(UnknownIds::Refuse, |home| {
        fill(home);
        let others: String = (0..OTHERS).map(|number| format!("o{number},eve,bulb\n")).collect();
        let file = format!("order_id,customer,product\n1,ada,bulb\n{others}1,ada,lamp\n");
        let report = import(home, &request(Kind::Purchases), &file);
        assert!(report.written, "{report:?}");
        let lines = home.json(Kind::Purchases, "1")["lines"].clone();
        assert_eq!((&lines[0]["product_id"], &lines[1]["product_id"]), (&"bulb".into(), &"lamp".into()));
        let lines = ImportRequest { format: FileFormat::JsonLines, ..request(Kind::Purchases) };
        let report = import(home, &lines, &format!("{}\n{}\n", bought(&["bulb"]), bought(&["lamp"])));
        assert!(report.written, "{report:?}");
    });
}

#[test]
fn a_shop_that_is_inserted_makes_the_categories_of_new_products_only() {
    for unknown_ids in [UnknownIds::Take, UnknownIds::Refuse] {
        on_every_home_with(unknown_ids, |home| {
            home.done(put(Kind::Categories, r#"{"category_id":"light"}"#));
            home.done(put(Kind::Products, r#"{"product_id":"lamp","category_id":"light"}"#));
            let (content, mode) = (FileContent::Shop, ImportMode::Insert);
            let file = "customer,product,category,purchase\n,lamp,wood,\n,cup,wood,\n,bulb,metal,\n,bulb,glass,\n,lamp,clay,\n";
            let report = import(home, &ImportRequest { content, mode, ..request(Kind::Products) }, file);
            assert!(report.written, "{report:?}");
            assert_eq!(ids(home, Kind::Categories), ["light", "metal", "wood"]);
            let categories = ["lamp", "cup", "bulb"].map(|id| home.json(Kind::Products, id)["category_id"].clone());
            assert_eq!(categories, ["light", "wood", "metal"]);
        });
    }
}
