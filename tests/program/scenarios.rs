//! Scenarios as data: each file of `tests/program/scenarios` is a story of requests and partial answers, run on the
//! whole system with files.
//!
//! ```text
//! {"story": "what it is about", "settings": {"rules.items_min": "3"},
//!  "files": {"views.jsonl": [event, …], "orders.csv": "…", "product_catalog.csv": "…"},
//!  "steps": [{"request": {"method", "path", "headers", "body"}, "expect": {"status", "json", "exact_keys"},
//!             "eventually": true, "save": {"token": "/token"}},
//!            {"append": {"orders.csv": "…"}}, {"write": {"orders.csv": "…"}}]}
//! ```
//! - `json` is partial: keys that it does not name may have any value, but lists must have the same length.
//! - `exact_keys` are all the keys an answer has. `eventually` asks until the answer is right, up to a deadline.
//! - `save` keeps a part of an answer, which later steps name as `{token}`.
//! - `@now-5m` (`ms`, `s`, `m`, `h`, `d`) is a time as RFC 3339, `@seconds-5m` the same as a number of seconds.

mod matching;
mod scenario;
mod times;

use std::path::Path;

use serde_json::Value;
use vitrine::clock::wall_ms;

use scenario::Scenario;

#[test]
fn every_story_goes_as_it_is_told() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/scenarios");
    let files =
        std::fs::read_dir(dir).expect("the scenarios are there").map(|file| file.expect("it can be read").path());
    let mut files: Vec<_> = files.filter(|file| file.extension().is_some_and(|ending| ending == "json")).collect();
    files.sort_unstable();
    assert!(files.len() >= 12, "some scenarios are missing");
    for file in files {
        let name = file.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).expect("a scenario can be read");
        Scenario::parse(&name, &text).run();
    }
}

#[test]
fn a_wrong_expectation_is_found_out() {
    let text = r#"{"story": "nobody has viewed anything", "files": {},
        "steps": [{"request": {"path": "/v1/users/u/history"}, "expect": {"json": {"products": ["p"]}}}]}"#;
    let told = std::panic::catch_unwind(|| Scenario::parse("wrong", text).run());
    let message = told.expect_err("the story is wrong");
    let message = message.downcast_ref::<String>().expect("a message in words");
    assert!(message.contains("wrong") && message.contains("step 1") && message.contains("products"), "{message}");
}

#[test]
fn times_are_expanded_wherever_they_stand() {
    let text = times::expand(r#"["@now-1d", @seconds+2s, "x@now", "@nowhere"]"#, 1_795_169_700_120);
    let expected = r#"["2026-11-19T10:15:00.120Z", 1795169702.120, "x2026-11-20T10:15:00.120Z", "@nowhere"]"#;
    assert_eq!(text, expected);
    assert!(times::expand("@now", wall_ms()).ends_with('Z'));
}

#[test]
fn only_what_is_named_has_to_match() {
    let matches = |expected: &str, found: &str| {
        let parse = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        matching::difference(&parse(expected), &parse(found), "").is_none()
    };
    assert!(matches(r#"{"a": [{"b": 1}, 2]}"#, r#"{"a": [{"b": 1, "c": 3}, 2], "d": null}"#));
    for (expected, found) in [
        (r#"{"a": 1}"#, "{}"),
        ("[1]", "[1, 2]"),
        ("[1, 2]", "[1]"),
        ("[1, 2]", "[2, 1]"),
        ("1", "\"1\""),
        ("{}", "[]"),
    ] {
        assert!(!matches(expected, found), "{expected} for {found}");
    }
}
