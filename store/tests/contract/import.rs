//! Imports: every form of a file, bad lines, modes, and all or nothing; and the same rows back by an export.

use std::io::Cursor;

use vitrine_store::{
    FileContent, FileFormat, ImportMode, ImportReport, ImportRequest, Kind, Row, RowWriter, StoreError, UnknownIds,
};

use crate::{BOUNDS, Home, on_every_home, on_every_home_with, put};

pub(crate) fn request(kind: Kind) -> ImportRequest {
    let (content, mode, format) = (FileContent::Rows(kind), ImportMode::Upsert, FileFormat::Csv);
    ImportRequest { content, mode, format, map: Vec::new(), dry_run: false, bounds: BOUNDS }
}

pub(crate) fn import(home: &Home, request: &ImportRequest, text: &str) -> ImportReport {
    home.store.import(request, &mut Cursor::new(text)).unwrap()
}

/// The ids of all rows of a kind, in their order.
pub(crate) fn ids(home: &Home, kind: Kind) -> Vec<String> {
    let mut ids = Vec::new();
    home.store
        .export(kind, &mut |row| {
            ids.push(row.id().to_owned());
            true
        })
        .unwrap();
    ids
}

#[test]
fn csv_is_read_in_all_its_forms() {
    on_every_home(|home| {
        let files = [
            "product_id,product_name,category,price,color\n1,Lamp,light,12.5,red\n",
            "\u{feff}price;product_id;name\r\n1.00;\"2\";\"De\"\"sk; \r\nlamp\"\r\n",
            "sku\tTitle\n3\tLamp, large\n4\t",
        ];
        for file in files {
            let report = import(home, &request(Kind::Products), file);
            assert!(report.written, "{report:?}");
        }
        assert_eq!(import(home, &request(Kind::Products), files[0]).ignored_columns, ["color"]);
        let all_quoted = "\"product_id\",\"name\",\"price\",\"available\"\r\n\"6\",\"\",\"\",\"\"\r\n";
        assert!(import(home, &request(Kind::Products), all_quoted).written);
        let row = home.json(Kind::Products, "6");
        assert_eq!((&row["name"], row.get("price"), &row["available"]), (&"".into(), None, &true.into()));
        assert_eq!(ids(home, Kind::Products), ["1", "2", "3", "4", "6"]);
        assert_eq!(home.json(Kind::Products, "1")["category_id"], "light");
        assert_eq!(home.json(Kind::Products, "2")["name"], "De\"sk; \r\nlamp");
        let mapped = ImportRequest { map: vec![("nr".into(), "product_id".into())], ..request(Kind::Products) };
        assert!(import(home, &mapped, "nr,name\n5,x\n").written);
    });
}

#[test]
fn a_file_with_a_bad_line_is_not_written_and_the_report_names_its_places() {
    on_every_home(|home| {
        let file = "product_id,price,name\n1,1.00,a\n2,1e3,b\n\"x\n\",2,c\n3\n,1,d\n4,1.234,e\n";
        let report = import(home, &request(Kind::Products), file);
        let found: Vec<(u64, &str, &str)> =
            report.bad_lines.iter().map(|bad| (bad.line, bad.column.as_str(), bad.value.as_str())).collect();
        let expected =
            [(3, "price", "1e3"), (4, "product_id", "x\n"), (6, "", ""), (7, "product_id", ""), (8, "price", "1.234")];
        assert_eq!(found, expected, "{report:?}");
        assert!(!report.written && report.bad == 5);
        assert_eq!(ids(home, Kind::Products), [""; 0]);
        let many: String = (0..300).map(|_| "x,1e3\n").collect();
        let report = import(home, &request(Kind::Products), &format!("product_id,price\n{many}"));
        assert_eq!((report.bad, report.bad_lines.len()), (300, 100));
        for (header, column) in
            [("name\n", "product_id"), ("product_id,Product ID\n", "product_id"), ("", "product_id")]
        {
            assert_eq!(import(home, &request(Kind::Products), header).bad_lines[0].column, column);
        }
        let unknown = ImportRequest { map: vec![("a".into(), "b".into())], ..request(Kind::Products) };
        assert_eq!(import(home, &unknown, "product_id\n1\n").bad, 1);
    });
}

