//! Ten thousand mutated events among good ones, appended while the system reads.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;

use events::{EventKind, TimeBounds, decode, view_json};
use harness::{Dice, http, wait_for, wait_until};
use serde_json::Value;
use vitrine::clock::wall_ms;

use super::mutation::mutated;
use crate::shop::{SOON, Shop};

const MUTATED: usize = 10_000;
const GOOD_USERS: usize = 20;
/// A good event comes after this many mutated ones.
const GOOD_EVERY: usize = 10;
/// Bytes appended at a time: chunks end within lines.
const CHUNK: usize = 100_003;
/// Letters keep this much of a payload.
const KEPT_BYTES: usize = 64 * 1024;

/// What becomes of the lines, worked out line by line.
#[derive(Default)]
struct Fates {
    accepted: u64,
    ignored: u64,
    /// By offset: why, and the line.
    refused: BTreeMap<u64, (&'static str, Vec<u8>)>,
}

/// The text of the file, and the good users' histories, newest first.
fn make(now_ms: u64) -> (Vec<u8>, Vec<Vec<String>>) {
    let mut rng = Dice::new(20_261_120);
    let (mut text, mut histories) = (Vec::new(), vec![Vec::new(); GOOD_USERS]);
    for number in 0..MUTATED {
        text.extend(mutated(&mut rng, now_ms));
        text.push(b'\n');
        if number.is_multiple_of(GOOD_EVERY) {
            let user = number / GOOD_EVERY % GOOD_USERS;
            let product = format!("fine-{number}");
            let at_ms = now_ms - 3_600_000 + number as u64;
            text.extend(view_json(&format!("good-{user}"), &product, at_ms, "m", "web").bytes());
            text.push(b'\n');
            histories[user].insert(0, product);
        }
        if number == MUTATED / 2 {
            text.extend(std::iter::repeat_n(b'x', 3 << 19));
            text.push(b'\n');
        }
    }
    histories.iter_mut().for_each(|history| history.truncate(10));
    (text, histories)
}

fn fates(text: &[u8], now_ms: u64) -> Fates {
    let mut fates = Fates::default();
    let mut offset = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let payload = line.strip_suffix(b"\n").expect("every line has an end");
        match decode(payload, Some(now_ms.into()), &TimeBounds::around(now_ms)) {
            Ok(event) if matches!(event.kind, EventKind::View | EventKind::Removal) => fates.accepted += 1,
            Ok(_) => fates.ignored += 1,
            Err(malformed) => drop(fates.refused.insert(offset, (malformed.reason(), payload.to_vec()))),
        }
        offset += line.len() as u64;
    }
    fates
}

#[test]
fn among_ten_thousand_mutated_events_every_good_one_shows_and_every_refused_one_is_kept_once() {
    let shop = Shop::open(&[], |_| {});
    let now_ms = wall_ms();
    let (text, histories) = make(now_ms);
    let fates = fates(&text, now_ms);
    assert!(fates.refused.len() > MUTATED / 2, "{} of {MUTATED} were made wrong", fates.refused.len());

    let mut file = File::options().create(true).append(true).open(shop.dir().join("views.jsonl")).expect("a file");
    for chunk in text.chunks(CHUNK) {
        file.write_all(chunk).expect("the test's own file can be written");
        assert_eq!(http::get(&shop.url("/livez")).status, 200);
    }
    let status = wait_for(SOON * 2, "everything is read", || {
        let status = http::get(&shop.url("/v1/status")).json();
        let source = source(&status)?;
        let partitions = source["partitions"].as_array()?;
        let next = partitions.iter().find(|it| it["stream"] == "views.jsonl")?["next"].as_u64()?;
        (next == text.len() as u64).then_some(status)
    });
    counters_add_up(&status, &fates);
    shop.settle();
    for (user, expected) in histories.iter().enumerate() {
        let answer = http::get(&shop.url(&format!("/v1/users/good-{user}/history"))).json();
        assert_eq!(answer["products"], Value::from(expected.clone()), "good-{user}");
    }
    letters_are_complete(&shop, &fates);
    assert_eq!(http::get(&shop.url("/readyz")).status, 200);
}

fn source(status: &Value) -> Option<&Value> {
    status["sources"].as_array()?.iter().find(|source| source["name"] == "files")
}

fn counters_add_up(status: &Value, fates: &Fates) {
    let source = source(status).expect("it was there before");
    let sum =
        |counts: &Value| counts.as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum::<u64>();
    assert_eq!((source["accepted"].as_u64(), sum(&source["ignored"])), (Some(fates.accepted), fates.ignored));
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    fates.refused.values().for_each(|(reason, _)| *reasons.entry(reason).or_default() += 1);
    assert_eq!(source["rejected"], serde_json::to_value(&reasons).expect("counts are JSON"));
    assert_eq!(status["dead_letters"], source["rejected"]);
    let events = fates.accepted + fates.ignored + fates.refused.len() as u64;
    assert_eq!(status["events_total"].as_u64(), Some(events));
}

/// Each refused line is in the file of dead letters once, with its place, its reason and itself.
fn letters_are_complete(shop: &Shop, fates: &Fates) {
    let path = shop.dir().join("dead-letters.jsonl");
    let read = || fs::read(&path).unwrap_or_default();
    wait_until(SOON, "all dead letters are written", || {
        read().iter().filter(|byte| **byte == b'\n').count() >= fates.refused.len()
    });
    let mut found = BTreeMap::new();
    for line in String::from_utf8(read()).expect("letters are UTF-8").lines() {
        let letter: Value = serde_json::from_str(line).expect("a letter is JSON");
        assert_eq!((letter["stream"].as_str(), letter["partition"].as_i64()), (Some("views.jsonl"), Some(0)));
        let offset = letter["offset"].as_u64().expect("an offset");
        assert!(found.insert(offset, letter).is_none(), "the line at {offset} has two letters");
    }
    assert!(found.keys().eq(fates.refused.keys()), "other lines than those that are wrong were refused");
    for (offset, (reason, payload)) in &fates.refused {
        let letter = &found[offset];
        assert_eq!(letter["reason"], *reason, "at {offset}");
        assert_eq!(letter["truncated"], payload.len() > KEPT_BYTES, "at {offset}");
        match std::str::from_utf8(&payload[..payload.len().min(KEPT_BYTES)]) {
            Ok(text) => assert_eq!(letter["payload"], text, "at {offset}"),
            Err(_) => assert!(letter["payload_base64"].is_string(), "at {offset}"),
        }
    }
}
