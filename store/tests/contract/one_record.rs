//! Files that contradict themselves: a quote that does not end, and a purchase of two users. Nothing of them is written.

use vitrine_store::{
    FileContent, FileFormat, ImportMode, ImportReport, ImportRequest, Kind, LoadRequest, ShopFile, UnknownIds,
};

use crate::import::{ids, import, request};
use crate::{BOUNDS, Home, on_every_home, put};

/// The lines, columns and reasons of a report.
fn bad(report: &ImportReport) -> Vec<(u64, &str, &str)> {
    assert!(!report.written && report.bad > 0, "{report:?}");
    report.bad_lines.iter().map(|bad| (bad.line, bad.column.as_str(), bad.reason.as_str())).collect()
}

#[test]
fn a_quote_that_does_not_end_is_a_bad_line_in_every_table_and_mode() {
    let reason = "the quote that begins in this record does not end";
    on_every_home(|home| {
        for (content, file) in [
            (FileContent::Rows(Kind::Products), "product_id,name\nz0,a\nz1,\"abc\nz2,foo\nz3,bar\n"),
            (FileContent::Rows(Kind::Categories), "category_id,name\nz0,a\nz1,\"abc\nz2,foo\n"),
            (FileContent::Rows(Kind::Users), "user_id,name\nz0,a\nz1,\"abc\nz2,foo"),
            (FileContent::Rows(Kind::Purchases), "order_id,customer,product\n1,ada,a\n2,ada,\"b\n3,ada,c\n"),
            (FileContent::Shop, "order_id,customer,product\n1,ada,a\n2,ada,\"b\n3,ada,c\n"),
        ] {
            for mode in ImportMode::ALL {
                let report = import(home, &ImportRequest { content, mode, ..request(Kind::Users) }, file);
                assert_eq!(bad(&report), [(3, "", reason)], "{report:?}");
                assert_eq!(report.rows, 2);
            }
        }
        assert!(Kind::ALL.iter().all(|kind| ids(home, *kind).is_empty()));
    });
}

const REASON: &str = "is the purchase of another user in an earlier record";

#[test]
fn a_purchase_of_two_users_is_a_bad_line() {
    on_every_home(|home| {
        home.done(put(Kind::Purchases, r#"{"purchase_id":"Pc1","user_id":"eve","lines":[{"product_id":"x"}]}"#));
        let header = "purchase_id,user_id,product_id,created_at\n";
        let file = format!("{header}Pc1,Bob,l1,2026-11-01\nPc1,Ann,l2,2026-11-02\nPc1,Bob,l3,2026-11-01\n");
        for content in [FileContent::Rows(Kind::Purchases), FileContent::Shop] {
            for mode in [ImportMode::Upsert, ImportMode::Replace] {
                let report = import(home, &ImportRequest { content, mode, ..request(Kind::Users) }, &file);
                assert_eq!((bad(&report), report.bad), (vec![(3, "purchase_id", REASON)], 1));
            }
            let mode = ImportMode::Insert;
            let new = file.replace("Pc1", "Pc2");
            let report = import(home, &ImportRequest { content, mode, ..request(Kind::Users) }, &new);
            assert_eq!((bad(&report), report.bad), (vec![(3, "purchase_id", REASON)], 1));
        }
        assert_eq!(home.json(Kind::Purchases, "Pc1")["user_id"], "eve");
        let moved = format!("{header}Pc1,Bob,l1,2026-11-01\nPc1,Bob,l2,2026-11-01\n");
        assert!(import(home, &request(Kind::Purchases), &moved).written, "a file may move a purchase that is there");
        assert_eq!(home.json(Kind::Purchases, "Pc1")["user_id"], "Bob");
    });
}

#[test]
fn users_of_a_purchase_are_compared_in_records_that_lie_far_apart() {
    const PURCHASES: usize = 20_000;
    on_every_home(|home| {
        let record = |number: usize| {
            let user = if number == PURCHASES + 7 { "ann" } else { "bob" };
            format!("{},{user},{}\n", number % PURCHASES, number / PURCHASES)
        };
        let file = "order_id,customer,product\n".to_owned() + &(0..2 * PURCHASES).map(record).collect::<String>();
        let report = import(home, &request(Kind::Purchases), &file);
        assert_eq!((bad(&report), report.bad), (vec![(PURCHASES as u64 + 9, "order_id", REASON)], 1));
        assert!(ids(home, Kind::Purchases).is_empty());
    });
}

#[test]
fn of_whole_purchases_the_last_one_counts() {
    on_every_home(|home| {
        let line =
            |user: &str| format!(r#"{{"purchase_id":"1","user_id":"{user}","lines":[{{"product_id":"{user}"}}]}}"#);
        let request = ImportRequest { format: FileFormat::JsonLines, ..request(Kind::Purchases) };
        let file = format!("{}\n{}\n", line("bob"), line("ann"));
        assert!(import(home, &request, &file).written);
        let purchase = home.json(Kind::Purchases, "1");
        assert_eq!((&purchase["user_id"], &purchase["lines"][0]["product_id"]), (&"ann".into(), &"ann".into()));
        assert_eq!(purchase["lines"].as_array().unwrap().len(), 1, "nothing is joined");
    });
}

#[test]
fn a_followed_file_is_not_loaded_if_a_purchase_has_two_users() {
    let home = Home::sqlite(UnknownIds::Take);
    let load = |text: &str| {
        let request = LoadRequest { file: ShopFile::Purchases, stamp: text.to_owned(), bounds: BOUNDS };
        home.followed.as_ref().unwrap().load(&request, &mut std::io::Cursor::new(text)).unwrap().unwrap()
    };
    let header = "order_id,customer,product\n";
    assert!(load(&format!("{header}1,bob,a\n")).written);
    let report = load(&format!("{header}1,bob,a\n2,bob,a\n1,ann,b\n"));
    assert_eq!((bad(&report), report.bad), (vec![(4, "order_id", REASON)], 1));
    assert_eq!(home.json(Kind::Purchases, "1")["user_id"], "bob");
    assert!(load(&format!("{header}1,ann,a\n1,ann,b\n")).written, "a later state of the file may move it");
    assert_eq!(home.json(Kind::Purchases, "1")["user_id"], "ann");
}
