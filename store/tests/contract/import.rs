//! Imports: every form of a file, bad lines, modes, and all or nothing; and the same rows back by an export.

use std::io::Cursor;

use vitrine_store::{FileFormat, ImportMode, ImportReport, ImportRequest, Kind};

use crate::{BOUNDS, Home, on_every_home, put};

fn request(kind: Kind) -> ImportRequest {
    let (mode, format) = (ImportMode::Upsert, FileFormat::Csv);
    ImportRequest { kind, mode, format, map: Vec::new(), dry_run: false, bounds: BOUNDS }
}

fn import(home: &Home, request: &ImportRequest, text: &str) -> ImportReport {
    home.store.import(request, &mut Cursor::new(text)).unwrap()
}

fn ids(home: &Home, kind: Kind) -> Vec<String> {
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
        assert_eq!(ids(home, Kind::Products), ["1", "2", "3", "4"]);
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
        for (header, column) in [("name\n", "product_id"), ("product_id,sku\n", "product_id"), ("", "product_id")] {
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
fn modes_decide_on_the_rows_that_are_there() {
    on_every_home(|home| {
        home.done(put(Kind::Users, r#"{"user_id":"old"}"#));
        let change = home.done(put(Kind::Users, r#"{"user_id":"ada","name":"A"}"#)).change;
        let with = |mode: ImportMode, dry_run: bool| ImportRequest { mode, dry_run, ..request(Kind::Users) };
        let file = "user_id,name\nada,A\nbea,B\n";
        let insert = import(home, &with(ImportMode::Insert, false), file);
        assert_eq!((insert.bad, insert.bad_lines[0].line), (1, 2));
        let dry = import(home, &with(ImportMode::Replace, true), file);
        assert_eq!((dry.written, dry.rows, dry.bad), (false, 2, 0));
        assert_eq!(ids(home, Kind::Users), ["ada", "old"]);
        let report = import(home, &with(ImportMode::Replace, false), file);
        assert!(report.written && report.change == change + 2, "an equal row is no change: {report:?}");
        assert_eq!(ids(home, Kind::Users), ["ada", "bea"]);
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
        let (names, mut text) = (Kind::Products.columns(), Vec::new());
        let mut file = csv::Writer::from_writer(&mut text);
        file.write_record(&names).unwrap();
        home.store.export(Kind::Products, &mut |row| file.write_record(row.cells(0, &names)).is_ok()).unwrap();
        file.flush().unwrap();
        drop(file);
        let before = [home.get(Kind::Products, "a"), home.get(Kind::Products, "b")];
        let other = Home::sqlite(vitrine_store::UnknownIds::Take);
        assert!(import(&other, &request(Kind::Products), std::str::from_utf8(&text).unwrap()).written);
        assert_eq!([other.get(Kind::Products, "a"), other.get(Kind::Products, "b")], before);
    });
}
