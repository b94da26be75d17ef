//! The files source through a whole engine: the lists agree with the files while these grow and change.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers included")]

#[path = "../support/running.rs"]
mod running;
mod shop;
mod tables;
mod unicode;

use std::fs;
use std::time::Duration;

use dataflow::source_status::State;
use running::SOON;
use shop::{Dir, removal, timeless, view};
use sources::files::places::PresentPlaces;

/// Long enough for a reader that should wait to show that it does not.
const LOOKS: Duration = Duration::from_millis(50);

/// Longer than a file must rest before a newer time of it is looked into.
const RESTS: Duration = Duration::from_millis(600);

#[test]
fn an_empty_directory_is_a_shop_without_visitors() {
    let dir = Dir::new();
    let shop = dir.shop_of(2);
    shop.live();
    assert_eq!((shop.history("ada"), shop.best_sellers(None)), (vec![], vec![]));
    dir.append("views.jsonl", view("ada", "lamp", shop.now()));
    shop.expect_history("ada", &["lamp"]);
}

#[test]
fn a_directory_may_come_later() {
    let dir = Dir::new();
    fs::create_dir(dir.path("later")).unwrap();
    let later = dir.path("later");
    fs::remove_dir(&later).unwrap();
    let settings = sources::files::Settings::new(&later, dataflow::rules::Rules::default().window_ms);
    let shop = running::Running::start(settings.kept_ms, 1, |clock, status, letters| {
        let source = sources::files::Source::new(settings, clock, status, letters);
        Box::new(move |worker| source.open(worker))
    });
    shop.live();
    fs::create_dir(&later).unwrap();
    fs::write(later.join("product_catalog.csv"), "product_id,category\nlamp,light\n").unwrap();
    harness::wait_until(SOON, "the catalogue is read", || shop.view().accepted == 1);
}

#[test]
fn the_snapshot_is_read_and_then_followed() {
    let dir = Dir::new();
    let now = 1_700_000_000_000;
    let text = view("ada", "lamp", now) + &view("ada", "chair", now - 1) + &view("bob", "lamp", now);
    dir.append("views.jsonl", &text);
    dir.append("product-views.json", view("ada", "stool", now - 2));
    let shop = dir.shop_of(2);
    shop.expect_history("ada", &["lamp", "chair", "stool"]);
    shop.live();
    shop.covers("views.jsonl", text.len());
    // Late, repeated and new.
    let more = view("ada", "table", now - 5) + &view("ada", "chair", now - 1) + &view("ada", "stool", now + 1);
    dir.append("views.jsonl", &more);
    shop.expect_history("ada", &["stool", "lamp", "chair", "table"]);
    dir.append("removals.jsonl", removal("ada", "lamp", now));
    shop.expect_history("ada", &["stool", "chair", "table"]);
    shop.covers("views.jsonl", text.len() + more.len());
    assert_eq!((shop.view().accepted, shop.view().state), (8, State::Live));
    let lag: i64 = shop.view().partitions.values().map(|progress| progress.lag()).sum();
    assert_eq!(lag, 0);
}

#[test]
fn a_line_counts_when_its_end_is_there() {
    let dir = Dir::new();
    let shop = dir.shop();
    let line = view("ada", "lamp", 1_700_000_000_000);
    dir.append("views.jsonl", &line);
    shop.covers("views.jsonl", line.len());
    let (start, rest) = line.split_at(40);
    dir.append("views.jsonl", start);
    assert!(shop.letters.recv_timeout(LOOKS).is_err(), "half a line is no bad line");
    dir.append("views.jsonl", &rest[..rest.len() - 1]);
    assert!(shop.letters.recv_timeout(LOOKS).is_err());
    assert_eq!(shop.view().accepted, 1);
    dir.append("views.jsonl", "\n");
    shop.covers("views.jsonl", 2 * line.len());
    assert_eq!(shop.view().accepted, 2);
}

