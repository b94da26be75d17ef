//! The values of numbers with many digits, and those that the report of an import names.

use vitrine_store::{FileFormat, ImportRequest, Kind, UnknownIds};

use crate::import::{import, request};
use crate::{on_every_home, on_every_home_with, put};

/// Numbers whose last digit is lost by a reader that is a bit off.
const NUMBERS: [&str; 6] = [
    "241370.61780628498",
    "15.378598419431281",
    "0.027589468173073162",
    "1953665975.9670463",
    "1104.0730456773601",
    "3.2513989436453802e-6",
];

#[test]
fn a_number_comes_back_as_it_was_given_to_its_last_digit() {
    on_every_home(|home| {
        for number in NUMBERS {
            home.done(put(Kind::Products, &format!(r#"{{"product_id":"lamp","attributes":{{"n":{number}}}}}"#)));
            assert_eq!(home.json(Kind::Products, "lamp")["attributes"]["n"].to_string(), number);
        }
    });
}

#[test]
fn values_are_those_of_the_field_at_fault_in_the_line_of_the_purchase() {
    on_every_home_with(UnknownIds::Refuse, |home| {
        home.done(put(Kind::Users, r#"{"user_id":"u"}"#));
        home.done(put(Kind::Products, r#"{"product_id":"a"}"#));
        let long = "9".repeat(100);
        let file = format!(
            "{}\n{}\n5\n",
            r#"{"purchase_id":"n1","user_id":"u","lines":[{"product_id":"a"},{"product_id":"zz"}]}"#,
            r#"{"purchase_id":"n2","user_id":"u","lines":[{"product_id":"a"},{"product_id":"a","quantity":0,"price":"1e3"},
                {"product_id":"a","price":LONG},5]}"#
                .replace('\n', "")
                .replace("LONG", &long),
        );
        let lines = ImportRequest { format: FileFormat::JsonLines, ..request(Kind::Purchases) };
        let report = import(home, &lines, &file);
        let found: Vec<(u64, &str, &str)> =
            report.bad_lines.iter().map(|bad| (bad.line, &*bad.column, &*bad.value)).collect();
        let expected = [
            (1, "lines[1].product_id", "zz"),
            (2, "lines[1].quantity", "0"),
            (2, "lines[1].price", "1e3"),
            (2, "lines[2].price", &long[..80]),
            (2, "lines[3]", "5"),
            (3, "", "5"),
        ];
        assert_eq!(found, expected, "{report:?}");
    });
}