#[test]
fn lines_of_json_are_read_and_bad_ones_named() {
    on_every_home(|home| {
        let lines = ImportRequest { format: FileFormat::JsonLines, ..request(Kind::Users) };
        let report = import(home, &lines, "{\"user_id\":\"a\"}\n\n{\"user_id\":5}\r\n[]\n{\"user_id\":\"b\"}");
        let found: Vec<(u64, &str)> = report.bad_lines.iter().map(|bad| (bad.line, bad.column.as_str())).collect();
        assert_eq!(found, [(3, "user_id"), (4, "")]);
        assert!(import(home, &lines, "\u{feff}{\"user_id\":\"a\"}\n{\"user_id\":\"b\"}").written);
        assert_eq!(ids(home, Kind::Users), ["a", "b"]);
    });
}

#[test]
fn a_file_of_json_without_a_row_is_refused() {
    on_every_home(|home| {
        home.done(put(Kind::Users, r#"{"user_id":"ada"}"#));
        for mode in ImportMode::ALL {
            let lines = ImportRequest { mode, format: FileFormat::JsonLines, ..request(Kind::Users) };
            for text in ["", "\n", "\u{feff}", "\u{feff}\n", " \r\n\n"] {
                let refused = home.store.import(&lines, &mut Cursor::new(text)).unwrap_err();
                assert_eq!(refused, StoreError::Unreadable("it is empty".into()), "{text:?}");
            }
        }
        assert_eq!(ids(home, Kind::Users), ["ada"]);
        let replace = ImportRequest { mode: ImportMode::Replace, ..request(Kind::Users) };
        assert!(import(home, &replace, "user_id\n").written, "a table may have a header only");
        assert_eq!(ids(home, Kind::Users), [""; 0]);
    });
}

#[test]
fn modes_decide_on_the_rows_that_are_there() {
    on_every_home(|home| {
        home.done(put(Kind::Users, r#"{"user_id":"old"}"#));
        let change = home.done(put(Kind::Users, r#"{"user_id":"ada","name":"A"}"#)).change;
        let with = |mode: ImportMode, dry_run: bool| ImportRequest { mode, dry_run, ..request(Kind::Users) };
        let file = "user_id,name\nada,A\nbea,B\n";
        let insert = import(home, &with(ImportMode::Insert, false), file);
        assert_eq!((insert.bad, insert.bad_lines[0].line), (1, 2));
        let dry = import(home, &with(ImportMode::Replace, true), file);
        assert_eq!((dry.written, dry.rows, dry.bad), (false, 2, 0), "{dry:?}");
        assert_eq!(ids(home, Kind::Users), ["ada", "old"]);
        let report = import(home, &with(ImportMode::Replace, false), file);
        assert!(report.written && report.change > change, "{report:?}");
        // A home with a log of its own counts the changes.
        assert!(home.followed.is_none() || report.change == change + 2, "an equal row is no change: {report:?}");
        assert_eq!(ids(home, Kind::Users), ["ada", "bea"]);
    });
}

#[test]
fn of_rows_that_a_table_repeats_the_last_one_counts() {
    on_every_home(|home| {
        home.done(put(Kind::Users, r#"{"user_id":"ada","name":"Before"}"#));
        let records = ["Lamp", "Lamp", "Desk lamp", "Lamp"].iter().enumerate();
        let records: String =
            records.map(|(at, name)| format!("ada,Ada,lamp,{name},light,2.50,o{at},2026-11-01\n")).collect();
        let header = "customer_id,customer_name,product_id,product_name,category,price,purchase_id,date\n";
        for (mode, name, user) in [
            (ImportMode::Insert, "Lamp", "Before"),
            (ImportMode::Upsert, "Lamp", "Ada"),
            (ImportMode::Replace, "Lamp", "Ada"),
        ] {
            // With `insert`, purchases must be new.
            let records = records.replace(",o", &format!(",{mode:?}"));
            let shop = ImportRequest { content: FileContent::Shop, mode, ..request(Kind::Users) };
            let report = import(home, &shop, &format!("{header}{records}"));
            assert!(report.written && report.rows == 4, "{report:?}");
            assert_eq!(home.json(Kind::Products, "lamp")["name"], name);
            assert_eq!(home.json(Kind::Users, "ada")["name"], user);
        }
        assert_eq!(ids(home, Kind::Purchases), ["Replace0", "Replace1", "Replace2", "Replace3"]);
    });
}

#[test]
fn the_lines_of_a_purchase_are_gathered_and_replace_those_before() {
    on_every_home(|home| {
        let header = "order_id,customer,product,quantity,unit_price,date\n";
        let file = format!(
            "{header}1,ada,lamp,2,1.50,2026-11-01T00:00:00Z\n2,bea,bulb,,,\n1,ada,bulb,1,,2026-11-01T00:00:00Z\n"
        );
        for _ in 0..2 {
            let report = import(home, &request(Kind::Purchases), &file);
            assert_eq!((report.written, report.rows), (true, 3), "{report:?}");
            let lines = home.json(Kind::Purchases, "1")["lines"].clone();
            let products: Vec<&str> =
                lines.as_array().unwrap().iter().map(|line| line["product_id"].as_str().unwrap()).collect();
            assert_eq!((products, &lines[0]["price"]), (vec!["lamp", "bulb"], &"1.50".into()));
        }
        let long: String = (0..1001).map(|_| "3,ada,lamp,1,,\n").collect();
        let report = import(home, &request(Kind::Purchases), &format!("{header}{long}"));
        assert_eq!((report.bad, report.bad_lines[0].line), (1, 1002));
    });
}

#[test]
fn an_export_is_an_import() {
    on_every_home(|home| {
        home.done(put(
            Kind::Products,
            r#"{"product_id":"a","name":"x;\"y","price":"1.5","attributes":{"k":[1]},"embedding":[0.5]}"#,
        ));
        home.done(put(Kind::Products, r#"{"product_id":"b","available":false}"#));
        home.done(put(Kind::Products, r#"{"product_id":"c","name":"","description":"a\r"}"#));
        let mut text = Vec::new();
        let mut file = RowWriter::new(Kind::Products, FileFormat::Csv, &mut text).unwrap();
        home.store.export(Kind::Products, &mut |row| file.write(&row).is_ok()).unwrap();
        file.finish().unwrap();
        let rows = |home: &Home| ["a", "b", "c"].map(|id| home.get(Kind::Products, id).unwrap());
        let other = Home::sqlite(UnknownIds::Take);
        assert!(import(&other, &request(Kind::Products), std::str::from_utf8(&text).unwrap()).written);
        assert_eq!(rows(&other), rows(home));
    });
}

#[test]
fn cells_may_hold_every_sign() {
    on_every_home(|home| {
        let names = ["\\N", "a\r", "a\tb\\tc", "\\.", "\u{1}\\", "a\r\nb", "", "NULL", "{1,2}", "\"", "\u{1f600}"];
        // Twice: as new rows, and as rows that are there.
        for round in ["first", "second"] {
            let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
            let record =
                |(at, name): (usize, &&str)| format!("{at},{},{}\n", quoted(name), quoted(&format!("{round} {name}")));
            let records: String = names.iter().enumerate().map(record).collect();
            let report = import(home, &request(Kind::Products), &format!("product_id,name,description\n{records}"));
            assert!(report.written, "{report:?}");
            for (at, name) in names.iter().enumerate() {
                let row = home.json(Kind::Products, &at.to_string());
                assert_eq!(row["description"], format!("{round} {name}"));
                assert_eq!(row["name"].as_str(), Some(*name));
            }
        }
    });
}

#[test]
fn the_lines_of_a_purchase_may_lie_far_apart() {
    const PURCHASES: usize = 20_000;
    on_every_home(|home| {
        home.done(put(
            Kind::Purchases,
            r#"{"purchase_id":"7","user_id":"bea","lines":[{"product_id":"x"},{"product_id":"y"},{"product_id":"z"}]}"#,
        ));
        home.done(put(Kind::Purchases, r#"{"purchase_id":"other","user_id":"bea","lines":[{"product_id":"x"}]}"#));
        let record = |number: usize| format!("{},ada,{}\n", number % PURCHASES, number / PURCHASES);
        let file = "order_id,customer,product\n".to_owned() + &(0..2 * PURCHASES).map(record).collect::<String>();
        for (mode, others) in [(ImportMode::Upsert, 1), (ImportMode::Replace, 0)] {
            let report = import(home, &ImportRequest { mode, ..request(Kind::Purchases) }, &file);
            assert!(report.written && report.rows == 2 * PURCHASES as u64, "{report:?}");
            let (mut count, mut left) = (0, 0);
            let see = &mut |row| {
                let Row::Purchase(purchase) = row else { panic!("{row:?}") };
                let products: Vec<&str> = purchase.lines.iter().map(|line| &*line.product_id).collect();
                if purchase.purchase_id == "other" {
                    left += 1;
                } else {
                    assert_eq!(
                        (&*purchase.user_id, &products[..]),
                        ("ada", &["0", "1"][..]),
                        "{}",
                        purchase.purchase_id
                    );
                    count += 1;
                }
                true
            };
            home.store.export(Kind::Purchases, see).unwrap();
            assert_eq!((count, left), (PURCHASES, others));
        }
        let insert = ImportRequest { mode: ImportMode::Insert, ..request(Kind::Purchases) };
        let report = import(home, &insert, &file);
        assert_eq!((report.written, report.bad), (false, 2 * PURCHASES as u64));
    });
}

fn shop() -> ImportRequest {
    ImportRequest { content: FileContent::Shop, ..request(Kind::Products) }
}

#[test]
fn one_wide_table_is_a_whole_shop() {
    on_every_home(|home| {
        let file = "Customer ID;Customer;Product;Product Name;Category;Price;Purchase;Date;Colour\r\n\
                    ada;Ada;lamp;Desk lamp;light;12.5;1;2026-11-01;red\r\n\
                    ada;Ada;bulb;Bulb;light;2;1;2026-11-01;\r\n\
                    bea;Bea;lamp;Desk lamp;light;12.5;2;2026-11-02 10:30;\r\n\
                    cyd;;;;;;;;\r\n\
                    ;;chair;Chair;;;;;\r\n";
        home.done(put(Kind::Users, r#"{"user_id":"ada","email":"ada@shop.example"}"#));
        for _ in 0..2 {
            let report = import(home, &shop(), file);
            assert_eq!((report.written, report.rows, report.bad), (true, 5, 0), "{report:?}");
            assert_eq!(report.ignored_columns, ["Colour"]);
        }
        assert_eq!(ids(home, Kind::Products), ["bulb", "chair", "lamp"]);
        assert_eq!(ids(home, Kind::Categories), ["light"]);
        assert_eq!(ids(home, Kind::Users), ["ada", "bea", "cyd"]);
        assert_eq!(ids(home, Kind::Purchases), ["1", "2"]);
        assert_eq!(home.json(Kind::Products, "lamp")["price"], "12.50");
        let ada = home.json(Kind::Users, "ada");
        assert_eq!((&ada["name"], &ada["email"]), (&"Ada".into(), &"ada@shop.example".into()));
        let purchase = home.json(Kind::Purchases, "1");
        assert_eq!(purchase["lines"].as_array().unwrap().len(), 2);
        assert_eq!(home.json(Kind::Purchases, "2")["created_at"], "2026-11-02T10:30:00.000Z");
        let wrong = import(home, &shop(), "customer,product,purchase,price\nada,lamp,3,x\n,,,\nada,,4,\n");
        let found: Vec<(u64, &str)> = wrong.bad_lines.iter().map(|bad| (bad.line, bad.column.as_str())).collect();
        assert_eq!((wrong.bad, found), (3, vec![(2, "price"), (3, ""), (4, "product")]), "{wrong:?}");
    });
}

#[test]
fn purchases_without_an_id_are_those_of_a_user_at_a_time() {
    on_every_home(|home| {
        let file = "customer,product,date\nada,lamp,2026-11-01\nada,bulb,2026-11-01\nada,lamp,2026-11-02\n";
        for _ in 0..2 {
            assert!(import(home, &shop(), file).written);
            assert_eq!(ids(home, Kind::Purchases), ["ada/2026-11-01", "ada/2026-11-02"]);
            let lines = home.json(Kind::Purchases, "ada/2026-11-01")["lines"].clone();
            assert_eq!(lines.as_array().unwrap().len(), 2);
        }
    });
}

#[test]
fn a_purchase_without_an_id_needs_a_time() {
    on_every_home(|home| {
        let file = "customer,product,date\nada,lamp,2026-11-01\nempty,a,\n,b,\n";
        let report = import(home, &request(Kind::Purchases), file);
        let found: Vec<(u64, &str)> = report.bad_lines.iter().map(|bad| (bad.line, bad.column.as_str())).collect();
        assert_eq!((report.written, found), (false, vec![(3, "date"), (4, "customer"), (4, "date")]), "{report:?}");
        assert!(import(home, &shop(), file).written, "a record of a whole shop may be no purchase");
        assert_eq!(ids(home, Kind::Purchases), ["ada/2026-11-01"]);
    });
}

#[test]
fn a_field_without_a_column_keeps_its_value_and_categories_are_made_as_needed() {
    on_every_home(|home| {
        home.done(put(Kind::Products, r#"{"product_id":"a","name":"A","price":"1","available":false}"#));
        home.done(put(Kind::Categories, r#"{"category_id":"light","name":"Light"}"#));
        assert!(import(home, &request(Kind::Products), "product_id,price,category\na,2,light\nb,3,wood\n").written);
        let row = home.json(Kind::Products, "a");
        assert_eq!((&row["name"], &row["price"], &row["available"]), (&"A".into(), &"2.00".into(), &false.into()));
        assert_eq!(home.json(Kind::Categories, "light")["name"], "Light");
        assert_eq!(ids(home, Kind::Categories), ["light", "wood"]);
    });
    on_every_home_with(UnknownIds::Refuse, |strict| {
        let report = import(strict, &request(Kind::Products), "product_id,category\na,wood\n");
        assert_eq!((report.bad, report.bad_lines[0].value.as_str()), (1, "wood"), "{report:?}");
        let report = import(strict, &shop(), "customer,product,category,purchase\nada,lamp,wood,1\n");
        assert!(report.written, "a whole shop names its own rows: {report:?}");
    });
}

#[test]
fn an_unclosed_quote_ends_the_reading() {
    on_every_home(|home| {
        let file = format!("product_id,name\na,A\nb,\"B\n{}", "c,C\n".repeat(2_000_000));
        let report = import(home, &request(Kind::Products), &file);
        assert_eq!((report.written, report.bad, report.bad_lines[0].line), (false, 1, 3), "{report:?}");
    });
}

#[test]
fn the_example_of_a_small_shop_is_imported_as_it_is() {
    on_every_home(|home| {
        let report = import(home, &shop(), include_str!("../../../examples/small-shop.csv"));
        assert!(report.written && report.ignored_columns.is_empty(), "{report:?}");
        let counts = [Kind::Products, Kind::Categories, Kind::Users, Kind::Purchases].map(|kind| ids(home, kind).len());
        assert_eq!(counts, [28, 4, 24, 120]);
    });
}