#[test]
fn bad_lines_are_kept_and_passed_over() {
    let dir = Dir::new();
    let good = view("ada", "lamp", 1_700_000_000_000);
    let long = "x".repeat(sources::files::LINE_BYTES_MAX + 1);
    let click = r#"{"event_type":"click","user_id":1,"product_id":2,"timestamp":1700000000}"#;
    let text = format!("not json\n{good}\r\n\n{{\"event\":\"ProductView\"}}\n{long}\n{click}\n{good}");
    dir.append("views.jsonl", &text);
    let shop = dir.shop();
    shop.expect_history("ada", &["lamp"]);
    shop.covers("views.jsonl", text.len());
    let letters: Vec<_> = (0..3).map(|_| shop.letters.recv_timeout(SOON).unwrap()).collect();
    let at = |part: &str| i64::try_from(text.find(part).unwrap()).unwrap();
    let found: Vec<_> = letters.iter().map(|letter| (letter.stream.as_str(), letter.offset, letter.reason)).collect();
    let expected = [
        ("views.jsonl", 0, "not_json"),
        ("views.jsonl", at("{\"event\":\"ProductView\"}"), "missing_field"),
        ("views.jsonl", at("xxx"), "too_large"),
    ];
    assert_eq!(found, expected);
    assert_eq!(letters[0].payload, b"not json");
    assert_eq!((shop.view().accepted, shop.view().ignored["click"]), (2, 1));
    assert_eq!(shop.view().rejected.values().sum::<u64>(), 3);
}

#[test]
fn a_line_that_never_ends_is_not_held() {
    let dir = Dir::new();
    let shop = dir.shop();
    let half = "x".repeat(3 * sources::files::LINE_BYTES_MAX / 4);
    for _ in 0..4 {
        dir.append("views.jsonl", &half);
    }
    assert_eq!(shop.letters.recv_timeout(SOON).unwrap().reason, "too_large");
    shop.covers("views.jsonl", 4 * half.len());
    dir.append("views.jsonl", format!("{half}\n{}", view("ada", "lamp", 1_700_000_000_000)));
    shop.expect_history("ada", &["lamp"]);
    assert!(shop.letters.try_recv().is_err(), "one line, one letter");
}

#[test]
fn a_cut_or_replaced_file_is_read_from_its_start() {
    let dir = Dir::new();
    let at = 1_700_000_000_000;
    let shop = dir.shop();
    let first = view("ada", "lamp", at) + &view("ada", "chair", at + 1);
    dir.append("views.jsonl", &first);
    shop.expect_history("ada", &["chair", "lamp"]);
    // Shorter; longer with other bytes; another file of the same beginning.
    dir.rewrite("views.jsonl", view("ada", "stool", at + 2));
    shop.expect_history("ada", &["stool", "chair", "lamp"]);
    dir.rewrite("views.jsonl", view("ada", "table", at + 3) + &first + &view("ada", "sofa", at + 4));
    shop.expect_history("ada", &["sofa", "table", "stool", "chair", "lamp"]);
    dir.replace("views.jsonl", view("ada", "bed", at + 5));
    shop.expect_history("ada", &["bed", "sofa", "table", "stool", "chair", "lamp"]);
    dir.append("views.jsonl", view("ada", "lamp", at + 6));
    shop.expect_history("ada", &["lamp", "bed", "sofa", "table", "stool", "chair"]);
    fs::remove_file(dir.path("views.jsonl")).unwrap();
    shop.complains(&["views.jsonl", "gone"]);
    dir.append("views.jsonl", view("ada", "rug", at + 7));
    shop.expect_history("ada", &["rug", "lamp", "bed", "sofa", "table", "stool", "chair"]);
    shop.live();
}

#[test]
fn a_file_that_is_only_touched_is_not_read_again() {
    let dir = Dir::new();
    let at = 1_700_000_000_000;
    let shop = dir.shop();
    dir.append("views.jsonl", view("ada", "lamp", at) + &timeless("ada", "chair"));
    shop.expect_history("ada", &["chair", "lamp"]);
    let file = fs::File::options().append(true).open(dir.path("views.jsonl")).unwrap();
    file.set_modified(std::time::SystemTime::now() + Duration::from_secs(5)).unwrap();
    assert!(shop.letters.recv_timeout(RESTS).is_err(), "time for the file to rest");
    dir.append("views.jsonl", view("ada", "stool", at + 1));
    shop.expect_history("ada", &["chair", "stool", "lamp"]);
    assert_eq!(shop.view().accepted, 3, "each line is read once");
    dir.rewrite("views.jsonl", fs::read_to_string(dir.path("views.jsonl")).unwrap().replace("lamp", "pump"));
    harness::wait_until(SOON, "other bytes are read", || shop.history("ada").contains(&"pump".to_owned()));
}

#[test]
fn without_times_the_order_of_lines_is_the_order_of_views() {
    let dir = Dir::new();
    let names: Vec<String> = (0..2000).map(|number| format!("product-{number}")).collect();
    let lines =
        |range: std::ops::Range<usize>| names[range].iter().map(|name| timeless("ada", name)).collect::<String>();
    let newest = |count: usize| names[count - 10..count].iter().rev().map(String::as_str).collect::<Vec<_>>();
    dir.append("product-views.json", lines(0..1000));
    let modified = fs::metadata(dir.path("product-views.json")).unwrap().modified().unwrap();
    let modified = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let shop = dir.shop();
    shop.expect_history("ada", &newest(1000));
    let viewed = shop.viewed("ada");
    assert_eq!(u128::from(viewed[0].1), modified);
    assert!(viewed.windows(2).all(|pair| pair[0].1 == pair[1].1 + 1), "one millisecond a line: {viewed:?}");
    dir.append("product-views.json", lines(1000..1001));
    shop.expect_history("ada", &newest(1001));
    dir.append("product-views.json", lines(1001..2000));
    shop.expect_history("ada", &newest(2000));
    // One of them seen again comes first.
    dir.append("product-views.json", timeless("ada", "product-3"));
    harness::wait_until(SOON, "the view comes first", || shop.history("ada")[0] == "product-3");
}

#[test]
fn a_line_without_a_time_is_dated_by_the_wall_clock_while_the_service_clock_is_ahead() {
    let dir = Dir::new();
    let shop = dir.shop();
    dir.append("product-views.json", timeless("ada", "lamp"));
    shop.expect_history("ada", &["lamp"]);
    shop.clock.forward(100_000);
    dir.append("product-views.json", timeless("ada", "chair"));
    shop.expect_history("ada", &["chair", "lamp"]);
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert!(u128::from(shop.viewed("ada")[0].1) <= wall);
}

#[test]
fn what_was_removed_or_erased_stays_so_when_the_file_has_grown_at_a_restart() {
    let dir = Dir::new();
    dir.append("product-views.json", ["lamp", "chair"].map(|product| timeless("ada", product)).concat());
    dir.append("product-views.json", timeless("bob", "lamp"));
    let shop = dir.shop();
    shop.expect_history("ada", &["chair", "lamp"]);
    shop.expect_history("bob", &["lamp"]);
    let now = shop.now();
    let lines = removal("ada", "lamp", now) + &events::erasure_json("bob", now, "m") + "\n";
    dir.append("removals.jsonl", PresentPlaces::at(&dir.path(""), now).add_to(lines.as_bytes()));
    shop.expect_history("ada", &["chair"]);
    shop.expect_history("bob", &[]);
    drop(shop);
    for restart in 0..2 {
        dir.append("product-views.json", timeless("ada", &format!("stool-{restart}")));
        let file = fs::File::options().append(true).open(dir.path("product-views.json")).unwrap();
        file.set_modified(std::time::SystemTime::now() + Duration::from_secs(5)).unwrap();
        let shop = dir.shop();
        shop.expect_history("ada", &[&["stool-1", "stool-0", "chair"][1 - restart..]].concat());
        shop.covers("removals.jsonl", fs::metadata(dir.path("removals.jsonl")).unwrap().len() as usize);
        assert_eq!((shop.history("ada").len(), shop.history("bob")), (2 + restart, vec![]));
    }
    // Its lines are dated by the new file.
    let shop = dir.shop();
    shop.expect_history("ada", &["stool-1", "stool-0", "chair"]);
    dir.replace("product-views.json", timeless("ada", "lamp"));
    shop.expect_history("ada", &["lamp", "stool-1", "stool-0", "chair"]);
}

#[test]
fn an_event_is_not_later_than_its_line() {
    let dir = Dir::new();
    let shop = dir.shop();
    let now = shop.now();
    dir.append("views.jsonl", view("ada", "lamp", now + 240_000) + &view("ada", "chair", now + 400_000));
    shop.expect_history("ada", &["lamp"]);
    assert!(shop.viewed("ada")[0].1 <= shop.now() + 1000);
    assert_eq!(shop.letters.recv_timeout(SOON).unwrap().reason, "time_out_of_bounds");
}
